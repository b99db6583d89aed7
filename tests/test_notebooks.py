"""Notebooks of jobs: their structure by `ast`, their behaviour by papermill with the embedded model."""

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from narcis.errors import BadInput, NarcisError
from narcis.folder import RunFolder
from narcis.jobs import catalog
from narcis.jobs.run import execute, prepare
from narcis.lab import presets
from narcis.recipe import MaskRecipe, Recipe
from narcis.settings import HOME

NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
MAY_IMPORT = ("narcis.portrait", "narcis.mecene", "narcis.lab", "narcis.folder", "narcis.recipe", "narcis.errors")
WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"
painted = pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"the embedded model's weights are not in {WEIGHTS.parent}")


def cells(notebook: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tagged(cell: dict) -> bool:
    return "parameters" in cell["metadata"].get("tags", [])


# ------------------------------------------------------------------------------------------ structure
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestStructure:
    def test_it_is_a_template_without_outputs(self, notebook: Path):
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(notebook))

    def test_its_title_is_a_question(self, notebook: Path):
        first = json.loads(notebook.read_text())["cells"][0]
        title = source(first).splitlines()[0]
        assert first["cell_type"] == "markdown" and title.startswith("# ") and title.endswith("?")

    def test_it_is_read_aloud_in_ten_cells_of_fifteen_lines(self, notebook: Path):
        code = cells(notebook)
        assert len(code) <= 10
        assert all(len(source(cell).splitlines()) <= 15 for cell in code if not tagged(cell))

    def test_prose_comes_before_code(self, notebook: Path):
        listed = json.loads(notebook.read_text())["cells"]
        for before, cell in pairwise(listed):
            assert cell["cell_type"] != "code" or before["cell_type"] == "markdown"

    def test_it_imports_what_a_notebook_may(self, notebook: Path):
        tree = ast.parse("\n".join(source(cell) for cell in cells(notebook)))
        names = {name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in imported(node)}
        ours = {name for name in names if name.startswith("narcis")}
        assert all(name.startswith(MAY_IMPORT) for name in ours), ours

    def test_a_job_takes_its_parameters(self, notebook: Path):
        assert notebook.name in {job.notebook.name for job in catalog.jobs().values()}


def imported(node: ast.ImportFrom) -> list[str]:
    return [f"{node.module}.{alias.name}" for alias in node.names]


def test_the_sitters_that_may_be_named_are_those_that_ship():
    from narcis.portrait import sitters

    assert catalog.find("portrait").bounds["sitter"].among == ("", *sitters.bundled())


def test_the_notebooks_mask_is_the_recipes_by_default():
    takes = catalog.find("portrait").takes
    assert {name: takes[f"mask_{name}"].default for name in MaskRecipe().model_dump() if name != "version"} == {
        name: value for name, value in MaskRecipe().model_dump().items() if name != "version"
    }


# ------------------------------------------------------------------------------------------ behaviour
# A scene that the embedded model shows a face in after few steps.
SCENE = "oil painting of a calm woman, gown, azure palette, plain background, portrait"
QUICK = {"words": "byzantine emperor", "prompt": SCENE, "sitter": "ada", "seed": 0, "steps": 8, "detail_steps": 4}


@painted
def test_papermill_leaves_pictures_recipes_measures_and_figures(tmp_path: Path):
    job = catalog.find("portrait")
    run = prepare(job, tmp_path / "run")
    ended = execute(job, job.values(QUICK), run)
    assert (ended.state, run.state) == ("succeeded", "succeeded"), ended.said
    manifest = run.manifest()
    assert manifest["sitter"] == "ada" and manifest["parameters"] == QUICK and len(run.pictures) == 1
    (entry,) = manifest["images"]
    recipe = Recipe(**entry["recipe"])
    assert recipe.words == "byzantine emperor" and recipe.prompt == SCENE and recipe.weights and len(recipe.photos) == 1
    assert entry["measures"]["outside"] == 0 and "emperor" in entry["caption"]
    assert figures_in(run) == 6
    told = {event.stage: (event.step, event.of) for event in run.events()}
    assert told.keys() == {"compose", "refine"} and told["refine"] == (4, 4)
    assert all((run.path / event.preview).is_file() for event in run.events() if event.preview)


