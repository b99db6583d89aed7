"""Upright square frames about a face, from the middle of its eyes and the way from there to its mouth."""

from __future__ import annotations

import cv2
import numpy as np

CONTEXT, SINK = 3.2, 0.30  # the landmarker's frame, in eye-mouth distances: side, and centre below the eyes


def frame(eyes: np.ndarray, axis: np.ndarray, size: int, context: float = CONTEXT, sink: float = SINK) -> np.ndarray:
    """Affine [2, 3] from picture to a square of `size` px: upright, `eyes` the middle, `axis` eyes to mouth, pixels."""
    length = float(np.hypot(*axis)) or 1.0
    down = axis / length
    scale = size / (context * length)
    turn = scale * np.array([[down[1], -down[0]], [down[0], down[1]]])
    return np.column_stack([turn, size / 2 - turn @ (eyes + sink * axis)]).astype(np.float32)


def axis_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [106, 2] -> the middle of the eyes, and the way from there to the mouth."""
    eyes = (points[51:59].mean(0) + points[61:69].mean(0)) / 2
    return eyes, (points[86] + points[92]) / 2 - eyes


def undo(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    back = cv2.invertAffineTransform(matrix)
    return points @ back[:, :2].T + back[:, 2]
