"""Headwear, drawn last: it may reach beyond the head's window, so it is drawn on the whole canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from narcis.mini.painter.fields import (
    Colour,
    F,
    Field,
    bell,
    blend,
    dome,
    linear,
    mix,
    rgb,
    segment,
    smooth,
    strands,
    texture,
    zigzag,
)
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head
from narcis.mini.painter.palette import Palette
from narcis.mini.painter.scene import Scene
from narcis.mini.painter.sitter import Sitter

GOLD = linear((0.93, 0.71, 0.28))


@dataclass
class Crown:
    """The top of a head for something to sit on; width is half the head's with its hair."""

    head: Head
    sitter: Sitter
    scene: Scene
    palette: Palette
    rng: np.random.Generator
    x: Field
    y: Field
    width: float

    @property
    def scale(self) -> float:
        return self.head.scale

    @property
    def across(self) -> Field:
        return np.abs(self.x)

    def all_over(self, colour: Colour) -> Colour:
        return colour * np.ones((self.head.size, self.head.size, 1), F)

    def tilted(self, angle: float) -> tuple[Field, Field]:
        c, s = np.cos(angle), np.sin(angle)
        return self.x * c + self.y * s, -self.x * s + self.y * c


def draw_headwear(g: GBuffer, head: Head, sitter: Sitter, scene: Scene, rng: np.random.Generator) -> None:
    if scene.headwear == "none":
        return
    x, y = head.x - head.yaw * 0.06, head.y
    width = sitter.width * max(1.08, sitter.volume)
    HEADWEAR[scene.headwear](g, Crown(head, sitter, scene, scene.colours, rng, x, y, width))


def crown(g: GBuffer, c: Crown) -> None:
    """A golden band with gems and five points with balls."""
    below = c.y + 0.66 - 0.10 * (1 - (c.x / c.width) ** 2)
    band = smooth(0.01, -0.01, np.abs(below) - 0.10) * smooth(c.width + 0.06, c.width + 0.03, c.across)
    between, tall = zigzag(c.x / c.width * 2.5 + 0.5), 0.50 - 0.10 * (c.x / c.width) ** 2
    spike = smooth(0.01, -0.01, -below - 0.08 - tall * (1 - between) ** 1.15 - 0.03) * (below < -0.05)
    spike = spike * smooth(c.width + 0.05, c.width + 0.02, c.across)
    gem = smooth(0.055, 0.04, np.hypot(np.mod(c.x + 0.145, 0.29) - 0.145, below * 1.1))
    metal = np.maximum(band, spike)
    edge = smooth(0.10, 0.07, np.abs(np.abs(below) - 0.085))
    height = dome(c.x / (c.width + 0.12)) * 0.55 + 0.03 * edge + gem * 0.05 - 0.12 * between**2 * (below < -0.1)
    cover = np.maximum(metal, balls(c, below, tall))
    g.layer(cover, gems(c, gem), height * c.scale, gloss=0.95, label=Label.HEADWEAR, shadow=0.45, spread=5)
    g.add_ink(metal * np.exp(-(((np.abs(below) - 0.075) * c.scale / 1.2) ** 2)) * 0.7)


def balls(c: Crown, below: Field, tall: Field) -> Field:
    """On the crown's points."""
    point = (np.mod(c.x / c.width * 2.5 + 0.5, 1) - 0.5) * c.width / 2.5
    return smooth(0.05, 0.035, np.hypot(point, below + tall + 0.12)) * smooth(c.width + 0.03, c.width, c.across)


def gems(c: Crown, gem: Field) -> Colour:
    """Gold, with a ruby and a sapphire by turns."""
    odd = np.mod(np.floor((c.x + 0.145) / 0.29), 2)
    stones = blend(linear((0.65, 0.05, 0.10)), linear((0.05, 0.25, 0.55)), odd)
    return blend(c.all_over(GOLD), stones, gem)


