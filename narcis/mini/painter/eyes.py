"""Eyes and brows, painted on the skin without new relief but the eyeball's.

In an eye u runs from its left corner (-1) to its right (+1), v from the middle in eye heights, and `out` is u from the
nose outwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from narcis.mini.painter.face import Canvas
from narcis.mini.painter.fields import Colour, Field, bell, blend, linear, mix, rgb, smooth, texture
from narcis.mini.painter.gbuffer import GBuffer, Label

LASHES = rgb(0.02, 0.014, 0.012)
PUPIL = rgb(0.008, 0.008, 0.01)
GLINT = rgb(1.7, 1.7, 1.65)


class Polar(NamedTuple):
    """Offsets and distance in iris radii, and the angle."""

    dx: Field
    dy: Field
    d: Field
    angle: Field


@dataclass(frozen=True)
class Eye:
    c: Canvas
    side: int

    @property
    def height(self) -> float:
        return self.c.features.eye_h

    @cached_property
    def x(self) -> Field:
        return self.c.x - self.side * self.c.sitter.eye_x

    @cached_property
    def u(self) -> Field:
        return self.x / self.c.sitter.eye_w

    @cached_property
    def out(self) -> Field:
        return self.u * self.side

    @cached_property
    def v(self) -> Field:
        st = self.c.sitter
        return (self.c.y - st.eye_y + st.eye_tilt * self.side * self.x * 0.9) / self.height

    @cached_property
    def lids(self) -> tuple[Field, Field]:
        return self.c.features.lids(self.u, self.side)

    @cached_property
    def open(self) -> Field:
        """Where the eyeball shows."""
        upper, lower = self.lids
        edge = 1.2 / (self.c.scale * self.height)
        between = smooth(-edge, edge, self.v - upper) * smooth(edge, -edge, self.v - lower)
        return between * (np.abs(self.u) < 1)

    @cached_property
    def pupil(self) -> Polar:
        """About the pupil; the eyes turn less than the head."""
        st, gaze = self.c.sitter, self.c.head.yaw * -0.35
        radius = max(self.height * 1.02 / self.c.features.mood.wide**0.8, st.eye_w * 0.45)
        dx, dy = self.u * st.eye_w - gaze * st.eye_w, (self.v + 0.10) * self.height
        return Polar(dx / radius, dy / radius, np.hypot(dx, dy) / radius, np.arctan2(dy, dx))


def draw_eyes(g: GBuffer, c: Canvas) -> None:
    for side in (-1, 1):
        eye = Eye(c, side)
        draw_lid_shadows(g, eye)
        draw_eyeball(g, eye)
        draw_lashes(g, eye)
        g.paint(glint(eye) * eye.open * 0.95, GLINT)
        g.add_ink(eye_ink(eye))
        g.label[eye.open > 0.5] = Label.EYE
        draw_brow(g, eye)


# ------------------------------------------------------------------------------------------------ eyeball
def draw_eyeball(g: GBuffer, eye: Eye) -> None:
    g.paint(eye.open, eyeball(eye))
    normal = np.dstack([eye.u * 0.45, eye.v * 0.25, np.ones_like(eye.u)])
    normal = normal / np.sqrt(1 + (eye.u * 0.45) ** 2 + (eye.v * 0.25) ** 2)[..., None]
    g.normal += (normal - g.normal) * eye.open[..., None]
    g.occlusion += (0.95 - g.occlusion) * eye.open
    g.gloss += (0.15 - g.gloss) * eye.open


def eyeball(eye: Eye) -> Colour:
    """White, iris, pupil, tear duct; darker below the upper lid and at the corners."""
    d = eye.pupil.d
    lit = 1.0 - 0.50 * np.exp(-np.clip(eye.v - eye.lids[0], -1, 9) / 0.5) - 0.30 * np.abs(eye.u) ** 3
    lit = np.clip(lit, 0.2, 1)
    colour = blend(rgb(0.74, 0.70, 0.66) * lit[..., None], iris(eye, lit), smooth(1.04, 0.94, d))
    colour = blend(colour, PUPIL, smooth(0.50, 0.40, d))
    duct = np.exp(-(((eye.out + 0.93) / 0.12) ** 2) - (eye.v / 0.5) ** 2)
    return blend(colour, eye.c.sitter.skin_colour * rgb(0.9, 0.55, 0.5), duct * 0.8)


def iris(eye: Eye, lit: Field) -> Colour:
    """Rays, a dark rim, a glow opposite the light."""
    d = eye.pupil.d
    rays = 0.75 + 0.45 * d + 0.22 * texture(eye.pupil.angle * 16 + 60 * eye.side + 99, d * 3 + 5)
    glow = 1 + 0.9 * np.clip(eye.pupil.dy, -0.2, 1)
    colour = linear(eye.c.sitter.iris) * (rays * glow)[..., None] * (1.25 - 0.95 * smooth(0.78, 1.0, d))[..., None]
    return colour * (0.55 + 0.45 * lit[..., None])


def glint(eye: Eye) -> Field:
    return smooth(0.22, 0.12, np.hypot(eye.pupil.dx + eye.c.scene.lit * 0.34, eye.pupil.dy + 0.38))


# --------------------------------------------------------------------------------------------------- lids
def draw_lid_shadows(g: GBuffer, eye: Eye) -> None:
    """Crease, lid, lower lid and the hollow under it, deeper with age."""
    upper, lower = eye.lids
    top = crease_v(eye)
    lid = smooth(top - 0.05, top + 0.3, eye.v) * smooth(upper + 0.1, upper - 0.1, eye.v) * (np.abs(eye.u) < 1.1)
    hollow = 0.22 * np.exp(-(((eye.v - lower - 0.8) * eye.height / 0.03) ** 2)) * smooth(1, 0.6, np.abs(eye.u))
    dark = crease(eye) * 0.55 + lid * 0.16 + lower_edge(eye) * 0.30 + hollow * (0.3 + eye.c.sitter.age)
    g.albedo *= 1 - (eye.c.cover * dark).clip(0, 0.85)[..., None]


def crease_v(eye: Eye) -> Field:
    return eye.lids[0] - (0.42 + 0.35 * eye.c.sitter.lid)


def crease(eye: Eye) -> Field:
    return bell((eye.v - crease_v(eye)) * eye.height, 0.014) * smooth(1.15, 0.8, np.abs(eye.u))


def lower_edge(eye: Eye) -> Field:
    return bell((eye.v - eye.lids[1]) * eye.height, 0.012) * smooth(1.05, 0.7, np.abs(eye.u))


def lashes(eye: Eye) -> Field:
    """Along the upper lid; a woman's are thicker and end in a wing."""
    woman = eye.c.sitter.woman
    width = 0.050 if woman else 0.034
    above = (eye.v - eye.lids[0]) * eye.height
    lid = smooth(width * 0.9, width * 0.25, np.abs(above + width * 0.25)) * smooth(1.10, 0.92, np.abs(eye.u))
    rise = np.abs((eye.v + 0.10 + 0.45 * (eye.out - 1)) * eye.height)
    wing = smooth(0.02, 0.008, rise) * smooth(0.9, 1.0, eye.out) * smooth(1.30, 1.12, eye.out)
    return np.maximum(lid, wing * woman)


