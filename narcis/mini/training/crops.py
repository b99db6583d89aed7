"""The two frames that the denoiser learns: the whole portrait, and the face's crop that Stage 2 repaints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from narcis.mini.frames import axis_of, frame
from narcis.mini.training.data import five

SIZE = 256
CONTEXT, SINK = 3.75, 0.16  # as in narcis.portrait.faces.upright


@dataclass(frozen=True)
class Framed:
    """A picture as the denoiser learns it: uint8 [256, 256, 3], SDXL's six numbers, and its face's five points, px.

    The six are original height and width, crop top and left, target height and width.
    """

    pixels: np.ndarray
    sizes: list[float]
    five: np.ndarray


def whole(picture: np.ndarray, landmarks: np.ndarray) -> Framed:
    """The portrait at 256 px."""
    pixels = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return Framed(pixels, [SIZE, SIZE, 0, 0, SIZE, SIZE], five(landmarks) * (SIZE / picture.shape[0]))


def close(picture: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> Framed:
    """The upright face at 256 px, missed a little as an analyser misses it."""
    eyes, axis = axis_of(landmarks)
    length = float(np.hypot(*axis))
    eyes = eyes + rng.normal(0, 0.03, 2) * length
    turn, grow = rng.normal(0, 0.02), math.exp(rng.normal(0, 0.03))
    axis = grow * np.array([axis[0] - turn * axis[1], axis[1] + turn * axis[0]])
    matrix = frame(eyes, axis, SIZE, CONTEXT, SINK)
    face = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    magnified = math.hypot(*matrix[:, 0]) * picture.shape[0]
    corner = cv2.invertAffineTransform(matrix)[:, 2] * math.hypot(*matrix[:, 0])
    left, top = max(0.0, corner[0]), max(0.0, corner[1])
    points = five(landmarks) @ matrix[:, :2].T + matrix[:, 2]
    return Framed(face, [magnified, magnified, top, left, SIZE, SIZE], points)
