"""The rings that a change map becomes: before which of n steps each pixel is set free."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

TIE = 1e-6  # as in `steering.kept_weight`


def joins(change: Float[Tensor, "*b h w"], n: int) -> Int[Tensor, "*b h w"]:
    """The step from which a pixel is repainted: 0 is the first, n is never.

    `steering.keep_by_map` puts a pixel back before step i while 1 - change > i / n; this is the first i for which it
    does not.  Ask it of a map of latents (`steering.shrink`) for what happens, of one of pixels for its outline.
    """
    return torch.ceil((1 - change.double() - TIE) * n).clamp(0, n).to(torch.int64)


def shares(steps: Int[Tensor, "*b h w"], n: int) -> Float[Tensor, " m"]:
    """What part of all pixels joins at each of the n steps, and as the last number what part never does."""
    return torch.bincount(steps.flatten(), minlength=n + 1) / steps.numel()