@painted
def test_papermill_quotes_what_the_notebook_refuses(tmp_path: Path):
    job = catalog.find("portrait")
    run = prepare(job, tmp_path / "run")
    ended = execute(job, job.values({"face": str(bad_photo(tmp_path, "landscape"))}), run)
    assert ended.said.startswith("no face is found") and ended.exit_code == 2 and run.state == "failed"


def figures_in(run: RunFolder) -> int:
    """How many pictures the executed notebook shows, itself or by a link to a file beside it."""
    outputs = [output.get("data", {}) for cell in cells(run.notebook) for output in cell["outputs"]]
    return sum("image/png" in data or "figures/" in "".join(data.get("text/html", "")) for data in outputs)


def cell_by_cell(out: Path, **given: Any) -> RunFolder:
    """The portrait notebook in this process, where the model stays loaded: papermill's way without papermill."""
    return in_process("portrait", {**QUICK, **given}, out)


def in_process(notebook: str, given: dict[str, Any], out: Path) -> RunFolder:
    parameters, *rest = cells(HOME / "notebooks" / f"{notebook}.ipynb")
    space: dict[str, Any] = {}
    exec(source(parameters), space)
    space.update(given, out=str(out))
    for cell in rest:
        exec(source(cell), space)
    return space["run"]


@painted
def test_the_same_order_paints_the_same_picture_alone_or_second_of_two(tmp_path: Path):
    two, one = cell_by_cell(tmp_path / "two", count=2), cell_by_cell(tmp_path / "one", seed=1)
    a, b = (run.manifest()["images"][-1] for run in (two, one))
    assert a["recipe"] == b["recipe"] and len(two.pictures) == 2
    second, alone = (np.asarray(Image.open(run.pictures[-1]).convert("RGB")) for run in (two, one))
    assert np.array_equal(second, alone)


@painted
def test_the_analysers_word_for_a_sitter_can_be_overruled(tmp_path: Path):
    run = cell_by_cell(tmp_path / "run", class_word="man", prompt="", steps=20, seed=3, detail_steps=1)
    recipe = run.manifest()["images"][0]["recipe"]
    assert recipe["class_word"] == "man" and " man" in recipe["prompt"] and run.manifest()["sitter"] == "ada"


@painted
@pytest.mark.parametrize("mode", ["RGBA", "CMYK", "L", "P", "I;16"])
def test_a_photo_of_another_mode_sits_as_well(tmp_path: Path, mode: str):
    ada = sitter("ada")
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    deep = Image.fromarray(np.asarray(ada.convert("L"), np.uint16) * 257)
    (deep if mode == "I;16" else ada.convert(mode)).save(path)
    assert cell_by_cell(tmp_path / "run", sitter="", face=str(path)).state == "succeeded"


@painted
@pytest.mark.parametrize(
    "kind, said",
    [
        ("landscape", "no face is found"),
        ("several", "2 faces are in the picture"),
        ("tiny", "px wide; it must be"),
        ("animated", "animation"),
        ("truncated", "cut off or damaged"),
        ("huge", "48 megapixels"),
    ],
)
def test_a_photo_that_cannot_sit_is_refused_in_its_own_words(tmp_path: Path, kind: str, said: str):
    with pytest.raises(BadInput, match=said) as refused:
        cell_by_cell(tmp_path / "run", sitter="", face=str(bad_photo(tmp_path, kind)))
    assert "\n" not in str(refused.value) and RunFolder.open(tmp_path / "run").pictures == []


