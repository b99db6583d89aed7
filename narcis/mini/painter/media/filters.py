"""Image filters that media share; pictures are display values [h, w, 3], k is px to 1 px of a 384 px picture."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, noise, rgb
from narcis.mini.painter.gbuffer import GBuffer

LUMA = rgb(0.30, 0.59, 0.11)


def scale_of(g: GBuffer) -> float:
    """k."""
    return g.size / 384


def blur(a: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(a, (0, 0), sigma)


def luma(picture: Colour) -> Field:
    return picture @ LUMA


def saturate(picture: Colour, k: float) -> Colour:
    grey = luma(picture)[..., None]
    return np.clip(grey + (picture - grey) * k, 0, 1)


def saturate_one(colour: Colour, k: float) -> Colour:
    """A single colour [3]."""
    return saturate(colour[None, None], k)[0, 0]


def curve(picture: np.ndarray, k: float = 1.2, middle: float = 0.5) -> np.ndarray:
    """Contrast."""
    return np.clip((picture - middle) * k + middle, 0, 1)


def paper(rng: np.random.Generator, size: int, k: float = 0.03) -> Field:
    """The grain of a sheet, about 0."""
    return noise(rng, size, 3, 2) * k


def edges_of_tone(grey: Field, sigma: float = 1.2, k: float = 1.6, strength: float = 14.0) -> Field:
    """Difference of Gaussians: dark lines where tone falls."""
    return np.clip((blur(grey, sigma * k) - blur(grey, sigma)) * strength, 0, 1)


def emboss(height: Field, k: float = 1.0) -> Field:
    """Light from the left top on a relief."""
    gx, gy = cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)
    return (gx * 0.7 + gy * 0.7) * k


def flow(grey: Field, sigma: float = 3.0) -> Field:
    """Angle along the edges: the structure tensor's minor axis."""
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    a, b, c = blur(gx * gx, sigma), blur(gy * gy, sigma), blur(gx * gy, sigma)
    return 0.5 * np.arctan2(2 * c, a - b) + F(np.pi / 2)


def odd(width: float) -> int:
    """The next odd whole number, as box filters want it."""
    return int(width) | 1


def kuwahara(picture: Colour, width: int = 3) -> Colour:
    """Flat patches with sharp edges: of four neighbouring boxes the least varied wins (Kuwahara 1976)."""
    mean = cv2.boxFilter(picture, -1, (width, width), borderType=cv2.BORDER_REFLECT)
    squares = cv2.boxFilter(luma(picture) ** 2, -1, (width, width), borderType=cv2.BORDER_REFLECT)
    variance, o = squares - luma(mean) ** 2, width // 2 + 1
    least, out = shifted(variance, -o, -o), shifted(mean, -o, -o)
    for dx, dy in ((o, -o), (-o, o), (o, o)):
        candidate = shifted(variance, dx, dy)
        better = candidate < least
        least = np.where(better, candidate, least)
        out = np.where(better[..., None], shifted(mean, dx, dy), out)
    return out


def shifted(a: np.ndarray, dx: int, dy: int) -> np.ndarray:
    move = np.array([[1, 0, dx], [0, 1, dy]], F)
    return cv2.warpAffine(a, move, a.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def bilateral(picture: Colour, tone: float, sigma: float) -> Colour:
    """Smooth within edges, by way of 8 bits."""
    eight = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return cv2.bilateralFilter(eight, 0, tone, sigma).astype(F) / 255


def borders(label: np.ndarray) -> Field:
    """1 where a label differs from its left or upper neighbour."""
    edge = np.zeros(label.shape, F)
    edge[:, 1:] = np.maximum(edge[:, 1:], label[:, 1:] != label[:, :-1])
    edge[1:] = np.maximum(edge[1:], label[1:] != label[:-1])
    return edge


def soft(mask: np.ndarray, sigma: float) -> Field:
    """A selection with soft edges."""
    return blur(mask.astype(F), sigma)
