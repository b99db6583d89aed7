"""Principal components, against their definition."""

import numpy as np
import pytest
import torch

from narcis.mini.training import latents


@pytest.fixture(scope="module")
def pictures():
    """Smooth noise: patches with a few strong components, like pictures."""
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.uniform(0, 255, (40, 3, 9, 9))).float()
    large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear", align_corners=False)
    return large.permute(0, 2, 3, 1).byte().numpy()


@pytest.fixture(scope="module")
def linear(pictures):
    return latents.fit(pictures)


def units(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def test_the_code_is_the_best_of_its_rank(pictures, linear):
    x = units(pictures)
    patches = torch.nn.functional.unfold(x, 16, stride=16).movedim(1, -1).flatten(0, 1)
    *_, values, _ = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    least = values[latents.CHANNELS :].square().sum()  # Eckart and Young 1936
    error = (linear.decode(linear.encode(x)) - x).square().sum()
    assert error == pytest.approx(float(least), rel=1e-3)


def test_latents_have_unit_variance_and_keep_a_power_of_their_spread(pictures, linear):
    z = linear.encode(units(pictures))
    assert float(z.square().mean()) == pytest.approx(1, rel=1e-3)
    patches = torch.nn.functional.unfold(units(pictures), 16, stride=16).movedim(1, -1).flatten(0, 1)
    _, values, _ = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    spread, known = z.square().mean((0, 2, 3)).sqrt(), values[: latents.CHANNELS]
    assert torch.allclose(spread / spread[0], (known / known[0]) ** latents.KEPT, rtol=1e-3)


def test_codes_come_back_from_their_file(tmp_path, linear, pictures):
    linear.save(tmp_path / "linear.pt")
    again = latents.Linear.load(tmp_path / "linear.pt")
    assert torch.equal(again.encode(units(pictures)), linear.encode(units(pictures)))


def test_a_component_has_one_sign_whatever_the_solver_says(pictures, monkeypatch):
    solve = torch.linalg.eigh

    def contrary(matrix):
        power, basis = solve(matrix)
        return power, -basis

    one = latents.fit(pictures)
    monkeypatch.setattr(torch.linalg, "eigh", contrary)
    assert torch.equal(latents.fit(pictures).basis, one.basis)


def test_a_code_takes_the_signs_of_an_encoder_that_has_learned_it(linear, pictures):
    learned = linear.encode(units(pictures))
    learned[:, [1, 3]] *= -1
    learned = learned + 0.05 * torch.randn(learned.shape, generator=torch.Generator().manual_seed(0))
    again = linear.like(learned, units(pictures))
    assert (again.encode(units(pictures)) - learned).square().mean() < 0.01
    assert torch.allclose(
        again.decode(again.encode(units(pictures))), linear.decode(linear.encode(units(pictures))), atol=1e-4
    )
