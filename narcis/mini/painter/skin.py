"""The skin's colour: blood, freckles, stubble, moles, wrinkles; and the ink lines of nose and folds."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.face import Canvas
from narcis.mini.painter.fields import Colour, F, Field, bell, blend, linear, rgb, segment, smooth, spot, texture
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.relief import occlusion, relief


def draw_skin(g: GBuffer, c: Canvas) -> None:
    height = (relief(c) * c.scale).astype(F)
    open_ = occlusion(c, height)
    g.layer(c.cover, skin(c), height, gloss=0.20, label=Label.SKIN, shadow=0.38, spread=7, occlusion=open_)


def skin(c: Canvas) -> Colour:
    """Linear light; each step tints what the steps before left."""
    colour = np.ones((*c.x.shape, 3), F) * c.sitter.skin_colour
    for tint in (blush, shaded_eyes, mottled, freckles, stubble):
        tint(c, colour)
    colour = scarred(c, moles(c, colour))
    for tint in (wrinkled, folded, nostrils):
        tint(c, colour)
    return colour


def darken(colour: Colour, amount: Field, channels=(1.0, 1.0, 1.0)) -> None:
    colour *= 1 - amount[..., None] * rgb(*channels)


def blush(c: Canvas, colour: Colour) -> None:
    """Cheeks, nose and chin."""
    cheeks = 0.30 * c.both(c.sitter.width * 0.58, 0.28, 0.18, 0.14)
    red = cheeks + 0.28 * spot(c.nose.x, c.y - c.sitter.nose_y + 0.01, 0.10, 0.08) + 0.10 * c.middle(0, 0.9, 0.15, 0.1)
    colour *= 1 + red[..., None] * rgb(0.18, -0.22, -0.22)


def shaded_eyes(c: Canvas, colour: Colour) -> None:
    darken(colour, 0.16 * c.both(c.sitter.eye_x, c.sitter.eye_y - 0.03, 0.17, 0.10), (0.6, 1.0, 0.8))


def mottled(c: Canvas, colour: Colour) -> None:
    fine, broad = texture(c.x * 40 + 9, c.y * 40), texture(c.x * 9 + 7, c.y * 9)
    colour *= np.exp(0.03 * fine + 0.03 * broad)[..., None]


def freckles(c: Canvas, colour: Colour) -> None:
    if c.sitter.freckles > 0.1:
        where = (c.both(0.30, 0.22, 0.24, 0.14) + c.middle(0, 0.12, 0.2, 0.14)).clip(0, 1)
        darken(colour, smooth(1.0, 1.9, texture(c.x * 48 + 50, c.y * 48 + 11)) * where * 0.55, (0.4, 0.8, 1.0))


def stubble(c: Canvas, colour: Colour) -> None:
    if c.sitter.beard == "stubble":
        where = smooth(0.40, 0.62, c.y + 0.25 * (c.across / c.sitter.width) ** 3) * smooth(0.99, 0.9, c.surface.rho)
        darken(colour, where * (0.28 + 0.08 * texture(c.x * 80, c.y * 80)), (1.0, 0.92, 0.80))


def moles(c: Canvas, colour: Colour) -> Colour:
    for x, y in c.sitter.moles:
        mole = smooth(0.026, 0.016, np.hypot(c.x - x, c.y - y))
        colour = blend(colour, linear((0.16, 0.08, 0.06)), mole * 0.85)
    return colour


def scarred(c: Canvas, colour: Colour) -> Colour:
    if not c.sitter.scar:
        return colour
    distance, _ = segment(c.x, c.y, 0.30, 0.12, 0.44, 0.42)
    return blend(colour, c.sitter.skin_colour * rgb(1.2, 0.85, 0.85), smooth(0.018, 0.008, distance) * 0.8)


def wrinkled(c: Canvas, colour: Colour) -> None:
    if c.old:
        darken(colour, np.clip(c.wrinkles, 0, 1) * 0.30 * (c.sitter.age - 0.3))


def folded(c: Canvas, colour: Colour) -> None:
    distance, along, depth = c.fold
    darken(colour, 0.35 * bell(distance, 0.02) * smooth(1.1, 0.6, along) * min(1.0, depth * 8))


def nostrils(c: Canvas, colour: Colour) -> None:
    darken(colour, (holes(c) * 0.82).clip(0, 1))
    wide = c.sitter.nose_w
    under = bell(c.y - c.sitter.nose_y - 0.045, 0.022) * smooth(0.15 * wide, 0.08 * wide, c.nose.across)
    darken(colour, under * 0.30)


def holes(c: Canvas) -> Field:
    return spot(c.nose.across - 0.052 * c.sitter.nose_w, c.y - c.sitter.nose_y - 0.033, 0.026, 0.017)


# ----------------------------------------------------------------------------------------------------- ink
def skin_ink(c: Canvas) -> Field:
    """Nose, folds and wrinkles as a line drawing has them."""
    distance, along, depth = c.fold
    fold = bell(distance, 0.014) * smooth(1.1, 0.6, along) * min(1.0, depth * 10) * 0.55
    lines = [nose_side(c), nose_wings(c), fold]
    if c.old:
        lines.append(np.clip(c.wrinkles, 0, 1) * (c.sitter.age - 0.35) * 0.8)
    return np.maximum.reduce([line * c.cover for line in lines])


def nose_side(c: Canvas) -> Field:
    """The shaded side of the ridge."""
    nose, lit = c.nose, c.scene.lit
    edge = nose.x - lit * (0.055 + 0.06 * nose.along * c.sitter.nose_w)
    return np.exp(-((edge * c.scale / 1.5) ** 2)) * smooth(0.1, 0.5, nose.t) * smooth(1.05, 0.95, nose.t) * 0.75


def nose_wings(c: Canvas) -> Field:
    outer = 0.14 * c.sitter.nose_w
    r = ((c.nose.across - outer) ** 2 + (c.y - c.sitter.nose_y) ** 2) ** 0.5
    wing = np.exp(-((r - 0.03) ** 2) / 0.012**2) * (c.nose.across > outer) * 0.7
    return np.maximum(holes(c), wing)
