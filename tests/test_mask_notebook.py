"""notebooks/mask.ipynb with the embedded model: what papermill's run of it leaves, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from narcis.errors import NarcisError
from narcis.folder import RunFolder
from narcis.jobs import catalog
from narcis.jobs.run import execute, prepare
from narcis.lab import knobs, presets
from narcis.lab.knobs import KNOBS
from narcis.recipe import Recipe
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"
pytestmark = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"the embedded model's weights are not in {WEIGHTS.parent}"
)
QUICK = {"steps": 8, "detail_steps": 2}


def test_it_leaves_the_portrait_its_recipe_its_measures_and_what_each_knob_does(tmp_path: Path):
    job = catalog.find("mask")
    run = prepare(job, tmp_path / "run")
    ended = execute(job, job.values({**QUICK, "mask": "face", "against": "features"}), run)
    assert ended.state == "succeeded", ended.said
    manifest, mask = run.manifest(), presets.load("face").mask
    (entry,) = manifest["images"]
    assert Recipe(**entry["recipe"]).mask == mask and manifest["mask_hash"] == mask.hash()
    assert entry["measures"]["outside"] == 0 and entry["measures"]["likeness"] > entry["measures"]["likeness_before"]
    assert [told["knob"] for told in manifest["knobs"]] == [knob.name for knob in KNOBS]
    told = {event.stage: (event.step, event.of) for event in run.events()}
    assert told == {"refine": (2, 2), "knobs": (len(KNOBS), len(KNOBS))}
    outputs = [o for cell in json.loads(run.notebook.read_text())["cells"] for o in cell.get("outputs", ())]
    said = "".join("".join(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert f"Workbench: mask {mask.hash()[:8]}" in said
    assert sum("figures/" in "".join(o.get("data", {}).get("text/html", "")) for o in outputs) == 7
    assert {path.name for path in run.path.iterdir()} <= {
        "figures",
        "images",
        "manifest.json",
        "notebook.ipynb",
        "previews",
        "progress.jsonl",
    }


def in_process(out: Path, **given: Any) -> RunFolder:
    """The same cells in this process, where the model stays loaded."""
    cells = json.loads((HOME / "notebooks" / "mask.ipynb").read_text())["cells"]
    parameters, *rest = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space: dict[str, Any] = {}
    exec(parameters, space)
    space.update({**QUICK, **given}, out=str(out))
    for cell in rest:
        exec(cell, space)
    return space["run"]


def test_it_takes_a_picture_of_ones_own_and_the_face_that_is_asked_for(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(knobs, "KNOBS", KNOBS[:2])
    both = Image.new("RGB", (768, 384))
    for x, name in ((0, "ada"), (384, "hugo")):
        with Image.open(HOME / "narcis" / "mini" / "sitters" / f"{name}.png") as photo:
            both.paste(photo.convert("RGB").resize((384, 384)), (x, 0))
    both.save(tmp_path / "both.png")
    run = in_process(tmp_path / "run", picture=str(tmp_path / "both.png"), which=1, sitter="chiara")
    assert run.state == "succeeded" and run.manifest()["faces"] == 2
    with Image.open(run.pictures[0]) as portrait:
        left, right = (portrait.convert("RGB").crop(half).tobytes() for half in ((0, 0, 200, 384), (384, 0, 768, 384)))
    assert left == both.crop((0, 0, 200, 384)).tobytes() and right != both.crop((384, 0, 768, 384)).tobytes()


@pytest.mark.parametrize(
    "given, said",
    [
        ({"mask": "haed"}, "no mask 'haed' (did you mean head?); there are "),
        ({"against": "nobody"}, "no mask 'nobody'; there are "),
        ({"picture": "navy.png"}, "no face is found in the picture; paint it from another seed"),
        ({"which": 3}, "face 3 is asked for; the picture shows 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, monkeypatch, given: dict, said: str):
    monkeypatch.setattr(knobs, "KNOBS", KNOBS[:1])
    Image.new("RGB", (256, 256), "navy").save(tmp_path / "navy.png")
    given = {name: str(tmp_path / value) if name == "picture" else value for name, value in given.items()}
    with pytest.raises(NarcisError) as refused:
        in_process(tmp_path / "run", **given)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)
    assert RunFolder.open(tmp_path / "run").pictures == []
