"""Brush strokes: short bent lines along a flow, each of one colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, Field


@dataclass(frozen=True)
class Brush:
    """px; `step` is the mean distance of strokes, `jitter` how far their colours stray."""

    length: float
    width: float
    step: float
    jitter: float


def strokes(
    under: Colour, source: Colour, angle: Field, brush: Brush, rng: np.random.Generator,
    chance: Field | None = None, height: Field | None = None,
) -> Colour:  # fmt: skip
    """Paints over `under` in `source`'s colours, where `chance` allows; `height` collects the paint's relief."""
    points = rng.uniform(0, under.shape[0], (int((under.shape[0] / brush.step) ** 2), 2))
    if chance is not None:
        points = points[at(chance, points) > rng.random(len(points))]
    n = len(points)
    direction = at(angle, points) + rng.normal(0, 0.15, n)
    colours = strayed(at(source, points), brush.jitter, rng)
    lines = bent_lines(points, direction, brush, rng)
    widths = np.maximum(1, np.round(brush.width * rng.uniform(0.7, 1.3, n))).astype(int).tolist()
    tops = rng.random(n).tolist()
    for line, colour, width, top in zip(lines, colours.tolist(), widths, tops):
        cv2.polylines(under, [line], False, colour, width, cv2.LINE_AA, 3)
        if height is not None:
            cv2.polylines(height, [line], False, top, width, cv2.LINE_AA, 3)
    return under


def at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = points.astype(int).clip(0, len(field) - 1).T
    return field[y, x]


def strayed(colours: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    n = len(colours)
    lighter = colours * (1 + rng.normal(0, jitter, (n, 1)))
    return np.clip(lighter + rng.normal(0, jitter * 0.35, (n, 3)), 0, 1)


def bent_lines(points: np.ndarray, angle: np.ndarray, brush: Brush, rng: np.random.Generator) -> np.ndarray:
    """[n, 3, 2] eighths of px: through each point, ending at another angle than it began."""
    length = brush.length * rng.uniform(0.6, 1.2, len(points))
    end = angle + rng.normal(0, 0.12, len(points))
    start = points - np.stack([np.cos(angle), np.sin(angle)], 1) * length[:, None] / 2
    stop = points + np.stack([np.cos(end), np.sin(end)], 1) * length[:, None] / 2
    return np.round(np.stack([start, points, stop], 1) * 8).astype(np.int32)
