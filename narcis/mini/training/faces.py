"""Trains the detector on collages, and the landmarker on shaken frames, of photos and paintings."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from narcis.mini.analyser import CANVAS, CROP, STRIDE, Detector, Landmarker
from narcis.mini.frames import axis_of, frame
from narcis.mini.recogniser import compose, to_tensor, warp
from narcis.mini.training import loop
from narcis.mini.training.data import Pictures
from narcis.mini.training.latents import Linear

CELLS = CANVAS // STRIDE


class Album:
    """Photos and paintings at 128 px with their landmarks; with a code, each painting also as a denoiser misses it."""

    def __init__(self, photos: Pictures, paintings: Pictures, linear: Linear | None = None):
        small = np.stack([cv2.resize(p, (128, 128), interpolation=cv2.INTER_AREA) for p in paintings.pixels])
        points = paintings.landmarks * (128 / paintings.pixels.shape[1])
        missed = [as_painted(paintings.pixels, linear)] if linear else []
        self.pixels = np.concatenate([photos.pixels, small, *missed])
        self.landmarks = np.concatenate([photos.landmarks, points, *(points for _ in missed)])

    def pick(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A picture and its landmarks, as often mirrored as not."""
        i = rng.integers(len(self.pixels))
        picture, points = self.pixels[i], self.landmarks[i]
        return (picture, points) if rng.random() < 0.5 else mirrored(picture, points)


