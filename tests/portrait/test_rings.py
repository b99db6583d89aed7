"""The rings of a change map."""

import pytest
import torch

from narcis.portrait import rings, steering


@pytest.mark.parametrize("n", [1, 2, 7, 14, 50, 150])
def test_a_pixel_joins_at_the_step_at_which_differential_diffusion_lets_it_go(n: int):
    """Against the weights that the loop itself uses, at the levels where they tie as well as between."""
    ties = torch.arange(n + 1) / n
    values = torch.cat([ties, 1 - ties, torch.rand(500, generator=torch.Generator().manual_seed(n))])
    change = values[None, None, None].float()
    kept = torch.stack([steering.kept_weight(1 - change, i / n, 0.0) for i in range(n)])
    assert torch.equal(rings.joins(change, n), kept.sum(0).long())


def test_one_is_new_from_the_first_step_on_and_zero_never():
    assert rings.joins(torch.tensor([[[[1.0, 0.5, 0.0]]]]), 10).flatten().tolist() == [0, 5, 10]


def test_shares_are_parts_of_all_pixels():
    change = torch.tensor([[[[1.0, 1.0, 0.5, 0.0]]]])
    assert rings.shares(rings.joins(change, 2), 2).tolist() == [0.5, 0.25, 0.25]
