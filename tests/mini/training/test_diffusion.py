"""The denoiser's training: its noise, its loss, and that it can be stopped at any minute."""

import numpy as np
import pytest
import torch

from narcis.mini.training import diffusion
from narcis.portrait import schedules


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(diffusion, "WIDTHS", (16, 32, 48))


def samples(n: int) -> diffusion.Samples:
    ids = torch.randint(2, 40, (n, 1, 48), generator=torch.Generator().manual_seed(1))
    ids[..., 0], ids[..., -1] = 0, 1
    latents = torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(2)).half()
    ways = torch.tensor([[0.5, 0, 0], [0, 0.5, 0]]).repeat(n, 1, 1)
    sitters, place = torch.arange(n) % 2, torch.full((n, 1), 5)
    return diffusion.Samples(latents, torch.full((n, 6), 256.0), ways, sitters, ids, ids, place)


def people() -> diffusion.People:
    gen = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 255, (2, 2, 3, 64, 64), generator=gen).byte()
    return diffusion.People(pixels, torch.randn(2, 2, 128, generator=gen))


def test_noise_levels_are_sdxls():
    bar = diffusion.alphas()
    assert torch.allclose(((1 - bar) / bar).sqrt(), torch.from_numpy(schedules.training_sigmas()).float(), rtol=1e-4)


def test_the_loss_of_a_silent_net_is_the_power_of_v(small):
    """v = √ᾱ ε - √(1-ᾱ) x has unit power where x and ε have; the weight at t = 999 is (snr + 1) / (snr + 1) = 1."""
    net = diffusion.Net(50, 4)
    for p in net.unet.conv_out.parameters():
        torch.nn.init.zeros_(p)
    batch = diffusion.part(np.random.default_rng(0), samples(8), people(), 8, 0.5)
    loss = diffusion.loss_of(net, batch, torch.full((8,), 999), torch.randn(batch.latents.shape), diffusion.alphas())
    assert loss.mean().item() == pytest.approx(1, abs=0.1)


def test_an_identity_reaches_only_the_samples_that_show_it(small):
    net = diffusion.Net(50, 4).eval()
    batch = diffusion.part(np.random.default_rng(0), samples(6), people(), 6, 0.0)
    batch.identity[:3], batch.shown[:] = True, True
    t = torch.full((6,), 500)
    with torch.no_grad():
        one = net(batch.latents, t, batch)
        batch.embeddings = -batch.embeddings
        other = net(batch.latents, t, batch)
    changed = (one - other).abs().flatten(1).amax(1)
    assert (changed[:3] > 0).all() and (changed[3:] < 1e-5).all()


def test_the_empty_condition_does_not_depend_on_words_or_sitter(small):
    net = diffusion.Net(50, 4).eval()
    batch = diffusion.part(np.random.default_rng(0), samples(4), people(), 4, 1.0)
    batch.shown[:] = False
    t = torch.full((4,), 500)
    with torch.no_grad():
        one = net(batch.latents, t, batch)
        batch.ids, batch.embeddings = batch.ids.flip(0), -batch.embeddings
        assert torch.allclose(net(batch.latents, t, batch), one, atol=1e-5)


def test_a_training_that_was_stopped_is_where_it_was(small, tmp_path):
    frames = [(samples(8), 1.0, 0.5)]
    one = diffusion.begin(50, 4, 0, 1e-3)
    for k in range(2):
        diffusion.learn(
            one,
            diffusion.draw(np.random.default_rng(k), frames, people(), 4),
            np.random.default_rng(k),
            diffusion.alphas(),
            1e-3,
            "cpu",
        )
    one.save(tmp_path / "denoiser.pt")
    again = diffusion.begin(50, 4, 7, 1e-3)
    again.load(tmp_path / "denoiser.pt")
    assert (again.step, again.seen) == (2, 8)
    assert all(torch.equal(a, b) for a, b in zip(one.net.parameters(), again.net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(one.average, again.average))
    assert str(one.optimiser.state_dict()["state"][0]["exp_avg"]) == str(
        again.optimiser.state_dict()["state"][0]["exp_avg"]
    )


def test_the_rate_warms_up_stays_and_goes_down():
    rates = [
        diffusion.rate(part, step, 1.0) for part, step in ((0, 0), (0.1, 500), (0.74, 5000), (0.9, 6000), (1, 7000))
    ]
    assert rates == pytest.approx([1 / 200, 1, 1, 0.4, 0.02])
