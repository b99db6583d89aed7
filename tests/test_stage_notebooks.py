"""The stages' notebooks, run by papermill with the embedded model in one warm kernel; their folders are looked at."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from narcis import cli
from narcis.folder import RunFolder
from narcis.jobs import catalog
from narcis.jobs.kernel import WarmKernel
from narcis.jobs.run import execute, prepare
from narcis.recipe import Recipe
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"
pytestmark = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"the embedded model's weights are not in {WEIGHTS.parent}"
)
# A scene that the embedded model shows a face in after few steps.
SCENE = "oil painting of a calm woman, gown, azure palette, plain background, portrait"
QUICK = {"prompt": SCENE, "seed": 0, "steps": 8}


@pytest.fixture(scope="module")
def kernel() -> Iterator[WarmKernel]:
    with WarmKernel() as warm:
        yield warm


def ran(name: str, given: dict[str, Any], out: Path, kernel: WarmKernel, said: str = "") -> RunFolder:
    """The run's folder; what it was refused with begins as `said`."""
    job = catalog.find(name)
    run = prepare(job, out)
    ended = execute(job, job.values(given), run, kernel=kernel)
    assert (ended.said or "").startswith(said) and (ended.state == "succeeded") == (not said), ended.said
    return run


def shown(run: RunFolder) -> int:
    """How many figures the executed notebook shows."""
    outputs = [
        o.get("data", {}) for cell in json.loads(run.notebook.read_text())["cells"] for o in cell.get("outputs", ())
    ]
    return sum("image/png" in data or "figures/" in "".join(data.get("text/html", "")) for data in outputs)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_composition_leaves_a_picture_for_each_seed(tmp_path: Path, kernel: WarmKernel):
    given = {**QUICK, "steps": 4, "seeds": 2, "schedules": "ays, trailing", "guidances": "1, 4", "ends": "0.5, 1"}
    run = ran("composition", given, tmp_path / "run", kernel)
    first, second = run.manifest()["images"]
    assert [entry["recipe"]["seed"] for entry in (first, second)] == [0, 1] and len(run.pictures) == 2
    assert not np.array_equal(pixels(run.pictures[0]), pixels(run.pictures[1]))
    assert shown(run) == 5 and set(run.manifest()["burnt"]) == {"1", "4"} and 1 <= run.manifest()["settled"] <= 4
    told = {event.stage: (event.step, event.of) for event in run.events()}
    assert told == {"schedules": (8, 8), "compose": (4, 4), "guidance": (16, 16), "seeds": (8, 8)}


def test_likeness_leaves_the_likest_of_all_pairs(tmp_path: Path, kernel: WarmKernel):
    given = {**QUICK, "sitter": "ada", "detail_steps": 4, "merge_steps": "0, 2", "weights": "0, 1"}
    run = ran("likeness", given, tmp_path / "run", kernel)
    (entry,) = run.manifest()["images"]
    facts = run.manifest()
    assert facts["best"] == {"detail_merge_step": 0, "identity_weight": 1.0}
    assert facts["likeness"]["1"] > facts["likeness"]["0"] + 0.1
    assert entry["recipe"]["identity_weight"] == 1 and entry["measures"]["outside"] == 0
    assert entry["measures"]["likeness"] == pytest.approx(facts["likeness"]["1"], abs=1e-3)
    assert shown(run) == 6 and len(list(run.stages.glob("cell-*.png"))) == 4


def test_face_test_leaves_every_portrait_and_who_is_whom(tmp_path: Path, kernel: WarmKernel):
    given = {"who": "ada, hugo", "words": "quiet poet, winter queen", "n": 1, "seed": 8, "steps": 12, "detail_steps": 6}
    run = ran("face_test", given, tmp_path / "run", kernel)
    facts = run.manifest()
    assert [entry["caption"] for entry in facts["images"]] == [
        "ada, quiet poet, 1", "ada, winter queen, 1", "hugo, quiet poet, 1", "hugo, winter queen, 1",
    ]  # fmt: skip
    assert all(len(entry["recipe"]["photos"]) == 1 and entry["measures"]["outside"] == 0 for entry in facts["images"])
    assert (facts["right"], facts["of"], facts["empty"]) == (4, 4, []) and 0.3 < facts["likeness"] <= 1
    assert shown(run) == 4