def sitter(name: str) -> Image.Image:
    with Image.open(HOME / "narcis" / "mini" / "sitters" / f"{name}.png") as picture:
        return picture.convert("RGB")


def bad_photo(folder: Path, kind: str) -> Path:
    """A file that is an image but no portrait photo."""
    path = folder / f"{kind}.{'webp' if kind == 'animated' else 'png'}"
    if kind == "landscape":
        sky = np.linspace(200, 90, 240)[:, None, None] * np.array([0.6, 0.8, 1.0])
        Image.fromarray(np.broadcast_to(sky, (240, 400, 3)).astype(np.uint8)).save(path)
    elif kind == "several":
        both = Image.new("RGB", (768, 384))
        both.paste(sitter("ada"), (0, 0))
        both.paste(sitter("hugo"), (384, 0))
        both.save(path)
    elif kind == "tiny":
        sitter("ada").resize((64, 64)).save(path)
    elif kind == "animated":
        sitter("ada").save(path, save_all=True, append_images=[sitter("hugo")])
    elif kind == "truncated":
        sitter("ada").save(path)
        path.write_bytes(path.read_bytes()[:40_000])
    elif kind == "huge":
        Image.new("1", (8_000, 6_000)).save(path)
    return path


@painted
@pytest.mark.parametrize(
    "given, said",
    [
        ({"model": "no-such-model"}, "no model 'no-such-model'"),
        ({"mask_floor": 0.9, "mask_ceiling": 0.1}, "floor 0.9 is above ceiling 0.1"),
        ({"mask": "moustache"}, "moustache"),
        ({"face": "missing.png", "sitter": ""}, "there is no photo missing.png"),
        ({"face": "missing.png"}, "name one of them"),
        ({"sitter": "zoe"}, "no sitter zoe; there are ada"),
        ({"words": "one two three four five"}, "5 words"),
        ({"steps": 0}, "steps is 0"),
        ({"seed": 2**32 - 1, "count": 2}, "seed is 4294967296"),
    ],
)
def test_what_only_the_notebook_can_know_is_told_as_clearly(tmp_path: Path, given: dict, said: str):
    with pytest.raises(NarcisError, match=said):
        cell_by_cell(tmp_path / "run", **given)


# ------------------------------------------------------------------------------------------ nightly
NIGHT = {"who": "ada", "words": "winter queen", "seed": 3, "steps": 20, "detail_steps": 4}


@painted
def test_a_night_like_the_accepted_one_is_well_and_one_that_moved_is_not(tmp_path: Path):
    first = in_process("nightly", NIGHT, tmp_path / "first")
    assert first.state == "succeeded" and first.manifest()["compared"] == 0 and len(first.pictures) == 1
    again = in_process("nightly", {**NIGHT, "accepted": str(first.path)}, tmp_path / "again")
    facts = again.manifest()
    assert (facts["compared"], facts["likeness_fall"], facts["pixel_drift"]) == (1, 0, 0)
    with Image.open(first.pictures[0]) as picture:
        darker = picture.convert("RGB").point(lambda value: value * 0.8)
    darker.save(first.pictures[0])
    with pytest.raises(AssertionError, match="pixels moved by"):
        in_process("nightly", {**NIGHT, "accepted": str(first.path)}, tmp_path / "moved")
    assert RunFolder.open(tmp_path / "moved").state == "running"  # whoever ran it says how it ended
    better = first.manifest()["images"]
    better[0]["measures"]["likeness"] = 1.5
    first.update(images=better)
    with pytest.raises(AssertionError, match="likeness fell by"):
        in_process("nightly", {**NIGHT, "accepted": str(first.path), "pixel_drift": 1.0}, tmp_path / "worse")


