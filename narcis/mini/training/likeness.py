"""Whom the denoiser has in mind: its predicted clean latents, seen by a recogniser.

The squared error of latents hardly feels a person: most of it is ground, cloth and texture.  A recogniser's cosine
between the predicted and the true face feels nothing else (PuLID's identity loss, Guo et al. 2024, arXiv 2404.16022).
The critic conditions nothing and measures nothing: the analyser has a net of its own, and so has `mini check`.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from narcis.mini.recogniser import SIZE, TEMPLATE, Recogniser, without_hair
from narcis.mini.training.latents import PATCH, Linear

FRAME = 256  # px, the side of what latents are of
HALF = PATCH // 2  # the critic sees frames at half size, which a linear code gives at a quarter of the cost


def alignment(five: np.ndarray) -> np.ndarray:
    """[2, 3] float32 for `affine_grid`: from the aligned face's unit square to the frame's, by five points, px."""
    onto, _ = cv2.estimateAffinePartial2D(five.astype(np.float32), TEMPLATE * SIZE, method=cv2.LMEDS)
    back = cv2.invertAffineTransform(onto)  # pixel (i, j) of the face lies at its index, as OpenCV has it
    turn, move = back[:, :2], back[:, 2]
    middle = turn @ np.full(2, (SIZE - 1) / 2) + move - (FRAME - 1) / 2
    return np.column_stack([turn * SIZE / FRAME, 2 * middle / FRAME]).astype(np.float32)


class Critic(nn.Module):
    """How far the person in predicted latents is from the person in the true ones."""

    basis: Tensor  # [16, 192]
    mean: Tensor  # [192]

    def __init__(self, recogniser: Recogniser, linear: Linear):
        super().__init__()
        self.recogniser = recogniser.eval().requires_grad_(False)
        basis, mean = (
            rearrange(a, "(p f q g c) k -> p q c f g k", p=HALF, q=HALF, f=2, g=2, c=3).mean((3, 4)).flatten(0, 2)
            for a in (linear.basis * linear.scale, linear.mean[:, None])
        )
        self.register_buffer("basis", basis.T.contiguous())
        self.register_buffer("mean", mean[:, 0].contiguous())

    def faces(self, latents: Tensor, ways: Tensor) -> Tensor:
        """[b, 16, 16, 16] latents, [b, 2, 3] ways -> aligned faces [b, 3, 64, 64] in [-1, 1]."""
        patches = rearrange(latents, "b k h w -> b h w k") @ self.basis + self.mean
        pictures = rearrange(patches, "b h w (p q c) -> b c (h p) (w q)", p=HALF, q=HALF, c=3)
        grid = F.affine_grid(ways, [len(latents), 3, SIZE, SIZE], align_corners=False)
        return F.grid_sample(pictures, grid, align_corners=False, padding_mode="border")

    def persons(self, faces: Tensor) -> Tensor:
        """Unit embeddings of the faces as they are, and of what the hair leaves free; [2b, 128]."""
        with torch.autocast(faces.device.type, torch.bfloat16):
            seen = self.recogniser(torch.cat([faces, without_hair(faces)]))
        return F.normalize(seen.float(), dim=-1)

    def miss(self, guess: Tensor, truth: Tensor, ways: Tensor) -> Tensor:
        """1 - cosine, mean of both views, [b]."""
        with torch.no_grad():
            meant = self.persons(self.faces(truth, ways))
        seen = self.persons(self.faces(guess, ways))
        return 1 - (seen * meant).sum(-1).unflatten(0, (2, -1)).mean(0)
