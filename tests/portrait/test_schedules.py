import pytest
import torch
from torch.testing import assert_close

from narcis.errors import BadInput
from narcis.portrait.schedules import AYS_LEVELS, SCHEDULES, Schedule, at_timesteps, ays, schedule, training_sigmas

STEPS = [1, 2, 3, 7, 10, 14, 20, 50, 150, 999]


def assert_reference(ours: Schedule, reference: dict) -> None:
    assert_close(ours.sigmas, torch.tensor(reference["sigmas"]), rtol=1e-6, atol=1e-6)
    assert_close(ours.timesteps, torch.tensor(reference["timesteps"]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name, steps", [("leading", 10), ("leading", 50), ("trailing", 10), ("linspace", 10)])
def test_eulers_spacings_are_the_published_ones(golden, name, steps):
    reference = golden("schedules.json")[f"euler/{name}/{steps}"]
    assert_reference(schedule(name, steps), reference)
    assert schedule(name, steps).initial == pytest.approx(reference["init_noise_sigma"], rel=1e-6)


@pytest.mark.parametrize("steps", [10, 20])
def test_ays_names_its_noise_levels_as_the_reference_does(golden, steps):
    assert_reference(ays(steps), golden("schedules.json")[f"euler/ays_sigmas_{steps}"])


@pytest.mark.parametrize("steps", [10, 20, 25, 30, 40, 50])
def test_ays_interpolates_to_the_published_lists(golden, steps):
    published = golden("schedules.json")[f"ays_sigmas_{steps}_steps"]
    assert_close(ays(steps).sigmas, torch.tensor(published), rtol=1e-6, atol=1e-6)


def test_ays_timesteps_give_the_reference_sigmas(golden):
    reference = golden("schedules.json")["euler/ays_timesteps"]
    assert_reference(at_timesteps(reference["timesteps"]), reference)


@pytest.mark.parametrize(
    "name", ["dpmpp_2m/leading/10", "dpmpp_2m/leading/50", "dpmpp_2m/trailing/10", "dpmpp_2m/ays_timesteps",
             "euler_a/leading/10", "euler_a/leading/50", "euler_a/trailing/10", "euler_a/linspace/10"],
)  # fmt: skip
def test_timesteps_of_other_schedulers_have_the_same_noise_levels(golden, name):
    reference = golden("schedules.json")[name]
    assert_reference(at_timesteps(reference["timesteps"]), reference)


def test_the_training_noise_is_the_published_one(golden):
    for t, sigma in golden("schedules.json")["sigma_of_t_selected"].items():
        assert training_sigmas()[int(t)] == pytest.approx(sigma, rel=1e-6)
    for t, signal in golden("schedules.json")["alphas_cumprod_selected"].items():
        assert 1 / (1 + training_sigmas()[int(t)] ** 2) == pytest.approx(signal, rel=1e-5)


def test_ten_ays_steps_are_the_published_table_with_zero_for_the_last_level():
    assert_close(ays(10).sigmas, torch.tensor([*AYS_LEVELS[:-1], 0.0]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", STEPS)
def test_every_schedule_falls_to_zero_in_the_steps_asked_for(name, steps):
    levels = schedule(name, steps)
    assert len(levels) == steps and levels.sigmas.shape == (steps + 1,)
    assert levels.sigmas.dtype == levels.timesteps.dtype == torch.float32
    assert (levels.sigmas.diff() < 0).all() and levels.sigmas[-1] == 0
    assert levels.timesteps.min() >= 0 and levels.timesteps.max() <= 999


def test_a_later_start_keeps_the_tail():
    levels = ays(10).after(6)
    assert_close(levels.sigmas, ays(10).sigmas[6:])
    assert_close(levels.timesteps, ays(10).timesteps[6:])


def test_errors_name_value_and_way_out():
    with pytest.raises(BadInput, match="no schedule 'karras'; there are ays, leading, trailing, linspace"):
        schedule("karras", 10)
    with pytest.raises(BadInput, match="steps is 0; it must be 1 to 999"):
        schedule("ays", 0)
    with pytest.raises(BadInput, match="cannot skip 10 of 10 steps; skip 0 to 9"):
        ays(10).after(10)
