"""The face: what its relief, skin, eyes and mouth have in common, and the order in which they are painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narcis.mini.painter.features import Features
from narcis.mini.painter.fields import Field, bell, segment, smooth, spot
from narcis.mini.painter.head import Head, Surface
from narcis.mini.painter.scene import Scene
from narcis.mini.painter.sitter import Sitter


@dataclass(frozen=True)
class Nose:
    t: Field  # 0 at its root, 1 at its tip, beyond below
    rise: Field  # of the ridge
    x: Field  # across the ridge, which a turned head shows from the side
    across: Field  # |x|

    @property
    def along(self) -> Field:
        return np.clip(self.t, 0, 1)


@dataclass(frozen=True)
class Lips:
    u: Field  # -1 to 1 from corner to corner
    arch: Field  # 1 in the middle, 0 at the corners
    line: Field  # y where they meet
    upper: Field  # heights
    lower: Field
    gap: Field  # between them
    upper_cover: Field
    lower_cover: Field


@dataclass(frozen=True)
class Canvas:
    """A face's coordinates on the window it is painted in, and the shapes that several of its painters need."""

    head: Head
    scene: Scene
    features: Features
    surface: Surface

    @property
    def sitter(self) -> Sitter:
        return self.features.sitter

    @property
    def x(self) -> Field:
        return self.surface.x

    @property
    def y(self) -> Field:
        return self.surface.y

    @property
    def scale(self) -> float:
        return self.head.scale

    @property
    def old(self) -> bool:
        """Old enough for wrinkles."""
        return self.sitter.age > 0.45

    @cached_property
    def across(self) -> Field:
        return np.abs(self.x)

    @cached_property
    def cover(self) -> Field:
        return smooth(1.008, 0.985, self.surface.rho)

    def middle(self, x: float, y: float, width: float, height: float) -> Field:
        """A bell at one place."""
        return spot(self.x - x, self.y - y, width, height)

    def both(self, x: float, y: float, width: float, height: float) -> Field:
        """The same bell on both sides of the face."""
        return spot(self.across - x, self.y - y, width, height)

    @cached_property
    def nose(self) -> Nose:
        st, top = self.sitter, self.features.nose_top
        t = np.clip((self.y - top) / (st.nose_y - top), -1, 1.6)
        ridge = self.features.ridge(np.clip(t, 0, 1))
        rise = ridge * smooth(-0.35, 0.25, t) * np.where(t > 1, np.exp(-(((t - 1) / 0.17) ** 2)), 1)
        x = self.x - self.head.yaw * rise * 0.9
        return Nose(t, rise, x, np.abs(x))

    @cached_property
    def fold(self) -> tuple[Field, Field, float]:
        """From nose to mouth: distance, how far along, and depth with age and smile."""
        st, f = self.sitter, self.features
        ends = (0.135 * st.nose_w, st.nose_y - 0.02, f.mouth_w + 0.085, f.mouth_y + 0.02)
        return *segment(self.across, self.y, *ends), 0.008 + 0.018 * st.age + 0.014 * f.joy

    @cached_property
    def wrinkles(self) -> Field:
        """On the forehead, beside the eyes and under them; they add up."""
        lines = np.zeros_like(self.x)
        for k in range(3):
            y = self.features.brow_y - 0.13 - 0.085 * k + 0.02 * np.cos(self.x * 5 + k)
            lines += bell(self.y - y, 0.016) * smooth(0.48, 0.25, self.across)
        st = self.sitter
        corner = st.eye_x + st.eye_w
        for k in (-1, 0, 1):
            foot = (corner + 0.05, st.eye_y + 0.025 * k, corner + 0.16, st.eye_y + 0.075 * k + 0.01)
            lines += bell(segment(self.across, self.y, *foot)[0], 0.012)
        return lines + self.eye_bags * 1.2

    @property
    def eye_bags(self) -> Field:
        st = self.sitter
        u = (self.across - st.eye_x) / st.eye_w
        below = self.y - st.eye_y - self.features.eye_h * 0.9 - 0.045 - 0.03 * (1 - u**2)
        return bell(below, 0.018) * smooth(1.2, 0.8, np.abs(self.across - st.eye_x) / st.eye_w)

    @cached_property
    def lips(self) -> Lips:
        u, y = self.x / self.features.mouth_w, self.y
        line, upper, lower, gap = self.features.lips(u)
        top, bottom = line - gap * 0.5, line + gap * 0.5
        inside = np.abs(u) < 1
        above = smooth(-0.008, 0.008, y - (line - upper - gap * 0.5)) * smooth(0.006, -0.006, y - top) * inside
        below = smooth(-0.006, 0.006, y - bottom) * smooth(0.010, -0.010, y - (bottom + lower)) * inside
        return Lips(u, np.clip(1 - u**2, 0, 1), line, upper, lower, gap, above, below)
