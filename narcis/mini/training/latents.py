"""The latent space: principal components of 16 × 16 patches, whitened a little.

On a CPU a linear code is found in seconds, and it lets the denoiser start at once; the autoencoder's encoder then
learns to give these latents, and its decoder to undo them better than the transpose can.  Keeping `KEPT` of each
component's spread leaves the picture, not its texture, in charge of the denoiser's loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

PATCH, CHANNELS, KEPT = 16, 16, 0.35


@dataclass(frozen=True)
class Linear:
    """mean [768], basis [768, 16] with orthonormal columns, scale [16]: latent = basisᵀ(patch - mean) / scale."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def encode(self, pictures: Tensor) -> Tensor:
        """[b, 3, h, w] in [-1, 1] -> [b, 16, h / 16, w / 16], together of unit variance."""
        patches = rearrange(pictures, "b c (h p) (w q) -> b h w (p q c)", p=PATCH, q=PATCH)
        return rearrange((patches - self.mean) @ self.basis / self.scale, "b h w c -> b c h w")

    def decode(self, latents: Tensor) -> Tensor:
        patches = rearrange(latents, "b c h w -> b h w c") * self.scale @ self.basis.T + self.mean
        return rearrange(patches, "b h w (p q c) -> b c (h p) (w q)", p=PATCH, q=PATCH, c=3)

    def like(self, encoded: Tensor, pictures: Tensor) -> Linear:
        """The same code in the signs of an encoder that has learned it: `encoded` is what it makes of the pictures."""
        ours = self.encode(pictures)
        signs = (ours * encoded).sum((0, 2, 3)).sign()
        return Linear(self.mean, self.basis * signs, self.scale)

    def save(self, file: Path) -> None:
        torch.save(self.__dict__, file)

    @classmethod
    def load(cls, file: Path) -> Linear:
        return cls(**torch.load(file, weights_only=True))


def fit(pictures: np.ndarray) -> Linear:
    """From uint8 [n, 256, 256, 3]; a thousand pictures fix it to a tenth of a decibel."""
    x = torch.from_numpy(pictures).float().div(127.5).sub(1)
    patches = rearrange(x, "b (h p) (w q) c -> (b h w) (p q c)", p=PATCH, q=PATCH)
    mean = patches.mean(0)
    centred = patches - mean
    power, basis = torch.linalg.eigh(centred.T @ centred / len(centred))
    spread, basis = power.flip(0)[:CHANNELS].sqrt(), basis.flip(1)[:, :CHANNELS]
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    basis = basis * largest.sign()  # an eigenvector's sign is the solver's whim, and differs between machines
    scale = spread ** (1 - KEPT)
    overall = (spread / scale).square().mean().sqrt()  # all channels together get unit variance
    return Linear(mean, basis.contiguous(), scale * overall)
