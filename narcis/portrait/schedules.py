"""Noise levels: from which, through which and to which a picture is denoised.

All levels are SDXL's sigmas: the noise's standard deviation beside clean latents.  `t` is the network's name for one.
Each schedule is a function of the number of steps, listed in `SCHEDULES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from narcis.errors import BadInput

TRAINING_STEPS = 1000

# Align Your Steps for SDXL: noise levels of ten steps, the eleventh the last before zero.
# Sabour, Fidler & Kreis 2024, arXiv 2404.14507.
AYS_LEVELS = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@dataclass(frozen=True, eq=False)
class Schedule:
    """n steps: sigmas [n+1] fall from the first noise level to the last, timesteps [n] name each to the network."""

    sigmas: Float[Tensor, " levels"]
    timesteps: Float[Tensor, " steps"]
    data_variance: float = 1.0  # what clean latents are taken to add to the first ones; the published choice differs

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def initial(self) -> float:
        """The standard deviation of the latents at the first step, when nothing of a picture is there yet."""
        return float((self.sigmas[0] ** 2 + self.data_variance).sqrt())

    def after(self, skipped: int) -> "Schedule":
        """The same without its first steps, for starting from a noised picture."""
        if not 0 <= skipped < len(self):
            raise BadInput(f"cannot skip {skipped} of {len(self)} steps; skip 0 to {len(self) - 1}", skipped=skipped)
        return replace(self, sigmas=self.sigmas[skipped:], timesteps=self.timesteps[skipped:])


@cache
def training_sigmas() -> Float[np.ndarray, "1000"]:
    """SDXL's sigma of each training timestep: "scaled linear" betas from 0.00085 to 0.012, float32."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TRAINING_STEPS) ** 2
    signal = torch.cumprod(1 - betas, 0)
    return (((1 - signal) / signal) ** 0.5).numpy()


def at_timesteps(timesteps: Sequence[float] | np.ndarray, data_variance: float = 1.0) -> Schedule:
    """Through given timesteps to zero; sigmas are interpolated in t between the training steps."""
    t = np.asarray(timesteps, np.float32)
    sigmas = np.append(np.interp(t, np.arange(TRAINING_STEPS), training_sigmas()), 0.0)
    return Schedule(torch.tensor(sigmas, dtype=torch.float32), torch.from_numpy(t), data_variance)


def at_sigmas(sigmas: Sequence[float] | np.ndarray) -> Schedule:
    """Through given noise levels, the last of them 0; timesteps are interpolated in log sigma, fractions included."""
    levels = np.asarray(sigmas, np.float32)
    t = np.interp(np.log(levels[:-1]), np.log(training_sigmas()), np.arange(TRAINING_STEPS))
    return Schedule(torch.from_numpy(levels), torch.tensor(t, dtype=torch.float32))


def leading(steps: int) -> Schedule:
    """SDXL's published spacing: starts below the noisiest level (t = 901 for ten steps), ends at t = 1."""
    return at_timesteps(np.arange(steps)[::-1] * (TRAINING_STEPS // steps) + 1)


def trailing(steps: int) -> Schedule:
    """Starts at the noisiest level; Lin et al. 2023, arXiv 2305.08891."""
    return at_timesteps(np.round(np.arange(TRAINING_STEPS, 0, -TRAINING_STEPS / steps)) - 1, data_variance=0.0)


def linspace(steps: int) -> Schedule:
    """Evenly from the noisiest training level to the cleanest."""
    return at_timesteps(np.linspace(0, TRAINING_STEPS - 1, steps, dtype=np.float32)[::-1].copy(), data_variance=0.0)


def ays(steps: int) -> Schedule:
    """Align Your Steps for SDXL; other numbers than ten by log-linear interpolation of the eleven levels."""
    places = np.linspace(0, 1, steps + 1)
    levels = np.exp(np.interp(places, np.linspace(0, 1, len(AYS_LEVELS)), np.log(AYS_LEVELS)))
    levels[-1] = 0  # only after interpolating: the logarithm of the published table's own 0 is -inf
    return at_sigmas(levels)


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "ays": ays,
    "leading": leading,
    "trailing": trailing,
    "linspace": linspace,
}


def schedule(name: str, steps: int) -> Schedule:
    """The schedule of that name with that many steps."""
    if name not in SCHEDULES:
        raise BadInput(f"no schedule {name!r}; there are {', '.join(SCHEDULES)}", name=name, known=list(SCHEDULES))
    if not 1 <= steps < TRAINING_STEPS:
        raise BadInput(f"steps is {steps}; it must be 1 to {TRAINING_STEPS - 1}", steps=steps)
    return SCHEDULES[name](steps)
