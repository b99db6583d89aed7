from itertools import islice

import pytest
import torch
from torch.testing import assert_close

from narcis.errors import BadInput
from narcis.portrait.sampling import Moment, Step, denoise, noise
from narcis.portrait.schedules import at_sigmas, ays

SHAPE = (4, 8, 8)


def test_gaussian_data_lands_where_the_ode_says():
    """For N(m, s²) data the probability-flow ODE is solvable by hand."""
    m, s = 0.7, 0.5
    levels = at_sigmas(torch.cat([torch.logspace(1.9, -2.7, 400), torch.zeros(1)]).numpy())
    start = noise([0], SHAPE) * levels.sigmas[0]
    exact = m + (start - m) * s / (s**2 + levels.sigmas[0] ** 2).sqrt()
    *_, last = denoise(lambda x, step: m + (x - m) * s**2 / (s**2 + step.sigma**2), start, levels)
    assert_close(last.x, exact, atol=0.02, rtol=0)


def test_a_network_that_knows_the_picture_arrives_at_it_exactly():
    picture = noise([5], SHAPE)
    *_, last = denoise(lambda x, step: picture, noise([6], SHAPE) * 14.6, ays(7))
    assert torch.equal(last.x, picture) and torch.equal(last.clean, picture)


def test_steps_count_up_and_hand_their_noise_level_on():
    levels = ays(5)
    steps = [moment.step for moment in denoise(lambda x, step: x, noise([0], SHAPE), levels)]
    assert [(step.i, step.n) for step in steps] == [(i, 5) for i in range(5)]
    assert [step.sigma for step in steps] + [0.0] == levels.sigmas.tolist()
    assert [step.to for step in steps] == levels.sigmas.tolist()[1:]
    assert [step.t for step in steps] == levels.timesteps.tolist()


def test_each_step_moves_by_the_change_of_noise():
    """x = clean + sigma · noise holds all along when the network is right."""
    picture, grain, levels = noise([1], SHAPE), noise([2], SHAPE), ays(6)
    for step, x, _ in denoise(lambda x, step: picture, picture + levels.sigmas[0] * grain, levels):
        assert_close(x, picture + step.to * grain, atol=1e-5, rtol=0)


def test_an_edit_comes_before_the_network():
    def mark(x: torch.Tensor, step: Step) -> torch.Tensor:
        return torch.full_like(x, step.i)

    seen = []
    list(denoise(lambda x, step: seen.append(x.mean().item()) or x, noise([0], SHAPE), ays(3), mark))
    assert seen == [0, 1, 2]


def test_the_caller_may_stop_early():
    calls = []
    moments = denoise(lambda x, step: calls.append(step.i) or x, noise([0], SHAPE), ays(10))
    assert all(isinstance(moment, Moment) for moment in islice(moments, 3))
    assert calls == [0, 1, 2]


def test_the_state_is_float32():
    with pytest.raises(ValueError, match=r"latents are torch.float16; the state of the loop is float32"):
        next(denoise(lambda x, step: x, torch.zeros(1, *SHAPE, dtype=torch.float16), ays(3)))


def test_noise_depends_on_the_seed_alone():
    batch = noise([3, 1, 4, 1], SHAPE)
    for place, seed in enumerate([3, 1, 4, 1]):
        assert torch.equal(batch[place], noise([seed], SHAPE)[0])
    assert not torch.equal(batch[0], batch[1])


def test_noise_is_what_torch_draws_from_that_seed():
    reference = torch.randn(1, *SHAPE, generator=torch.Generator("cpu").manual_seed(1234))
    assert torch.equal(noise([1234], SHAPE), reference)


def test_streams_of_a_seed_are_unrelated():
    first, second = noise([7], (4, 64, 64)), noise([7], (4, 64, 64), stream=1)
    assert abs((first * second).mean().item()) < 0.03
    assert torch.equal(second, noise([7], (4, 64, 64), stream=1))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_would_repeat_others_are_refused(seed):
    with pytest.raises(BadInput, match=f"seed is {seed}; it must be 0 to 4294967295"):
        noise([seed], SHAPE)
