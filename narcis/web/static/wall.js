// The wall drifts.  The page is complete without this; here its frames are hung into columns that move, each at its own
// pace.  What leaves at the top makes room for the next at the bottom, so the page stays as small as the window however
// many pictures hang.  Where motion is unwelcome the page stays as it is, and pages are added when they are asked for.

const wall = document.querySelector(".wall");
const feed = wall.querySelector(".feed");
const pause = document.querySelector(".pause");
const pill = document.querySelector(".pill");
const still = matchMedia("(prefers-reduced-motion: reduce)");

const PACES = [15, 10.5, 18, 12.5, 16.5, 11.5, 14, 17]; // px a second, one a column
const LOW = 16; // frames in waiting below which the next page is fetched
const PAST = 40; // frames that a column remembers above the window
const JOIN = 25_000; // ms after which new pictures join the drift if nobody asks for them

let strips = []; // { node, y, pace, past }
let waiting = []; // frames that come next
let more = taken(feed.querySelector("[data-more]")); // where the next page begins
let ring = !more; // all pictures are here, and go round
let fetching = false;
let held = false; // by the button
let hovered = false;
let speed = 0; // 0 still … 1 drifting
let push = 0; // px a second that the reader adds
let glide = false; // on the way to what is new
let last = 0;
let news = [];
let joining;
const seen = new Set([...feed.querySelectorAll(".frame")].map((frame) => frame.dataset.id));

function taken(link) {
  const next = link?.dataset.more ?? null;
  if (link && !still.matches) link.closest(".more").remove();
  return next;
}

// ------------------------------------------------------------------ columns
function hang() {
  const frames = [...strips.flatMap((strip) => [...strip.node.children]), ...waiting, ...feed.querySelectorAll(":scope > .frame")];
  const own = frames.filter((frame) => !frame.ariaHidden);
  const count = Math.min(Number(getComputedStyle(feed).getPropertyValue("--columns")), Math.max(1, own.length));
  wall.classList.add("drifting");
  feed.replaceChildren();
  strips = Array.from({ length: count }, (_, i) => {
    const node = document.createElement("div");
    node.className = "strip";
    feed.append(node);
    return { node, y: 0, pace: PACES[i % PACES.length], past: [] };
  });
  waiting = own;
  const rows = Math.ceil(waiting.length / count);
  for (let row = 0; row < rows; row++) for (const strip of strips) if (waiting.length && short(strip)) strip.node.append(waiting.shift());
  for (const strip of strips) while (short(strip)) strip.node.append(copy(strip.node.children.length));
}

const short = (strip) => strip.node.offsetHeight < wall.clientHeight + tallest();
const tallest = () => strips[0].node.firstElementChild?.offsetHeight ?? 200;

// With few pictures the same ones hang several times; only the first is met by keyboards and screen readers.
function copy(n) {
  const all = [...feed.querySelectorAll(".frame:not([aria-hidden])")];
  const one = all[(n * 7 + feed.querySelectorAll(".frame").length * 3) % all.length].cloneNode(true);
  one.ariaHidden = "true";
  one.removeAttribute("aria-labelledby");
  one.querySelector(".words").removeAttribute("id");
  one.querySelector("a").tabIndex = -1;
  return one;
}

function next(strip) {
  if (waiting.length < LOW && !ring) fetchMore();
  return waiting.shift() ?? strip.past.shift() ?? strip.node.firstElementChild;
}

function forward(strip) {
  const first = strip.node.firstElementChild;
  const height = first.offsetHeight;
  if (strip.y < height) return false;
  const coming = next(strip);
  first.remove();
  strip.node.append(coming);
  if (coming !== first) strip.past.push(first);
  if (strip.past.length > PAST || (ring && waiting.length < LOW && strip.past.length)) {
    const old = strip.past.shift();
    if (ring) waiting.push(old);
  }
  strip.y -= height;
  return true;
}

function backward(strip) {
  if (strip.y >= 0) return false;
  const lastFrame = strip.node.lastElementChild;
  const before = strip.past.pop() ?? (waiting.length && ring ? waiting.pop() : lastFrame);
  if (before !== lastFrame) {
    lastFrame.remove();
    waiting.unshift(lastFrame);
  }
  strip.node.prepend(before);
  strip.y += before.offsetHeight;
  return true;
}

function move(strip, by) {
  strip.y += by;
  for (let i = 0; i < 50 && (forward(strip) || backward(strip)); i++);
  strip.node.style.transform = `translate3d(0, ${-strip.y}px, 0)`;
}

function tick(now) {
  const seconds = Math.min(0.05, (now - last) / 1000);
  last = now;
  const rests = held || hovered || feed.contains(document.activeElement);
  speed += ((rests ? 0 : 1) - speed) * Math.min(1, seconds * 4);
  if (rests && speed < 0.02) speed = 0;
  push *= Math.exp(-seconds * 5);
  if (glide) glideOn(seconds);
  else if (speed > 0 || Math.abs(push) > 0.5) for (const strip of strips) move(strip, (strip.pace * speed + push) * seconds);
  if (wall.classList.contains("drifting")) requestAnimationFrame(tick);
}

// ------------------------------------------------------------------ pages
async function fetchMore() {
  if (fetching) return;
  fetching = true;
  feed.ariaBusy = "true";
  try {
    const answer = await fetch(`/wall?before=${encodeURIComponent(more ?? `${Date.now() * 1000 + 1e9}.`)}`);
    if (!answer.ok) throw new Error(answer.status);
    const page = framesOf(await answer.text());
    more = page.more; // null: the end, and the next page is the first again
    waiting.push(...page.frames);
  } catch {
    await new Promise((done) => setTimeout(done, 5000));
  }
  feed.ariaBusy = "false";
  fetching = false;
}