def test_sweep_leaves_a_table_and_the_best_and_goes_on_in_its_folder(tmp_path: Path, kernel: WarmKernel):
    given = {**QUICK, "sitter": "ada", "detail_steps": 4, "axes": "identity_weight=0,1; mask_feather=0.05,0.3"}
    run = ran("sweep", given, tmp_path / "run", kernel)
    rows = list(csv.DictReader(run.table.read_text().splitlines()))
    likest = max(rows, key=lambda row: float(row["likeness"]))
    (entry,) = run.manifest()["images"]
    assert len(rows) == 4 and run.manifest()["plan"].startswith("4 cells: 1 compositions and 4 faces to paint, about ")
    assert run.manifest()["best"] == {name: float(likest[name]) for name in ("identity_weight", "mask_feather")}
    assert Recipe(**entry["recipe"]).hash() == likest["recipe"] and shown(run) == 3
    assert np.array_equal(pixels(run.pictures[0]), pixels(run.path / likest["file"]))
    wider = {**given, "axes": "identity_weight=0,1,2; mask_feather=0.05,0.3", "best": 2}
    again = ran("sweep", wider, tmp_path / "run", kernel)
    assert again.manifest()["plan"].startswith("6 cells, 4 of them painted before: 0 compositions and 2 faces")
    assert len(again.pictures) == 2 and len(list(again.stages.glob("cell-*.png"))) == 6


def test_a_sweep_of_ten_thousand_cells_asks_before_it_starts(tmp_path: Path, kernel: WarmKernel):
    given = {**QUICK, "axes": "seed=0..99; identity_weight=0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9; guidance=1,2,3,4,5,6,7,8,9,10"}  # fmt: skip # noqa: E501
    run = ran("sweep", given, tmp_path / "run", kernel, said="10000 cells: 1000 compositions and 10000 faces to paint")
    assert "set confirm to true to start it" in run.manifest()["error"] and not list(run.stages.glob("*"))


def test_a_sweep_that_cannot_be_lists_what_can(tmp_path: Path, kernel: WarmKernel):
    ran(
        "sweep", {"axes": "weight=1,2"}, tmp_path / "run", kernel, said="weight cannot be swept; what can is seed, size"
    )


@pytest.mark.parametrize(
    "name, given, said",
    [
        ("likeness", {"weights": "0, much"}, "identity_weight is 'much': "),
        ("likeness", {"merge_steps": "0, 14"}, "detail_merge_step is 14 of 14 steps"),
        ("composition", {"schedules": "ays, karras"}, "no schedule 'karras'; there are ays"),
        ("face_test", {"who": "ada, zoe"}, "no sitter zoe; there are ada"),
        ("remake", {"picture": "missing.png"}, "there is no picture missing.png"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, kernel: WarmKernel, name: str, given: dict, said: str):
    ran(name, given, tmp_path / "run", kernel, said)


@pytest.fixture
def portrait(tmp_path: Path, kernel: WarmKernel) -> RunFolder:
    given = {**QUICK, "words": "byzantine emperor", "sitter": "greta", "detail_steps": 4}
    return ran("portrait", given, tmp_path / "portrait", kernel)


def remade(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["remake", *arguments])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_remake_makes_a_portrait_again_and_says_what_is_otherwise(
    tmp_path: Path, portrait: RunFolder, kernel: WarmKernel, monkeypatch, capsys
):
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "runs"))
    warm(monkeypatch, kernel)
    code, said = remade(capsys, str(portrait.path))
    assert code == 0 and said.startswith("it is the same picture, bit for bit\n"), said
    again = RunFolder.open(Path(said.split()[-1]).parents[1])
    assert again.pictures[0].read_bytes() == portrait.pictures[0].read_bytes() and shown(again) == 2
    stranger = str(HOME / "narcis" / "mini" / "sitters" / "hugo.png")
    code, said = remade(capsys, str(portrait.pictures[0]), "--face", stranger, "--json")
    facts = json.loads(said)
    assert (code, facts["match"]) == (1, "different") and "hugo.png is not the photo" in facts["differences"][0]


def warm(monkeypatch: pytest.MonkeyPatch, kernel: WarmKernel) -> None:
    """The command runs in the kernel that is there already: what a cold one costs is known."""
    from narcis.jobs import run

    monkeypatch.setattr(run, "execute", lambda *given: execute(*given, kernel=kernel))


def test_remake_without_a_picture_paints_one_first(tmp_path: Path, kernel: WarmKernel):
    run = ran("remake", {}, tmp_path / "run", kernel)
    assert run.manifest()["remade"]["match"] == "exact" and len(run.pictures) == 2
    assert run.pictures[0].read_bytes() == run.pictures[1].read_bytes()
