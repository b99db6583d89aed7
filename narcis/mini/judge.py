"""The judge of `narcis mini check`: reads medium, headgear and the rest back from a picture."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from narcis.mini.recogniser import to_tensor, trunk

SIDE = 96


class Judge(nn.Module):
    """[b, 3, 96, 96] in [-1, 1] -> logits of each question, by name."""

    def __init__(self, questions: dict[str, list[str]], widths: tuple[int, int, int, int] = (24, 48, 96, 128)):
        super().__init__()
        self.questions = questions
        self.trunk = trunk(widths)
        self.middle = nn.Sequential(nn.BatchNorm2d(widths[3]), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict({q: nn.Linear(9 * widths[3], len(a)) for q, a in questions.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        seen = self.middle(self.trunk(pictures))
        return {question: head(seen) for question, head in self.heads.items()}

    @torch.inference_mode()
    def read(self, pictures: np.ndarray) -> dict[str, list[str]]:
        """uint8 [n, h, w, 3] -> its answer to each question, n each."""
        logits = self.eval()(to_tensor(np.stack([small(p) for p in pictures])))
        return {q: [self.questions[q][i] for i in v.argmax(1).tolist()] for q, v in logits.items()}


def small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