def as_painted(paintings: np.ndarray, linear: Linear) -> np.ndarray:
    """uint8 [n, s, s, 3] -> [n, 128, 128, 3]: what the latents keep of each at 256 px, with some noise on them.

    A face that the model paints is softer and more crooked than any that the painter draws.
    """
    gen, made = torch.Generator().manual_seed(0), []
    for i in range(0, len(paintings), 100):
        shown = np.stack([cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA) for p in paintings[i : i + 100]])
        z = linear.encode(to_tensor(shown))
        z = z + 0.6 * torch.rand(len(z), 1, 1, 1, generator=gen) * torch.randn(z.shape, generator=gen)
        half = F.avg_pool2d(linear.decode(z), 2)
        made.append(half.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(made)


def mirror_order() -> np.ndarray:
    """Which landmark takes each one's place when left and right change."""
    contour, brow, eye = np.arange(33)[::-1], np.arange(9), np.array([4, 3, 2, 1, 0, 7, 6, 5, 8, 9])
    nose = np.array([0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 13, 12, 14]) + 71
    mouth = np.array([6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 16, 15, 14, 13, 12, 19, 18, 17]) + 86
    return np.concatenate([contour, 42 + brow, 33 + brow, 61 + eye, 51 + eye, nose, mouth])


MIRROR = mirror_order()


def mirrored(picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flipped = points * [-1, 1] + [picture.shape[1] - 1, 0]
    return np.ascontiguousarray(picture[:, ::-1]), flipped[MIRROR].astype(np.float32)


def tint(rng: np.random.Generator, pictures: Tensor) -> Tensor:
    """Exposure, colour cast and noise, [b, 3, h, w]; some grey altogether."""
    b = len(pictures)
    gain = torch.from_numpy(1 + rng.normal(0, 0.18, (b, 1, 1, 1)) + rng.normal(0, 0.08, (b, 3, 1, 1))).float()
    shift = torch.from_numpy(rng.normal(0, 0.12, (b, 1, 1, 1))).float()
    pictures = pictures * gain + shift + 0.05 * torch.randn(pictures.shape)
    grey = torch.from_numpy(rng.random((b, 1, 1, 1)) < 0.1)
    return torch.where(grey, pictures.mean(1, keepdim=True), pictures)


# ---------------------------------------------------------------------------------------------- detector
def ground(rng: np.random.Generator, album: Album) -> np.ndarray:
    """A canvas without a face: flat, clouded, or a faceless corner of a picture blown up."""
    kind = rng.integers(3)
    if kind == 0:
        return np.full((CANVAS, CANVAS, 3), rng.integers(0, 256, 3), np.uint8)
    if kind == 1:
        n = int(rng.integers(2, 24))
        return cv2.resize(
            rng.integers(0, 256, (n, n, 3)).astype(np.uint8), (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC
        )
    picture, points = album.pick(rng)
    low = int(np.clip(points[:, 1].max() + 4, 0, 112))
    strip = picture[low:] if rng.random() < 0.5 else picture[: max(8, int(points[33:51, 1].min()) - 8)]
    return cv2.resize(strip, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)


def place(rng: np.random.Generator, canvas: np.ndarray, album: Album, size: float, centre: np.ndarray) -> tuple:
    """Lays a whole picture of `size` px on the canvas, turned a little; the axis of its face, in canvas pixels."""
    picture, points = album.pick(rng)
    angle, scale = rng.normal(0, 0.12), size / 128
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.column_stack([turn, centre - turn @ [64, 64]]).astype(np.float32)
    if scale < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    cv2.warpAffine(
        picture, matrix, (CANVAS, CANVAS), dst=canvas, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    return axis_of(points @ matrix[:, :2].T + matrix[:, 2])


def collage(rng: np.random.Generator, album: Album) -> tuple[np.ndarray, list]:
    """A canvas with none, one or several faces, and their axes."""
    canvas = np.ascontiguousarray(ground(rng, album))
    kind = rng.choice(3, p=[0.12, 0.63, 0.25])
    if kind == 0:
        return canvas, []
    if kind == 1:
        size = float(np.exp(rng.uniform(math.log(30), math.log(190))))
        room = abs(CANVAS - size) / 2
        return canvas, inside(
            [place(rng, canvas, album, size, CANVAS / 2 + rng.uniform(-room, room, 2) * (1 if size < 128 else 0.6))]
        )
    size = float(rng.uniform(40, 64))
    spots = np.array([[x, y] for x in (32, 96) for y in (32, 96)])[rng.permutation(4)[: rng.integers(2, 5)]]
    return canvas, inside([place(rng, canvas, album, size, s + rng.normal(0, 3, 2)) for s in spots])


def inside(axes: list) -> list:
    return [a for a in axes if (a[0] > 2).all() and (a[0] < CANVAS - 2).all() and (a[0] + a[1] < CANVAS + 6).all()]


def target(axes: list) -> tuple[np.ndarray, np.ndarray]:
    """[6, 32, 32] of heat, offsets, axis and log length; [32, 32] where the last five are meant."""
    out, meant = np.zeros((6, CELLS, CELLS), np.float32), np.zeros((CELLS, CELLS), np.float32)
    yy, xx = np.mgrid[0:CELLS, 0:CELLS]
    for eyes, axis in axes:
        cell = eyes / STRIDE - 0.5
        length = np.hypot(*axis) / STRIDE
        d2 = (xx - cell[0]) ** 2 + (yy - cell[1]) ** 2
        spot = np.exp(-d2 / (2 * max(0.6, 0.15 * length) ** 2))
        spot[int(np.clip(round(cell[1]), 0, CELLS - 1)), int(np.clip(round(cell[0]), 0, CELLS - 1))] = 1
        near = (d2 < 4) & (spot >= out[0])
        out[0] = np.maximum(out[0], spot)
        values = [
            cell[0] - xx,
            cell[1] - yy,
            axis[0] / (length * STRIDE),
            axis[1] / (length * STRIDE),
            math.log(max(length, 0.2)),
        ]
        for k, value in enumerate(values, 1):
            out[k] = np.where(near, value, out[k])
        meant[near] = 1
    return out, meant


def detector_loss(out: Tensor, truth: Tensor, meant: Tensor) -> Tensor:
    """Focal loss on the heat map (CornerNet's), smooth L1 on the rest."""
    p, heat = out[:, 0].sigmoid().clamp(1e-4, 1 - 1e-4), truth[:, 0]
    hit = heat > 0.999
    focal = torch.where(hit, (1 - p) ** 2 * p.log(), (1 - heat) ** 4 * p**2 * (1 - p).log())
    shape = (F.smooth_l1_loss(out[:, 1:], truth[:, 1:], reduction="none", beta=0.3) * meant[:, None]).sum()
    return -focal.sum() / hit.sum().clamp(min=1) + 2 * shape / meant.sum().clamp(min=1)


def train_detector(net: Detector, album: Album, *, seed: int, minutes: float, say: Callable[[str], None]) -> Detector:
    """From what the net is: new, or a finished model's."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)

    def loss() -> Tensor:
        pictures, axes = zip(*(collage(rng, album) for _ in range(32)))
        truth, meant = (torch.from_numpy(np.stack(a)) for a in zip(*map(target, axes)))
        with torch.autocast("cpu", torch.bfloat16):
            out = net(tint(rng, to_tensor(np.stack(pictures))))
        return detector_loss(out.float(), truth, meant)

    loop.train("detector", net.train().parameters(), loss, minutes=minutes, top=2e-3, decay=0.01, say=say)
    return net.eval()


# -------------------------------------------------------------------------------------------- landmarker
def shaken(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """The landmarker's frame of a face, missed as a detector misses it."""
    s, r, c = math.exp(rng.normal(0, 0.10)), rng.normal(0, 0.10), CROP / 2
    turn = np.array([[s * math.cos(r), -s * math.sin(r)], [s * math.sin(r), s * math.cos(r)]])
    move = c - turn @ [c, c] + rng.normal(0, 0.05 * CROP, 2)
    return compose(np.concatenate([turn, move[:, None]], 1), frame(*axis_of(points), CROP))


def framed(rng: np.random.Generator, album: Album) -> tuple[np.ndarray, np.ndarray]:
    picture, points = album.pick(rng)
    matrix = shaken(rng, points)
    return warp(picture, matrix, CROP), ((points @ matrix[:, :2].T + matrix[:, 2]) / CROP).astype(np.float32)


def train_landmarker(
    net: Landmarker, album: Album, *, seed: int, minutes: float, say: Callable[[str], None]
) -> Landmarker:
    """From what the net is: new, or a finished model's."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)

    def loss() -> Tensor:
        pictures, points = zip(*(framed(rng, album) for _ in range(64)))
        with torch.autocast("cpu", torch.bfloat16):
            seen = net(tint(rng, to_tensor(np.stack(pictures))))
        return F.smooth_l1_loss(seen, torch.from_numpy(np.stack(points)), beta=0.02)

    loop.train("landmarker", net.train().parameters(), loss, minutes=minutes, top=3e-3, decay=0.01, say=say)
    return net.eval()
