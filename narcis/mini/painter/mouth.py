"""The mouth, painted over a beard: lips, what lies between them, the line where they meet."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.face import Canvas
from narcis.mini.painter.fields import Colour, Field, bell, linear, mix, rgb, smooth, texture
from narcis.mini.painter.gbuffer import GBuffer, Label

TEETH = rgb(0.78, 0.74, 0.68)
THROAT = linear((0.20, 0.04, 0.04))


def draw_mouth(g: GBuffer, c: Canvas) -> None:
    cover = smooth(1.0, 0.97, c.surface.rho)
    for lip, light in ((c.lips.upper_cover, 0.74), (c.lips.lower_cover, 1.02)):
        draw_lip(g, c, lip * cover, light)
    if c.features.mood.open > 0.5:
        g.paint(between(c) * 0.95, THROAT)
        g.occlusion *= 1 - 0.4 * between(c)
    elif c.features.mood.open > 0:
        g.paint(between(c) * smooth(0.95, 0.6, np.abs(c.lips.u)) * 0.9, TEETH)
    if c.features.mood.open < 0.5:
        g.albedo *= 1 - (closing_line(c) * 0.80 * cover)[..., None]
    g.add_ink(mouth_ink(c) * cover)


def draw_lip(g: GBuffer, c: Canvas, lip: Field, light: float) -> None:
    colour = lip_colour(c) * light * np.exp(0.05 * texture(c.x * 60, c.y * 6))[..., None]
    g.paint(lip * 0.9, colour)
    g.gloss += (0.34 - g.gloss) * (lip * 0.9)
    g.occlusion += (0.96 - g.occlusion) * (lip * 0.9) * 0.8
    g.label[lip > 0.5] = Label.LIPS


def lip_colour(c: Canvas) -> Colour:
    st = c.sitter
    red = linear((0.62, 0.13, 0.15)) * mix(0.6, 1.0, 1 - st.tone * 0.5)
    return mix(st.skin_colour * rgb(0.86, 0.60, 0.58), red, st.lip_red * 0.75)


def between(c: Canvas) -> Field:
    """The open mouth."""
    lips = c.lips
    inside = smooth(-0.006, 0.006, c.y - (lips.line - lips.gap * 0.5)) * smooth(
        0.006, -0.006, c.y - (lips.line + lips.gap * 0.5)
    )
    return inside * (np.abs(lips.u) < 0.97)


def closing_line(c: Canvas) -> Field:
    u = np.abs(c.lips.u)
    return np.exp(-(((c.y - c.lips.line) / (0.010 + 0.004 * u)) ** 2)) * smooth(1.08, 0.96, u)


def mouth_ink(c: Canvas) -> Field:
    lips = c.lips
    top = bell(c.y - lips.line + lips.upper + lips.gap * 0.5, 0.010)
    bottom = bell(c.y - lips.line - lips.lower - lips.gap * 0.5, 0.010)
    edges = np.maximum(top, bottom) * 0.45 * (np.abs(lips.u) < 0.95)
    return np.maximum(closing_line(c) * (c.features.mood.open < 0.5), edges)
