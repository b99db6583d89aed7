"""The one denoising loop, its steps and its noise.

A `Denoiser` predicts the clean latents; an `Edit` changes the noisy ones before a step.  Guidance, identity and change
maps arrive as one of the two, never as another argument of `denoise`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import torch
from jaxtyping import Float
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait.schedules import Schedule

Latents = Float[Tensor, "b c h w"]


@dataclass(frozen=True)
class Step:
    """Step i of n, from noise level sigma to noise level `to`; t is the network's name for sigma."""

    i: int
    n: int
    sigma: float
    to: float
    t: float


class Moment(NamedTuple):
    """What a step left: x at noise level `step.to`, and the clean latents that the network had in mind."""

    step: Step
    x: Latents
    clean: Latents


Denoiser = Callable[[Latents, Step], Latents]  # (noisy x, step) -> clean latents
Edit = Callable[[Latents, Step], Latents]  # (noisy x, step) -> noisy x


def unchanged(x: Latents, step: Step) -> Latents:
    return x


def denoise(predict: Denoiser, x: Latents, schedule: Schedule, edit: Edit = unchanged) -> Iterator[Moment]:
    """Euler's method on the probability-flow ODE, from x at the schedule's first noise level.

    Yields after each step; to stop early, stop asking.  Karras et al. 2022, arXiv 2206.00364, in x0 form.
    """
    if x.dtype != torch.float32:
        raise ValueError(f"latents are {x.dtype}; the state of the loop is float32, only the network casts")
    sigmas, timesteps = schedule.sigmas.tolist(), schedule.timesteps.tolist()
    for i, t in enumerate(timesteps):
        step = Step(i, len(timesteps), sigmas[i], sigmas[i + 1], t)
        x = edit(x, step)
        clean = predict(x, step)
        x = clean + (x - clean) * (step.to / step.sigma)
        yield Moment(step, x, clean)


def noise(seeds: Sequence[int], shape: Sequence[int], stream: int = 0) -> Latents:
    """Unit noise [b, *shape] on the CPU, a picture's from its seed alone: not from its batch, place or device.

    Streams of one seed are independent, so that a second stage does not meet the first one's noise again.
    """
    return torch.stack([torch.randn(tuple(shape), generator=generator(seed, stream)) for seed in seeds])


def generator(seed: int, stream: int = 0) -> torch.Generator:
    """A CPU generator; seeds have 32 bits, because that is all torch reads of one: 2**32 would repeat seed 0."""
    if not 0 <= seed < 2**32:
        raise BadInput(f"seed is {seed}; it must be 0 to {2**32 - 1}", seed=seed)
    return torch.Generator("cpu").manual_seed(crc32(f"{stream}/{seed}".encode()) if stream else seed)
