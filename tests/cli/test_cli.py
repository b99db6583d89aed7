"""The command line at its door: what it refuses before any kernel starts, and what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from narcis import cli
from narcis.folder import RunFolder
from narcis.jobs import run as runner
from narcis.jobs.outcome import INTERRUPTED, SUCCEEDED, Outcome
from narcis.settings import HOME


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What would have run."""
    ran: list[dict] = []

    def execute(job, values, run: RunFolder) -> Outcome:
        ran.append(values)
        run.save(Image.new("RGB", (2, 2)))
        run.finish("succeeded")
        return SUCCEEDED

    monkeypatch.setattr(runner, "execute", execute)
    return ran


def narcis(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str]:
    """Exit code and the one line."""
    code = narcis(*arguments)
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert len(lines) == 1 and said.out == "", said
    return code, lines[0]


# ------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["portrait", ""], 2, "no words"),
        (["portrait", "one two three four five"], 2, "5 words"),
        (["portrait", "one", "two", "three", "four", "five"], 2, "5 words"),
        (["portrait", "x" * 81], 2, "81 characters"),
        (["portrait", "two\nlines"], 2, "control character"),
        (["portrait", "winter queen", "--set", "steps=0"], 2, "steps is 0"),
        (["portrait", "winter queen", "--set", "steps=151"], 2, "steps is 151"),
        (["portrait", "winter queen", "--set", "steps=many"], 2, "steps is 'many'"),
        (
            ["portrait", "winter queen", "--set", "stpes=3"],
            2,
            "no parameter stpes (did you mean steps?); it takes words",
        ),
        (["portrait", "winter queen", "--set", "steps"], 2, "'steps' is no KEY=VALUE"),
        (["portrait", "winter queen", "--set", "out=/tmp"], 2, "no parameter out"),
        (["portrait", "winter queen", "--set", "steps=3", "--set", "steps=4"], 2, "steps is given twice"),
        (["portrait", "winter queen", "--count", "0"], 2, "count is 0"),
        (["portrait", "winter queen", "--seed", "-1"], 2, "seed is -1"),
        (["portrait", "winter queen", "--size", "2049"], 2, "size is 2049"),
        (["portrait", "winter queen", "--set", "dtype=int4"], 2, "dtype is 'int4'"),
        (["portrait", "winter queen", "--sitter", "zoe"], 2, "sitter is 'zoe'"),
        (["portrait", "winter queen", "--face", "."], 2, ". is a folder; name a photo in it"),
        (["portrait", "winter queen", "--face", "missing.jpg"], 4, "there is no photo missing.jpg"),
        (["run", "portrat"], 4, "no job portrat; there are: "),
        (["run", "portrait", "-p", "guidance=nan"], 2, "guidance is 'nan'"),
        (["run", "portrait", "-p", "guidance=0.5"], 2, "guidance is 0.5"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(capsys, runs: Path, no_kernel, arguments: list, code: int, said: str):
    assert refused(capsys, *arguments)[0] == code
    narcis(*arguments)
    assert said in capsys.readouterr().err
    assert no_kernel == [] and not runs.exists()


def photos(folder: Path) -> dict[str, bytes]:
    """Files that are no photo, by what is wrong with them."""
    png = folder / "good.png"
    Image.effect_noise((64, 64), 50).save(png)
    gif = folder / "moving.gif"
    Image.new("L", (8, 8)).save(gif)
    return {"text.jpg": b"not an image", "empty.png": b"", "moving.gif": gif.read_bytes(), "page.pdf": b"%PDF-1.4"}


@pytest.mark.parametrize("name", ["text.jpg", "empty.png", "moving.gif", "page.pdf"])
def test_a_file_that_is_no_photo_is_refused(capsys, tmp_path: Path, no_kernel, name: str):
    (tmp_path / name).write_bytes(photos(tmp_path)[name])
    code, line = refused(capsys, "portrait", "winter queen", "--face", str(tmp_path / name))
    assert code == 2 and f"{name} cannot be read as JPEG, PNG or WebP" in line


def test_200_megapixels_are_refused(capsys, tmp_path: Path, no_kernel):
    """A small file: 20,000 by 10,000 equal pixels."""
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    code, line = refused(capsys, "portrait", "winter queen", "--face", str(tmp_path / "huge.png"))
    assert code == 2 and "more than 40 megapixels" in line


def test_a_folder_is_no_photo(capsys, tmp_path: Path):
    assert refused(capsys, "portrait", "winter queen", "--face", str(tmp_path))[0] == 2


def test_an_unwritable_folder_is_refused(capsys, tmp_path: Path, no_kernel):
    (tmp_path / "file").write_text("in the way")
    code, line = refused(capsys, "portrait", "winter queen", "--out", str(tmp_path / "file" / "run"))
    assert code == 2 and "cannot be written" in line and no_kernel == []


def test_refusals_are_json_for_scripts(capsys):
    assert narcis("portrait", "", "--json") == 2
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "refused" and "no words" in said["error"]


# ---------------------------------------------------------------------------------------------- good
def test_words_and_options_arrive_typed(capsys, tmp_path: Path, no_kernel):
    Image.new("RGB", (9, 9)).save(tmp_path / "me.jpg")
    arguments = ["--face", str(tmp_path / "me.jpg"), "--seed", "3", "--set", "steps=5", "--set", "prompt=a=b, c"]
    assert narcis("portrait", "winter", "queen", *arguments) == 0
    assert no_kernel == [
        {"words": "winter queen", "face": str(tmp_path / "me.jpg"), "seed": 3, "steps": 5, "prompt": "a=b, c"}
    ]


def test_a_models_folder_and_a_size_arrive(no_kernel):
    assert narcis("portrait", "winter queen", "--model", "models/mine", "--size", "512", "--set", "dtype=float32") == 0
    assert no_kernel == [{"words": "winter queen", "model": "models/mine", "size": 512, "dtype": "float32"}]


@pytest.mark.parametrize("word", ["007", "nan", "None", "1_000", "Infinity"])
def test_words_that_look_like_values_stay_words(no_kernel, word: str):
    assert narcis("portrait", word) == 0 and narcis("run", "portrait", "-p", f"words={word}") == 0
    assert no_kernel == [{"words": word}, {"words": word}]


def test_the_folder_and_the_pictures_are_printed(capsys, tmp_path: Path, no_kernel):
    assert narcis("portrait", "winter queen", "--out", str(tmp_path / "here")) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "here"), str(tmp_path / "here" / "images" / "1.png")]


