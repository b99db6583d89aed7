"""What a portrait is judged by: likeness, what changed outside the map, sharpness, noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.portrait.faces import Landmarks
from narcis.portrait.masks import face_outline


def likeness(a: Float[np.ndarray, " d"], b: Float[np.ndarray, " d"]) -> float:
    """Cosine of two face embeddings, -1 to 1; what counts as the same person is up to the recogniser."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / norms if norms else 0.0


def outside(change: Float[Tensor, "1 1 h w"], before: Image.Image, after: Image.Image) -> float:
    """The largest difference of a channel where the map is 0, as a fraction of full scale; 0 is untouched.

    The map must have the pictures' size: see `faces.on_painting` for a crop's map.
    """
    kept = change[0, 0].cpu().numpy() == 0
    a, b = in_units(before), in_units(after)
    if not a.shape == b.shape == (*kept.shape, 3):
        raise ValueError(f"map {kept.shape}, before {a.shape[:2]} and after {b.shape[:2]} must have one size")
    return float(np.abs(a - b)[kept].max(initial=0.0))


def sharpness(picture: Image.Image, landmarks: Landmarks) -> float:
    """Variance of the Laplacian of the face's luma (grey levels²): compare pictures of one size only.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    luma = np.asarray(picture.convert("L"), np.float32)
    inside = np.zeros(luma.shape, np.uint8)
    cv2.fillPoly(inside, [np.round(face_outline(landmarks)).astype(np.int32)], 1)
    edges = cv2.Laplacian(luma, cv2.CV_32F)[inside > 0]
    return float(edges.var()) if edges.size else 0.0


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Peak signal-to-noise ratio of two pictures of one size, dB; infinite where they are equal."""
    error = float(np.square(in_units(a) - in_units(b)).mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def in_units(picture: Image.Image) -> np.ndarray:
    """RGB [h, w, 3] in 0 to 1."""
    return np.asarray(picture.convert("RGB"), np.float64) / 255
