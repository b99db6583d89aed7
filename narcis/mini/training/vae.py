"""Trains the autoencoder around the linear latents: the encoder to give them, the decoder to undo them.

Both halves have fixed targets, so they train apart and the denoiser need not wait for either.  The decoder sees
latents with some noise on them, because the denoiser's will never be exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from narcis.mini.training.data import cosine
from narcis.mini.training.latents import CHANNELS, Linear

Vae = Any  # AutoencoderKL, whose own annotations deny half of what it has
WIDTHS = (16, 32, 64, 96, 128)


def new_vae() -> Vae:
    """Factor 16.  Two norm groups: with many, group norm wipes out flat colour and training starts slowly."""
    n = len(WIDTHS)
    sizes: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * n,
        "up_block_types": ("UpDecoderBlock2D",) * n,
        "block_out_channels": WIDTHS,
        "layers_per_block": 1,
        "latent_channels": CHANNELS,
        "norm_num_groups": 2,
        "sample_size": 256,
        "mid_block_add_attention": False,
        "scaling_factor": 1.0,
    }
    return AutoencoderKL(**sizes)


def pictures(source: np.ndarray, chosen: np.ndarray) -> Tensor:
    """uint8 [n, s, s, 3] -> float [b, 3, s, s] in [-1, 1]."""
    return torch.from_numpy(source[chosen]).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def window(source: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random window of all pictures, `side` latent cells wide and on their grid."""
    top, left = 16 * rng.integers(0, source.shape[1] // 16 - side + 1, 2)
    return source[:, top : top + 16 * side, left : left + 16 * side]


def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def picture_loss(seen: Tensor, truth: Tensor) -> Tensor:
    """L1 of colours and of slopes, and the square that PSNR counts."""
    edges = sum(F.l1_loss(a, b) for a, b in zip(slopes(seen), slopes(truth)))
    return F.l1_loss(seen, truth) + 2 * F.mse_loss(seen, truth) + edges


def decode_loss(vae: Vae, x: Tensor, z: Tensor, noisy: float) -> Tensor:
    z = z + noisy * torch.rand(len(z), 1, 1, 1) * torch.randn(z.shape)
    with torch.autocast("cpu", torch.bfloat16):
        seen = vae.decode(z.contiguous(memory_format=torch.channels_last)).sample
    return picture_loss(seen.float(), x)


def encode_loss(vae: Vae, x: Tensor, z: Tensor, weight: Tensor) -> Tensor:
    """Squared error of latents, weighted by what each channel is worth in the picture."""
    with torch.autocast("cpu", torch.bfloat16):
        mean = vae.encode(x.contiguous(memory_format=torch.channels_last)).latent_dist.mean
    return ((mean.float() - z).square() * weight[:, None, None]).mean()


def train(
    vae: Vae,
    source: np.ndarray,
    linear: Linear,
    *,
    half: str,
    minutes: float,
    batch: int,
    top: float,
    seed: int,
    say: Callable[[str], None],
    whole_from: float = 0.7,
) -> None:
    """Trains one half ("encoder" or "decoder"); windows of half a side first, whole pictures from `whole_from` on."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    vae.to(memory_format=torch.channels_last).train()
    if half == "encoder":
        parameters = [*vae.encoder.parameters(), *vae.quant_conv.parameters()]
    else:
        parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimiser = torch.optim.AdamW(parameters, top, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    begun = time.time()
    worth = linear.scale.square()
    worth = 0.25 + 0.75 * worth / worth.mean()
    step, mean = 0, None
    while (part := (time.time() - begun) / (60 * minutes)) < 1:
        whole = part > whole_from
        shown = source if whole else window(source, 8, rng)
        x = pictures(shown, rng.integers(0, len(source), batch // 4 if whole else batch))
        z = linear.encode(x)
        for group in optimiser.param_groups:
            group["lr"] = top * cosine(part)
        loss = encode_loss(vae, x, z, worth) if half == "encoder" else decode_loss(vae, x, z, 0.3)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            say(
                f"{half}: step {step}, {part:.0%}, loss {mean:.4f}, {(time.time() - begun) / step * 1000:.0f} ms a step"
            )
    vae.eval()


@torch.no_grad()
def psnr(vae: Vae, source: np.ndarray, linear: Linear | None = None) -> float:
    """Mean over pictures of 10 log10(1 / mean square error) in [0, 1]; with `linear`, of the decoder alone, dB."""
    values = []
    for i in range(0, len(source), 10):
        x = pictures(source, np.arange(i, min(i + 10, len(source))))
        z = linear.encode(x) if linear else vae.encode(x).latent_dist.mode()
        error = ((vae.decode(z).sample.clamp(-1, 1) - x) / 2).square().mean((1, 2, 3))
        values.append(-10 * error.log10())
    return float(torch.cat(values).mean())
