"""PhotoMaker's identity encoders: photos, and for V2 face embeddings too, become tokens fused into a prompt.

Li et al. 2023, arXiv 2312.04461; both versions as published by TencentARC.  Every size comes from an `Encoding`, so the
embedded model and the published V2 (543 M parameters) are the same class.  `load` reads the published files.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from narcis.errors import BadInput
from narcis.portrait import checkpoints
from narcis.portrait.checkpoints import Checkpoint
from narcis.portrait.encoding import PUBLISHED, Encoding

log = logging.getLogger(__name__)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Perceiver(nn.Module):
    """One resampler attention: latents ask, context and latents answer."""

    def __init__(self, width: int, head_dim: int):
        super().__init__()
        self.heads = width // head_dim
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(self, context: Tensor, latents: Tensor) -> Tensor:
        context, latents = self.norm1(context), self.norm2(latents)
        key, value = self.to_kv(torch.cat([context, latents], 1)).chunk(2, -1)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.heads) for t in (self.to_q(latents), key, value))
        return self.to_out(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))


def feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
    )


class Resampler(nn.Module):
    def __init__(self, sizes: Encoding):
        super().__init__()
        self.proj_in = nn.Linear(sizes.vision_width, sizes.width)
        self.proj_out = nn.Linear(sizes.width, sizes.width)
        self.norm_out = nn.LayerNorm(sizes.width)
        self.layers = nn.ModuleList(
            nn.ModuleList([Perceiver(sizes.width, sizes.head_dim), feed_forward(sizes.width)])
            for _ in range(sizes.depth)
        )

    def forward(self, latents: Tensor, context: Tensor) -> Tensor:
        context = self.proj_in(context)
        for attend, feed in self.layers:  # type: ignore[misc]
            latents = latents + attend(context, latents)
            latents = latents + feed(latents)
        return self.norm_out(self.proj_out(latents))


class QFormer(nn.Module):
    """The face embedding asks the photo: [n, id_dim] and [n, patches + 1, vision_width] -> [n, tokens, width]."""

    def __init__(self, sizes: Encoding):
        super().__init__()
        hidden = 4 * sizes.id_dim
        self.tokens = sizes.tokens
        self.token_proj = nn.Sequential(
            nn.Linear(sizes.id_dim, hidden), nn.GELU(), nn.Linear(hidden, sizes.width * sizes.tokens)
        )
        self.token_norm = nn.LayerNorm(sizes.width)
        self.perceiver_resampler = Resampler(sizes)

    def forward(self, embedding: Tensor, context: Tensor) -> Tensor:
        tokens = rearrange(self.token_proj(embedding), "n (t c) -> n t c", t=self.tokens)
        tokens = self.token_norm(tokens)
        return tokens + self.perceiver_resampler(tokens, context)


class Mlp(nn.Module):
    def __init__(self, inside: int, width: int):
        super().__init__()
        self.layernorm = nn.LayerNorm(inside)
        self.fc1, self.fc2 = nn.Linear(inside, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.layernorm(x))))


class Fuse(nn.Module):
    """Writes identity into class-word tokens: both [n, width] -> [n, width]."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp1, self.mlp2 = Mlp(2 * width, width), Mlp(width, width)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, identity: Tensor) -> Tensor:
        x = self.mlp1(torch.cat([words, identity], -1)) + words
        return self.layer_norm(x + self.mlp2(x))


