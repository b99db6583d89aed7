"""Byzantine mosaic: tesserae in rows along the forms, small in the face, gold behind."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, blend, mix, rgb
from narcis.mini.painter.gbuffer import BEHIND, GBuffer, Label
from narcis.mini.painter.media.cells import andamento, cell_means, voronoi
from narcis.mini.painter.media.filters import blur, borders, curve, luma, saturate, scale_of
from narcis.mini.painter.scene import Scene

GOLD, HALO_GOLD, GROUT = rgb(0.83, 0.63, 0.24), rgb(0.96, 0.80, 0.40), rgb(0.30, 0.25, 0.20)
GILDED = ("plain", "halo", "drapery")  # backdrops that become a gold ground


def mosaic(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k = scale_of(g)
    picture = g.shade(scene.light, key=1.18, ambient=0.42, contrast=1.05)
    picture = saturate(curve(np.clip(picture, 0, 1) ** 0.82, 1.28, 0.46), 1.35)
    picture = picture * (1 - 0.80 * np.clip(blur(g.ink, 0.9 * k) * 1.2, 0, 1)[..., None])
    face = g.face | (g.label == Label.GLASSES)
    cells = tesserae(g, face, k, rng)
    out = coloured(g, gilded(g, picture, scene), cells, k, rng)
    joint = np.clip(blur(borders(cells), 0.62 * k) * 1.25, 0, 1)
    return blend(out, mix(GROUT, out * 0.45, 0.45), joint * mix(0.85, 0.55, face.astype(F)))


def tesserae(g: GBuffer, face: np.ndarray, k: float, rng: np.random.Generator) -> np.ndarray:
    """Cells [h, w]; in the face rows also follow the drawn features."""
    small = float(np.clip(4.6 * (g.head.scale / 100), 3.9 * k, 7.5 * k))
    large = float(np.clip(7.2 * k, small, 9 * k))
    edge = borders(np.where(g.label < BEHIND, 0, g.label)) > 0
    features = (g.ink > 0.45) & face
    fine = andamento(away_from(edge | features), small, rng, 0.07)
    coarse = andamento(away_from(edge), large, rng)
    grown = cv2.dilate(face.astype(np.uint8), np.ones((3, 3), np.uint8))
    return voronoi(np.concatenate([only(fine, grown, 1), only(coarse, grown, 0)]), g.size)


def away_from(lines: np.ndarray) -> Field:
    return cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 5)


def only(seeds: np.ndarray, mask: np.ndarray, value: int) -> np.ndarray:
    x, y = seeds.astype(int).clip(0, len(mask) - 1).T
    return seeds[mask[y, x] == value]


def gilded(g: GBuffer, picture: Colour, scene: Scene) -> Colour:
    source, behind = picture.copy(), g.behind
    gold = GOLD * (0.55 + 0.6 * luma(source[behind]))[:, None]
    source[behind] = mix(source[behind], gold, 0.80 if scene.backdrop in GILDED else 0.35)
    if scene.backdrop == "halo":
        halo = g.label == Label.HALO
        source[halo] = mix(picture[halo], HALO_GOLD, 0.4)
    return source


def coloured(g: GBuffer, source: Colour, cells: np.ndarray, k: float, rng: np.random.Generator) -> Colour:
    """Each stone of one colour, a little off, with glints in the gold, set a little askew."""
    colours, area = cell_means(source, cells)
    n = len(colours)
    colours = np.clip(colours * (1 + rng.normal(0, 0.07, (n, 1))) + rng.normal(0, 0.022, (n, 3)), 0, 1).astype(F)
    gold = cell_means(np.repeat(g.behind[..., None].astype(F), 3, 2), cells)[0][:, 0] > 0.5
    glint = gold & (rng.random(n) < 0.14)
    colours[glint] = np.clip(colours[glint] * 1.28 + 0.07, 0, 1)
    return colours[cells] * (1 + 0.020 / k * askew(cells, area, rng))[..., None]


def askew(cells: np.ndarray, area: np.ndarray, rng: np.random.Generator) -> Field:
    """How far each pixel of a tilted stone rises, px."""
    n, size = len(area), len(cells)
    tilt = rng.normal(0, 1, (n, 2)).astype(F)
    y, x = np.mgrid[0:size, 0:size].astype(F)
    middle_x, middle_y = (np.bincount(cells.ravel(), a.ravel(), n) / np.maximum(area, 1) for a in (x, y))
    rise = (x - middle_x[cells].astype(F)) * (tilt[cells][..., 0] - 0.5)
    return rise + (y - middle_y[cells].astype(F)) * (tilt[cells][..., 1] - 0.5)
