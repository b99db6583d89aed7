import math

import numpy as np
import pytest
import torch
from PIL import Image
from published import GOLDEN
from torch.nn.functional import interpolate
from torch.testing import assert_close

from narcis.errors import BadInput
from narcis.portrait import sdxl
from narcis.portrait.sampling import Step, denoise, noise
from narcis.portrait.schedules import at_sigmas, at_timesteps, ays
from narcis.portrait.steering import (
    guided,
    keep,
    keep_by_map,
    kept_weight,
    looking_back,
    shrink,
    steps_before,
    switch_after,
)

SHAPE = (4, 8, 8)


def step(i: int, n: int = 10) -> Step:
    return Step(i, n, sigma=2.0, to=1.0, t=500.0)


def constant(value: float, calls: list | None = None):
    def predict(x, step):
        if calls is not None:
            calls.append((value, len(x), step.i))
        return torch.full_like(x, value)

    return predict


# Guidance


def test_guidance_starts_at_the_negative_and_goes_through_the_positive():
    def both(x, step):
        return torch.cat([torch.full_like(x[:2], 1.0), torch.full_like(x[2:], 3.0)])

    x = noise([0, 1], SHAPE)
    assert_close(guided(both, constant(3.0), 5.0)(x, step(0)), torch.full_like(x, 1 + 5 * (3 - 1)))


def test_the_doubled_batch_holds_every_picture_twice():
    def both(x, step):
        assert torch.equal(x[:2], x[2:])
        return x

    x = noise([0, 1], SHAPE)
    assert_close(guided(both, constant(0.0), 5.0)(x, step(0)), x)


def test_guidance_ends_in_the_condition_alone_and_half_the_work():
    calls, levels = [], ays(10)
    list(denoise(guided(constant(1.0, calls), constant(3.0, calls), 5.0, end=0.8), noise([0], SHAPE), levels))
    assert calls == [(1.0, 2, i) for i in range(8)] + [(3.0, 1, i) for i in (8, 9)]


@pytest.mark.parametrize(
    "start, end, guided_ones",
    [(0.0, 1.0, range(10)), (0.2, 0.8, range(2, 8)), (0.25, 0.8, range(3, 8)), (0.5, 0.5, [])],
)
def test_guidance_lasts_for_the_steps_that_begin_in_its_interval(start, end, guided_ones):
    calls, levels = [], ays(10)
    predict = guided(constant(1.0, calls), constant(3.0, calls), 5.0, end=end, start=start)
    list(denoise(predict, noise([0], SHAPE), levels))
    assert calls == [(1.0, 2, i) if i in guided_ones else (3.0, 1, i) for i in range(10)]


@pytest.mark.parametrize("start, end", [(0.9, 0.8), (-0.1, 0.8), (0.0, 1.2)])
def test_an_interval_that_is_none_is_refused(start, end):
    with pytest.raises(BadInput, match=f"guidance lasts from {start} to {end}; both are fractions of the steps"):
        guided(constant(1.0), constant(3.0), 5.0, end=end, start=start)


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0])
def test_without_guidance_nothing_is_doubled(guidance):
    positive = constant(3.0)
    assert guided(constant(1.0), positive, guidance) is positive


@pytest.mark.parametrize(
    "end, steps, guided_ones", [(0.8, 20, 16), (0.7, 10, 7), (0.8, 14, 12), (0.0, 9, 0), (1.0, 9, 9)]
)
def test_guided_steps_are_those_that_begin_before_the_end(end, steps, guided_ones):
    assert steps_before(end, steps) == guided_ones


# The merge step


@pytest.mark.parametrize("k", [0, 1, 4, 9])
def test_exactly_k_steps_are_text_alone(k):
    calls = []
    predict = switch_after(k, constant(0.0, calls), constant(1.0, calls), steps=10)
    list(denoise(predict, noise([0], SHAPE), ays(10)))
    assert [value for value, *_ in calls] == [0.0] * k + [1.0] * (10 - k)


@pytest.mark.parametrize("k", [-1, 10, 11])
def test_a_merge_step_that_would_lose_the_face_is_refused(k):
    with pytest.raises(BadInput, match=f"merge step is {k} of 10 steps; it must be 0 to 9"):
        switch_after(k, constant(0.0), constant(1.0), steps=10)


# The solver's memory