class IdentityEncoder(nn.Module, ABC):
    """What both versions share, and all that stages know of either: photos fused into the words of a prompt."""

    version: ClassVar[int]

    def __init__(self, sizes: Encoding):
        super().__init__()
        self.config = sizes
        self.vision_model = CLIPVisionModel(vision_config(sizes))
        self.visual_projection = nn.Linear(sizes.vision_width, sizes.projection, bias=False)
        self.visual_projection_2 = nn.Linear(sizes.vision_width, sizes.projection_2, bias=False)
        self.fuse_module = Fuse(sizes.width)

    @abstractmethod
    def identity(self, pixels: Tensor, embedding: Tensor | None) -> Tensor:
        """CLIP pixels [n, 3, s, s] and raw embeddings [n, id_dim] -> identity tokens [n, tokens, width]."""

    def forward(self, pixels: Tensor, prompt: Tensor, mask: Tensor, embedding: Tensor | None = None) -> Tensor:
        """Fuses each order's N photos into its prompt; returns a new prompt.

        pixels [b, N, 3, s, s], prompt [b, L, width], mask [b, L] bool with tokens·N true in each row,
        embedding [b, N, id_dim], raw as the recogniser gives it (normalising it changes the person); V1 wants none.
        """
        b, n = pixels.shape[:2]
        wanted = self.config.tokens * n
        if (found := mask.sum(1).tolist()) != [wanted] * b:
            raise ValueError(f"mask marks {found} tokens; {n} photos need {wanted} in each prompt")
        dtype = next(self.parameters()).dtype
        each = None if embedding is None else embedding.flatten(0, 1).to(dtype)
        tokens = self.identity(pixels.flatten(0, 1).to(dtype), each)
        tokens = rearrange(tokens, "(b n) t c -> (b n t) c", b=b)
        fused = prompt.clone()
        fused[mask] = self.fuse_module(prompt[mask].to(dtype), tokens).to(prompt.dtype)
        return fused

    def sitter(
        self,
        photos: Sequence[Image.Image],
        embeddings: Float[Tensor | np.ndarray, "n d"] | None,
        prompt: Float[Tensor, "L width"],
        mask: Bool[Tensor, " L"],
    ) -> Float[Tensor, "L width"]:
        """One sitter's photos fused into one prompt, whose tokens·N true places the mask tells; see `forward`."""
        raw = self.checked(embeddings, len(photos))
        pixels = self.pixels(list(photos)).to(prompt.device)
        return self(pixels[None], prompt[None], mask[None], None if raw is None else raw.to(prompt.device)[None])[0]

    @abstractmethod
    def checked(self, embeddings: Tensor | np.ndarray | None, photos: int) -> Tensor | None:
        """A sitter's raw embeddings as this version wants them; BadInput where they cannot be these photos'."""

    def pixels(self, photos: list[Image.Image]) -> Tensor:
        """CLIP's view of whole photos, [n, 3, s, s]: shortest side to s (bicubic), centre crop, normalised."""
        return torch.stack([clip_pixels(photo, self.config.image_size) for photo in photos])

    @classmethod
    def from_folder(cls, folder: str | Path) -> IdentityEncoder:
        """The encoder of a folder or file in float32, if it is this version; see `load`."""
        return load(folder, version=cls.version).encoder

    def save(self, folder: str | Path) -> None:
        """Writes config.json and the weights in halves."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        weights = {k: v.detach().half().contiguous() for k, v in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")


class PhotoMakerV2(IdentityEncoder):
    """Face embeddings ask photos; two tokens a photo.  Its visual projections are in the checkpoint only."""

    version = 2

    def __init__(self, sizes: Encoding):
        super().__init__(sizes)
        self.qformer_perceiver = QFormer(sizes)

    def identity(self, pixels: Tensor, embedding: Tensor | None) -> Tensor:
        if embedding is None or len(embedding) != len(pixels):
            found = "no" if embedding is None else len(embedding)
            raise BadInput(f"PhotoMaker V2 wants a face embedding for each of {len(pixels)} photos; there are {found}")
        context = self.vision_model(pixels).last_hidden_state  # every token, before post_layernorm
        return self.qformer_perceiver(embedding, context)

    def checked(self, embeddings: Tensor | np.ndarray | None, photos: int) -> Tensor | None:
        given = np.empty((0, self.config.id_dim)) if embeddings is None else embeddings
        raw = torch.as_tensor(given, dtype=torch.float32)
        if len(raw) != photos:
            raise BadInput(f"the sitter has {photos} photos and {len(raw)} face embeddings; give each photo its own")
        if raw.shape[1] != self.config.id_dim:
            raise BadInput(
                f"the sitter's embeddings have {raw.shape[1]} numbers, this identity encoder was trained on "
                f"{self.config.id_dim}; they come from another face analyser than the model's"
            )
        if not raw.isfinite().all():
            raise BadInput("the sitter's embeddings hold numbers that are not finite; analyse the photos again")
        if (raw.norm(dim=1) - 1).abs().min() < 1e-4:
            log.warning("a sitter's embedding has length 1; if it was normalised, give it raw, or it is another person")
        return raw


class PhotoMakerV1(IdentityEncoder):
    """CLIP's pooled view of each photo alone, by both projections side by side; one token a photo, no embedding."""

    version = 1

    def identity(self, pixels: Tensor, embedding: Tensor | None = None) -> Tensor:
        pooled = self.vision_model(pixels).pooler_output  # the class token, after post_layernorm
        return torch.cat([self.visual_projection(pooled), self.visual_projection_2(pooled)], -1)[:, None]

    def checked(self, embeddings: Tensor | np.ndarray | None, photos: int) -> Tensor | None:
        return None


