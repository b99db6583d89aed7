"""A toy in the catalogue, a hub that has it, and an installation that has nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from localhub import TOY, LocalHub

from narcis.portrait.catalogue import ENTRIES, Entry


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Entry:
    monkeypatch.setitem(ENTRIES, "toy", TOY)
    return TOY


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    running = LocalHub().start()
    yield running
    running.stop()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This installation's folder of models; nothing else is set."""
    for name in ("NARCIS_MODELS_FROM", "NARCIS_OFFLINE", "NARCIS_PRODUCTION", "NARCIS_LICENSED", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NARCIS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"
