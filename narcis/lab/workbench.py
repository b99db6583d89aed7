"""The mask workbench: an easel in a notebook, where a mask is tuned by sliders and brush on a live picture.

    bench = Workbench(Easel.of(model, recipe, picture, identity), a="head", b="face")
    bench                # shows it
    bench.mask           # the MaskRecipe in hand, whenever it is asked for

Two recipes, A and B, lie side by side.  What was saved as a preset is there again after the kernel has ended; all else
lasts as long as the kernel.  The front end is static/workbench.js.
"""

from __future__ import annotations

import io
import logging
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image
from torch.nn.functional import interpolate

from narcis.errors import BadInput, NarcisError
from narcis.lab import easel as easels
from narcis.lab import presets, progress
from narcis.lab.easel import Easel, Result
from narcis.lab.knobs import KNOBS
from narcis.portrait import rings, seats
from narcis.recipe import MaskRecipe

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
SHOWN = 384  # px, the side of a map to look at
THUMBNAIL, LARGEST = 256, 1024  # px of the whole picture, and at most of a face
SLOTS = ("a", "b")


class Workbench(anywidget.AnyWidget):
    """One easel, two recipes."""

    _esm = STATIC / "workbench.js"
    _css = STATIC / "workbench.css"

    knobs = traitlets.List().tag(sync=True)  # what the sliders are
    masks = traitlets.Dict().tag(sync=True)  # a MaskRecipe's values for each slot; the front end writes them
    slot = traitlets.Enum(SLOTS, "a").tag(sync=True)  # which of the two is in hand
    asked = traitlets.Float(0.0).tag(sync=True)  # the front end's clock when it wrote

    picture = traitlets.Bytes(b"").tag(sync=True)  # the crop, PNG
    whole = traitlets.Bytes(b"").tag(sync=True)  # a small one of the whole picture
    frame = traitlets.List().tag(sync=True)  # from the face's own frame to the crop as a unit square
    places = traitlets.List().tag(sync=True)  # each found face's corners in the picture as a unit square
    which = traitlets.Int(0).tag(sync=True)  # of these
    notes = traitlets.List().tag(sync=True)

    layers = traitlets.Bytes(b"").tag(sync=True)  # PNG: the map, the step at which pixels join, the same for latents
    told = traitlets.Dict().tag(sync=True)  # about the map: shares of the steps, hashes, a note, and when it was asked

    stop = traitlets.Instance(Event, ())  # there before __init__, and so for `close` where that refuses
    work = traitlets.Dict({"state": "idle"}).tag(sync=True)  # what Stage 2 is at
    glimpse = traitlets.Bytes(b"").tag(sync=True)
    results = traitlets.Dict().tag(sync=True)  # measures of each slot's portrait
    portrait_a = traitlets.Bytes(b"").tag(sync=True)
    portrait_b = traitlets.Bytes(b"").tag(sync=True)

    presets = traitlets.List().tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)  # the preset in hand
    against = traitlets.Unicode("").tag(sync=True)  # a preset's name, or "" for the other slot
    differences = traitlets.List().tag(sync=True)
    said = traitlets.Dict({"text": "", "kind": "note"}).tag(sync=True)

    def __init__(self, easel: Easel, a: str | MaskRecipe = "", b: str | MaskRecipe = ""):
        """Each slot begins with a preset by name ("" is the default mask), or with a mask."""
        begin = {"a": a, "b": b}
        masks = {slot: written(m if isinstance(m, MaskRecipe) else presets.mask(m)) for slot, m in begin.items()}
        super().__init__(knobs=knobs(), masks=masks, name=a if isinstance(a, str) else "")
        self.easel = easel
        self.painted: dict[str, Result] = {}
        self.painting: Thread | None = None
        self.on_msg(self.heard)
        self.set_up()
        self.list_presets()
        self.observe(self.draw, ["masks", "slot"])
        self.observe(self.compare, ["masks", "slot", "against"])
        self.observe(self.turn_to, ["which"])

    def __repr__(self) -> str:
        """What is left of it in a notebook that has been run."""
        return f"Workbench: mask {self.mask.hash()[:8]}, which needs a running kernel to be tuned"

    @property
    def mask(self) -> MaskRecipe:
        """The recipe in hand."""
        return self.recipe(self.slot)

    def recipe(self, slot: str) -> MaskRecipe:
        """Of "a" or of "b".  Raises BadInput where the front end has sent what is none."""
        return MaskRecipe(**self.masks[slot])

    # ------------------------------------------------------------------------------------------- the easel
    def set_up(self) -> None:
        """The picture on the easel, and its map."""
        easel = self.easel
        small = easel.picture.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        with self.hold_sync():
            self.picture, self.whole = png(at_most(easel.crop.image, LARGEST)), png(small)
            self.frame, self.which = easel.frame.tolist(), easel.which
            self.places = [corners(easel, i) for i in range(len(easel.found))]
            self.notes = easel.notes
            self.results, self.portrait_a, self.portrait_b, self.glimpse = {}, b"", b"", b""
        self.draw()
        self.compare()

    def turn_to(self, _: Any = None) -> None:
        """Another face of the same picture."""
        if self.which == self.easel.which:
            return
        if self.busy:
            self.say("wrong", "Stage 2 is at work; stop it before another face is taken")
            self.which = self.easel.which
            return
        old = self.easel
        self.easel = Easel.of(old.model, old.recipe, old.picture, old.sitter, self.which)
        self.painted.clear()
        self.set_up()

    def draw(self, _: Any = None) -> None:
        """The map of the recipe in hand and the rings it becomes; what cannot be drawn is said."""
        began, asked, steps = time.perf_counter(), self.asked, self.easel.recipe.detail_steps
        try:
            hashes = {slot: self.recipe(slot).hash() for slot in SLOTS}
            change = self.easel.change(self.mask)
        except BadInput as error:
            self.say("wrong", str(error))
            return
        seen = rings.joins(self.easel.latents(change), steps)
        shown = interpolate(change, (SHOWN, SHOWN), mode="bilinear", antialias=True)
        joining = rings.joins(shown, steps)
        layers = layered(shown.numpy(), joining.numpy(), seen.numpy())
        took = 1000 * (time.perf_counter() - began)
        told = {"asked": asked, "hash": hashes[self.slot], "hashes": hashes, "ms": round(took, 1)}
        with self.hold_sync():
            self.told = told | {"shares": rings.shares(joining, steps).tolist(), "note": easels.extreme(change)}
            self.layers = layers
            self.say("note", "")

    # ----------------------------------------------------------------------------------------- its commands
    def heard(self, _: Any, message: dict[str, Any], __: Any = None) -> None:
        """What the front end asks for; a refusal is said in the widget, not raised in the kernel."""
        asked = {"refine": self.refine, "stop": self.stop.set, "save": self.save, "load": self.load}
        hand = {name: message[name] for name in ("masks", "slot") if name in message}
        values = {name: value for name, value in message.items() if name not in ("do", *hand)}
        try:
            for name, value in hand.items():  # what the hand holds may be on its way still
                self.set_trait(name, value)
            asked[message["do"]](**values)
        except NarcisError as error:
            self.say("wrong", str(error))

    def say(self, kind: str, text: str) -> None:
        self.said = {"kind": kind, "text": text}

    def save(self, name: str) -> None:
        """The recipe in hand as a preset; one of that name makes room when it is asked for a second time."""
        again = self.said == {"kind": "wrong", "text": replacing(name)}
        try:
            presets.save(name, self.mask, replace=again)
        except BadInput:
            if not presets.NAME.fullmatch(name) or again:
                raise
            raise BadInput(replacing(name)) from None
        self.name = name
        self.list_presets()
        self.say("well", f"saved as {name}: papermill_jobs/masks/{name}.yaml, mask {self.mask.hash()[:8]}")

    def load(self, name: str) -> None:
        """A preset into the slot in hand."""
        self.list_presets()
        mask = presets.load(name).mask
        self.masks = {**self.masks, self.slot: written(mask)}
        self.name = name
        self.say("well", f"recipe {self.slot.upper()} is now {name}")

    def list_presets(self) -> None:
        """Those that can be read; the log says what is wrong with the others."""
        found = []
        for name in presets.names():
            try:
                found.append({"name": name, "about": presets.load(name).about})
            except BadInput as error:
                log.warning("a preset is left out: %s", error)
        self.presets = found

    def compare(self, _: Any = None) -> None:
        """In what the recipe in hand differs from the other one, or from a preset."""
        other = self.recipe("b" if self.slot == "a" else "a")
        try:
            rival = presets.load(self.against).mask if self.against else other
            told = presets.difference(self.mask, rival)
        except NarcisError as error:
            self.say("wrong", str(error))
            return
        self.differences = [[name, here, there] for name, (here, there) in told.items()]

    # ------------------------------------------------------------------------------------------- Stage 2
    @property
    def busy(self) -> bool:
        return self.painting is not None and self.painting.is_alive()

    def refine(self) -> None:
        """Begins Stage 2 of the recipe in hand, beside the kernel's own work; `stop` ends it after its step."""
        if self.busy:
            raise BadInput("Stage 2 is at work; stop it before it is begun again")
        mask = self.mask
        moments = self.easel.refine(mask)  # refuses here what it cannot paint
        self.stop.clear()
        self.work = {"state": "painting", "slot": self.slot, "step": 0, "of": self.easel.recipe.detail_steps}
        self.painting = Thread(target=self.paint, args=(self.slot, mask, moments), name="workbench", daemon=True)
        self.painting.start()

    def paint(self, slot: str, mask: MaskRecipe, moments: Any) -> None:
        """All steps, each with its preview, and the portrait; whatever happens, the widget is told that it is over."""
        over, began = {"state": "failed", "slot": slot}, time.perf_counter()
        try:
            for step, _, clean in moments:
                over = {"state": "stopped", "slot": slot, "step": step.i + 1, "of": step.n}
                self.glimpse = png(progress.glimpse(self.easel.model, clean))
                self.work = {**over, "state": "painting"}
                if self.stop.is_set() and step.i + 1 < step.n:
                    return
            self.keep(slot, self.easel.result(mask, clean, time.perf_counter() - began))
            over = {**over, "state": "done"}
        except NarcisError as error:
            over = {"state": "failed", "slot": slot}
            self.say("wrong", str(error))
        finally:
            self.work = over
            self.glimpse = b""

    def keep(self, slot: str, result: Result) -> None:
        """A portrait in its slot, with what it is judged by."""
        self.painted[slot] = result
        shown = png(at_most(self.easel.close(result.portrait), LARGEST))
        with self.hold_sync():
            self.set_trait(f"portrait_{slot}", shown)
            self.results = {**self.results, slot: result.measures() | {"hash": result.mask.hash()}}

    def close(self) -> None:
        """Stops what is at work, then goes as every widget does."""
        self.stop.set()
        super().close()


