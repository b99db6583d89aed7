// The mask workbench's front end: one module, no build step.
//
// The kernel draws the map and says its numbers; this file shows them, and sends back what a hand does to the recipe.
// `layers` is a PNG of three greys: the map's value, the step from which a pixel joins, and the same for latents.

const SIDE = 768; // px of the canvas, whatever its size on the page
const RED = [158, 43, 37], LINE = [243, 227, 181];
const RAMP = [[116, 24, 24], [196, 110, 40], [232, 190, 110], [246, 236, 208]]; // first step … last: ever lighter
const VIEWS = { over: "Map", rings: "Rings", alone: "Grey", portrait: "Portrait", beside: "A / B" };
const TOOLS = { add: "Add", take: "Take away" };
const PAINTABLE = ["over", "rings", "alone"];

// ------------------------------------------------------------------------------------------------ small parts
function h(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  for (const [name, value] of Object.entries(data)) node.dataset[name] = value;
  for (const [name, handler] of Object.entries(on)) node.addEventListener(name, handler);
  node.append(...children.filter((child) => child != null));
  return node;
}

const number = (value, digits = 2) => (value == null ? "–" : Number(value).toFixed(digits));
const percent = (value) => (value > 0 && value < 0.005 ? "<1 %" : `${Math.round(100 * value)} %`);
const bitmap = (bytes, type) =>
  createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });

function canvasOf(width, height = width) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return canvas;
}

function pixels(image, size = image.width) {
  const context = canvasOf(size).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, size, size);
  return context.getImageData(0, 0, size, size);
}

/** The colour of the pixels that join at step i of n. */
function ringColour(i, n) {
  const at = (n > 1 ? i / (n - 1) : 0) * (RAMP.length - 1);
  const k = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[k].map((c, j) => Math.round(c + (RAMP[k + 1][j] - c) * (at - k)));
}

// Knobs that span decades move by their logarithm.
const along = (knob, value) => (knob.least > 0 ? Math.log(value / knob.least) / Math.log(knob.most / knob.least) : value);
const valueAt = (knob, place) => (knob.least > 0 ? knob.least * (knob.most / knob.least) ** place : place);

// ------------------------------------------------------------------------------------------------- the bench
class Bench {
  constructor(model, el) {
    this.model = model;
    this.view = "over";
    this.tool = "add";
    this.brush = { radius: 0.2, soft: 0.12 };
    this.split = 0.5;
    this.cursor = { x: 0.5, y: 0.45, shown: false };
    this.stroke = null; // the one being painted
    this.images = {};
    this.listeners = [];
    this.id = Math.random().toString(36).slice(2, 8);
    this.root = this.build();
    el.append(this.root);
    this.follow();
  }

  get(name) { return this.model.get(name); }
  get slot() { return this.get("slot"); }
  get mask() { return this.get("masks")[this.slot]; }
  get busy() { return this.get("work").state === "painting"; }

