"""What was painted once is read, not painted again."""

import numpy as np
import pytest
import torch
from PIL import Image

from narcis.folder import RunFolder
from narcis.lab import kept
from narcis.lab.progress import Film, Frame


@pytest.fixture
def painted() -> Film:
    rng = np.random.default_rng(0)
    frames = [Frame(i, 4, 14.6 / i, Image.fromarray(rng.integers(0, 256, (8, 6, 3)).astype(np.uint8))) for i in (1, 4)]
    return Film(frames, torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(0)))


def test_a_film_is_painted_once_and_read_as_it_was(tmp_path, painted):
    times = []

    def paint() -> Film:
        times.append(1)
        return painted

    for _ in range(2):
        run = RunFolder.create(tmp_path / "run")  # a second run in the same folder
        again = kept.film(run, "c0ffee", paint)
        assert torch.equal(again.clean, painted.clean)
        assert [(f.step, f.of, f.sigma) for f in again.frames] == [(f.step, f.of, f.sigma) for f in painted.frames]
        assert all(np.array_equal(a.picture, b.picture) for a, b in zip(again.frames, painted.frames, strict=True))
    assert len(times) == 1
    kept.film(run, "decade", paint)
    assert len(times) == 2


@pytest.mark.parametrize("torn", [b"", b"\x08\0\0\0\0\0\0\0{", b"nonsense" * 100])
def test_half_a_file_is_painted_anew(tmp_path, painted, torn):
    run = RunFolder.create(tmp_path / "run")
    run.keep("c0ffee.safetensors", torn)
    assert torch.equal(kept.film(run, "c0ffee", lambda: painted).clean, painted.clean)
    assert torch.equal(kept.read(run.stages / "c0ffee.safetensors").clean, painted.clean)


def test_a_full_disk_keeps_nothing_and_stops_nobody(tmp_path, painted, monkeypatch):
    run = RunFolder.create(tmp_path / "run")
    monkeypatch.setattr(RunFolder, "put", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert kept.film(run, "c0ffee", lambda: painted) is painted
