"""Pictures made of pieces: mosaics and windows."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field


def voronoi(seeds: np.ndarray, size: int) -> np.ndarray:
    """[size, size]: the number of the nearest seed [n, 2] px to each pixel."""
    canvas = np.full((size, size), 255, np.uint8)
    x, y = np.round(seeds).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
    canvas[y[inside], x[inside]] = 0
    return cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]


def cell_means(picture: Colour, cells: np.ndarray) -> tuple[Colour, np.ndarray]:
    """Mean colour [n, 3] and area [n] of each cell."""
    flat = cells.ravel()
    area = np.maximum(np.bincount(flat), 1)
    means = [np.bincount(flat, picture[..., c].ravel()) / area for c in range(3)]
    return np.stack(means, 1).astype(F), area


def andamento(distance: Field, step: float, rng: np.random.Generator, jitter: float = 0.10) -> np.ndarray:
    """Seeds [n, 2] in rows `step` px apart that follow the level lines of a distance: the mosaicist's way."""
    rows = []
    for level in np.arange(step * 0.5, float(distance.max()), step):
        above = (distance > level).astype(np.uint8)
        for line in cv2.findContours(above, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
            rows.append(spaced(line[:, 0].astype(F), step, rng))
    seeds = np.concatenate(rows)
    return seeds + rng.normal(0, step * jitter, seeds.shape)


def spaced(line: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    """Points `step` px apart along a line [n, 2]."""
    if len(line) < 4:
        return line[:1]
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(rng.uniform(0, step), length[-1], step)
    return np.stack([np.interp(at, length, line[:, 0]), np.interp(at, length, line[:, 1])], 1)