def laurel(g: GBuffer, c: Crown) -> None:
    """Two twigs of nine triple leaves."""
    leaf, shade = np.zeros((c.head.size, c.head.size), F), np.zeros((c.head.size, c.head.size), F)
    for side in (-1, 1):
        for i in range(9):
            angle = mix(0.10, 1.38, i / 8)
            for turn in (-1, 0, 1):
                outline = np.round(leaf_outline(c, side, angle, turn) * 16).astype(np.int32)
                cv2.fillPoly(leaf, [outline], (1.0,), cv2.LINE_AA, 4)
                cv2.fillPoly(shade, [outline], (c.rng.uniform(0.45, 1.0),), cv2.LINE_AA, 4)
                cv2.polylines(shade, [outline], True, (0.12,), max(1, int(c.head.size / 300)), cv2.LINE_AA, 4)
    gilt = 0.9 if c.scene.palette == "amber" else 0.25
    green = mix(linear((0.16, 0.34, 0.12)), linear((0.80, 0.64, 0.24)), gilt)
    colour = green * (shade * 1.5)[..., None]
    g.layer(leaf, colour, shade * c.scale * 0.12, gloss=0.4, label=Label.HEADWEAR, shadow=0.4, spread=4)
    g.add_ink(leaf * smooth(0.35, 0.15, shade))


def leaf_outline(c: Crown, side: int, angle: float, turn: int) -> np.ndarray:
    """[18, 2] px: one leaf of the twig at an angle above the ear, turned outwards, along or inwards."""
    length, width = 0.25, 0.058
    x, y = side * np.cos(angle) * c.width * 1.04, -0.10 - np.sin(angle) * 0.66
    dx = side * -np.sin(angle) * 0.9 + side * np.cos(angle) * 0.75 * turn
    dy = -np.cos(angle) * 0.9 - np.sin(angle) * 0.75 * turn
    norm = np.hypot(dx, dy)
    dx, dy = dx / norm, dy / norm
    t = np.linspace(0, 1, 9)
    belly = width * np.sin(np.pi * t**0.8)
    one = np.stack([x + dx * length * t - dy * belly, y + dy * length * t + dx * belly], 1)
    other = np.stack([x + dx * length * t + dy * belly, y + dy * length * t - dx * belly], 1)[::-1]
    points = np.concatenate([one, other])
    return c.head.on_canvas(points[:, 0] + c.head.yaw * 0.06, points[:, 1])


def turban(g: GBuffer, c: Crown) -> None:
    """Crossing folds, with a jewel in front."""
    low = np.where(c.y < -0.62, (c.y + 0.62) / 0.66, (c.y + 0.62) / 0.30)
    d = np.hypot(c.x / (c.width + 0.17), low)
    brow = smooth(-0.30, -0.34, c.y - 0.18 * (1 - (c.x / c.width) ** 2) * -1 + 0.02)
    cover = smooth(1.01, 0.985, d) * brow
    fold = zigzag((c.y + 0.9 + 0.55 * np.sign(c.x - 0.05) * (c.x - 0.05) * 0.55) * 4.2)
    cloth = mix(c.palette.main, c.palette.accent, 0.12) * (0.8 + 0.35 * (1 - fold))[..., None]
    from_jewel = np.hypot(c.x - 0.03, c.y + 0.55)
    jewel = smooth(0.085, 0.07, from_jewel)
    colour = blend(blend(cloth, GOLD, smooth(0.12, 0.10, from_jewel)), linear((0.05, 0.40, 0.35)), jewel)
    height = dome(d) * 0.6 + 0.065 * (1 - fold**2)
    gloss = 0.25 + 0.7 * jewel
    g.layer(cover, colour, height * c.scale, gloss=gloss, label=Label.HEADWEAR, shadow=0.5, spread=7)
    g.add_ink(cover * smooth(0.90, 1.0, fold) * 0.8)


