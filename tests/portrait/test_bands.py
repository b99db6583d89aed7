"""A VAE in bands gives the whole picture's numbers: diffusers' own forward pass is the reference."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from narcis.portrait import bands, sdxl
from narcis.portrait.catalogue import ENTRIES
from narcis.portrait.memory import Rung

MINI = ENTRIES["mini"].bundled


def waves(height: int, width: int) -> torch.Tensor:
    """A picture whose colours change slowly from one side to the other, as tiles by themselves would not see."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([torch.sin(6 * x + 2 * y), torch.cos(5 * y), torch.sin(9 * x * y)])[None] * 0.7


def both_ways(vae: Any, pixels: torch.Tensor) -> None:
    moments, in_bands = vae.encode(pixels).latent_dist.parameters, bands.encode(vae, pixels)
    assert_close(in_bands, moments, rtol=0, atol=2e-5 * float(moments.abs().max()))
    z = moments.chunk(2, 1)[0]
    assert_close(bands.decode(vae, z), vae.decode(z).sample, rtol=0, atol=2e-5)


@pytest.mark.parametrize("budget", [1, 200_000, bands.BUDGET], ids=["rows", "bands", "whole"])
@pytest.mark.parametrize("height, width", [(128, 128), (72, 136)])
def test_bands_of_any_height_give_the_whole_pictures_numbers(tiny, monkeypatch, budget, height, width):
    """The tiny VAE has attention, shortcuts and both convolutions about the latents."""
    monkeypatch.setattr(bands, "BUDGET", budget)
    with torch.inference_mode():
        both_ways(tiny.vae, waves(height, width))


def test_pictures_of_a_batch_are_normalised_each_by_itself(tiny, monkeypatch):
    monkeypatch.setattr(bands, "BUDGET", 200_000)
    two = torch.cat([waves(64, 64), waves(64, 64).flip(3) * 0.2 + 0.5])
    with torch.inference_mode():
        both_ways(tiny.vae, two)
        z = tiny.vae.encode(two).latent_dist.mode()
        assert_close(bands.decode(tiny.vae, z)[1:], bands.decode(tiny.vae, z[1:]), rtol=0, atol=1e-5)


@pytest.mark.skipif(not MINI or not MINI.is_dir(), reason="the embedded model's weights are not in the package")
def test_minis_pictures_are_within_a_thousandth_of_a_grey_level(monkeypatch):
    monkeypatch.setattr(bands, "BUDGET", 3_000_000)
    parts = sdxl.load(MINI, torch.device("cpu"), torch.float32)  # type: ignore[arg-type]
    latents = sdxl.encode(parts, waves(512, 512))
    whole = sdxl.decode(parts, latents)
    parts.ladder.go(Rung.VAE_IN_BANDS)
    assert 127.5 * (sdxl.decode(parts, latents) - whole).abs().max() < 1e-3


def test_a_band_is_as_high_as_its_bytes_allow(monkeypatch):
    x = torch.zeros(1, 16, 100, 50)  # 3200 bytes a row
    monkeypatch.setattr(bands, "BUDGET", 10 * 3200 * bands.LIVE)
    assert list(bands.bands([x], 100, 1)) == [(top, top + 10) for top in range(0, 100, 10)]
    assert list(bands.bands([x], 50, 2))[:2] == [(0, 2), (2, 4)]  # a row in is two rows of two out
