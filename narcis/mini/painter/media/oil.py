"""Oil on canvas: three rounds of brushes, impasto, warm light out of the dark."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, mix, rgb
from narcis.mini.painter.gbuffer import GBuffer
from narcis.mini.painter.media.filters import blur, curve, emboss, flow, kuwahara, luma, odd, saturate, scale_of, soft
from narcis.mini.painter.media.strokes import Brush, strokes
from narcis.mini.painter.scene import Scene


def oil(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k, face = scale_of(g), soft(g.face, 4 * scale_of(g))
    picture = g.shade(scene.light, key=1.28, ambient=0.20, contrast=1.25)
    picture = curve(picture * rgb(1.10, 1.02, 0.88), 1.12, 0.40)
    edges = np.clip(blur(np.abs(cv2.Laplacian(luma(picture), cv2.CV_32F)), 2 * k) * 14, 0, 1)
    paint, height = brushed(picture, edges, face, k, rng)
    fine = np.clip(face * np.clip(edges * 1.6, 0, 1), 0, 1)[..., None]
    paint = mix(paint, picture, np.clip(fine * 0.75 + face[..., None] * 0.35, 0, 0.85))
    paint = mix(paint, kuwahara(paint, 3), 0.5)
    return varnished(paint, height)


def brushed(picture: Colour, edges: Field, face: Field, k: float, rng: np.random.Generator) -> tuple[Colour, Field]:
    """Broad brushes first; fine ones only in the face and along edges. Returns the relief of the paint too."""
    base = kuwahara(blur(picture, 0.8), odd(5 * k))
    along = flow(luma(blur(picture, 1.5)), 4 * k)
    height = np.zeros(picture.shape[:2], F)
    paint = strokes(base.copy(), blur(base, 2 * k), along, Brush(30 * k, 9 * k, 8 * k, 0.03), rng, height=height)
    paint = strokes(paint, base, along, Brush(15 * k, 3.6 * k, 4.6 * k, 0.02), rng, height=height)
    detail = np.clip(edges + face * 0.9, 0, 1)
    return strokes(paint, picture, along, Brush(8 * k, 1.8 * k, 2.7 * k, 0.01), rng, detail, height), height


def varnished(paint: Colour, height: Field) -> Colour:
    """Relief, canvas weave, dark corners."""
    size = len(paint)
    y, x = np.mgrid[0:size, 0:size].astype(F) / size
    weave = np.sin(x * size * np.pi / 1.7) * np.sin(y * size * np.pi / 1.7) * 0.004
    paint = paint * (1 + (emboss(blur(height, 0.7), 0.022) + weave)[..., None])
    corners = 1 - 0.45 * np.clip(np.hypot(x - 0.5, y - 0.46) - 0.32, 0, 1) ** 1.1
    return saturate(paint * corners[..., None], 1.15)
