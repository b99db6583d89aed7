"""What bends the denoising loop: guidance, the merge step, the solver's memory, the change map."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from narcis.errors import BadInput
from narcis.portrait.sampling import Denoiser, Edit, Latents, Step

ChangeMap = Float[Tensor, "b 1 h w"]  # 0 keeps, 1 changes from the first step


def guided(both: Denoiser, positive: Denoiser, guidance: float, end: float = 1.0, start: float = 0.0) -> Denoiser:
    """Classifier-free guidance between two fractions of the steps, before and after it the condition alone.

    `both` takes a doubled batch, all negatives first, then all positives; `positive` takes the plain one, and is all
    that runs outside the interval and where guidance is 1 or less.  Ho & Salimans 2022, arXiv 2207.12598; the interval
    is Kynkäänniemi et al. 2024, arXiv 2404.07724, there in noise levels.
    """
    if not 0 <= start <= end <= 1:
        raise BadInput(
            f"guidance lasts from {start} to {end}; both are fractions of the steps, the start not after the end",
            guidance_start=start,
            guidance_end=end,
        )
    if guidance <= 1:
        return positive

    def predict(x: Latents, step: Step) -> Latents:
        if not steps_before(start, step.n) <= step.i < steps_before(end, step.n):
            return positive(x, step)
        unwanted, wanted = both(torch.cat([x, x]), step).chunk(2)
        return unwanted + guidance * (wanted - unwanted)

    return predict


def steps_before(fraction: float, steps: int) -> int:
    """How many steps begin before that fraction of all; 0.8 of 20 is 16, though 0.7 · 10 is above 7 in floats."""
    return math.ceil(fraction * steps - 1e-9)


def switch_after(k: int, before: Denoiser, after: Denoiser, *, steps: int) -> Denoiser:
    """Exactly k steps of `before`, then `after`: PhotoMaker's delayed identity, without its one step too many."""
    if not 0 <= k < steps:
        raise BadInput(
            f"merge step is {k} of {steps} steps; it must be 0 to {steps - 1}, or identity is never used",
            merge_step=k,
            steps=steps,
        )
    return lambda x, step: (before if step.i < k else after)(x, step)


def looking_back(predict: Denoiser) -> Denoiser:
    """DPM-Solver++(2M): steps aim where the last two predictions are heading, except the first and the last step.

    Euler's step towards this aim is that solver's own.  Lu et al. 2022, arXiv 2211.01095, algorithm 2.
    """
    before: tuple[Latents, Step] | None = None

    def aim(x: Latents, step: Step) -> Latents:
        nonlocal before
        clean = predict(x, step)
        (last, past), before = before or (clean, step), (clean, step)
        if step.i == 0 or step.to == 0:
            return clean
        pace = math.log(step.sigma / step.to) / math.log(past.sigma / past.to)
        return clean + pace / 2 * (clean - last)

    return aim


# How the loop's Euler step becomes each solver's, by name.
SOLVERS: dict[str, Callable[[Denoiser], Denoiser]] = {"euler": lambda predict: predict, "dpmpp_2m": looking_back}


def solved(solver: str, predict: Denoiser) -> Denoiser:
    """The denoiser as the solver of that name wants it."""
    if solver not in SOLVERS:
        raise BadInput(f"no solver {solver!r}; there are {', '.join(SOLVERS)}", name=solver, known=list(SOLVERS))
    return SOLVERS[solver](predict)


def keep_by_map(
    original: Latents,
    noise: Latents,
    change: ChangeMap,
    softness: float = 0.0,
    steps: int | None = None,
    done: float = 0.0,
) -> Edit:
    """Differential diffusion: each pixel follows `original` until the fraction 1 - change of the steps is done.

    The published maps have the other sign (1 keeps); here is the one place that turns it.  A softness above 0 spreads
    each pixel's release over that fraction of the run; 1 / steps is enough to melt the rings between the steps'
    levels.  Levin & Fried 2023, arXiv 2306.00950.

    Where only the last steps are run, the fraction is of those; the published pipeline counts in all `steps` of the
    schedule instead, from 0 with its strength, and from its denoising_start, here `done`, with that.
    """
    held = 1 - change

    def edit(x: Latents, step: Step) -> Latents:
        weight = kept_weight(held, done + step.i / (steps or step.n), softness)
        return torch.lerp(x, original + step.sigma * noise, weight)

    return edit


def kept_weight(held: Float[Tensor, "..."], done: float, softness: float) -> Float[Tensor, "..."]:
    """How much of the original holds once a fraction of the steps is done: 1 where held > done, 0 elsewhere.

    With softness the edge becomes a ramp that still ends at 1 for held = 1 and at 0 for held = 0.
    """
    if softness > 0:
        return ((held * (1 + softness) - done) / softness).clamp(0, 1)
    # Ties are released. 1 - change is not exact in float32, and a millionth is below any map's own levels.
    return (held - done > 1e-6).to(held.dtype)


def keep(x: Latents, original: Latents, change: ChangeMap) -> Latents:
    """The last word after the last step, where nothing may change: there `original` itself, not its reconstruction."""
    return torch.where(change > 0, x, original)


def shrink(change: Float[Tensor, "b 1 H W"], size: tuple[int, int]) -> ChangeMap:
    """A map of pixels as a map of latents [h, w], by area: no pixel of the map is passed over."""
    return interpolate(change, size, mode="area")