def helmet(g: GBuffer, c: Crown) -> None:
    """An antique one: open over the face, a gilt brow and ridge, a crest."""
    draw_crest(g, c)
    d = np.hypot(c.x / (c.width + 0.09), np.where(c.y < -0.3, (c.y + 0.3) / 0.92, (c.y + 0.3) / 0.9))
    cheeks = smooth(-0.012, 0.012, np.abs(c.x) - c.sitter.width * 0.83 + 0.12 * smooth(0.0, 0.6, c.y))
    brow_edge = smooth(0.012, -0.012, c.y + 0.42)
    cover = smooth(1.01, 0.985, d) * np.clip(cheeks + brow_edge, 0, 1) * smooth(0.52, 0.50, c.y)
    brow = bell(c.y + 0.42, 0.035)
    bronze = c.scene.palette in ("amber", "crimson")
    metal = linear((0.72, 0.53, 0.24)) if bronze else linear((0.55, 0.56, 0.60))
    colour = blend(c.all_over(metal), GOLD, np.clip(brow * 0.9 + bell(c.x, 0.04) * 0.7, 0, 1))
    height = dome(d) * 0.8 + 0.05 * brow + 0.05 * bell(c.x, 0.05)
    g.layer(cover, colour, height * c.scale, gloss=1.0, label=Label.HEADWEAR, shadow=0.5, spread=7)
    g.add_ink(cover * np.exp(-(((np.abs(c.y + 0.42) - 0.05) * c.scale / 1.3) ** 2)) * 0.8)


def draw_crest(g: GBuffer, c: Crown) -> None:
    angle, r = np.arctan2(c.x, -(c.y + 0.35)), np.hypot(c.x, c.y + 0.35)
    barb = np.cos(angle * 40)
    cover = smooth(1.34, 1.26, r + 0.05 * barb) * smooth(0.86, 0.90, r) * smooth(0.95, 0.85, np.abs(angle))
    colour = c.palette.main * (1.1 + 0.5 * barb)[..., None]
    height = (0.1 * barb + 0.3) * c.scale * 0.3
    g.layer(cover, colour, height, gloss=0.15, label=Label.HEADWEAR + 1, shadow=0.2, spread=5)


def hat(g: GBuffer, c: Crown) -> None:
    """A wide felt hat worn askew, with band and feather."""
    x, y = c.tilted(0.16)
    felt = mix(linear((0.07, 0.06, 0.06)), c.palette.main * 0.6, 0.5)
    draw_hat_crown(g, c, x, y, felt)
    draw_brim(g, c, x, y, felt)
    draw_feather(g, c, x, y)


def draw_hat_crown(g: GBuffer, c: Crown, x: Field, y: Field, felt: Colour) -> None:
    top = smooth(1.01, 0.98, np.hypot(x / (c.width + 0.02), np.where(y < -0.65, (y + 0.65) / 0.62, 9.0)))
    wall = smooth(c.width + 0.03, c.width + 0.01, np.abs(x)) * (y > -0.66) * (y < -0.5)
    band = smooth(0.08, 0.07, np.abs(y + 0.70 - 0.06 * (1 - (x / c.width) ** 2)))
    colour = blend(c.all_over(felt), c.palette.accent, band)
    height = (dome(x / (c.width + 0.06)) * 0.6 + 0.03 * band) * c.scale
    g.layer(np.maximum(top, wall), colour, height, gloss=0.15, label=Label.HEADWEAR, shadow=0.3, spread=6)


def draw_brim(g: GBuffer, c: Crown, x: Field, y: Field, felt: Colour) -> None:
    d = np.hypot(x / (c.width + 0.62), (y + 0.54) / 0.20)
    before = smooth(0.95, 1.05, np.hypot(x / (c.width + 0.03), (y + 0.66) / 0.16)) + (y > -0.60)
    colour = felt * (0.85 + 0.3 * (y < -0.5))[..., None]
    height = (dome(d) * 0.2 - y * 0.2) * c.scale
    cover = smooth(1.01, 0.98, d) * np.clip(before, 0, 1)
    g.layer(cover, colour, height, gloss=0.15, label=Label.HEADWEAR + 1, shadow=0.5, spread=8)


