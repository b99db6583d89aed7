"""Mathematics of pixel fields: float32 arrays [h, w] of distances, covers, heights and noise."""

from __future__ import annotations

import cv2
import numpy as np

F = np.float32
Field = np.ndarray  # [h, w] float32, or a number where one will do
Colour = np.ndarray  # [3] or [h, w, 3], linear light in 0 to 1 unless said otherwise

cv2.setNumThreads(1)  # pictures are small and drawn by many processes; more threads would only wait


def rgb(*values: float) -> Colour:
    return np.array(values, F)


def linear(colour) -> Colour:
    """sRGB-like values in 0 to 1 as linear light (gamma 2.2)."""
    return np.power(np.clip(np.asarray(colour, F), 0, 1), F(2.2))


def display(colour: Colour) -> Colour:
    """Linear light as display values."""
    return np.power(np.clip(colour, 0, 1), 1 / 2.2)


def smooth(a, b, x):
    """0 up to a, 1 from b, an S-curve between; a may be above b, which turns it round."""
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    return a + (b - a) * t


def blend(a, b, t: Field) -> Colour:
    """From colour a to colour b by a field."""
    return mix(a, b, t[..., None])


def bell(d, width):
    """exp(-(d / width)²)."""
    return np.exp(-((d / width) ** 2))


def spot(dx, dy, width, height):
    """A bell in two directions."""
    return np.exp(-((dx / width) ** 2) - (dy / height) ** 2)


def dome(d, power: float = 2):
    """The height of a unit dome at distance d from its middle."""
    return np.sqrt(np.clip(1 - d**power, 0, 1))


def zigzag(u):
    """0 in the middle of each unit of u, 1 at its ends."""
    return np.abs(np.mod(u, 1) - 0.5) * 2


def segment(x, y, x0, y0, x1, y1) -> tuple[Field, Field]:
    """Distance to a segment, and how far along it (0 to 1) the nearest point lies."""
    dx, dy = x1 - x0, y1 - y0
    t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - x0 - t * dx, y - y0 - t * dy), t


def tile() -> Field:
    """256 × 256 standard normal noise, a little smooth, that wraps."""
    white = np.random.default_rng(5).random((256, 256)).astype(F)
    soft = cv2.GaussianBlur(np.pad(white, 16, mode="wrap"), (0, 0), 1.2)[16:-16, 16:-16]
    return (soft - soft.mean()) / soft.std()


TILE = tile()


def texture(u: Field, v: Field) -> Field:
    """The tile at (u, v): the same on every picture, so it sticks to what it is drawn on."""
    return cv2.remap(TILE, u.astype(F), v.astype(F), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def noise(rng: np.random.Generator, size: int, cell: float, octaves: int = 1) -> Field:
    """Clouds [size, size] whose largest are `cell` px, with finer and weaker octaves."""
    out = np.zeros((size, size), F)
    weight = 1.0
    for _ in range(octaves):
        n = max(3, int(size / cell) + 3)
        coarse = rng.standard_normal((n, n)).astype(F)
        out += F(weight) * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        weight *= 0.55
        cell /= 2
    return out


def strands(u: Field, v: Field, rng: np.random.Generator, fine=60.0, flow=6.0, depth=0.30) -> tuple[Field, Field]:
    """Hair or folds that run along v: a brightness factor about 1, and the height it comes from (about ±1)."""
    o = rng.uniform(0, 255, 4)
    thin = texture(u * fine * 1.9 + o[0], v * flow * 1.3 + o[1]) * 0.55
    n = thin + texture(u * fine * 0.55 + o[2], v * flow * 0.6 + o[3]) * 0.65
    return np.exp(n * depth), n