function framesOf(html) {
  const part = document.createElement("template");
  part.innerHTML = html;
  return { frames: [...part.content.querySelectorAll(".frame")], more: part.content.querySelector("[data-more]")?.dataset.more ?? null };
}

// Where nothing moves, a page is added below.
feed.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-more]");
  if (!link) return;
  event.preventDefault();
  feed.ariaBusy = "true";
  const answer = await fetch(`/wall?before=${encodeURIComponent(link.dataset.more)}`);
  const html = document.createElement("template");
  html.innerHTML = await answer.text();
  const first = html.content.querySelector(".frame a");
  link.closest(".more").replaceWith(html.content);
  feed.ariaBusy = "false";
  first?.focus({ preventScroll: true });
});

// ------------------------------------------------------------------ what is new
function listen() {
  const stream = new EventSource(`/wall/events?after=${encodeURIComponent(wall.dataset.newest)}`);
  stream.addEventListener("hung", (event) => {
    for (const frame of framesOf(event.data).frames) {
      if (seen.has(frame.dataset.id)) continue;
      seen.add(frame.dataset.id);
      for (const image of frame.querySelectorAll("img")) image.loading = "eager";
      news.push(frame);
    }
    tell();
  });
}

function tell() {
  if (!news.length) return;
  pill.hidden = false;
  pill.textContent = `${news.length} new`;
  document.querySelector("#news").textContent = `${news.length} new portrait${news.length > 1 ? "s" : ""}`;
  clearTimeout(joining);
  if (wall.classList.contains("drifting")) joining = setTimeout(() => !held && arrive(false), JOIN);
}

// Asked for, what is new is hung above the window, and the wall glides there; else it comes in with the drift.
function arrive(asked) {
  const frames = news.splice(0);
  pill.hidden = true;
  document.querySelector(".bare")?.remove();
  if (!wall.classList.contains("drifting")) {
    feed.prepend(...frames.reverse());
    if (!still.matches) start();
    return scrollTo({ top: 0 });
  }
  if (!asked) return void waiting.unshift(...frames.reverse());
  frames.forEach((frame, i) => {
    const strip = strips[i % strips.length];
    strip.node.prepend(frame);
    strip.y += frame.offsetHeight;
  });
  glideOn(0);
  glide = true;
}

function glideOn(seconds) {
  for (const strip of strips) {
    strip.y -= strip.y * Math.min(1, seconds * 3);
    strip.node.style.transform = `translate3d(0, ${-strip.y}px, 0)`;
  }
  if (strips.every((strip) => strip.y < 1)) glide = false;
}

// ------------------------------------------------------------------ the reader
function attend() {
  wall.addEventListener("wheel", (event) => {
    if (event.ctrlKey || !wall.classList.contains("drifting")) return;
    event.preventDefault();
    glide = false;
    const lines = event.deltaMode === 1 ? 24 : 1;
    for (const strip of strips) move(strip, event.deltaY * lines * 0.6);
    push = event.deltaY * lines * 2;
  }, { passive: false });

  let from = null, dragged = 0, at = 0;
  wall.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    [from, dragged, at, push, glide] = [event.clientY, 0, event.timeStamp, 0, false];
  });
  wall.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const by = from - event.clientY;
    push = (by / Math.max(8, event.timeStamp - at)) * 1000;
    [from, at] = [event.clientY, event.timeStamp];
    dragged += Math.abs(by);
    for (const strip of strips) move(strip, by);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (from = null));
  wall.addEventListener("click", (event) => dragged > 8 && (event.preventDefault(), (dragged = 0)), true);
  wall.addEventListener("dragstart", (event) => event.preventDefault());
  wall.addEventListener("pointerover", (event) => event.pointerType === "mouse" && (hovered = Boolean(event.target.closest(".frame"))));
  wall.addEventListener("pointerleave", () => (hovered = false));

  feed.addEventListener("focusin", (event) => {
    const strip = strips.find((one) => one.node.contains(event.target));
    wall.scrollTop = 0; // browsers scroll what is cut off; here the strip moves
    if (!strip) return;
    const frame = event.target.closest(".frame").getBoundingClientRect(), room = wall.getBoundingClientRect();
    if (frame.top < room.top + 12) move(strip, frame.top - room.top - 12);
    else if (frame.bottom > room.bottom - 12) move(strip, Math.min(frame.bottom - room.bottom + 12, frame.top - room.top - 12));
    wall.scrollTop = 0;
  });

  addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, button, select")) return;
    const step = { PageDown: 1, PageUp: -1 }[event.key];
    const shift = { ArrowDown: 420, ArrowUp: -420 }[event.key];
    if (step) {
      const all = [...feed.querySelectorAll(".frame:not([aria-hidden]) a")];
      (all[all.indexOf(document.activeElement) + step] ?? all.at(step > 0 ? 0 : -1)).focus({ preventScroll: true });
    } else if (shift && wall.classList.contains("drifting")) push += shift;
    else return;
    event.preventDefault();
  });

  pause.addEventListener("click", () => {
    held = !held;
    pause.ariaPressed = String(held);
    pause.ariaLabel = held ? "Let the wall drift" : "Hold the wall still";
  });
  pill.addEventListener("click", () => arrive(true));
  let settled;
  addEventListener("resize", () => {
    clearTimeout(settled);
    settled = setTimeout(() => wall.classList.contains("drifting") && hang(), 150);
  });
}

function start() {
  if (!feed.querySelector(".frame")) return;
  hang();
  pause.hidden = false;
  last = performance.now();
  requestAnimationFrame(tick);
}

attend();
listen();
if (!still.matches) start();
still.addEventListener("change", () => location.reload());
