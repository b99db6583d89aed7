"""Low-rank additions to a UNet's matrices, as PhotoMaker and others publish them: beside the weights, or in them.

Hu et al. 2021, arXiv 2106.09685.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from narcis.errors import BadInput
from narcis.portrait.sampling import Denoiser, Latents, Step

# How the same two matrices end in each of the three spellings in use.
ENDINGS = {
    "_lora.down.weight": "down",  # <attention>.processor.to_q_lora
    "_lora.up.weight": "up",
    ".lora.down.weight": "down",  # <attention>.to_q.lora
    ".lora.up.weight": "up",
    ".lora_A.weight": "down",  # <attention>.to_q
    ".lora_B.weight": "up",
    ".alpha": "alpha",
}


class Addition(NamedTuple):
    """What one matrix W gains at strength 1: scale · up @ down."""

    down: Tensor  # [rank, in]
    up: Tensor  # [out, rank]
    scale: float  # alpha / rank


class Lora:
    """A LoRA beside a UNet's weights, which stay as they are: switching costs nothing, strength 0 is off to the bit.

    Two thin products are added to what each matrix gives, about a tenth of its work at rank 64.  The thin matrices are
    buffers of the UNet's own layers: they follow it to another device or dtype and are never saved with it.
    """

    def __init__(self, unet: UNet2DConditionModel, weights: Mapping[str, Tensor]):
        self.strength = 0.0
        for name, addition in additions(unet, weights).items():
            layer, matrix = unet.get_submodule(name), unet.get_parameter(f"{name}.weight")
            up = addition.scale * addition.up.float()
            layer.register_buffer("lora_down", addition.down.T.to(matrix).contiguous(), persistent=False)
            layer.register_buffer("lora_up", up.T.to(matrix).contiguous(), persistent=False)
            layer.register_forward_hook(self.add)

    def add(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not self.strength:
            return output
        down, up = layer.lora_down, layer.lora_up  # [in, rank], [rank, out]
        rows = output.reshape(-1, output.shape[-1])
        rows.addmm_(inputs[0].reshape(-1, inputs[0].shape[-1]) @ down, up, alpha=self.strength)  # type: ignore[arg-type]
        return rows.view_as(output)

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        """The strength for as long as the block lasts, 0 afterwards."""
        self.strength = strength
        try:
            yield
        finally:
            self.strength = 0.0


def adapted(lora: Lora | None, strength: float, predict: Denoiser) -> Denoiser:
    """The denoiser under a LoRA.  Others of the same UNet may run between its steps, under their own strength."""
    if not 0 <= strength <= 1:
        raise BadInput(f"identity LoRA is {strength}; it must be 0 to 1", identity_lora=strength)
    if lora is None or strength == 0:
        return predict

    def predict_with(x: Latents, step: Step) -> Latents:
        with lora.at(strength):
            return predict(x, step)

    return predict_with


def fuse(unet: UNet2DConditionModel, weights: Mapping[str, Tensor], strength: float = 1.0) -> None:
    """Adds strength · alpha / rank · up @ down to each matrix, in place and for good."""
    for name, addition in additions(unet, weights).items():
        matrix = unet.get_parameter(f"{name}.weight")
        change = strength * addition.scale * (addition.up.float() @ addition.down.float())
        with torch.no_grad():
            matrix.copy_(matrix.float() + change.to(matrix.device))


def additions(unet: UNet2DConditionModel, weights: Mapping[str, Tensor]) -> dict[str, Addition]:
    """Each matrix's addition, by the matrix's name in this UNet; without an alpha entry alpha is the rank.

    Raises BadInput, in one line, for a LoRA of another network.
    """
    if not weights:
        raise BadInput("the LoRA is empty; it wants a down and an up for each matrix of the UNet that it changes")
    matrices = {name.removesuffix(".weight"): value for name, value in unet.named_parameters()}
    return {name: addition(name, parts, matrices.get(name)) for name, parts in by_matrix(weights).items()}


def addition(name: str, parts: Mapping[str, Tensor], matrix: Tensor | None) -> Addition:
    if matrix is None or not {"down", "up"} <= parts.keys():
        raise BadInput(f"the LoRA has {', '.join(sorted(parts))} for {name!r}; this UNet wants down and up of its own")
    down, up = parts["down"], parts["up"]
    fits = down.ndim == up.ndim == 2 and (len(up), down.shape[1]) == matrix.shape
    if not fits or up.shape[1] != len(down):
        raise BadInput(
            f"the LoRA's down {list(down.shape)} and up {list(up.shape)} do not make {name!r} "
            f"{list(matrix.shape)} of this UNet: down is [rank, in] and up is [out, rank]",
            matrix=name,
        )
    return Addition(down, up, float(parts.get("alpha", len(down))) / len(down))


def by_matrix(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The parts of each matrix's addition ("down", "up", perhaps "alpha"), by the matrix's name in the UNet."""
    matrices: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, value in weights.items():
        name, part = named(key)
        matrices[name][part] = value
    return matrices


def named(key: str) -> tuple[str, str]:
    for ending, part in ENDINGS.items():
        if key.endswith(ending):
            name = key.removeprefix("unet.").removesuffix(ending).replace(".processor.", ".")
            return name + ".0" if name.endswith("to_out") else name, part
    raise BadInput(f"{key!r} is no LoRA weight; keys end in {', '.join(ENDINGS)}")