# Files

VERSIONS: dict[int, type[IdentityEncoder]] = {1: PhotoMakerV1, 2: PhotoMakerV2}
MARKS = {2: "qformer_perceiver.token_norm.weight", 1: "visual_projection_2.weight"}  # V2 has V1's too


@dataclass(frozen=True, eq=False)
class PhotoMaker:
    """One checkpoint: the identity encoder, and the UNet's LoRA as it is in the file, empty where there is none."""

    encoder: IdentityEncoder
    lora: dict[str, Tensor]


def load(
    path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    version: int | None = None,
) -> PhotoMaker:
    """PhotoMaker from its published .bin or .safetensors, or from the folder of one; loaded strictly.

    The version is told from the names in the file; one that is asked for must be it.  Sizes are those of a config.json
    beside the file, else what the shapes tell.  Raises BadInput or NotFound, in one line, for anything else.
    """
    checkpoint = checkpoints.read(path)
    found = version_of(checkpoint)
    if version not in (None, found):
        raise BadInput(
            f"{checkpoint.path} is PhotoMaker V{found} where V{version} is wanted; take photomaker-v{version}.bin",
            version=found,
        )
    with torch.device("meta"):
        encoder = VERSIONS[found](sizes_of(checkpoint, found))
    checkpoints.strictly(checkpoint.path, f"PhotoMaker V{found}", checkpoint.encoder, encoder.state_dict())
    return PhotoMaker(filled(encoder, checkpoint.encoder, torch.device(device), dtype), checkpoint.lora)


def version_of(checkpoint: Checkpoint) -> int:
    for version, mark in MARKS.items():
        if mark in checkpoint.encoder:
            return version
    raise BadInput(
        f"{checkpoint.path} is no identity encoder of PhotoMaker: it has neither {' nor '.join(MARKS.values())}, but "
        f"{checkpoints.listed(checkpoint.encoder)}"
    )


def sizes_of(checkpoint: Checkpoint, version: int) -> Encoding:
    config = checkpoint.path.with_name("config.json")
    if not config.is_file():
        return PUBLISHED[version].told_by(checkpoint.encoder)
    try:
        return Encoding(**json.loads(config.read_text()))
    except (TypeError, ValueError) as error:
        raise BadInput(f"{config} does not tell an identity encoder's sizes: {error}") from None


def filled(
    encoder: IdentityEncoder, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype
) -> IdentityEncoder:
    """An encoder without memory of its own takes the weights over, which are converted one by one.

    Copied even where nothing changes: weights mapped from a file lie at its offsets, and sums depend on alignment.
    """
    for name in weights:
        weights[name] = weights[name].to(device, dtype, copy=True)
    encoder.load_state_dict(weights, assign=True)
    seeing = encoder.vision_model.embeddings
    places = torch.arange(seeing.num_positions, device=device)[None]
    seeing.position_ids = nn.Buffer(places, persistent=False)  # counted, not stored
    return encoder.eval().requires_grad_(False)


# What CLIP sees


def vision_config(sizes: Encoding) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=sizes.vision_mlp,
        num_attention_heads=sizes.vision_heads,
        num_hidden_layers=sizes.vision_layers,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        hidden_act="quick_gelu",
    )


def clip_pixels(photo: Image.Image, size: int) -> Tensor:
    """[3, size, size] in CLIP's normalised units, by Pillow's bicubic (within 2 grey levels of torchvision's)."""
    w, h = photo.size
    short = min(w, h)
    wide = photo.convert("RGB").resize((int(size * w / short), int(size * h / short)), Image.Resampling.BICUBIC)
    left, top = (wide.width - size) // 2, (wide.height - size) // 2
    pixels = np.asarray(wide.crop((left, top, left + size, top + size)), np.float32) / 255
    mean, std = np.array(CLIP_MEAN, np.float32), np.array(CLIP_STD, np.float32)
    return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1)