def written(mask: MaskRecipe) -> dict[str, Any]:
    return mask.model_dump(mode="json")


def replacing(name: str) -> str:
    return f"there is another preset {name}; save again to replace it, or choose another name"


def knobs() -> list[dict[str, Any]]:
    """What the front end must know of each slider; `plain` is the default."""
    plain = MaskRecipe()
    names = ("name", "group", "label", "help", "least", "most", "step")
    return [{**{n: getattr(knob, n) for n in names}, "plain": getattr(plain, knob.name)} for knob in KNOBS]


def layered(change: np.ndarray, joining: np.ndarray, seen: np.ndarray) -> bytes:
    """Three maps [1, 1, h, w] as the channels of a PNG; that of the latents is laid out in blocks."""
    side = change.shape[-1]
    rows = (np.arange(side) * seen.shape[-1]) // side
    blocks = seen[0, 0][np.ix_(rows, rows)]
    grey = (change[0, 0] * 255).round()
    return png(Image.fromarray(np.stack([grey, joining[0, 0], blocks], -1).astype(np.uint8)))


def corners(easel: Easel, i: int) -> list[list[float]]:
    """Where a face's crop lies in the picture, as a unit square."""
    face = easel.found[i]
    cut = seats.crop(easel.model, easel.recipe, easel.picture, face) if i != easel.which else easel.crop
    return (cut.corners / easel.picture.size).tolist()


def at_most(picture: Image.Image, side: int) -> Image.Image:
    return picture if picture.width <= side else picture.resize((side, side), Image.Resampling.LANCZOS)


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "PNG", compress_level=1)
    return file.getvalue()