def test_without_out_there_is_a_new_folder_below_runs(capsys, runs: Path, no_kernel):
    assert narcis("run", "portrait", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert Path(said["folder"]).parent == runs and said["state"] == "succeeded" and len(said["pictures"]) == 1


@pytest.mark.parametrize("ended", [INTERRUPTED, Outcome("failed", "no face is found", 2)])
def test_another_end_is_one_line_and_its_code(capsys, tmp_path: Path, monkeypatch, ended: Outcome):
    def execute(job, values, run: RunFolder) -> Outcome:
        run.finish(ended.state, error=ended.said)
        return ended

    monkeypatch.setattr(runner, "execute", execute)
    assert narcis("portrait", "winter queen", "--out", str(tmp_path / "run")) == ended.exit_code
    said = capsys.readouterr()
    assert ended.said in said.err and len(said.err.splitlines()) == 1 and "notebook.ipynb" in said.err
    assert narcis("portrait", "winter queen", "--out", str(tmp_path / "run"), "--json") == ended.exit_code
    assert json.loads(capsys.readouterr().out)["error"] == ended.said


def test_the_catalogue_says_name_type_default_help_and_bounds(capsys):
    assert narcis("jobs") == 0
    said = capsys.readouterr().out
    assert "portrait: Two words" in said and "steps            int = 20" in said and "from 1 to 150" in said
    assert narcis("jobs", "--json") == 0
    assert json.loads(capsys.readouterr().out)["portrait"]["properties"]["steps"]["maximum"] == 150


def test_the_jobs_that_ship_are_well(capsys):
    count = len(list((HOME / "papermill_jobs").glob("*.yaml")))
    assert narcis("jobs", "check") == 0 and f"{count} jobs are well" in capsys.readouterr().out


def test_a_job_that_is_not_well_is_told(capsys, tmp_path: Path, monkeypatch):
    (tmp_path / "bad.yaml").write_text("title: nothing else")
    monkeypatch.setenv("NARCIS_JOBS", str(tmp_path))
    assert narcis("jobs", "check") == 1 and "bad.yaml" in capsys.readouterr().err


def test_the_doctor_looks_at_everything(capsys, monkeypatch):
    code = narcis("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {"python", "torch", "papermill", "mini", "jobs", "runs", "device"} <= findings.keys()
    assert code == (0 if all(finding["well"] for finding in findings.values()) else 1)


def test_the_lab_wants_notebooks(capsys, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("NARCIS_NOTEBOOKS", str(tmp_path / "none"))
    assert refused(capsys, "lab")[0] == 4


def test_help_loads_nothing_heavy():
    """torch, papermill and the like would cost seconds."""
    watch = (
        "import sys\nfrom narcis import cli\ntry:\n cli.main(['--help'])\nexcept SystemExit:\n pass\n"
        "print([n for n in ('torch', 'numpy', 'papermill', 'matplotlib', 'pydantic', 'PIL') if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, cwd=HOME, env=dict(os.environ))
    assert ran.stdout.strip().splitlines()[-1] == "[]" and "portrait" in ran.stdout, ran.stderr
