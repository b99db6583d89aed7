"""A model on a card that may be too small for it: the rungs of a ladder, from all resident to block by block.

Which rung fits follows from bytes: the parts' own, measured as they are loaded, and what they compute with, which
grows with the picture.  Where the card is full all the same, the model goes one rung down and computes that call again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from narcis.errors import Unavailable
from narcis.portrait import bands
from narcis.portrait import device as devices
from narcis.portrait.resident import give_back

T = TypeVar("T")
log = logging.getLogger(__name__)

# Live tensors of a forward pass, in numbers for each of the first block's channels and each pixel that it works at.
# Peaks of 15.8 and 6.0 are counted from every tensor that SDXL's own forward passes make and let go.
UNET_LIVE, VAE_LIVE = 16, 6
SPARE = 1.25  # what an allocator takes for a number of bytes, since its blocks do not fit each other
LIBRARIES = 500_000_000  # bytes that a card's libraries work in


class Rung(IntEnum):
    """Each rung includes what those above it do."""

    RESIDENT = 0  # everything lies on the card
    ENCODERS_OFF = 1  # text and identity encoders come to the card when they are used
    VAE_IN_BANDS = 2  # pictures are encoded and decoded band by band
    SEQUENTIAL = 3  # the UNet comes to the card block by block, at every step

    @property
    def said(self) -> str:
        return self.name.lower().replace("_", " ").replace("vae", "VAE")


@dataclass(frozen=True)
class Demand:
    """Bytes on a card: of the parts' weights, and of what they compute with when they paint and decode."""

    unet: int
    block: int  # the largest part of the UNet that comes alone
    vae: int
    encoders: tuple[int, ...]
    painting: int
    decoding: int
    band: int  # of decoding, when that is done in bands

    def at(self, rung: Rung) -> int:
        """The most bytes that are needed at one time."""
        unet = self.block if rung >= Rung.SEQUENTIAL else self.unet
        decoding = min(self.band, self.decoding) if rung >= Rung.VAE_IN_BANDS else self.decoding
        computing = SPARE * max(self.painting, decoding) + LIBRARIES
        if rung < Rung.ENCODERS_OFF:
            return int(sum(self.encoders) + unet + self.vae + computing)
        resting = self.vae + (0 if rung >= Rung.SEQUENTIAL else unet)  # lies there while an encoder visits
        return int(max(unet + self.vae + computing, resting + max(self.encoders, default=0) + LIBRARIES))


