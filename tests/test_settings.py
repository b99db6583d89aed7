import ast
from pathlib import Path

import pytest

from narcis import settings
from narcis.errors import BadInput


def test_without_an_environment_the_repository_is_used(monkeypatch):
    for name in ("JOBS", "NOTEBOOKS", "RUNS"):
        monkeypatch.delenv(f"NARCIS_{name}", raising=False)
    read = settings.read()
    assert (read.jobs / "portrait.yaml").is_file() and (read.notebooks / "portrait.ipynb").is_file()
    assert read.runs == Path("runs")


def test_the_environment_moves_them(monkeypatch, tmp_path):
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path))
    monkeypatch.setenv("NARCIS_JOBS", "")  # as empty variables often mean none
    assert settings.read().runs == tmp_path
    assert settings.read().jobs == settings.HOME / "papermill_jobs"


def test_lists_are_written_as_people_write_them(monkeypatch, tmp_path):
    monkeypatch.setenv("NARCIS_MODELS", f"{tmp_path}:~/weights")
    monkeypatch.setenv("NARCIS_LICENSED", "photomaker-v2, buffalo_l,")
    assert settings.read().models == (tmp_path, Path.home() / "weights")
    assert settings.read().licensed == ("photomaker-v2", "buffalo_l")


@pytest.mark.parametrize("name", ["NARCIS_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_has_two_names(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert settings.read().offline


def test_a_value_that_is_none_is_told_by_its_variable(monkeypatch):
    monkeypatch.setenv("NARCIS_OFFLINE", "perhaps")
    with pytest.raises(BadInput, match=r"^NARCIS_OFFLINE is 'perhaps': input should be a valid boolean"):
        settings.read()


def test_nobody_else_reads_the_environment():
    """By its one door; to start a process with the environment as it is, or to put it back, is no reading."""
    package = settings.HOME / "narcis"
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path.name in ("settings.py", "kernel.py", "slate.py"):
            continue
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "getenv"}, path
