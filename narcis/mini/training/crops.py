"""The two frames that the denoiser learns: the whole portrait, and the face's crop that Stage 2 repaints."""

from __future__ import annotations

import math

import cv2
import numpy as np

from narcis.mini.frames import axis_of, frame

SIZE = 256
CONTEXT, SINK = 3.75, 0.16  # as in narcis.portrait.faces.upright


def whole(picture: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The portrait at 256 px, and SDXL's six numbers: original height, width, crop top, left, target height, width."""
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), [SIZE, SIZE, 0, 0, SIZE, SIZE]


def close(picture: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[float]]:
    """The upright face at 256 px, missed a little as an analyser misses it, and its six numbers."""
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
    return face, [magnified, magnified, top, left, SIZE, SIZE]
