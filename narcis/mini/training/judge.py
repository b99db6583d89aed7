"""Trains the judge on real paintings, blurred, tinted and shifted: it is to look at the subject, not the finish."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from narcis.mini.judge import SIDE, Judge, small
from narcis.mini.recogniser import to_tensor
from narcis.mini.training import loop
from narcis.mini.training.data import Pictures
from narcis.mini.training.faces import tint


def moved(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Shifted and scaled a little, and half the time blurred, [96, 96, 3]."""
    s = 1 + rng.normal(0, 0.03)
    matrix = np.array(
        [[s, 0, SIDE / 2 * (1 - s) + rng.normal(0, 2)], [0, s, SIDE / 2 * (1 - s) + rng.normal(0, 2)]], np.float32
    )
    picture = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2)) if rng.random() < 0.5 else picture


def answers(questions: dict[str, list[str]], scenes: list[dict]) -> dict[str, torch.Tensor]:
    return {q: torch.tensor([known.index(scene[q]) for scene in scenes]) for q, known in questions.items()}


def train(
    paintings: Pictures, questions: dict[str, list[str]], *, seed: int, minutes: float, say: Callable[[str], None]
) -> Judge:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = Judge(questions)
    source, truth = [small(p) for p in paintings.pixels], answers(questions, paintings.scenes)

    def loss() -> Tensor:
        chosen = rng.integers(0, len(source), 64)
        x = tint(rng, to_tensor(np.stack([moved(rng, source[i]) for i in chosen])))
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        return torch.stack([F.cross_entropy(logits[q].float(), truth[q][chosen]) for q in questions]).sum()

    loop.train("judge", net.parameters(), loss, minutes=minutes, top=2e-3, decay=0.05, say=say)
    return net.eval()
