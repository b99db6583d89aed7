"""Low-rank additions to a UNet's weights, as PhotoMaker and others publish them.

Hu et al. 2021, arXiv 2106.09685.
"""

from collections import defaultdict
from collections.abc import Mapping

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from narcis.errors import BadInput

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


def fuse(unet: UNet2DConditionModel, weights: Mapping[str, Tensor], strength: float = 1.0) -> None:
    """Adds strength · alpha / rank · up @ down to each matrix, in place; without an alpha entry alpha is the rank."""
    networks = dict(unet.named_parameters())
    for name, parts in by_matrix(weights).items():
        if f"{name}.weight" not in networks or not {"down", "up"} <= parts.keys():
            raise BadInput(
                f"the LoRA has {', '.join(sorted(parts))} for {name!r}; this UNet wants down and up of its own"
            )
        down, up = parts["down"].float(), parts["up"].float()
        scale = strength * float(parts.get("alpha", len(down))) / len(down)
        matrix = networks[f"{name}.weight"]
        with torch.no_grad():
            matrix.copy_(matrix.float() + scale * (up @ down).to(matrix.device))


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
