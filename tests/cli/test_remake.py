"""`narcis remake` at its door: what it refuses before any kernel starts, and what it hands to the notebook."""

from pathlib import Path

import pytest
from PIL import Image

from narcis import cli
from narcis.folder import RunFolder
from narcis.jobs import keep, queue
from narcis.jobs import run as runner
from narcis.jobs.asking import the_store
from narcis.jobs.outcome import SUCCEEDED, Outcome
from narcis.records import db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What the notebook would have been given."""
    values: list[dict] = []

    def execute(job, given, run: RunFolder) -> Outcome:
        values.append(given)
        run.save(Image.new("RGB", (2, 2)))
        run.finish("succeeded", remade={"match": "close", "said": "it is close", "differences": ["torch was 1"]})
        return SUCCEEDED

    monkeypatch.setattr(runner, "execute", execute)
    return values


@pytest.fixture
def painted(tmp_path: Path) -> RunFolder:
    run = RunFolder.create(tmp_path / "painted", "portrait")
    for shade in (10, 20):
        run.save(Image.new("L", (4, 4), shade), recipe={"photos": []})
    run.finish("succeeded")
    return run


def narcis(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["remake", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["nowhere/1.png"], 4, "there is no picture and no run's folder nowhere/1.png"),
        (["nowhere.png"], 4, "there is no picture and no run's folder nowhere.png"),
        (["{run}", "--picture", "3"], 2, "left 2 pictures, and number 3 is asked for"),
        (["{run}", "--out", "{run}"], 2, "is the folder of the picture itself, which would be lost"),
        (["{run}", "--face", "missing.png"], 4, "there is no photo missing.png"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys, runs: Path, painted, asked, arguments, code: int, said: str):
    given = [one.format(run=painted.path) for one in arguments]
    assert narcis(*given) == code
    line = capsys.readouterr().err.strip()
    assert said in line and "\n" not in line and asked == [] and not runs.exists()
    assert len(painted.pictures) == 2 and all(path.is_file() for path in painted.pictures)


def test_a_folders_second_picture_is_asked_for_and_the_verdict_told(capsys, painted, asked):
    assert narcis(str(painted.path), "--picture", "2", "--tolerance", "0.1") == 0
    assert asked == [{"picture": str(painted.pictures[1].resolve()), "tolerance": 0.1}]
    assert capsys.readouterr().out.splitlines()[:2] == ["it is close", "torch was 1"]


def test_a_run_of_the_records_comes_out_of_the_store(painted, asked):
    engine = db.connect()
    db.upgrade(engine)
    id = queue.submit(engine, "portrait", {}, by="cli:anna", needs="gpu")
    assert narcis(id[-8:]) == 4 and asked == []  # nothing of it is kept yet
    keep.keep(painted, id, the_store())
    assert narcis(id[-8:]) == 0
    (given,) = asked
    assert Path(given["picture"]).read_bytes() == painted.pictures[0].read_bytes()
