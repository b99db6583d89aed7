"""Watercolour: washes that run, dark rims where they dry, bare paper at a ragged border."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, bell, blend, mix, noise, rgb, smooth
from narcis.mini.painter.gbuffer import BEHIND, GBuffer
from narcis.mini.painter.media.filters import bilateral, blur, kuwahara, luma, odd, paper, saturate, scale_of, soft
from narcis.mini.painter.scene import Scene


def watercolour(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k = scale_of(g)
    picture = g.shade(scene.light, key=1.02, ambient=0.55, contrast=0.9)
    picture = saturate(np.clip(picture, 0, 1) ** 0.62, 1.35)
    run_x, run_y = noise(rng, g.size, 26 * k, 2), noise(rng, g.size, 26 * k, 2)
    wash = dried(washes(g, picture, run_x, run_y, k), run_x, k, rng)
    ink = blur(g.ink, 0.7) * 0.34
    return on_paper(g, wash * (1 - ink[..., None] * rgb(0.75, 0.85, 0.8)), k, rng)


def washes(g: GBuffer, picture: Colour, run_x: Field, run_y: Field, k: float) -> Colour:
    """Flat colours whose outlines waver, less so in the face."""
    face = soft(g.face, 5 * k)
    far = 3.2 * k * (1 - 0.85 * face)
    y, x = np.mgrid[0 : g.size, 0 : g.size].astype(F)
    bled = cv2.remap(picture, x + run_x * far, y + run_y * far, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    flat = kuwahara(bilateral(bled, 34, 5 * k), odd(7 * k))
    return blend(flat, bled, face * 0.55)


def dried(wash: Colour, run: Field, k: float, rng: np.random.Generator) -> Colour:
    """Six tones, and pigment that has gathered in clouds and at edges."""
    tone = luma(wash)
    level = np.floor(tone * 6 + 0.3 * run * 0.4) / 6
    wash = wash * (1 - 0.18 * (tone - level) * 3)[..., None]
    edge = np.clip(np.abs(cv2.Laplacian(blur(tone, 1.6 * k), cv2.CV_32F)) * 9, 0, 1)
    pigment = 1 + 0.28 * noise(rng, len(tone), 40 * k, 3) * 0.6 + edge + paper(rng, len(tone), 0.015)
    return np.clip(wash, 0.02, 1) ** np.clip(pigment, 0.35, 2.4)[..., None]


def on_paper(g: GBuffer, wash: Colour, k: float, rng: np.random.Generator) -> Colour:
    """The wash ends raggedly before the sheet does, and is thin behind the sitter."""
    y, x = np.mgrid[0 : g.size, 0 : g.size].astype(F)
    ragged = noise(rng, g.size, 60 * k, 4) * 0.045 * 1.2
    edge = np.minimum.reduce([x / g.size, y / g.size, 1 - x / g.size, 1 - y / g.size]) + ragged
    edge = np.where(g.label >= BEHIND, edge + 0.06, edge)
    rim = bell(edge - 0.05, 0.010) * 0.22
    sheet = rgb(0.965, 0.95, 0.915) * (1 + paper(rng, g.size, 0.016))[..., None]
    thin = 0.38 * soft(g.behind, 7 * k) * smooth(-0.6, 1.0, noise(rng, g.size, 70 * k, 2))
    shown = smooth(0.015, 0.055, edge) * (1 - thin)
    return sheet * mix(1.0, wash ** (1 + rim[..., None]), shown[..., None])
