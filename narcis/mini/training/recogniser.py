"""Trains a recogniser: a sitter's photo must find her painting among the batch's, and tell her true features.

The contrast (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748) learns from four pictures a sitter where a margin
over thousands of classes did not start: 1.5 % right after 700 steps.  Regressing the features the painter drew (a
supervision no real data set has) keeps them linearly readable in the embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narcis.mini.recogniser import SIZE, Recogniser, align, to_tensor, without_hair
from narcis.mini.training import loop
from narcis.mini.training.data import Pictures, five

SCALE = 14.0  # of the cosines in the contrast
ROOM = 8  # px kept around an aligned face so that it can be shaken


def shake(rng: np.random.Generator) -> np.ndarray:
    """A small random similarity about the middle, as an imperfect landmarker would cause."""
    s, r, c = math.exp(rng.normal(0, 0.05)), rng.normal(0, 0.04), SIZE / 2
    turn = np.array([[s * math.cos(r), -s * math.sin(r)], [s * math.sin(r), s * math.cos(r)]])
    move = c - turn @ [c, c] + rng.normal(0, 1.0, 2)
    return np.column_stack([turn, move - turn @ [ROOM, ROOM]]).astype(np.float32)


def vary(faces: Tensor, gen: torch.Generator) -> Tensor:
    """Light, colour cast, blur-free noise and a covering block: what differs between pictures of one person."""
    b = len(faces)
    gain = 1 + 0.12 * torch.randn(b, 1, 1, 1, generator=gen) + 0.05 * torch.randn(b, 3, 1, 1, generator=gen)
    faces = faces * gain + 0.08 * torch.randn(b, 1, 1, 1, generator=gen)
    faces = faces + 0.04 * torch.randn(faces.shape, generator=gen)
    for i in torch.nonzero(torch.rand(b, generator=gen) < 0.3).flatten().tolist():
        y, x = torch.randint(0, SIZE - 16, (2,), generator=gen).tolist()
        faces[i, :, y : y + 16, x : x + 16] = torch.randn(3, 1, 1, generator=gen) * 0.5
    return faces


def contrast(photos: Tensor, paintings: Tensor) -> Tensor:
    """Each of [b, d] finds its partner among the other side's [b, d]; a sitter has one picture on each side."""
    cos = SCALE * F.normalize(photos, dim=-1) @ F.normalize(paintings, dim=-1).T
    label = torch.arange(len(cos))
    return (F.cross_entropy(cos, label) + F.cross_entropy(cos.T, label)) / 2


def train(
    photos: Pictures,
    paintings: Pictures,
    features: np.ndarray,
    *,
    seed: int,
    minutes: float,
    bare: float,
    widths: tuple[int, int, int, int],
    say: Callable[[str], None],
) -> Recogniser:
    """`features` [sitters, k]: standardised true parameters, column 0 the sex; `bare`: share shown without hair."""
    rng, gen = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    sources = [aligned(photos), aligned(paintings)]
    net, guess = Recogniser(widths=widths), nn.Linear(128, features.shape[1])
    parameters = [*net.parameters(), *guess.parameters()]
    truth = torch.from_numpy(features)

    def loss() -> Tensor:
        label = torch.from_numpy(rng.permutation(len(features))[:96])
        faces = vary(to_tensor(np.concatenate([shaken(rng, source, label.numpy()) for source in sources])), gen)
        hidden = torch.rand(96, generator=gen).repeat(2) < bare
        faces = torch.where(hidden[:, None, None, None], without_hair(faces), faces)
        with torch.autocast("cpu", torch.bfloat16):
            embedding = net(faces)
        embedding, both = embedding.float(), label.repeat(2)
        sex = F.binary_cross_entropy_with_logits(net.woman(embedding)[:, 0], (truth[both, 0] > 0).float())
        return contrast(*embedding.chunk(2)) + F.mse_loss(guess(embedding), truth[both]) + 0.2 * sex

    loop.train(f"recogniser {seed}", parameters, loss, minutes=minutes, top=3e-3, decay=0.02, say=say)
    return net.eval()


def aligned(pictures: Pictures) -> np.ndarray:
    """Every face with some room around it, [n, 80, 80, 3]."""
    return np.stack([align(p, points, ROOM) for p, points in zip(pictures.pixels, five(pictures.landmarks))])


def shaken(rng: np.random.Generator, source: np.ndarray, people: np.ndarray) -> np.ndarray:
    """One of each sitter's two pictures, shaken and as often mirrored as not, [n, 64, 64, 3]."""
    chosen = 2 * people + rng.integers(0, 2, len(people))
    shown = np.stack([cv2.warpAffine(source[i], shake(rng), (SIZE, SIZE), flags=cv2.INTER_LINEAR) for i in chosen])
    mirrored = rng.random(len(people)) < 0.5
    shown[mirrored] = shown[mirrored][:, :, ::-1]
    return shown