def demand(
    unet: UNet2DConditionModel, vae: AutoencoderKL, encoders: Iterable[int], size: tuple[int, int], pictures: int = 1
) -> Demand:
    """What these parts ask for when they paint pictures of `size` (height, width) px under guidance, all at once, and
    decode them one by one; encoders are given in bytes."""
    pixels = size[0] * size[1]
    factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
    a_latent = UNET_LIVE * unet.config["block_out_channels"][0] * unet.dtype.itemsize
    first, *_, last = vae.config["block_out_channels"]
    a_pixel = VAE_LIVE * vae.dtype.itemsize
    return Demand(
        unet=size_of(unet),
        block=max(size_of(block) for block in blocks(unet)),
        vae=size_of(vae),
        encoders=tuple(encoders),
        painting=2 * pictures * pixels // factor**2 * a_latent,
        decoding=pixels * first * a_pixel,
        band=max(bands.BUDGET, pixels // factor**2 * last * a_pixel),
    )


def fitting(wanted: Demand, free: int | None) -> Rung:
    """The highest rung that free bytes allow, the lowest where none does; None is memory without a card."""
    if free is None:
        return Rung.RESIDENT
    return next((rung for rung in Rung if wanted.at(rung) <= free), Rung.SEQUENTIAL)


def size_of(network: nn.Module) -> int:
    """Bytes of a network's parameters and buffers."""
    return sum(tensor.nbytes for _, _, tensor in tensors(network))


def tensors(network: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """Every parameter and buffer, with the dictionary and the name under which its layer looks it up."""
    for layer in network.modules():
        for place in (layer._parameters, layer._buffers):
            yield from ((place, name, tensor) for name, tensor in place.items() if tensor is not None)


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The parts of a network that compute one after the other: lists, and blocks that are made of lists, opened."""
    for part in network.children():
        inner = list(part.children())
        if isinstance(part, nn.ModuleList) or (inner and all(isinstance(one, nn.ModuleList) for one in inner)):
            yield from blocks(part)
        elif any(True for _ in tensors(part)):
            yield part


# ------------------------------------------------------------------------------------------ moving


class Guest:
    """A module whose weights rest in main memory, and of which a copy is on the card only while it computes."""

    def __init__(self, module: nn.Module, device: torch.device):
        self.device = device
        self.resting: list[tuple[dict[str, Any], str, Tensor]] = []
        module.register_forward_pre_hook(self.arrive)
        module.register_forward_hook(self.leave, always_call=True)

    def arrive(self, module: nn.Module, *_: Any) -> None:
        self.leave()
        for place, name, tensor in tensors(module):
            self.resting.append((place, name, tensor))
            copy = tensor.detach().to(self.device, copy=True)
            place[name] = nn.Parameter(copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else copy

    def leave(self, *_: Any) -> None:
        while self.resting:
            place, name, tensor = self.resting.pop()
            place[name] = tensor


def tells_full(error: RuntimeError) -> bool:
    """Whether an error is a card's full memory: CUDA has a class for it, Apple's chips and cuBLAS a sentence."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in said or "ALLOC_FAILED" in said


class Ladder:
    """Where one model's networks are, and the way down when the card is full."""

    def __init__(self, device: torch.device, unet: nn.Module, vae: nn.Module, rung: Rung):
        self.device, self.unet, self.vae, self.rung = device, unet, vae, Rung.RESIDENT
        self.encoders: list[nn.Module] = []
        self.guests: list[Guest] = []
        self.go(rung)

    @property
    def in_bands(self) -> bool:
        """Whether the VAE is to compute in bands."""
        return self.rung >= Rung.VAE_IN_BANDS

    def go(self, rung: Rung) -> None:
        """Down to a rung, and everything to its place there."""
        if self.rung < Rung.ENCODERS_OFF <= rung:
            for encoder in self.encoders:
                self.invite(encoder)
        if self.rung < Rung.SEQUENTIAL <= rung:
            self.invite(self.unet)
        self.rung = rung
        try:
            self.vae.to(self.device)
            if rung < Rung.SEQUENTIAL:
                self.unet.to(self.device)
        except RuntimeError as error:
            raise self.full() if tells_full(error) else error from None

    def admit(self, encoder: nn.Module) -> nn.Module:
        """An encoder goes to its place, on the card or beside it."""
        self.encoders.append(encoder)
        if self.rung < Rung.ENCODERS_OFF:
            return self.run(lambda: encoder.to(self.device) if self.rung < Rung.ENCODERS_OFF else encoder)
        self.invite(encoder)
        return encoder

    def invite(self, network: nn.Module) -> None:
        """From now on the network rests in main memory and its blocks are guests on the card."""
        network.to("cpu")
        self.guests += [Guest(block, self.device) for block in blocks(network)]

    def run(self, call: Callable[[], T]) -> T:
        """What the call gives; where the card is full for it, after one step down.

        Raises Unavailable where it is full then, too.
        """
        try:
            return call()
        except RuntimeError as error:
            if not tells_full(error):
                raise
        finally:
            self.part()
        self.down()  # outside of the block above, since its error holds what the call had computed
        try:
            return call()
        except RuntimeError as error:
            raise self.full() if tells_full(error) else error from None
        finally:
            self.part()

    def part(self) -> None:
        """No guest stays, not even of a call that was interrupted."""
        for guest in self.guests:
            guest.leave()

    def down(self) -> None:
        if self.rung == Rung.SEQUENTIAL:
            raise self.full()
        lower = Rung(self.rung + 1)
        log.warning("%s is full: from %s to %s", devices.card(self.device), self.rung.said, lower.said)
        self.go(lower)
        give_back(self.device)

    def full(self) -> Unavailable:
        return Unavailable(
            f"{devices.card(self.device)} is full, even with its memory used as {self.rung.said!r}; "
            "ask for a smaller picture or fewer at once, free the card, or take a larger one",
            rung=self.rung.said,
        )
