"""Fresco: matt colour in plaster, sinopia lines, cracks and losses that spare the face."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, blend, mix, noise, rgb, smooth
from narcis.mini.painter.gbuffer import BEHIND, GBuffer
from narcis.mini.painter.media.filters import blur, curve, emboss, flow, kuwahara, luma, odd, scale_of, soft
from narcis.mini.painter.media.strokes import Brush, strokes
from narcis.mini.painter.scene import Scene

PLASTER, SINOPIA, BARE = rgb(0.86, 0.80, 0.70), rgb(0.40, 0.18, 0.10), rgb(0.74, 0.67, 0.57)


def fresco(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k, face = scale_of(g), soft(g.face, 4 * scale_of(g))
    picture = np.clip(g.shade(scene.light, key=1.02, ambient=0.50, contrast=0.85), 0, 1) ** 0.86
    wall = mix(PLASTER, matt(picture, face, k, rng), 0.90) * 0.98
    wall = blend(wall, SINOPIA, np.clip(blur(g.ink, 0.9 * k), 0, 1) * 0.70)
    broad, fine = noise(rng, g.size, 60 * k, 5), noise(rng, g.size, 7 * k, 2)
    wall = wall * (1 + 0.035 * fine + 0.05 * broad)[..., None]
    worn = smooth(0.6, 1.8, fine + 0.5 * broad) * 0.26 * (1 - 0.8 * face)
    wall = blend(wall, PLASTER * (0.97 + 0.03 * fine)[..., None], worn)
    return cracked(lost(g, wall, face, fine, k, rng), face, k, rng)


def matt(picture: Colour, face: Field, k: float, rng: np.random.Generator) -> Colour:
    """Earth colours in small strokes; the face is finished more finely."""
    earth = mix(picture, luma(picture)[..., None] * rgb(1.08, 0.99, 0.84), 0.22)
    earth = kuwahara(blur(curve(earth, 1.18, 0.5), 0.7 * k), odd(5 * k))
    along = flow(luma(blur(picture, 1.5)), 4 * k)
    painted = strokes(earth.copy(), earth, along, Brush(12 * k, 2.4 * k, 4.2 * k, 0.06), rng)
    finished = mix(painted, picture * rgb(1.0, 0.97, 0.9), 0.55)
    return blend(painted, finished, face)


def lost(g: GBuffer, wall: Colour, face: Field, fine: Field, k: float, rng: np.random.Generator) -> Colour:
    """Where the painted layer has fallen off, mostly behind the sitter."""
    weak = noise(rng, g.size, 80 * k, 5) - 1.6 * face - F(0.5) * (g.label >= BEHIND).astype(F)
    loss = smooth(1.65, 1.72, weak)
    wall = blend(wall, BARE * (1 + 0.05 * fine)[..., None], loss)
    return wall * (1 + np.clip(emboss(blur(loss, 1.1 * k), 0.12), -0.3, 0.2))[..., None]


def cracked(wall: Colour, face: Field, k: float, rng: np.random.Generator) -> Colour:
    size = len(wall)
    ridge = np.abs(noise(rng, size, 130 * k, 4))
    crack = smooth(0.030, 0.008, ridge) * smooth(0.1, 0.7, noise(rng, size, 90 * k, 2))
    return wall * (1 - 0.42 * crack * (1 - 0.55 * face))[..., None]
