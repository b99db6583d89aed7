"""mini's face recogniser: an aligned face becomes a raw embedding whose angle tells people apart."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor, nn

SIZE = 64
# Eyes, nose tip and mouth corners in a unit square wide enough to show jaw and hairline.
TEMPLATE = np.array([[22.5, 27], [41.5, 27], [32, 38], [26, 46.5], [38, 46.5]], np.float32) / 64


def align(picture: np.ndarray, five: np.ndarray, margin: int = 0) -> np.ndarray:
    """The face of uint8 [h, w, 3] by its five points [5, 2], pixels, as [64, 64, 3] and `margin` px more around."""
    matrix, _ = cv2.estimateAffinePartial2D(five.astype(np.float32), TEMPLATE * SIZE, method=cv2.LMEDS)
    if matrix is None:  # coincident points: show the picture whole rather than fail
        matrix = np.array([[SIZE / picture.shape[1], 0, 0], [0, SIZE / picture.shape[0], 0]])
    shifted = matrix.astype(np.float32) + np.array([[0, 0, margin], [0, 0, margin]], np.float32)
    return warp(picture, shifted, SIZE + 2 * margin)


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Affine [2, 3] after affine [2, 3]."""
    return (outer @ np.vstack([inner, [0, 0, 1]])).astype(np.float32)


def warp(picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Similarity warp to a square; smoothed before shrinking so that hatching does not alias."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


class Residual(nn.Module):
    """Two convolutions with batch norm, as in the face recognition literature (He 2016, Deng 2019)."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inside),
            nn.Conv2d(inside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.PReLU(outside),
            nn.Conv2d(outside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        same = stride == 1 and inside == outside
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.skip(x)


def trunk(widths: tuple[int, int, int, int]) -> nn.Sequential:
    """RGB [b, 3, s, s] -> [b, widths[3], s / 16, s / 16]."""
    stem = [nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])]
    steps = [Residual(widths[max(0, i - 1)], w, 1 if i == 0 else 2) for i, w in enumerate(widths)]
    return nn.Sequential(*stem, *steps)


class Recogniser(nn.Module):
    """Aligned faces [b, 3, 64, 64] in [-1, 1] -> raw embeddings [b, dim]; compare them by cosine."""

    def __init__(self, dim: int = 128, widths: tuple[int, int, int, int] = (16, 32, 64, 128)):
        super().__init__()
        self.trunk = trunk(widths)
        self.head = nn.Sequential(
            nn.BatchNorm2d(widths[3]),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(widths[3] * 16, dim),
            nn.BatchNorm1d(dim),
        )
        self.woman = nn.Linear(dim, 1)

    def forward(self, faces: Tensor) -> Tensor:
        return self.head(self.trunk(faces))


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [b, h, w, 3] -> float [b, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def without_hair(faces: Tensor) -> Tensor:
    """Grey outside the face's ellipse: what is left when hair, hat and ground tell nothing.  [b, 3, 64, 64]"""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(-1, 1, SIZE), indexing="ij")
    inside = ((x / 0.56) ** 2 + ((y - 0.13) / 0.66) ** 2 < 1).float()
    return faces * inside
