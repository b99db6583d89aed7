"""The sizes of PhotoMaker's identity encoders, and how a checkpoint's shapes tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt

from torch import Tensor

from narcis.errors import BadInput

# Where a checkpoint's shapes tell a size: the tensor and its axis.
TOLD = {
    "patch_size": ("vision_model.embeddings.patch_embedding.weight", 2),
    "vision_width": ("vision_model.embeddings.class_embedding", 0),
    "vision_mlp": ("vision_model.encoder.layers.0.mlp.fc1.weight", 0),
    "projection": ("visual_projection.weight", 0),
    "projection_2": ("visual_projection_2.weight", 0),
    "id_dim": ("qformer_perceiver.token_proj.0.weight", 1),
    "width": ("fuse_module.layer_norm.weight", 0),
}
POSITIONS = ("vision_model.embeddings.position_embedding.weight", 0)
TOKENS = ("qformer_perceiver.token_proj.2.weight", 0)
CLIP_HEAD = 64  # channels of one of CLIP's heads, in every published size


@dataclass(frozen=True)
class Encoding:
    """Sizes of an identity encoder; the defaults are the published V2."""

    image_size: int = 224
    patch_size: int = 14
    vision_width: int = 1024
    vision_mlp: int = 4096
    vision_heads: int = 16
    vision_layers: int = 24
    projection: int = 768  # visual_projection: in the checkpoint, not in the forward pass
    projection_2: int = 1280
    id_dim: int = 512  # the recogniser's raw embedding
    width: int = 2048  # channels of a prompt token
    tokens: int = 2  # identity tokens a photo
    depth: int = 4  # layers of the resampler
    head_dim: int = 128

    def __post_init__(self) -> None:
        if self.vision_width % self.vision_heads or self.width % self.head_dim:
            raise BadInput(
                f"an identity encoder of widths {self.vision_width} and {self.width} has no {self.vision_heads} heads "
                f"and heads of {self.head_dim} channels; they must divide"
            )

    def told_by(self, weights: Mapping[str, Tensor]) -> Encoding:
        """The same with all sizes that the shapes of a checkpoint tell.

        Heads leave no trace in a shape: CLIP's are of 64 channels in every published size, the resampler's stay.
        """

        def told(name: str, axis: int, otherwise: int) -> int:
            return weights[name].shape[axis] if name in weights and weights[name].ndim > axis else otherwise

        sizes = {size: told(*place, getattr(self, size)) for size, place in TOLD.items()}
        patches = isqrt(told(*POSITIONS, 0)) or self.image_size // self.patch_size
        return replace(
            self,
            **sizes,
            image_size=sizes["patch_size"] * patches,
            vision_heads=max(1, sizes["vision_width"] // CLIP_HEAD),
            vision_layers=numbered(weights, "vision_model.encoder.layers.") or self.vision_layers,
            tokens=told(*TOKENS, self.tokens * sizes["width"]) // sizes["width"],
            depth=numbered(weights, "qformer_perceiver.perceiver_resampler.layers.") or self.depth,
        )


def numbered(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many layers there are whose names continue a prefix by their number."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in weights if name.startswith(prefix)})


# By version; the first has no face embeddings, so no resampler that they ask with.
PUBLISHED = {1: Encoding(id_dim=0, tokens=1, depth=0), 2: Encoding()}
