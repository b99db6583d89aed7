"""`narcis models`: what it says, how it ends, and that what it says is for people or for scripts."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from localhub import TOY, LocalHub

from narcis import cli
from narcis.portrait.catalogue import ENTRIES, MODELS
from narcis.supply import sources


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This installation's folder of models, and a toy in the catalogue."""
    for name in ("NARCIS_MODELS_FROM", "NARCIS_OFFLINE", "NARCIS_PRODUCTION", "NARCIS_LICENSED", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NARCIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(ENTRIES, "toy", TOY)
    monkeypatch.setitem(MODELS, "toys", ("toy",))
    return tmp_path / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    running = LocalHub().start()
    monkeypatch.setattr(sources, "Hub", lambda: here(running.url))
    yield running
    running.stop()


here = sources.Hub


def narcis(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["models", *arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_list_tells_what_is_here_and_what_a_model_lacks(capsys):
    code, out, _ = narcis(capsys, "list")
    lines = out.splitlines()
    assert code == 0 and "mini               is here" in lines
    assert "sdxl               lacks sdxl-base, sdxl-vae-fp16-fix, photomaker-v2, buffalo_l" in lines
    assert any(line.startswith("here mini ") for line in lines) and any(line.startswith("–    toy ") for line in lines)
    facts = json.loads(narcis(capsys, "list", "--json")[1])
    assert facts["models"]["sdxl-v1"] == ["sdxl-base", "sdxl-vae-fp16-fix", "photomaker-v1", "mediapipe"]
    toy = next(one for one in facts["weights"] if one["name"] == "toy")
    assert (toy["folder"], toy["bytes"], toy["hub"], toy["production"]) == (None, 3_000_013, "toys/toy", False)


def test_pull_fetches_and_says_where_and_on_what_terms(capsys, hub, models):
    code, out, err = narcis(capsys, "pull", "toys")
    assert code == 0 and out == f"{models / 'toy'}\n"
    assert err == (
        "narcis: toy: non-commercial research only; a licence for more is sold by its authors; "
        "production refuses it unless NARCIS_LICENSED names toy\n"
    )
    assert json.loads(narcis(capsys, "pull", "toys", "--json")[1]) == {"toy": str(models / "toy")}
    assert narcis(capsys, "where", "toy")[:2] == (0, f"{models / 'toy'}\n")


def test_check_names_every_licence_and_what_production_refuses(capsys, hub, monkeypatch):
    narcis(capsys, "pull", "toy")
    code, out, _ = narcis(capsys, "check")
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert code == 0 and lines.keys() == ENTRIES.keys()
    for name, one in ENTRIES.items():
        assert f"{one.licence.name}: {one.licence.terms}; production " in lines[name]
    assert lines["mini"].startswith("ok") and lines["mini"].endswith("production may use it")
    assert lines["toy"].startswith("ok") and "production refuses it unless NARCIS_LICENSED names toy" in lines["toy"]
    monkeypatch.setenv("NARCIS_PRODUCTION", "1")
    code, out, _ = narcis(capsys, "check", "toy")
    assert code == 1 and out.startswith("MISS toy ")
    monkeypatch.setenv("NARCIS_LICENSED", "toy")
    code, out, _ = narcis(capsys, "check", "toy")
    assert code == 0 and "production may use it: NARCIS_LICENSED names it" in out


def test_check_finds_what_is_damaged(capsys, hub, models):
    narcis(capsys, "pull", "toy")
    (models / "toy" / "unet" / "x.safetensors").write_bytes(b"x")
    code, out, _ = narcis(capsys, "check", "toy")
    assert code == 1 and out.startswith("MISS toy ")
    assert "unet/x.safetensors is cut off: 1 of 3,000,000 bytes; `narcis models pull toy` fetches it again" in out
    assert json.loads(narcis(capsys, "check", "toy", "--json")[1])[0]["files"]["unet/x.safetensors"] == "truncated"


def test_a_hash_that_nobody_recorded_is_said_to_be_so(capsys, models):
    (models / "photomaker-v1").mkdir(parents=True)
    (models / "photomaker-v1" / "photomaker-v1.bin").write_bytes(b"x")
    code, out, _ = narcis(capsys, "check", "photomaker-v1")
    assert code == 0 and "photomaker-v1.bin: the hash is not recorded, so nothing can be said of it" in out


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["pull", "sdlx"], 4, "no model 'sdlx'; there are mini, sdxl"),
        (["check", "sdlx"], 4, "no model 'sdlx'"),
        (["where", "sdxl"], 4, "not here: sdxl-base, sdxl-vae-fp16-fix, photomaker-v2, buffalo_l; `narcis models pull"),
        (["pull"], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_is_told(capsys, arguments, code, said):
    ended, _, err = narcis(capsys, *arguments)
    assert ended == code and said in err


def test_no_space_while_pulling_is_one_line(capsys, hub, models, monkeypatch):
    usage = shutil.disk_usage(models.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    code, out, err = narcis(capsys, "pull", "toy")
    assert (code, out, len(err.splitlines())) == (5, "", 1) and "has no room" in err
    assert json.loads(narcis(capsys, "pull", "toy", "--json")[1])["state"] == "refused"


def test_a_pull_that_is_interrupted_says_that_it_can_be_gone_on_with(capsys, hub, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("narcis.supply.pull.fetch", interrupted)
    code, _, err = narcis(capsys, "pull", "toy")
    assert (code, err) == (130, "narcis: interrupted; pull again to go on from there\n")


# ------------------------------------------------------------------------------------------ another process
def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "narcis", "models", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_the_hub_is_the_one_that_the_environment_names_and_its_bytes_are_not_believed(models):
    one = ENTRIES["sdxl-layout"]
    stored = {f"{one.hub}/resolve/{one.revision}/{file.name}": b"x" * (file.size or 0) for file in one.files}
    running = LocalHub(stored).start()
    try:
        ended = started("pull", "sdxl-layout", HF_ENDPOINT=running.url)
    finally:
        running.stop()
    host = running.url.removeprefix("http://")
    assert ended.returncode == 5 and ended.stdout == "" and len(ended.stderr.splitlines()) == 1
    assert f"what {host} gives as sdxl-layout/model_index.json is not what was published: sha256 " in ended.stderr


def test_offline_nobody_is_asked(models):
    ended = started("pull", "sdxl-layout", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert ended.returncode == 5 and "the hub is not asked, because NARCIS_OFFLINE is set" in ended.stderr