  set(values) {
    if (!("asked" in values)) this.waiting = null;
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** The recipe as a hand has changed it; the kernel answers with `layers` and `told`. */
  change(values) {
    this.waiting = performance.now();
    this.set({ masks: { ...this.get("masks"), [this.slot]: { ...this.mask, ...values } }, asked: this.waiting });
  }

  /** A command goes with what it is about: changes of traits may still wait for the kernel's last answer. */
  send(what, values = {}) {
    this.waiting = null;
    this.model.send({ do: what, masks: this.get("masks"), slot: this.slot, ...values });
  }

  when(names, handler) {
    for (const name of names.split(" ")) {
      this.model.on(`change:${name}`, handler);
      this.listeners.push([`change:${name}`, handler]);
    }
    handler();
  }

  /** What the kernel says, as it comes. */
  follow() {
    this.when("masks slot", () => this.showMask());
    this.when("picture", () => this.takePicture());
    this.when("layers", () => this.takeLayers());
    this.when("told", () => this.showTold());
    this.when("glimpse", () => this.take("glimpse", "image/png"));
    this.when("portrait_a", () => this.take("portrait_a", "image/png"));
    this.when("portrait_b", () => this.take("portrait_b", "image/png"));
    this.when("work", () => this.showWork());
    this.when("results masks", () => this.showResults());
    this.when("presets", () => this.showPresets());
    this.when("differences against slot", () => this.showDifferences());
    this.when("said", () => this.showSaid());
    this.when("whole places which notes", () => this.showWhole());
  }

  close() {
    for (const [name, handler] of this.listeners) this.model.off(name, handler);
  }

  // ------------------------------------------------------------------------------------------------- building
  build() {
    const stage = h("div", { class: "nb-stage" },
      this.buildViews(), this.buildCanvas(), this.buildLegend(), this.buildBrush(), this.buildPainting());
    const panel = h("div", { class: "nb-panel" },
      this.buildHead(), this.buildSlots(), this.buildKnobs(), this.buildMeasures(), this.buildPresets());
    const root = h("section", { class: "narcis-bench", "aria-label": "Mask workbench" },
      h("div", { class: "nb-columns" }, stage, panel), this.line = h("p", { class: "nb-said", role: "status", "aria-live": "polite" }));
    // A letter means the brush, not the notebook's cell; but Ctrl+S saves the notebook from here too.
    root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
    return root;
  }

  choice(label, options, chosen, choose) {
    const buttons = Object.entries(options).map(([value, text]) =>
      h("button", { type: "button", role: "radio", "aria-checked": String(value === chosen), data: { value }, on: { click: () => pick(value) } }, text));
    const pick = (value) => {
      for (const b of buttons) {
        b.setAttribute("aria-checked", b.dataset.value === value);
        b.tabIndex = b.dataset.value === value ? 0 : -1;
      }
      choose(value);
    };
    const step = (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const at = buttons.findIndex((b) => b.getAttribute("aria-checked") === "true");
      const next = buttons[(at + by + buttons.length) % buttons.length];
      next.focus();
      pick(next.dataset.value);
    };
    for (const b of buttons) b.tabIndex = b.dataset.value === chosen ? 0 : -1;
    const group = h("div", { class: "nb-choice", role: "radiogroup", "aria-label": label, on: { keydown: step } }, ...buttons);
    return Object.assign(group, { pick });
  }

  buildViews() {
    this.views = this.choice("What is shown", VIEWS, this.view, (view) => { this.view = view; this.draw(); });
    return this.views;
  }

  buildCanvas() {
    this.canvas = h("canvas", {
      width: SIDE, height: SIDE, tabindex: 0, role: "application", class: "nb-canvas",
      "aria-label": "The face. Arrows move the brush, Shift moves it further, Space puts it down and lifts it, X changes between adding and taking away, square brackets change its size, Z takes the last stroke back.",
      on: {
        pointerdown: (e) => this.press(e), pointermove: (e) => this.move(e), pointerup: () => this.lift(),
        pointercancel: () => this.lift(), pointerleave: () => this.leave(), keydown: (e) => this.key(e),
        focus: () => this.draw(), blur: () => { this.lift(); this.leave(); },
      },
    });
    this.wipe = h("input", { type: "range", min: 0, max: 1, step: 0.01, value: this.split, class: "nb-wipe", "aria-label": "Where A ends and B begins",
      on: { input: () => { this.split = Number(this.wipe.value); fill(this.wipe); this.draw(); } } });
    return h("div", { class: "nb-frame" }, this.canvas, this.wipe);
  }

  buildLegend() {
    this.bars = h("div", { class: "nb-bars", "aria-hidden": "true" });
    this.caption = h("p", { class: "nb-caption" });
    this.asLatents = h("input", { type: "checkbox", on: { change: () => this.draw() } });
    return h("div", { class: "nb-legend" }, this.bars, this.caption,
      h("label", { class: "nb-check" }, this.asLatents, "rings as the network sees them"));
  }

  buildBrush() {
    this.tools = this.choice("Brush", TOOLS, this.tool, (tool) => { this.tool = tool; this.draw(); });
    const slide = (name, label, most) => {
      const input = h("input", { type: "range", min: 0.03, max: most, step: 0.01, value: this.brush[name], "aria-label": label,
        on: { input: () => { this.brush[name] = Number(input.value); fill(input); this.draw(); } } });
      fill(input);
      this[`${name}Input`] = input;
      return h("label", { class: "nb-small" }, h("span", {}, label), input);
    };
    this.undo = h("button", { type: "button", on: { click: () => this.takeBack() } }, "Undo");
    this.clear = h("button", { type: "button", on: { click: () => this.change({ strokes: [] }) } }, "Clear");
    return h("div", { class: "nb-brush" }, this.tools, slide("radius", "Size", 0.8), slide("soft", "Softness", 0.6),
      h("span", { class: "nb-pair" }, this.undo, this.clear));
  }

  buildHead() {
    this.thumb = h("canvas", { class: "nb-thumb", width: 192, height: 192, role: "img", "aria-label": "The whole picture, the crop outlined" });
    this.about = h("div", { class: "nb-about" });
    this.picker = h("select", { "aria-label": "Which face", on: { change: () => this.set({ which: Number(this.picker.value) }) } });
    return h("div", { class: "nb-head" }, this.thumb, h("div", {}, this.about, this.picker));
  }

  buildSlots() {
    this.slots = this.choice("Recipe in hand", { a: "A", b: "B" }, this.slot, (slot) => this.set({ slot }));
    const copy = h("button", { type: "button", on: { click: () => {
      const other = this.slot === "a" ? "b" : "a";
      this.set({ masks: { ...this.get("masks"), [other]: structuredClone(this.mask) } });
    } } });
    this.copy = copy;
    return h("div", { class: "nb-slots" }, h("span", {}, "Recipe", this.slots), copy);
  }

  buildKnobs() {
    this.knobs = {};
    return h("div", { class: "nb-knobs" }, ...[...grouped(this.get("knobs"))].map(([name, knobs]) =>
      h("fieldset", {}, h("legend", {}, name), ...knobs.map((knob) => this.buildKnob(knob)))));
  }

  buildKnob(knob) {
    const log = knob.least > 0;
    const input = h("input", { type: "range", min: log ? 0 : knob.least, max: log ? 1 : knob.most, step: log ? 0.005 : knob.step,
      "aria-label": knob.label, title: `${knob.help}. Double-click or Delete: the default, ${knob.plain}.`, data: { knob: knob.name },
      on: { input: () => this.turn(knob, valueAt(knob, Number(input.value))),
        dblclick: () => this.turn(knob, knob.plain),
        keydown: (event) => ["Delete", "Backspace"].includes(event.key) && this.turn(knob, knob.plain) } });
    const value = h("output", {});
    input.style.setProperty("--plain", along(knob, knob.plain) / (log ? 1 : knob.most));
    this.knobs[knob.name] = { knob, input, value };
    return h("label", { class: "nb-knob" }, h("span", {}, knob.label), input, value);
  }

  /** A knob's new value; floor and ceiling push each other. */
  turn(knob, raw) {
    const value = Number(raw.toFixed(knob.least > 0 ? 2 : 3));
    const more = {};
    if (knob.name === "floor" && value > this.mask.ceiling) more.ceiling = value;
    if (knob.name === "ceiling" && value < this.mask.floor) more.floor = value;
    this.change({ [knob.name]: value, ...more });
  }

  buildPainting() {
    this.refine = h("button", { type: "button", class: "nb-main", on: { click: () => this.send(this.busy ? "stop" : "refine") } });
    this.progress = h("progress", { max: 1, value: 0, "aria-label": "Steps done" });
    this.working = h("span", { class: "nb-working" });
    return h("div", { class: "nb-row nb-refine" }, this.refine, this.progress, this.working);
  }

  buildMeasures() {
    this.table = h("table", { class: "nb-measures" });
    return this.table;
  }

  buildPresets() {
    this.choose = h("select", { "aria-label": "Preset to load" });
    this.name = h("input", { type: "text", placeholder: "name", "aria-label": "Name to save as", spellcheck: "false", maxlength: 40,
      on: { keydown: (event) => event.key === "Enter" && this.save() } });
    this.rival = h("select", { "aria-label": "Compare with", on: { change: () => this.set({ against: this.rival.value }) } });
    this.differences = h("div", { class: "nb-differences", "aria-live": "polite" });
    const load = () => { this.send("load", { name: this.choose.value }); this.name.value = this.choose.value; };
    return h("div", { class: "nb-presets" },
      h("div", { class: "nb-row" }, h("span", {}, "Preset"), this.choose, h("button", { type: "button", on: { click: load } }, "Load")),
      h("div", { class: "nb-row" }, h("span", {}, "Save as"), this.name, h("button", { type: "button", on: { click: () => this.save() } }, "Save")),
      h("div", { class: "nb-row" }, h("span", {}, "Against"), this.rival), this.differences);
  }

  save() { this.send("save", { name: this.name.value.trim() }); }

  // -------------------------------------------------------------------------------------------------- showing
  showMask() {
    this.slots.querySelectorAll("button").forEach((b) => {
      b.setAttribute("aria-checked", b.dataset.value === this.slot);
      b.tabIndex = b.dataset.value === this.slot ? 0 : -1;
    });
    this.copy.textContent = this.slot === "a" ? "Copy to B" : "Copy to A";
    for (const { knob, input, value } of Object.values(this.knobs)) {
      const now = this.mask[knob.name];
      if (document.activeElement !== input || Math.abs(valueAt(knob, Number(input.value)) - now) > 0.011 * Math.max(1, now)) input.value = along(knob, now);
      fill(input);
      input.setAttribute("aria-valuetext", number(now));
      value.textContent = number(now);
      value.parentElement.classList.toggle("nb-moved", Math.abs(now - knob.plain) > 1e-9);
    }
    const strokes = this.mask.strokes?.length ?? 0;
    this.undo.disabled = this.clear.disabled = strokes === 0;
    this.clear.textContent = strokes ? `Clear ${strokes}` : "Clear";
    if (!PAINTABLE.includes(this.view)) this.draw(); // else the kernel's answer does
  }

  async take(name, type) {
    const bytes = this.get(name);
    this.images[name] = bytes?.byteLength ? await bitmap(bytes, type) : null;
    this.draw();
  }

  async takePicture() {
    await this.take("picture", "image/png");
    const grey = pixels(this.images.picture, SIDE);
    for (let i = 0; i < grey.data.length; i += 4)
      grey.data[i] = grey.data[i + 1] = grey.data[i + 2] = 0.3 * grey.data[i] + 0.59 * grey.data[i + 1] + 0.11 * grey.data[i + 2];
    this.images.grey = canvasOf(SIDE);
    this.images.grey.getContext("2d").putImageData(grey, 0, 0);
    this.draw();
  }

  async takeLayers() {
    const bytes = this.get("layers");
    if (!bytes?.byteLength) return;
    const asked = this.get("told").asked;
    this.layers = pixels(await bitmap(bytes, "image/png"));
    this.draw();
    // Until the picture has been handed to the screen; one number for whoever measures it.
    if (asked === this.waiting) requestAnimationFrame(() => {
      this.waiting = null;
      this.root.dataset.ms = (performance.now() - asked).toFixed(1);
      this.showTold();
    });
  }

  showTold() {
    const { shares = [], hash = "", ms, note = "" } = this.get("told");
    const n = shares.length - 1;
    if (n < 1) return;
    const most = Math.max(...shares.slice(0, n), 1e-6);
    this.bars.replaceChildren(...shares.slice(0, n).map((share, i) => {
      const bar = h("i", { title: `step ${i + 1} of ${n}: ${(100 * share).toFixed(1)} %` });
      bar.style.cssText = `height:${Math.max(2, 34 * share / most)}px;background:rgb(${ringColour(i, n)})`;
      return bar;
    }));
    const first = shares[0], never = shares[n];
    const took = this.root.dataset.ms ?? ms;
    this.caption.replaceChildren(
      `${percent(first)} new from step 1 of ${n}, ${percent(1 - first - never)} join later, ${percent(never)} kept. `,
      h("small", {}, `mask ${hash.slice(0, 8)}${took ? ` · drawn in ${Math.round(took)} ms` : ""}`));
    this.root.dataset.hash = hash;
    this.note = note;
    this.showSaid();
  }

  showSaid() {
    const said = this.get("said");
    this.line.textContent = said.text || this.note || "";
    this.line.dataset.kind = said.text ? said.kind : "note";
  }

  showWork() {
    const { state, step = 0, of = 1, slot } = this.get("work");
    this.root.dataset.work = state;
    this.refine.textContent = this.busy ? "Stop" : "Refine";
    this.refine.classList.toggle("nb-stop", this.busy);
    this.progress.max = of;
    this.progress.value = step;
    this.progress.style.visibility = state === "idle" ? "hidden" : "visible";
    const words = { idle: "", painting: `${step} of ${of}`, done: "painted", stopped: `stopped at ${step}`, failed: "failed" };
    this.working.textContent = words[state];
    if (state === "painting" && this.was !== state && this.view !== "portrait") { this.before = this.view; this.views.pick("portrait"); }
    if (state === "stopped" || state === "failed") { if (this.was === "painting" && this.before) this.views.pick(this.before); }
    this.was = state;
    this.draw();
  }

  showResults() {
    const results = this.get("results");
    const row = (label, digits, name) => h("tr", {}, h("th", { scope: "row" }, label), ...["a", "b"].map((slot) => h("td", {}, name(results[slot], digits))));
    const of = (name) => (result, digits) => (result ? number(result[name], digits) : "–");
    const head = ["a", "b"].map((slot) => {
      const stale = results[slot] && results[slot].hash !== this.get("told").hashes?.[slot];
      return h("th", { scope: "col", title: stale ? "The recipe has moved on since this was painted." : "" }, slot.toUpperCase(), stale ? h("small", {}, " older") : null);
    });
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, h("td", {}), ...head)),
      h("tbody", {},
        row("Likeness before", 2, of("likeness_before")), row("Likeness", 2, of("likeness")),
        row("Change outside", 4, of("outside")), row("Map reaches", 0, (r) => (r ? percent(r.repainted) : "–")),
        row("Seconds", 1, of("seconds"))));
    this.draw();
  }

  showPresets() {
    const presets = this.get("presets");
    const options = () => presets.map((preset) => h("option", { value: preset.name, title: preset.about }, preset.name));
    const [chosen, rival] = [this.choose.value, this.get("against")];
    this.choose.replaceChildren(...options());
    const first = chosen || this.get("name");
    if (presets.some((p) => p.name === first)) this.choose.value = first;
    this.rival.replaceChildren(h("option", { value: "" }, "the other recipe"), ...options());
    this.rival.value = rival;
    if (!this.name.value) this.name.value = this.get("name");
  }

  showDifferences() {
    this.rival.value = this.get("against");
    const told = this.get("differences");
    const said = (value) => (typeof value === "number" && !Number.isInteger(value) ? number(value) : String(value));
    this.differences.replaceChildren(...(told.length
      ? told.map(([name, here, there]) => h("span", {}, h("b", {}, name), ` ${said(here)} → ${said(there)}`))
      : [h("em", {}, "no difference")]));
  }

  async showWhole() {
    const bytes = this.get("whole");
    if (!bytes?.byteLength) return;
    const image = await bitmap(bytes, "image/png");
    const [places, which] = [this.get("places"), this.get("which")];
    Object.assign(this.thumb, { width: image.width, height: image.height });
    const context = this.thumb.getContext("2d");
    context.drawImage(image, 0, 0);
    context.lineWidth = Math.max(2, image.width / 80);
    places.forEach((corners, i) => {
      context.strokeStyle = i === which ? "#e8b04a" : "rgba(243,227,181,.55)";
      context.beginPath();
      for (const [x, y] of corners) context.lineTo(x * image.width, y * image.height);
      context.closePath();
      context.stroke();
    });
    this.about.replaceChildren(...this.get("notes").map((note) => h("span", {}, note)));
    this.picker.hidden = places.length < 2;
    this.picker.replaceChildren(...places.map((_, i) => h("option", { value: i }, `face ${i + 1} of ${places.length}`)));
    this.picker.value = which;
  }

  // -------------------------------------------------------------------------------------------------- drawing
  /** Once a frame, however often it is asked for. */
  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => { this.drawing = null; this.paintCanvas(); });
  }

  paintCanvas() {
    const context = this.canvas.getContext("2d");
    this.root.dataset.view = this.view;
    this.wipe.hidden = this.view !== "beside";
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "medium";
    context.clearRect(0, 0, SIDE, SIDE);
    if (!this.images.picture) return;
    if (this.view === "beside") return this.paintBeside(context);
    if (this.view === "portrait") return this.paintPortrait(context);
    if (this.images.grey) context.drawImage(this.images.grey, 0, 0);
    if (this.layers) this.paintLayers(context);
    this.paintCursor(context);
  }

  paintPortrait(context) {
    const shown = (this.busy && this.images.glimpse) || this.images[`portrait_${this.slot}`] || this.images.picture;
    context.drawImage(shown, 0, 0, SIDE, SIDE);
    if (!this.busy && !this.images[`portrait_${this.slot}`]) this.label(context, "not painted yet: press Refine", SIDE / 2, SIDE - 34, "center");
  }

  paintBeside(context) {
    const [a, b] = [this.images.portrait_a ?? this.images.picture, this.images.portrait_b ?? this.images.picture];
    const x = this.split * SIDE;
    context.drawImage(a, 0, 0, SIDE, SIDE);
    context.save();
    context.beginPath();
    context.rect(x, 0, SIDE - x, SIDE);
    context.clip();
    context.drawImage(b, 0, 0, SIDE, SIDE);
    context.restore();
    context.fillStyle = `rgb(${LINE})`;
    context.fillRect(x - 1.5, 0, 3, SIDE);
    const likeness = (slot) => number(this.get("results")[slot]?.likeness);
    this.label(context, this.images.portrait_a ? `A ${likeness("a")}` : "A not painted", 20, 34, "left");
    this.label(context, this.images.portrait_b ? `B ${likeness("b")}` : "B not painted", SIDE - 20, 34, "right");
  }

  label(context, text, x, y, align) {
    context.font = "600 24px Georgia, 'DejaVu Serif', serif";
    context.textAlign = align;
    const width = context.measureText(text).width + 24;
    const left = { left: x - 12, right: x - width + 12, center: x - width / 2 }[align];
    context.fillStyle = "rgba(32,25,20,.66)";
    context.beginPath();
    context.roundRect(left, y - 25, width, 36, 8);
    context.fill();
    context.fillStyle = `rgb(${LINE})`;
    context.fillText(text, x, y);
  }

  paintLayers(context) {
    const { width, data } = this.layers;
    const n = (this.get("told").shares ?? []).length - 1;
    const blocks = this.view === "rings" && this.asLatents.checked;
    const out = new ImageData(width, width);
    const colours = new Uint32Array(out.data.buffer);
    if (this.view === "over") overColours(data, colours, width);
    else byTable(data, colours, this.view === "alone" ? greys() : ringColours(n), blocks ? 2 : this.view === "alone" ? 0 : 1);
    const layer = canvasOf(width);
    layer.getContext("2d").putImageData(out, 0, 0);
    context.imageSmoothingEnabled = !blocks;
    context.drawImage(layer, 0, 0, SIDE, SIDE);
  }

  paintCursor(context) {
    if (!this.cursor.shown && document.activeElement !== this.canvas) return;
    const [x, y, scale] = [this.cursor.x * SIDE, this.cursor.y * SIDE, this.unit * SIDE];
    const ring = (radius, dash, width, colour) => {
      context.beginPath();
      context.setLineDash(dash);
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    };
    ring(this.brush.radius * scale, [], 4, "rgba(32,25,20,.55)");
    ring(this.brush.radius * scale, [], 2, `rgb(${LINE})`);
    ring((this.brush.radius + this.brush.soft) * scale, [5, 5], 1.5, `rgba(${LINE},.8)`);
    context.setLineDash([]);
    context.lineWidth = 2.5;
    context.strokeStyle = `rgb(${LINE})`;
    context.beginPath();
    context.moveTo(x - 8, y); context.lineTo(x + 8, y);
    if (this.tool === "add") { context.moveTo(x, y - 8); context.lineTo(x, y + 8); }
    context.stroke();
  }

  // ------------------------------------------------------------------------------------------------- painting
  /** One unit of the face's frame, as a part of the crop's side. */
  get unit() {
    const [[a, , ], [b, , ]] = this.get("frame");
    return Math.hypot(a, b);
  }

  /** From the crop, a unit square, into the face's own frame. */
  inFace({ x, y }) {
    const [[a, b, e], [c, d, f]] = this.get("frame");
    const [p, q, det] = [x - e, y - f, a * d - b * c];
    return [(d * p - b * q) / det, (a * q - c * p) / det].map((value) => Number(value.toFixed(3)));
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    Object.assign(this.cursor, { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height, shown: true });
  }

  press(event) {
    this.place(event);
    this.canvas.setPointerCapture(event.pointerId);
    if (this.view === "beside") this.dragging = true;
    else if (PAINTABLE.includes(this.view)) this.begin();
    this.move(event);
  }

  move(event) {
    this.place(event);
    if (this.dragging) {
      this.split = Math.min(1, Math.max(0, this.cursor.x));
      this.wipe.value = this.split;
      fill(this.wipe);
    }
    if (this.stroke) this.extend();
    this.draw();
  }

  leave() { this.cursor.shown = false; this.draw(); }

  begin() {
    this.stroke = { level: this.tool === "add" ? 1 : 0, radius: this.brush.radius, soft: this.brush.soft, points: [this.inFace(this.cursor)] };
    this.change({ strokes: [...(this.mask.strokes ?? []), this.stroke] });
  }

  /** A further point, where the brush has gone far enough for one. */
  extend() {
    const here = this.inFace(this.cursor), points = this.stroke.points, [u, v] = points.at(-1);
    if (Math.hypot(here[0] - u, here[1] - v) < this.stroke.radius / 4) return;
    if (points.length > 480) { this.begin(); return; }
    this.stroke = { ...this.stroke, points: [...points, here] };
    this.change({ strokes: [...this.mask.strokes.slice(0, -1), this.stroke] });
  }

  lift() {
    this.stroke = null;
    this.dragging = false;
    this.draw();
  }

  takeBack() { this.change({ strokes: (this.mask.strokes ?? []).slice(0, -1) }); }

  key(event) {
    const by = (event.shiftKey ? 0.25 : 0.06) * this.unit;
    const ways = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const paints = PAINTABLE.includes(this.view);
    const size = (factor) => {
      this.brush.radius = Math.min(0.8, Math.max(0.03, this.brush.radius * factor));
      this.radiusInput.value = this.brush.radius;
      fill(this.radiusInput);
    };
    const acts = {
      " ": () => (this.stroke ? this.lift() : this.begin()), Escape: () => this.lift(), z: () => this.takeBack(),
      x: () => this.tools.pick(this.tool === "add" ? "take" : "add"), "[": () => size(1 / 1.2), "]": () => size(1.2),
    };
    const way = ways[event.key], act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !paints || !(way || act)) return;
    event.preventDefault();
    if (way) {
      this.cursor.x = Math.min(1, Math.max(0, this.cursor.x + way[0]));
      this.cursor.y = Math.min(1, Math.max(0, this.cursor.y + way[1]));
      if (this.stroke) this.extend();
    } else act();
    this.draw();
  }
}

