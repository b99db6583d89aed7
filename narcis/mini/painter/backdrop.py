"""What lies behind the sitter: a light fading into the dark, and on it a landscape, an arch, …"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, bell, blend, linear, mix, noise, rgb, smooth, zigzag
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head
from narcis.mini.painter.palette import Palette
from narcis.mini.painter.scene import Scene


@dataclass
class Ground:
    """The plain ground that backdrops start from. x and y are 0 to 1 over the picture, height is in px."""

    size: int
    palette: Palette
    rng: np.random.Generator
    x: Field
    y: Field
    cloud: Field
    lit: Colour  # [h, w, 1], 0 to 1
    colour: Colour
    height: Field


def draw_backdrop(g: GBuffer, scene: Scene, rng: np.random.Generator) -> None:
    ground = plain_ground(g.size, scene, rng)
    colour, height = BACKDROPS[scene.backdrop](g, ground)
    g.layer(np.ones((g.size, g.size), F), colour, height, ink=0.0)
    if scene.backdrop == "halo":
        draw_halo(g, g.head, scene.colours)


def plain_ground(size: int, scene: Scene, rng: np.random.Generator) -> Ground:
    palette = scene.colours
    y, x = np.mgrid[0:size, 0:size].astype(F) / size
    cloud = noise(rng, size, size / 4, 3) * 0.12
    light_x = 0.3 if scene.light == "left" else 0.7
    lit = np.clip(1.05 - np.hypot(x - light_x, (y - 0.35) * 1.1) * 1.25 + cloud, 0, 1)[..., None]
    colour = mix(palette.dark, palette.light * 0.8, lit)
    return Ground(size, palette, rng, x, y, cloud, lit, colour, noise(rng, size, size / 6, 2) * 1.2)


def plain(g: GBuffer, ground: Ground) -> tuple[Colour, Field]:
    return ground.colour, ground.height


def landscape(g: GBuffer, ground: Ground) -> tuple[Colour, Field]:
    """Three rows of hills under a clouded sky."""
    colour, height, rng = cloudy_sky(ground), ground.height, ground.rng
    for i, (base, swing) in enumerate([(0.50, 0.05), (0.60, 0.05), (0.72, 0.04)]):
        long = swing * np.sin(ground.x[0] * rng.uniform(3, 8) + rng.uniform(0, 6))
        crest = (base + long + swing * 0.6 * np.sin(ground.x[0] * rng.uniform(9, 18) + rng.uniform(0, 6)))[None]
        hill = smooth(0, 0.006, ground.y - crest)
        green = mix(linear((0.45, 0.58, 0.62)), linear((0.22, 0.30, 0.14)), i / 2) * tinted(ground.palette)
        colour = blend(colour, green * (1 - 0.5 * (ground.y - crest).clip(0, 1))[..., None], hill)
        height = height + hill * 2
        g.label[hill > 0.5] = Label.GROUND_PART + i % 2
        g.add_ink(np.exp(-(((ground.y - crest) * ground.size / 1.3) ** 2)) * 0.8)
    return colour, height


def cloudy_sky(ground: Ground) -> Colour:
    size, high = ground.size, np.clip(1 - ground.y * 1.7, 0, 1)[..., None]
    blue = np.clip(1 - ground.y * 1.6, 0, 1)
    sky = blend(ground.palette.light * 1.1 + 0.05, linear((0.55, 0.70, 0.85)), blue)
    coarse = cv2.resize(noise(ground.rng, size // 2, size / 12, 3), (size, size))
    clouds = smooth(0.2, 1.2, coarse + 0.2)[..., None] * high
    return mix(sky, rgb(0.9, 0.87, 0.8), clouds * 0.7)


def tinted(palette: Palette) -> Colour:
    """A factor that gives a natural colour a tinge of the palette."""
    return mix(0.6, 1.0, palette.light / max(palette.light.max(), 0.1))


def arch(g: GBuffer, ground: Ground) -> tuple[Colour, Field]:
    """A stone arch before the sky."""
    light = ground.palette.light
    stone = mix(light, linear((0.72, 0.66, 0.56)), 0.5)
    r = np.hypot((ground.x - 0.5) / 0.40, np.minimum((ground.y - 0.42) / 0.40, 0))
    wall = smooth(1.0, 1.012, r)
    air = linear((0.50, 0.62, 0.74)) * mix(0.6, 1.0, light)
    sky = blend(air, light, np.clip(ground.y * 1.3, 0, 1))
    ring = np.clip(1 - np.abs(r - 1.10) / 0.08, 0, 1)
    g.label[wall > 0.5] = Label.GROUND_PART
    g.add_ink(np.exp(-(((r - 1.02) * ground.size * 0.3) ** 2)))
    g.add_ink(np.exp(-(((r - 1.18) * ground.size * 0.3) ** 2)) * 0.7)
    height = ground.height + np.sqrt(ring) * ground.size * 0.02 + wall * 3
    return blend(sky, stone * (1 + ground.cloud[..., None]), wall), height


def drapery(g: GBuffer, ground: Ground) -> tuple[Colour, Field]:
    """A hanging cloth in folds."""
    rng, size = ground.rng, ground.size
    u = (
        ground.x * rng.uniform(5, 8)
        + 0.25 * np.sin(ground.y * 5 + rng.uniform(0, 6))
        + noise(rng, size, size / 3, 2) * 0.12
    )
    fold = zigzag(u)
    g.add_ink(smooth(0.93, 1.0, fold) * 0.7)
    cloth = mix(ground.palette.dark * 1.8, ground.palette.light * 0.75, 0.35 + 0.3 * ground.lit)
    return cloth * np.ones((size, size, 1), F), (1 - fold**1.6) * size * 0.035


def stars(g: GBuffer, ground: Ground) -> tuple[Colour, Field]:
    """Gold stars on the blue of a vault."""
    rng, size, dark = ground.rng, ground.size, ground.palette.dark
    deep, bright = dark * 0.7 + linear((0.03, 0.05, 0.16)), dark + linear((0.10, 0.16, 0.42))
    colour = blend(deep, bright, np.clip(ground.y + ground.cloud, 0, 1))
    cover = np.zeros((size, size), F)
    for _ in range(int(rng.integers(26, 44))):
        x, y, reach = rng.uniform(0, size), rng.uniform(0, size * 0.95), rng.uniform(1.6, 4.6) * size / 384
        cv2.fillPoly(cover, [np.round(star(x, y, reach) * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, 4)
    g.label[cover > 0.5] = Label.GROUND_PART_2
    return blend(colour, linear((0.98, 0.88, 0.5)), cover), ground.height


def star(x: float, y: float, reach: float) -> np.ndarray:
    """[10, 2] px: five points."""
    radius = [reach * 1.6 if k % 2 == 0 else reach * 0.6 for k in range(10)]
    return np.array([[x + r * np.sin(k * np.pi / 5), y - r * np.cos(k * np.pi / 5)] for k, r in enumerate(radius)])


def draw_halo(g: GBuffer, head: Head, palette: Palette) -> None:
    """A gilded disc behind the head, with rays and a rim."""
    x, y = head.body_x, head.body_y
    d = np.hypot(x, y + 0.12)
    rim = bell(d - 1.38, 0.03)
    ray = 0.5 + 0.5 * np.cos(np.arctan2(x, -y) * 36)
    gold = linear((0.93, 0.74, 0.32)) * (0.75 + 0.25 * ray * smooth(0.9, 1.25, d))[..., None]
    colour = blend(gold, palette.main, rim * 0.85)
    g.layer(smooth(1.46, 1.44, d), colour, ray * 1.5 + rim * 3, gloss=0.5, label=Label.HALO, shadow=0.15, spread=8)


BACKDROPS: dict[str, Callable[[GBuffer, Ground], tuple[Colour, Field]]] = {
    "plain": plain,
    "landscape": landscape,
    "arch": arch,
    "halo": plain,
    "drapery": drapery,
    "stars": stars,
}
