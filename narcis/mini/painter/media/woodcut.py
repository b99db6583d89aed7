"""Ukiyo-e: flat inks, a graded sky, the keyblock's lines, wood grain, a red seal."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, blend, display, mix, noise, rgb, smooth
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.media.filters import (
    bilateral,
    blur,
    edges_of_tone,
    kuwahara,
    luma,
    odd,
    paper,
    saturate_one,
    scale_of,
    soft,
)
from narcis.mini.painter.scene import Scene

PIGMENTS = np.array(
    [
        [0.93, 0.87, 0.74],
        [0.80, 0.31, 0.22],
        [0.17, 0.26, 0.42],
        [0.33, 0.47, 0.44],
        [0.86, 0.67, 0.34],
        [0.13, 0.12, 0.13],
        [0.62, 0.49, 0.38],
        [0.52, 0.36, 0.46],
        [0.90, 0.76, 0.62],
        [0.48, 0.30, 0.20],
        [0.34, 0.22, 0.16],
        [0.72, 0.56, 0.45],
    ],
    F,
)
SKIES = PIGMENTS[[1, 2, 3, 4, 7]]
KEYBLOCK = rgb(0.10, 0.095, 0.12)
SEAL, CARVED = rgb(0.76, 0.17, 0.13), (0.95, 0.88, 0.76)
SKY_SHARE = {"plain": 1.0, "halo": 1.0, "drapery": 0.6}  # how much of the sky hides what was behind


def woodcut(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k = scale_of(g)
    picture = g.shade(scene.light, key=0.80, ambient=0.62, contrast=0.75)
    tone, flesh = luma(picture), soft(g.flesh, 0.8)
    base = mix(display(g.albedo), picture, 0.35)
    base = bilateral(kuwahara(blur(base, 1.2 * k), odd(5 * k)), 40, 4 * k)
    print_ = blend(in_pigments(base), two_toned_skin(g, tone, k), flesh)
    if scene.backdrop in SKY_SHARE:
        print_ = blend(print_, graded_sky(base), soft(g.label == Label.GROUND, 0.8) * SKY_SHARE[scene.backdrop])
    print_ = print_ * (1 + wood_grain(g.size, k, rng))[..., None]
    print_ = blend(print_, KEYBLOCK, np.clip(keyblock(g, tone, flesh, k, rng), 0, 1))
    stamp_seal(print_, k, rng)
    return print_


def in_pigments(base: Colour) -> Colour:
    """Colours pulled towards a dozen inks."""
    distance = ((base[:, :, None] - PIGMENTS[None, None]) ** 2).sum(-1)
    near = np.exp(-distance * 55)
    return mix(base, (near @ PIGMENTS) / near.sum(-1, keepdims=True), 0.78)


def two_toned_skin(g: GBuffer, tone: Field, k: float) -> Colour:
    """Pale paper-like flesh with one shadow; what is not flesh-coloured keeps its colour."""
    skin, bright = display(middle_skin(g)).astype(F), bright_tone(g, tone)
    skin = np.clip(skin * 0.9 + rgb(0.10, 0.085, 0.06), 0, 1)
    lit = smooth(0.36, 0.40, blur(tone, 1.2 * k) / max(1e-3, bright) * 0.62)
    flesh = blend(skin * rgb(0.86, 0.78, 0.72), skin, lit)
    colour = display(g.albedo)
    strange = np.clip(np.abs(colour - skin).sum(-1) * 1.3 - 0.28, 0, 1)
    return blend(flesh, colour, strange * 0.85)


def middle_skin(g: GBuffer) -> Colour:
    seen = g.label == Label.SKIN
    return np.median(g.albedo[seen].reshape(-1, 3), 0) if seen.any() else np.array([0.6, 0.5, 0.4])


def bright_tone(g: GBuffer, tone: Field) -> float:
    return float(np.percentile(tone[g.flesh], 70)) if g.flesh.any() else 0.6


def graded_sky(base: Colour) -> Colour:
    """Bokashi: the ink nearest to the backdrop's hue, wiped out downwards."""
    size = len(base)
    top = saturate_one(base[: max(4, size // 20)].mean((0, 1)), 2.5)
    ink = SKIES[int(np.argmin(((SKIES - top) ** 2).sum(-1)))]
    y = np.mgrid[0:size, 0:size].astype(F)[0] / size
    return blend(rgb(0.92, 0.86, 0.73), ink, smooth(0.42, 0.0, y) * 0.92)


def wood_grain(size: int, k: float, rng: np.random.Generator) -> Field:
    y = np.mgrid[0:size, 0:size].astype(F)[0] / size
    return np.sin((y * size / k + 7 * noise(rng, size, 70 * k, 2)) * 0.9) * 0.018 + paper(rng, size, 0.014)


def keyblock(g: GBuffer, tone: Field, flesh: Field, k: float, rng: np.random.Generator) -> Field:
    """The black lines, worn here and there."""
    line = np.clip(blur(g.ink, 0.85 * k) * 1.75 - 0.12, 0, 1)
    line = np.maximum(line, edges_of_tone(tone, 1.2 * k, 1.6, 3.2) * 0.5 * (1 - flesh))
    return line * (1 - 0.10 * np.clip(noise(rng, g.size, 3 * k) - 0.6, 0, 1))


def stamp_seal(print_: Colour, k: float, rng: np.random.Generator) -> None:
    """The publisher's seal at the right, nine strokes of no alphabet."""
    size = len(print_)
    x, y, width = int(size * 0.885), int(size * 0.72), int(size * 0.065)
    height = int(width * 1.9)
    seal = print_[y : y + height, x : x + width]
    seal[:] = SEAL
    for _ in range(9):
        start = int(rng.integers(2, width - 2)), int(rng.integers(2, height - 2))
        stop = stroke_end(start, width, rng)
        cv2.line(seal, start, stop, CARVED, max(1, int(1.4 * k)), cv2.LINE_AA)


def stroke_end(start: tuple[int, int], width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Across or down from the start."""
    if rng.random() < 0.5:
        return int(np.clip(start[0] + rng.integers(-8, 8), 2, width - 3)), start[1]
    return start[0], int(np.clip(start[1] + rng.integers(-10, 10), 2, width * 1.9 - 3))
