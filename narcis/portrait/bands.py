"""A VAE in bands of rows: the whole picture's numbers, with one band's memory on the card.

Tiles that overlap, the usual way, each normalise by themselves, which shifts colours from tile to tile.  Here every
layer is finished for the whole picture before the next one begins; its feature map rests in main memory, and the next
group norm knows the mean and variance of all of it.  Only the middle block, at the latents' size, computes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

BUDGET = 250_000_000  # bytes of live tensors of one band
LIVE = 6  # of them are alive at a time, each as large as the larger of a layer's two maps

Map = Float[Tensor, "b c h w"]
Local = Callable[[Map], Map]  # a layer whose rows depend on the rows beside them alone


@dataclass(frozen=True, eq=False)
class Resting:
    """A feature map in main memory, with the sum of each channel, and of its squares, over the whole picture."""

    data: Map
    total: Float[Tensor, "b c"]  # float64
    squares: Float[Tensor, "b c"]

    def normalised(self, norm: nn.GroupNorm) -> Local:
        """The group norm of this map, for any part of it."""
        b, c, h, w = self.data.shape
        numbers = h * w * c // norm.num_groups
        mean, square = (
            (sums.reshape(b, norm.num_groups, -1).sum(-1) / numbers).repeat_interleave(c // norm.num_groups, 1)
            for sums in (self.total, self.squares)
        )
        scale = norm.weight / ((square - mean**2).clamp(min=0) + norm.eps).sqrt()
        shift = norm.bias - mean * scale
        scale, shift = (t.float()[:, :, None, None] for t in (scale, shift))
        return lambda x: (x.float() * scale + shift).to(x.dtype)


def decode(vae: AutoencoderKL, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
    """What `vae.decode` gives, up to rounding."""
    decoder: Any = vae.decoder
    if vae.post_quant_conv is not None:
        z = vae.post_quant_conv(z)
    x = rest(decoder.mid_block(decoder.conv_in(z)))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = residual(resnet, x, z.device)
        for larger in block.upsamplers or ():
            x = banded(larger, x, z.device, grows=2)
    normalised = x.normalised(decoder.conv_norm_out)
    return banded(lambda rows: decoder.conv_out(F.silu(normalised(rows))), x, z.device).data.to(z.device)


def encode(vae: AutoencoderKL, pixels: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c2 h w"]:
    """Mean and logarithm of the variance of what `vae.encode` gives, up to rounding."""
    encoder: Any = vae.encoder
    x = banded(encoder.conv_in, rest(pixels), pixels.device)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            x = residual(resnet, x, pixels.device)
        for smaller in block.downsamplers or ():
            x = halved(smaller, x, pixels.device)
    middle = encoder.mid_block(x.data.to(pixels.device))
    moments = encoder.conv_out(F.silu(encoder.conv_norm_out(middle)))
    return moments if vae.quant_conv is None else vae.quant_conv(moments)


def residual(resnet: Any, x: Resting, device: torch.device) -> Resting:
    """He et al. 2016, with diffusers' names: two normalised convolutions beside a shortcut."""
    before = x.normalised(resnet.norm1)
    inner = banded(lambda rows: resnet.conv1(F.silu(before(rows))), x, device)
    between = inner.normalised(resnet.norm2)
    shortcut = resnet.conv_shortcut or nn.Identity()

    def outer(both: Tensor) -> Tensor:
        wide, rows = both.split([x.data.shape[1], inner.data.shape[1]], 1)
        return (shortcut(wide) + resnet.conv2(F.silu(between(rows)))) / resnet.output_scale_factor

    return banded(outer, x, device, beside=inner)


# ------------------------------------------------------------------------------------------ bands


def banded(layer: Local, x: Resting, device: torch.device, grows: int = 1, beside: Resting | None = None) -> Resting:
    """A layer of 3 × 3, band by band; `beside` are further channels of its input, `grows` is how many rows a row gives.

    A band sees one row more on either side, and what that row itself becomes is left out.
    """
    sources = [x.data] if beside is None else [x.data, beside.data]
    height = x.data.shape[2]

    def parts() -> Iterator[Map]:
        for top, bottom in bands(sources, height, grows):
            low, high = max(0, top - 1), min(height, bottom + 1)
            made = layer(torch.cat([source[:, :, low:high].to(device) for source in sources], 1))
            yield made[:, :, (top - low) * grows : (bottom - low) * grows]

    return gathered(parts())


def halved(smaller: Any, x: Resting, device: torch.device) -> Resting:
    """Every second row and column, as diffusers' downsampling does it: zeros below and to the right."""
    height = x.data.shape[2] // 2

    def parts() -> Iterator[Map]:
        for top, bottom in bands([x.data], height, 2):
            rows = x.data[:, :, 2 * top : 2 * bottom + 1].to(device)
            yield smaller.conv(F.pad(rows, (0, 1, 0, 2 * (bottom - top) + 1 - rows.shape[2])))

    return gathered(parts())


def bands(sources: list[Tensor], height: int, rows: int) -> Iterator[tuple[int, int]]:
    """First and last row + 1 of each band; one row stands for so many `rows` of a source, or of what comes of it."""
    a_row = sum(source[:, :, 0].nbytes for source in sources) * rows**2 * LIVE
    step = max(1, BUDGET // a_row)
    yield from ((top, min(height, top + step)) for top in range(0, height, step))


def rest(x: Map) -> Resting:
    return gathered(iter([x]))


def gathered(parts: Iterator[Map]) -> Resting:
    """Bands below each other in main memory, and their sums, taken where the bands are."""
    rows, total, squares = [], 0.0, 0.0
    for part in parts:
        exact = part.double()
        total, squares = total + exact.sum((2, 3)), squares + exact.square().sum((2, 3))
        rows.append(part.to("cpu"))
    return Resting(rows[0] if len(rows) == 1 else torch.cat(rows, 2), total, squares)  # type: ignore[arg-type]
