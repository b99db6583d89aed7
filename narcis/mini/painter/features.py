"""A sitter's features under an expression: the one geometry that relief, paint and landmarks all follow.

Head units on the face: x to the picture's right, y down, 0 the middle. `out` runs from the nose (-1) outwards (+1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from narcis.mini.painter.fields import smooth
from narcis.mini.painter.sitter import Sitter


@dataclass(frozen=True)
class Expression:
    smile: float = 0.0  # -1 to 1
    open: float = 0.0  # the mouth, 0 to 1
    wide: float = 1.0  # the eyes, a factor
    brow_in: float = 0.0  # inner ends down
    brow_up: float = 0.0
    surprise: float = 0.0  # upper lids higher
    laugh: float = 0.0  # lower lids higher
    frown: bool = False


EXPRESSIONS = {
    "calm": Expression(smile=0.12),
    "smiling": Expression(smile=1.0, open=0.15, wide=0.82, laugh=1.0),
    "stern": Expression(smile=-0.35, wide=0.80, brow_in=0.05, brow_up=-0.025, frown=True),
    "sorrowful": Expression(smile=-0.8, wide=0.82, brow_in=-0.06),
    "astonished": Expression(open=1.0, wide=1.35, brow_in=-0.03, brow_up=0.06, surprise=1.0),
}


@dataclass(frozen=True)
class Features:
    sitter: Sitter
    mood: Expression

    # ------------------------------------------------------------------ eyes
    @property
    def eye_h(self) -> float:
        return self.sitter.eye_h * self.mood.wide

    def lids(self, u, side: int) -> tuple:
        """Upper and lower lid over u in -1 to 1, in eye heights from the middle of the eye."""
        hump = np.clip(1 - np.abs(u) ** 2.1, 0, 1) ** 0.75
        upper = -(1.02 + 0.12 * self.mood.surprise) * hump * (1 - 0.10 * (u * side))
        return upper, (0.64 - 0.18 * self.mood.laugh) * hump

    @property
    def brow_y(self) -> float:
        return self.sitter.eye_y - self.sitter.brow_h - self.mood.brow_up

    @property
    def brow_length(self) -> float:
        """Half of it."""
        return self.sitter.eye_w * 1.18 * self.sitter.brow_len

    def brow(self, out) -> tuple:
        """Middle line and half thickness of a brow."""
        bend = self.brow_y - self.sitter.brow_arch * (1 - (out - 0.25) ** 2)
        line = bend + self.mood.brow_in * np.clip(-out, -0.3, 1) + 0.035 * np.clip(out - 0.4, 0, 1)
        thick = self.sitter.brow_t * smooth(-1.15, -0.75, out) * (1 - 0.75 * smooth(-0.2, 1.05, out))
        return line, thick

    # ------------------------------------------------------------------ nose
    @property
    def nose_top(self) -> float:
        return self.sitter.eye_y - 0.10

    def ridge(self, t):
        """Height of the nose's ridge from its root (t = 0) to the tip (t = 1)."""
        return self.sitter.nose_h * (0.045 + 0.155 * t ** (1.3 - 0.45 * self.sitter.hook))

    # ----------------------------------------------------------------- mouth
    @property
    def joy(self) -> float:
        return max(self.mood.smile, 0)

    @property
    def mouth_y(self) -> float:
        return self.sitter.mouth_y + 0.03 * self.mood.open

    @property
    def mouth_w(self) -> float:
        return self.sitter.mouth_w * (1 + 0.16 * self.joy - 0.2 * self.mood.open)

    def lips(self, u) -> tuple:
        """Over u in -1 to 1: y of the line where lips meet, height of upper and lower lip, gap between them."""
        arch = np.clip(1 - u**2, 0, 1)
        line = self.mouth_y - self.mood.smile * 0.065 * u**2 * np.clip(np.abs(u), 0, 1.2) ** 0.3
        peaks = 1 + 0.30 * np.exp(-(((np.abs(u) - 0.25) / 0.18) ** 2)) - 0.28 * np.exp(-((u / 0.12) ** 2))
        upper = self.sitter.lip_upper * (arch**0.8) * peaks
        lower = self.sitter.lip_lower * arch**0.7 * (1 - 0.12 * self.joy)
        return line, upper, lower, self.mood.open * 0.085 * arch**0.8
