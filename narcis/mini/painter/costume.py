"""Costumes on the bust. Each is a function of the bust that lays on its cloth; collars follow over the neck."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narcis.mini.painter.body import GOLD, Bust
from narcis.mini.painter.fields import (
    Colour,
    F,
    Field,
    bell,
    blend,
    linear,
    mix,
    rgb,
    smooth,
    spot,
    texture,
    zigzag,
)
from narcis.mini.painter.gbuffer import GBuffer, Label

BLACK = linear((0.10, 0.10, 0.13))


def draw_costume(g: GBuffer, b: Bust, costume: str) -> None:
    COSTUMES[costume](g, b)


def wear(g: GBuffer, b: Bust, colour: Colour, height: Field, gloss: float | Field, number: int) -> None:
    g.layer(b.cover, colour, height, gloss=gloss, label=Label.COSTUME + number, shadow=0.55, spread=9)


def seam(b: Bust, d: Field, width: float = 1.3) -> Field:
    """An ink line where d is 0, `width` px wide."""
    return np.exp(-((d * b.scale / width) ** 2))


def neckline(b: Bust, slope: float, low: float, fall: float = 1.0) -> Field:
    """0 on a V from the shoulders, negative inside it."""
    return b.across * slope - (b.y - low) * fall


def robe(g: GBuffer, b: Bust) -> None:
    """A broad band of gold and jewels in V."""
    v = np.abs(neckline(b, 1.15, 1.32) - 0.02)
    band = smooth(0.03, 0.0, v - 0.10)
    jewel = band * smooth(0.72, 0.85, 0.5 + 0.5 * np.cos(b.y * 42)) * smooth(0.05, 0.035, v)
    jewels = blend(b.palette.accent, linear((0.1, 0.5, 0.45)), (np.sin(b.y * 21) > 0).astype(F))
    colour = blend(blend(b.cloth, GOLD, band), jewels, jewel)
    wear(g, b, colour, (b.z + b.fold * 0.035 + band * 0.05) * b.scale, 0.25 + 0.5 * band, 0)
    g.add_ink(b.cover * seam(b, v - 0.115, 1.4))


def armour(g: GBuffer, b: Bust) -> None:
    """Steel with a keel, pauldrons in rings, gilt edges."""
    d = np.hypot(b.across - b.width * 0.80, (b.y - 1.75) * 0.9)
    ring = zigzag(d * 3.6)
    plate = smooth(0.60, 0.58, d - 0.15)
    height = b.z + bell(b.x, 0.12) * 0.12 + plate * 0.12 + plate * (1 - ring**3) * 0.05
    trim = np.maximum(plate * smooth(0.88, 0.97, ring), bell(b.y - 1.50 - 0.35 * b.across**2, 0.03))
    steel = linear((0.50, 0.52, 0.56)) * (1 + 0.12 * texture(b.x * 25, b.y * 25))[..., None]
    wear(g, b, blend(steel, GOLD, trim), height * b.scale * 1.15, 1.0, 1)
    g.add_ink(b.cover * trim * 0.9)


def suit(g: GBuffer, b: Bust) -> None:
    """Dark cloth with lapels, shirt and tie."""
    v = neckline(b, 1.0, 1.30, 0.46)
    shirt = smooth(0.01, -0.01, v)
    tie = smooth(0.01, -0.01, b.across - 0.045 - 0.05 * (b.y - 1.25)) * smooth(1.24, 1.27, b.y)
    lapel = smooth(0.01, -0.01, np.abs(v - 0.10) - 0.10) * smooth(2.6, 2.5, b.y)
    wool = mix(BLACK, b.palette.main * 0.6, 0.45)
    colour = blend(wool * b.folds[..., None] ** 0.5, wool * 0.72, lapel)
    colour = blend(blend(colour, rgb(0.80, 0.79, 0.76), shirt), b.palette.accent * 0.8, tie)
    wear(g, b, colour, (b.z + lapel * 0.06 + b.fold * 0.012 + tie * 0.04) * b.scale, 0.12, 2)
    g.add_ink(b.cover * np.maximum.reduce([seam(b, v), seam(b, v - 0.2) * 0.8]))


def ruff(g: GBuffer, b: Bust) -> None:
    """Black silk with buttons, under the great collar."""
    button = smooth(0.035, 0.02, np.hypot(b.x, np.mod(b.y, 0.22) - 0.11))
    brocade = smooth(0.75, 0.95, np.cos(b.across * 26 + b.y * 6)) * 0.35
    silk = mix(linear((0.05, 0.045, 0.05)), b.palette.main * 0.5, 0.5) * b.folds[..., None]
    colour = blend(silk, b.palette.accent * 0.8, np.clip(button + brocade, 0, 1))
    wear(g, b, colour, (b.z + button * 0.05 + b.fold * 0.02) * b.scale, 0.25 + 0.5 * button, 3)


def toga(g: GBuffer, b: Bust) -> None:
    """White folds across, with a coloured stripe."""
    u = b.x * 0.9 + b.y * 0.75
    fold = zigzag(u * 3.4 + 0.12 * texture(b.x * 6, b.y * 6))
    white = linear((0.90, 0.87, 0.80)) * (0.8 + 0.2 * (1 - fold))[..., None]
    colour = blend(white, b.palette.main, smooth(0.05, 0.03, np.abs(u - 1.15)))
    wear(g, b, colour, (b.z + 0.07 * (1 - fold**2)) * b.scale, 0.08, 4)
    g.add_ink(b.cover * smooth(0.9, 1, fold) * 0.7)


def kimono(g: GBuffer, b: Bust) -> None:
    """Patterned silk, its collars crossed."""
    under = smooth(0.16, 0.15, np.abs(b.x * 0.95 - (b.y - 1.36) * 0.52))
    under = np.maximum(under * (b.x > -0.25), 0)
    v = np.abs(-b.x * 0.95 - (b.y - 1.36) * 0.52)
    over = smooth(0.16, 0.15, v)
    colour = blend(seigaiha(b), b.palette.accent, under * 0.9)
    colour = blend(colour, rgb(0.82, 0.78, 0.72), over)
    colour = blend(colour, b.palette.accent * 0.8, smooth(0.11, 0.10, v))
    wear(g, b, colour, (b.z + 0.05 * over + 0.03 * under + b.fold * 0.02) * b.scale, 0.2, 5)
    g.add_ink(b.cover * np.maximum(seam(b, v - 0.16), seam(b, v - 0.11) * 0.8))


def seigaiha(b: Bust) -> Colour:
    """Rows of concentric waves."""
    row = 0.5 * np.mod(np.floor(b.y * 6.4), 2)
    rings = np.cos(np.hypot(np.mod(b.x * 3.2 + row, 1) - 0.5, np.mod(b.y * 6.4, 1) - 1) * 22)
    pattern = (0.5 + 0.5 * rings > 0.6)[..., None].astype(F)
    return mix(b.palette.main, mix(b.palette.main, b.palette.accent, 0.55), pattern * 0.8)


def gown(g: GBuffer, b: Bust) -> None:
    """A round neckline edged with lace."""
    d = np.hypot(b.x / 0.92, (b.y - 1.18) / 0.62)
    bare = smooth(0.01, -0.01, d - 1)
    lace = bell(d - 1.03, 0.035)
    colour = blend(blend(b.cloth, b.sitter.skin_colour, bare), b.palette.accent, lace)
    collarbone = 0.03 * bell(b.y - 1.36 - 0.12 * b.across, 0.03) * bare
    wear(g, b, colour, (b.z + collarbone + lace * 0.03 + b.fold * 0.03 * (1 - bare)) * b.scale, 0.22, 6)
    g.add_ink(b.cover * lace * 0.7)


def ermine(g: GBuffer, b: Bust) -> None:
    """White fur with black tails over the cloth."""
    fur = np.exp(0.22 * texture(b.x * 55, b.y * 22)) * np.exp(0.12 * texture(b.x * 20, b.y * 9))
    tails = np.zeros_like(b.cover)
    for _ in range(26):
        x, y = b.rng.uniform(-b.width, b.width), b.rng.uniform(1.4, 2.9)
        tails = np.maximum(tails, spot(b.x - x, b.y - y, 0.03, 0.07))
    colour = blend(rgb(0.78, 0.74, 0.67) * fur[..., None], linear((0.1, 0.08, 0.07)), np.clip(tails * 1.3, 0, 1))
    below = smooth(2.0, 2.05, b.y + 0.25 * b.across)
    height = b.z + 0.03 * texture(b.x * 30, b.y * 14) * (1 - below) + b.fold * 0.02
    wear(g, b, blend(colour, b.cloth, below), height * b.scale, 0.08, 7)


COSTUMES: dict[str, Callable[[GBuffer, Bust], None]] = {
    "robe": robe,
    "armour": armour,
    "suit": suit,
    "ruff": ruff,
    "gown": gown,
    "toga": toga,
    "kimono": kimono,
    "ermine": ermine,
}
