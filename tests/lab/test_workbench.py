"""The workbench's kernel side: what it is told by the front end, and what it says back."""

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from narcis.errors import NotFound
from narcis.lab import presets
from narcis.lab.easel import Easel
from narcis.lab.workbench import SHOWN, Workbench
from narcis.portrait import rings
from narcis.recipe import MaskRecipe, Stroke
from narcis.settings import HOME

NOTHING: dict[str, Any] = dict.fromkeys(("face", "brows", "eyes", "nose", "mouth", "forehead", "hair", "neck"), 0.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Presets of one's own, with those that ship."""
    monkeypatch.setenv("NARCIS_JOBS", str(tmp_path))
    (tmp_path / "masks").mkdir()
    for path in (HOME / "papermill_jobs" / "masks").glob("*.yaml"):
        (tmp_path / "masks" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "masks"


@pytest.fixture
def bench(easel: Easel, folder: Path) -> Workbench:
    return Workbench(easel, a="head", b="face")


def turn(bench: Workbench, **values) -> None:
    """What the front end does at each move of a slider."""
    bench.masks = {**bench.masks, bench.slot: {**bench.masks[bench.slot], **values}}


def ask(bench: Workbench, what: str, **values) -> None:
    bench.heard(bench, {"do": what, **values})
    if bench.painting:
        bench.painting.join(60)


def test_what_is_shown_is_the_map_and_its_rings(bench: Workbench, easel: Easel):
    turn(bench, feather=0.4, strokes=[{"level": 0, "radius": 0.3, "soft": 0.1, "points": [[0, 1]]}])
    layers = np.asarray(Image.open(io.BytesIO(bench.layers)))
    mask = MaskRecipe(feather=0.4, strokes=(Stroke(level=0, radius=0.3, points=((0, 1),)),))
    assert bench.mask == mask and bench.told["hash"] == mask.hash() and layers.shape == (SHOWN, SHOWN, 3)
    seen = rings.joins(easel.latents(easel.change(mask)), 4)[0, 0].numpy()
    middles = (np.arange(16) * 2 + 1) * SHOWN // 32
    assert np.array_equal(layers[np.ix_(middles, middles)][..., 2], seen)
    levels = 1 - layers[..., 0] / 255
    assert (np.abs(np.ceil(levels * 4) - layers[..., 1]) <= 1).all()  # a grey of 256 may lie beside a ring's edge
    assert sum(bench.told["shares"]) == pytest.approx(1, abs=1e-5)


def test_what_is_no_mask_is_said_and_the_last_map_stays(bench: Workbench):
    before = bench.layers
    turn(bench, floor=0.8, ceiling=0.2)
    assert bench.said["kind"] == "wrong" and "floor 0.8 is above ceiling 0.2" in bench.said["text"]
    assert bench.layers == before
    turn(bench, floor=0.0)
    assert bench.said["text"] == "" and bench.layers != before


def test_a_map_of_nothing_is_said_and_not_painted(bench: Workbench):
    turn(bench, **NOTHING)
    assert bench.told["note"].startswith("The map is 0 everywhere")
    ask(bench, "refine")
    assert bench.said["kind"] == "wrong" and bench.work["state"] == "idle" and bench.results == {}


def test_refine_paints_what_the_easel_paints_and_tells_every_step(bench: Workbench, easel: Easel):
    told, glimpses = [], []
    bench.observe(lambda change: told.append((change.new["state"], change.new.get("step"))), "work")
    bench.observe(lambda change: glimpses.append(change.new), "glimpse")
    ask(bench, "refine")
    assert told == [("painting", i) for i in range(5)] + [("done", 4)]
    assert len([one for one in glimpses if one]) == 4
    plain = easel.paint(MaskRecipe())
    assert np.array_equal(np.asarray(bench.painted["a"].portrait), np.asarray(plain.portrait))
    assert bench.results["a"]["likeness"] == plain.likeness and bench.results["a"]["outside"] == 0
    assert bench.results["a"]["hash"] == MaskRecipe().hash() and bench.portrait_a and not bench.portrait_b


def test_stop_ends_it_after_its_step_and_keeps_what_was_painted_before(bench: Workbench):
    bench.observe(lambda change: bench.stop.set() if change.new.get("step") == 2 else None, "work")
    ask(bench, "refine")
    assert bench.work == {"state": "stopped", "slot": "a", "step": 2, "of": 4} and bench.results == {}
    bench.unobserve_all("work")
    ask(bench, "refine")
    assert bench.work["state"] == "done" and "a" in bench.results


def test_one_refine_at_a_time(bench: Workbench):
    go = threading.Event()
    bench.observe(lambda change: go.wait(60) if change.new.get("step") == 1 else None, "work")
    bench.heard(bench, {"do": "refine"})
    bench.heard(bench, {"do": "refine"})
    assert bench.said == {"kind": "wrong", "text": "Stage 2 is at work; stop it before it is begun again"}
    go.set()
    assert bench.painting
    bench.painting.join(60)
    assert bench.work["state"] == "done"


def test_two_recipes_lie_side_by_side(bench: Workbench):
    assert bench.differences == [["hair", 1.0, 0.0], ["neck", 0.5, 0.0], ["feather", 0.15, 0.18]]
    bench.slot = "b"
    assert bench.mask == presets.load("face").mask and bench.told["hash"] == bench.mask.hash()
    ask(bench, "refine")
    assert bench.portrait_b and bench.results.keys() == {"b"}
    bench.against = "face"
    assert bench.differences == []


def test_what_was_saved_is_there_again_after_the_kernel_has_ended(bench: Workbench, easel: Easel, folder: Path):
    turn(bench, hair=0.25, strokes=[{"level": 0, "radius": 0.2, "soft": 0.1, "points": [[0.1, 0.9], [0.2, 1]]}])
    ask(bench, "save", name="tuned")
    assert bench.said["kind"] == "well" and bench.name == "tuned"
    assert {"name": "tuned", "about": ""} in bench.presets
    assert presets.load("tuned").mask == bench.mask
    assert Workbench(easel, a="tuned").mask == bench.mask


def test_a_preset_of_that_name_makes_room_only_when_it_is_asked_for_twice(bench: Workbench):
    before = presets.load("face").mask
    ask(bench, "save", name="face")
    assert bench.said["kind"] == "wrong" and "save again to replace it" in bench.said["text"]
    assert presets.load("face").mask == before
    ask(bench, "save", name="face")
    assert presets.load("face").mask == bench.mask and presets.load("face").about
    ask(bench, "save", name="no name")
    assert "must be of a-z, 0-9 and -" in bench.said["text"]


def test_a_command_takes_along_what_the_hand_holds(bench: Workbench):
    """A slider that was let go a moment before Save may still be on its way as a trait."""
    masks = {**bench.masks, "b": {**bench.masks["b"], "hair": 0.75}}
    ask(bench, "save", name="quick", masks=masks, slot="b")
    assert presets.load("quick").mask == bench.recipe("b") and bench.recipe("b").hair == 0.75 and bench.slot == "b"


def test_a_preset_is_loaded_into_the_slot_in_hand(bench: Workbench):
    ask(bench, "load", name="features")
    assert bench.mask == presets.load("features").mask and bench.recipe("b") == presets.load("face").mask
    ask(bench, "load", name="feature")
    assert bench.said["text"].startswith("no mask 'feature' (did you mean features?); there are face, features,")


def test_a_broken_preset_is_left_out_and_the_log_says_why(bench: Workbench, folder: Path, caplog):
    (folder / "broken.yaml").write_text("mask: {face: 9}")
    bench.list_presets()
    assert "broken" not in [preset["name"] for preset in bench.presets]
    assert "broken.yaml: face is 9" in caplog.text


def test_another_face_of_the_picture_can_be_taken(pair: Easel, folder: Path):
    bench = Workbench(pair)
    assert bench.which == 1 and len(bench.places) == 2
    right, hair = bench.layers, bench.mask.hair
    bench.which = 0
    assert bench.easel.which == 0 and bench.layers != right and bench.mask.hair == hair
    assert "1 of 2" in bench.notes[1]


def test_an_unknown_preset_is_refused_before_anything_is_shown(easel: Easel, folder: Path):
    with pytest.raises(NotFound, match="no mask 'nobody'; there are face, "):
        Workbench(easel, b="nobody")


def test_in_a_finished_notebook_it_is_a_line_of_text(bench: Workbench):
    assert repr(bench) == f"Workbench: mask {bench.mask.hash()[:8]}, which needs a running kernel to be tuned"
