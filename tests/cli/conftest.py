"""Runs of the commands under test lie in a folder of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