// -------------------------------------------------------------------------------------------- pixels of layers
/** A pixel as the little-endian machines that browsers run on keep it. */
const rgba = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

function byTable(data, out, table, channel) {
  for (let i = 0; i < out.length; i++) out[i] = table[data[4 * i + channel]];
}

const greys = () => Uint32Array.from({ length: 256 }, (_, v) => rgba([v, v, v], 255));

/** A colour for each step; what never joins stays clear, and the first shows more of the face, being most of it. */
function ringColours(n) {
  return Uint32Array.from({ length: 256 }, (_, i) => (i < n ? rgba(ringColour(i, n), i === 0 ? 158 : 215) : 0));
}

/** Red where it is repainted, the redder the earlier, with a line where the map is a half. */
function overColours(data, out, width) {
  const table = Uint32Array.from({ length: 256 }, (_, v) => rgba(RED, Math.round(0.78 * v)));
  byTable(data, out, table, 0);
  for (let i = width; i < out.length - width; i++) {
    const value = data[4 * i] - 127.5;
    const slope = Math.hypot(data[4 * i + 4] - data[4 * i - 4], data[4 * (i + width)] - data[4 * (i - width)]) / 2;
    const near = 1.25 - Math.abs(value) / slope; // px from the line, 1 on it
    if (slope > 0.5 && near > 0) out[i] = rgba(LINE, Math.round(225 * Math.min(1, near)));
  }
}

function fill(input) {
  input.style.setProperty("--part", (input.value - input.min) / (input.max - input.min));
}

function grouped(knobs) {
  const groups = new Map();
  for (const knob of knobs) groups.set(knob.group, [...(groups.get(knob.group) ?? []), knob]);
  return groups;
}

export default {
  render({ model, el }) {
    const bench = new Bench(model, el);
    return () => bench.close();
  },
};