def order_of(solver) -> float:
    """How the error falls when steps are halved, for a clean picture that depends on the noise level alone."""

    def left(n: int) -> float:
        """From x = 0 at sigma 10, x at sigma 1 is the integral of clean / sigma² between; clean is cos(log sigma)."""
        levels = at_sigmas(torch.cat([torch.logspace(1, 0, n + 1), torch.zeros(1)]).numpy())
        x = torch.zeros(1, 1, 1, 1)
        predict = solver(lambda x, step: torch.full_like(x, math.cos(math.log(step.sigma))))
        *_, before_last, _ = denoise(predict, x, levels)
        top = math.log(10)  # of u = log sigma, over which e^-u cos u integrates to e^-u (sin u - cos u) / 2
        exact = (1 - math.exp(-top) * (math.cos(top) - math.sin(top))) / 2
        return abs(before_last.x.item() - exact)

    return math.log2(left(40) / left(80))


def test_two_predictions_make_the_error_fall_with_the_square_of_the_step():
    assert order_of(lambda predict: predict) == pytest.approx(1, abs=0.15)
    assert order_of(looking_back) == pytest.approx(2, abs=0.3)


def test_the_first_and_the_last_step_are_eulers():
    predict = looking_back(lambda x, step: torch.full_like(x, float(step.i)))
    x = noise([0], SHAPE)
    moments = list(denoise(predict, x, ays(4)))
    assert [m.clean.unique().tolist() == [m.step.i] for m in moments] == [True, False, False, True]


# The change map

RUNS = ["diffdiff_a_strength1_gradient", "diffdiff_c_strength1_radial", "diffdiff_d_strength1_ays"]


@pytest.mark.parametrize("run", RUNS)
def test_our_sign_turned_keeps_the_pixels_that_the_published_map_keeps(golden, run):
    g = golden(f"{run}.safetensors")
    change = 1 - g["map_latent"][None]
    for i, mask in enumerate(g["masks"]):
        if i:  # the published first step ignores the map, and starts from the noised original anyway
            assert torch.equal(kept_weight(1 - change, i / 10, 0.0)[0, 0], mask)


@pytest.mark.parametrize("i", range(10))
def test_a_pixel_whose_level_is_met_is_released(i):
    """The published rule is strict: keep where the map is greater than i / n."""
    kept = torch.tensor(i / 10)
    assert kept_weight(1 - (1 - kept), i / 10, 0.0) == 0
    assert kept_weight(1 - torch.tensor(1 - i / 10), i / 10, 0.0) == 0


def test_with_half_the_strength_thresholds_can_be_counted_as_published(golden, tiny):
    """The run's latents are not stored, but how far they drift where the map keeps most is."""
    g, known = golden(f"{RUNS[0]}.safetensors"), golden("diffdiff_meta.json")["b_strength05_gradient"]
    late = at_timesteps(g["timesteps"].tolist()).after(5)
    common = golden("diffdiff_common.safetensors")
    *_, end = published_run(g, common, tiny, lambda predict: predict, late, steps=10)
    kept = (g["map_latent"] == g["map_latent"].max()).expand_as(end.x[0])
    moved = (end.x - g["z_original"])[0][kept].abs().max().item()
    assert moved == pytest.approx(known["keep_error_vs_z_at_map_max"], rel=1e-5)


@pytest.mark.parametrize(
    "run, counted", [("b_strength05_gradient", {"steps": 10}), ("e_denoising_start05", {"steps": 10, "done": 0.5})]
)
def test_what_stays_to_the_last_step_is_as_published(golden, run, counted):
    map_ = golden(f"{RUNS[0]}.safetensors")["map_latent"][None]
    nothing, ones = torch.zeros_like(map_), torch.ones_like(map_)
    edit = keep_by_map(nothing, nothing, 1 - map_, **counted)
    left = edit(ones, Step(4, 5, sigma=1.0, to=0.0, t=1.0))  # 0 where it was put back
    assert (left == 0).float().mean().item() == golden("diffdiff_meta.json")[run]["fully_kept_fraction"]


def test_differential_diffusion_gives_the_published_latents_of_a_second_order_solver(golden, tiny):
    """There latents are scaled by sqrt(1 + sigma²); the solver's memory knows nothing of what the map puts back."""
    g = golden("diffdiff_f_dpmpp_ays.safetensors")
    moments = published_run(g, golden("diffdiff_common.safetensors"), tiny, looking_back)
    for moment, latents in zip(moments, g["latents_out"], strict=True):
        scaled = moment.x[0] / (1 + moment.step.to**2) ** 0.5
        assert_close(scaled, latents, rtol=0, atol=1e-4 * latents.abs().max().item())


def published_run(g, common, tiny, solver, levels=None, **counted):
    levels = levels or at_timesteps(g["timesteps"].tolist())
    negative = sdxl.Text(common["negative_prompt_embeds"], common["negative_pooled"])
    positive = sdxl.Text(common["prompt_embeds"], common["pooled"])
    both = sdxl.network(tiny, sdxl.joined(negative, positive), common["time_ids"].repeat(2, 1))
    predict = solver(guided(both, sdxl.network(tiny, positive, common["time_ids"]), 5.0))
    original, grain, change = g["z_original"], g["noise"], 1 - g["map_latent"][None]
    start = original + levels.sigmas[0] * grain
    return list(denoise(predict, start, levels, keep_by_map(original, grain, change, **counted)))