@painted
def test_a_picture_may_be_smaller_its_face_placed_by_hand_and_its_mask_called_by_name(tmp_path: Path):
    run = cell_by_cell(
        tmp_path / "run", size=192, face_at="0.25,0.2,0.5,0.6", detail_steps=2, mask="face", mask_grow=0.1
    )
    (entry,) = run.manifest()["images"]
    assert MaskRecipe(**entry["recipe"]["mask"]) == presets.mask("face", grow=0.1)
    with Image.open(run.pictures[0]) as picture:
        assert picture.size == (192, 192) and entry["recipe"]["size"] == 192
    assert entry["measures"]["likeness_before"] is None and entry["measures"]["outside"] == 0
    assert (entry["made_on"]["dtype"], entry["made_on"]["memory"]) == (entry["recipe"]["dtype"], "resident")


@painted
def test_a_stage_that_was_painted_is_not_painted_again(tmp_path: Path, monkeypatch):
    from narcis.portrait import recipes

    first = cell_by_cell(tmp_path / "run", detail_steps=3)
    before = first.pictures[0].read_bytes()
    monkeypatch.setattr(recipes, "compose", lambda *_: pytest.fail("composed again"))
    again = cell_by_cell(tmp_path / "run", detail_steps=3)
    assert again.pictures[0].read_bytes() == before


@painted
def test_each_of_two_sitters_takes_a_face_of_the_composition(tmp_path: Path):
    """mini composes one person at a time, so two are laid where its compositions are kept."""
    hugo = HOME / "narcis" / "mini" / "sitters" / "hugo.png"
    given = {"sitter": "greta", "beside": str(hugo), "prompt": "", "detail_steps": 6}
    with pytest.raises(BadInput, match="each of 3 compositions of seed 0 shows 1 of 2 faces; try another seed"):
        cell_by_cell(tmp_path / "run", **given)
    lay_in(tmp_path / "run" / "stages", "ada", "bruno")
    run = cell_by_cell(tmp_path / "run", **given)
    (entry,) = run.manifest()["images"]
    assert " woman beside a man, " in entry["recipe"]["prompt"] and len(entry["recipe"]["photos"]) == 2
    measures = entry["measures"]
    assert measures["outside"] == 0 and run.manifest()["sitter"] == "greta and hugo"
    for seat in ("", "_2"):
        assert measures[f"likeness{seat}"] > measures[f"likeness_before{seat}"] + 0.3
    assert [event.step for event in run.events() if event.stage == "refine"][-1] == 12  # 6 for each


def lay_in(stages: Path, *names: str) -> None:
    """Makes every composition that is kept there one of these sitters side by side."""
    from dataclasses import replace

    from narcis.lab import kept
    from narcis.portrait import images, models, sdxl

    row = Image.new("RGB", (256, 256), "gray")
    for place, name in enumerate(names):
        row.paste(sitter(name).resize((128, 128)), (128 * place, 64))
    clean = sdxl.encode(models.load("mini"), images.to_tensor(row))
    for path in stages.iterdir():
        path.write_bytes(kept.written(replace(kept.read(path), clean=clean)))


# ------------------------------------------------------------------------------------------ models
@painted
def test_every_model_is_tried_by_papermill_and_what_each_took_is_kept(tmp_path: Path):
    job = catalog.find("models")
    run = prepare(job, tmp_path / "run")
    ended = execute(job, job.values({"names": "mini, sdxl", "steps": 8, "detail_steps": 3}), run)
    assert ended.state == "succeeded", ended.said
    facts = run.manifest()["models"]
    assert facts["mini"]["stages"].keys() == {"load", "compose", "decode", "sitter", "refine"}
    assert facts["mini"]["made_on"]["dtype"] == "float32" and facts["mini"]["weights_bytes"] > 50_000_000
    assert facts["sdxl"]["refused"].startswith("'sdxl' is not all here: it lacks ") and not facts["sdxl"]["stages"]
    assert [entry["caption"] for entry in run.manifest()["images"]] == ["mini, from words", "mini, as ada"]
    assert figures_in(run) == 3 and [event.step for event in run.events()] == [1, 2]
