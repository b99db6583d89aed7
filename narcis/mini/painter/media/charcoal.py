"""Charcoal on white or toned paper: two directions of hatching, rubbed tones in the face, chalk lights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, blend, mix, noise, rgb, smooth, texture
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.media.filters import blur, edges_of_tone, luma, scale_of, soft
from narcis.mini.painter.scene import Scene

COAL, CHALK = rgb(0.09, 0.08, 0.08), rgb(0.97, 0.95, 0.90)
TONED, WHITE = rgb(0.80, 0.73, 0.62), rgb(0.93, 0.91, 0.86)


class Tooth(NamedTuple):
    """What the paper's grain and the strokes do to the coal, about -1 to 1."""

    grain: Field
    cloud: Field
    along: Field  # hatching
    crossed: Field


def charcoal(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k, behind = scale_of(g), soft(g.behind, 3 * scale_of(g))
    tone = tones(g, luma(g.shade(scene.light, key=1.2, ambient=0.30, contrast=1.1)))
    faded = vignette(g.size, k, rng)
    tone = mix(tone, mix(0.80, tone, 0.35), behind)
    tooth = tooth_of(g.size, k, rng)
    coal = np.clip(hatched(g, tone, tooth, k) * 1.02 + lines(g, tone, tooth, k) * 0.62, 0, 1) * (0.10 + 0.90 * faded)
    toned = rng.random() < 0.5
    sheet = (TONED if toned else WHITE) * (1 + 0.020 * tooth.cloud + 0.015 * tooth.grain)[..., None]
    drawing = blend(sheet, COAL, np.clip(coal, 0, 0.96))
    if not toned:
        return drawing
    light = smooth(0.70, 0.98, tone + tooth.grain * 0.05 + tooth.along * 0.03) * (1 - behind) * faded
    return blend(drawing, CHALK, light * 0.75)


def tones(g: GBuffer, tone: Field) -> Field:
    """Lifted until the skin has light enough."""
    skin = (g.label == Label.SKIN) | (g.label == Label.EYE)
    bright = float(np.percentile(tone[skin], 80)) if skin.any() else 0.6
    return np.clip((tone - 0.06) * 1.12 * float(np.clip(0.70 / bright, 0.9, 1.7)), 0, 1) ** 0.9


def vignette(size: int, k: float, rng: np.random.Generator) -> Field:
    """1 in the middle, raggedly to 0 outside: the drawing stops before the sheet does."""
    y, x = np.mgrid[0:size, 0:size].astype(F)
    d = np.hypot(x / size - 0.5, (y / size - 0.47) * 0.95) + noise(rng, size, 60 * k, 3) * 0.035
    return smooth(0.62, 0.30, d)


def tooth_of(size: int, k: float, rng: np.random.Generator) -> Tooth:
    y, x = np.mgrid[0:size, 0:size].astype(F)
    grain, angle = noise(rng, size, 1.6, 1), rng.uniform(0.55, 0.95)
    u = (x * np.cos(angle) + y * np.sin(angle)) / k
    v = (-x * np.sin(angle) + y * np.cos(angle)) / k
    along = texture(u * 0.55 + 3, v * 0.045) * 0.8 + texture(u * 0.25 + 90, v * 0.03 + 40) * 0.6
    crossed = texture(v * 0.5 + 13, u * 0.05 + 71)
    return Tooth(grain, noise(rng, size, 3.2 * k, 2), along, crossed)


def hatched(g: GBuffer, tone: Field, tooth: Tooth, k: float) -> Field:
    dark = 1 - tone
    once = smooth(-0.25, 0.55, dark * 1.9 - 0.62 + tooth.along * 0.20 + tooth.grain * 0.16 + tooth.cloud * 0.06)
    twice = smooth(0.0, 0.6, dark * 2.0 - 1.10 + tooth.crossed * 0.18 + tooth.grain * 0.14)
    rubbed = blur(dark, 1.0 * k) ** 1.15
    rough = 0.45 * once + 0.35 * twice + 0.40 * rubbed
    return mix(rough, 0.28 * once + 0.18 * twice + 0.72 * rubbed, soft(g.face, 4 * k))


def lines(g: GBuffer, tone: Field, tooth: Tooth, k: float) -> Field:
    drawn = np.clip(blur(g.ink, 0.8 * k) * 1.15 + edges_of_tone(tone, 1.3 * k, 1.7, 5.0), 0, 1)
    return np.clip(drawn * (1.0 + 0.45 * tooth.grain + 0.3 * tooth.cloud), 0, 1)
