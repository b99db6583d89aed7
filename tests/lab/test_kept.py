"""What was painted once is read, not painted again."""

import numpy as np
import pytest
import torch
from PIL import Image

from narcis.folder import RunFolder
from narcis.lab import kept, progress
from narcis.lab.progress import Film, Frame


@pytest.fixture
def painted() -> Film:
    rng = np.random.default_rng(0)
    frames = [Frame(i, 4, 14.6 / i, Image.fromarray(rng.integers(0, 256, (8, 6, 3)).astype(np.uint8))) for i in (1, 4)]
    return Film(frames, torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def times(painted, monkeypatch) -> list[str]:
    """The stages that were really painted."""
    painting: list[str] = []

    def follow(moments, model, run, stage, part, parts) -> Film:
        painting.append(stage)
        return painted

    monkeypatch.setattr(progress, "follow", follow)
    return painting


def film(run: RunFolder, cause: str) -> Film:
    return kept.follow(cause, list, None, run, "compose")  # type: ignore[arg-type]


def test_a_film_is_painted_once_and_read_as_it_was(tmp_path, painted, times):
    for _ in range(2):
        run = RunFolder.create(tmp_path / "run")  # a second run in the same folder
        again = film(run, "c0ffee")
        assert torch.equal(again.clean, painted.clean)
        assert [(f.step, f.of, f.sigma) for f in again.frames] == [(f.step, f.of, f.sigma) for f in painted.frames]
        assert all(a.picture == b.picture for a, b in zip(again.frames, painted.frames, strict=True))
    assert len(times) == 1
    film(run, "decade")
    assert len(times) == 2


@pytest.mark.parametrize("torn", [b"", b"\x08\0\0\0\0\0\0\0{", b"nonsense" * 100])
def test_half_a_file_is_painted_anew(tmp_path, painted, times, torn):
    run = RunFolder.create(tmp_path / "run")
    run.keep("c0ffee.safetensors", torn)
    assert torch.equal(film(run, "c0ffee").clean, painted.clean)
    assert torch.equal(kept.read(run.stages / "c0ffee.safetensors").clean, painted.clean)


def test_a_full_disk_keeps_nothing_and_stops_nobody(tmp_path, painted, times, monkeypatch):
    run = RunFolder.create(tmp_path / "run")
    monkeypatch.setattr(RunFolder, "put", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert film(run, "c0ffee") is painted
