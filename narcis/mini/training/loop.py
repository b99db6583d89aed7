"""The loop that the small trainings share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from narcis.mini.training.data import cosine


def train(
    name: str,
    parameters: Iterable[Tensor],
    loss: Callable[[], Tensor],
    *,
    minutes: float,
    top: float,
    decay: float,
    say: Callable[[str], None],
    every: int = 100,
) -> None:
    """AdamW on a loss that draws its own batch, until the minutes are used up; its rate rises and falls as a cosine."""
    optimiser = torch.optim.AdamW(parameters, top, weight_decay=decay)
    begun, step = time.time(), 0
    while (part := (time.time() - begun) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = top * cosine(part)
        value = loss()
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        step += 1
        if step % every == 0:
            say(f"{name}: step {step}, {part:.0%}, loss {value.item():.4f}")