def draw_feather(g: GBuffer, c: Crown, x: Field, y: Field) -> None:
    d, t = segment(x, y, c.width * 0.55, -0.72, c.width * 1.25, -1.28)
    cover = smooth(0.0, -0.03, d - 0.13 * np.sin(np.pi * np.clip(t, 0.03, 1)) ** 0.8)
    colour = mix(c.palette.accent, rgb(0.9, 0.88, 0.82), 0.4) * (0.8 + 0.25 * np.cos(t * 60 + d * 40))[..., None]
    g.layer(cover, colour, -d * c.scale, gloss=0.2, label=Label.HEADWEAR + 2, shadow=0.25, spread=4)


def veil(g: GBuffer, c: Crown) -> None:
    """A cloth around face and shoulders, its edge embroidered."""
    hood = c.head.gauge(c.x, c.y + 0.05, max(c.sitter.volume, 1.08) * 1.12)
    side = np.where(c.y < 0.1, hood, np.maximum(c.across / ((c.width + 0.20) * (1 + 0.22 * smooth(0.2, 1.7, c.y))), 0))
    opening = np.hypot(c.x / (c.sitter.width * 1.02), np.where(c.y < 0, c.y / 0.70, c.y / 1.25))
    cover = smooth(1.02, 0.98, side) * smooth(0.98, 1.02, opening) * smooth(1.75, 1.6, c.y + 0.2 * c.across)
    light, n = strands(np.abs(c.x) * 0.5 + 0.15 * np.hypot(c.x, c.y + 1), c.y * 0.2, c.rng, 30, 4, 0.10)
    cloth = mix(c.palette.main, rgb(0.8, 0.78, 0.74), 0.15) * light[..., None]
    colour = blend(cloth, c.palette.accent, bell(opening - 1.05, 0.035))
    height = dome(np.clip(side, 0, 1)) * 0.6 + 0.045 * n + 0.05 * smooth(1.2, 1.0, opening)
    g.layer(cover, colour, height * c.scale, gloss=0.15, label=Label.HEADWEAR, shadow=0.5, spread=8)
    edge = np.exp(-(((opening - 1.10) * c.scale / 2) ** 2)) * 0.6
    g.add_ink(cover * np.maximum(smooth(1.1, 1.6, -n) * 0.6, edge))


def beret(g: GBuffer, c: Crown) -> None:
    """Velvet, leaning into the light, with a brooch."""
    lean = -0.20 * c.scene.lit
    x, y = c.tilted(lean)
    flat = np.where(y < -0.78, (y + 0.78) / 0.40, (y + 0.78) / 0.22)
    d = np.hypot((x - np.sign(lean) * -0.10) / (c.width + 0.22), flat) + 0.012 * texture(c.x * 8, c.y * 8)
    velvet = mix(linear((0.05, 0.04, 0.045)), c.palette.main, 0.65)
    band = smooth(0.07, 0.05, np.abs(y + 0.62)) * smooth(c.width + 0.02, c.width, np.abs(x))
    g.layer(band, velvet * 0.6, gloss=0.1, label=Label.HEADWEAR + 1, shadow=0.35, spread=5)
    colour = velvet * np.exp(0.10 * texture(c.x * 10, c.y * 18))[..., None]
    height = (dome(d) * 0.5 + 0.02 * texture(c.x * 7, c.y * 7)) * c.scale
    g.layer(smooth(1.01, 0.98, d), colour, height, gloss=0.2, label=Label.HEADWEAR, shadow=0.4, spread=7)
    brooch = np.hypot(x - 0.25, y + 0.70)
    colour = blend(GOLD, c.palette.accent, smooth(0.05, 0.03, brooch))
    ball = np.sqrt(np.clip(0.01 - brooch**2, 0, 1)) * c.scale
    g.layer(smooth(0.085, 0.07, brooch), colour, ball, gloss=1.0, label=Label.HEADWEAR + 2, shadow=0.2, spread=3)


HEADWEAR: dict[str, Callable[[GBuffer, Crown], None]] = {
    "crown": crown,
    "laurel": laurel,
    "turban": turban,
    "helmet": helmet,
    "hat": hat,
    "veil": veil,
    "beret": beret,
}