def draw_lashes(g: GBuffer, eye: Eye) -> None:
    g.paint(lashes(eye) * eye.c.cover * 0.93, LASHES)


def eye_ink(eye: Eye) -> Field:
    cover, d = eye.c.cover, eye.pupil.d
    ring = bell(d - 0.97, 0.10) * eye.open * 0.8
    pupil = smooth(0.55, 0.45, d) * eye.open * (1 - glint(eye))
    edges = [lashes(eye) * cover, crease(eye) * 0.45 * cover, lower_edge(eye) * 0.55 * cover]
    return np.maximum.reduce([*edges, ring, pupil])


# -------------------------------------------------------------------------------------------------- brows
def draw_brow(g: GBuffer, eye: Eye) -> None:
    c, side = eye.c, eye.side
    u = (eye.x - side * 0.01) / c.features.brow_length
    line, thick = c.features.brow(u * side)
    hairs = texture((c.x * 0.8 + side * c.y * 1.1) * 70, (c.y - c.x * side) * 12)
    cover = smooth(0.012, -0.010, np.abs(c.y - line) - thick + 0.006 * hairs) * (np.abs(u) < 1.08) * c.cover
    g.paint(cover * 0.88, brow_colour(c) * np.exp(0.25 * hairs)[..., None])
    g.add_ink(cover * (0.45 if c.sitter.hair_colour in ("white", "blond") else 0.9))


def brow_colour(c: Canvas) -> Colour:
    """Darker than the hair, with some skin between the hairs."""
    st, hair = c.sitter, c.sitter.hair_light
    if st.hair == "bald" and st.hair_colour == "white":
        return hair * 0.8
    return mix(hair, st.skin_colour * 0.25, 0.15) * (0.8 if st.hair_colour in ("white", "grey") else 0.75)