@pytest.mark.parametrize("run", RUNS)
def test_differential_diffusion_gives_the_published_latents(golden, tiny, run):
    g = golden(f"{run}.safetensors")
    moments = published_run(g, golden("diffdiff_common.safetensors"), tiny, lambda predict: predict)
    for moment, latents in zip(moments, g["latents_out"], strict=True):
        assert_close(moment.x[0], latents, rtol=0, atol=1e-4 * latents.abs().max().item())


def test_the_golden_pictures_are_what_the_golden_tensors_were_made_of(golden):
    """White is 1 in the published map, which keeps; ours has the other sign."""
    map_ = torch.from_numpy(np.array(Image.open(GOLDEN / "diffdiff_map.png").convert("L"))) / 255
    assert_close(map_[None], golden(f"{RUNS[0]}.safetensors")["map"], rtol=0, atol=0.5 / 255)
    pixels = torch.from_numpy(np.array(Image.open(GOLDEN / "diffdiff_input.png").convert("RGB"))).movedim(-1, 0) / 127.5
    assert_close(pixels[None] - 1, golden("diffdiff_common.safetensors")["image"], rtol=0, atol=1 / 127.5)


def test_kept_pixels_of_the_reference_still_move_and_ours_do_not(golden):
    """The reference's last step leaves them by up to a tenth; `keep` puts the original itself there."""
    g, known = golden(f"{RUNS[0]}.safetensors"), golden("diffdiff_meta.json")["a_strength1_gradient"]
    whole = g["map_latent"] == g["map_latent"].max()
    kept = whole.expand_as(g["z_original"][0])
    moved = (g["final_latents"] - g["z_original"])[0][kept].abs().max().item()
    assert moved == pytest.approx(known["keep_error_vs_z_at_map_max"], rel=1e-3)
    change = (~whole[None]).float()
    assert torch.equal(keep(g["final_latents"], g["z_original"], change)[0][kept], g["z_original"][0][kept])


def test_the_stored_latent_map_is_the_pixels_map_sampled_as_published(golden):
    g = golden(f"{RUNS[0]}.safetensors")
    assert_close(interpolate(g["map"][None], (16, 16), mode="bilinear"), g["map_latent"][None])


def test_more_change_never_keeps_more():
    change = torch.linspace(0, 1, 101)
    for softness in (0.0, 0.1, 0.5, 1.0):
        for i in range(10):
            weight = kept_weight(1 - change, i / 10, softness)
            assert (weight.diff() <= 0).all() and (weight >= 0).all() and (weight <= 1).all()
            assert weight[0] == 1 and weight[-1] == 0


def test_a_pixel_is_never_taken_back_once_released():
    held = torch.linspace(0, 1, 101)
    for softness in (0.0, 0.2):
        weights = torch.stack([kept_weight(held, i / 20, softness) for i in range(20)])
        assert (weights.diff(dim=0) <= 0).all()


def test_softness_melts_the_rings_between_levels():
    """A hard rule knows n levels; the ramp of one step's width tells all of them apart."""
    held = torch.linspace(0.05, 0.9, 86)

    def released(softness: float) -> torch.Tensor:
        return sum(1 - kept_weight(held, i / 10, softness) for i in range(10))  # type: ignore[return-value]

    assert len(released(0.0).unique()) <= 10
    assert (released(0.1).diff() < 0).all()


def test_each_picture_of_a_batch_follows_its_own_map():
    original, grain = noise([1, 2], SHAPE), noise([3, 4], SHAPE)
    change = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 1, 8, 8)
    x = noise([5, 6], SHAPE)
    edited = keep_by_map(original, grain, change)(x, step(3))
    assert torch.equal(edited[0], (original + 2.0 * grain)[0]) and torch.equal(edited[1], x[1])


def test_kept_pixels_are_the_original_to_the_bit():
    original, x = noise([1], SHAPE), noise([2], SHAPE)
    change = torch.zeros(1, 1, 8, 8)
    change[..., 3:5] = 0.25
    final = keep(x, original, change)
    assert torch.equal(final[..., :3], original[..., :3]) and torch.equal(final[..., 3:5], x[..., 3:5])


def test_shrinking_a_map_passes_no_pixel_over():
    change = torch.zeros(1, 1, 128, 128)
    change[0, 0, 17, 33] = 1.0
    assert shrink(change, (16, 16))[0, 0, 2, 4] == pytest.approx(1 / 64)
