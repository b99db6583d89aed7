"""PhotoMaker V2's identity encoder: photos and face embeddings become tokens fused into a prompt.

Li et al. 2023, arXiv 2312.04461; second version as published by TencentARC.  Every size comes from an `Encoding`,
so the embedded model and the published one (543 M parameters) are the same class.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


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


class PhotoMakerV2(nn.Module):
    def __init__(self, sizes: Encoding):
        super().__init__()
        self.config = sizes
        self.vision_model = CLIPVisionModel(vision_config(sizes))
        # Never used by V2, kept so that the published checkpoint loads strictly.
        self.visual_projection = nn.Linear(sizes.vision_width, sizes.projection, bias=False)
        self.visual_projection_2 = nn.Linear(sizes.vision_width, sizes.projection_2, bias=False)
        self.qformer_perceiver = QFormer(sizes)
        self.fuse_module = Fuse(sizes.width)

    def identity(self, pixels: Tensor, embedding: Tensor) -> Tensor:
        """CLIP pixels [n, 3, s, s] and raw embeddings [n, id_dim] -> identity tokens [n, tokens, width]."""
        context = self.vision_model(pixels).last_hidden_state  # every token, before post_layernorm
        return self.qformer_perceiver(embedding, context)

    def forward(self, pixels: Tensor, prompt: Tensor, mask: Tensor, embedding: Tensor) -> Tensor:
        """Fuses each order's N photos into its prompt; returns a new prompt.

        pixels [b, N, 3, s, s], prompt [b, L, width], mask [b, L] bool with tokens·N true in each row,
        embedding [b, N, id_dim], raw as the recogniser gives it (normalising it changes the person).
        """
        b, n = embedding.shape[:2]
        wanted = self.config.tokens * n
        if (found := mask.sum(1).tolist()) != [wanted] * b:
            raise ValueError(f"mask marks {found} tokens; {n} photos need {wanted} in each prompt")
        dtype = next(self.parameters()).dtype
        tokens = self.identity(pixels.flatten(0, 1).to(dtype), embedding.flatten(0, 1).to(dtype))
        tokens = rearrange(tokens, "(b n) t c -> (b n t) c", b=b).to(prompt.dtype)
        fused = prompt.clone()
        fused[mask] = self.fuse_module(prompt[mask], tokens).to(prompt.dtype)
        return fused

    def pixels(self, photos: list[Image.Image]) -> Tensor:
        """CLIP's view of whole photos, [n, 3, s, s]: shortest side to s (bicubic), centre crop, normalised."""
        return torch.stack([clip_pixels(photo, self.config.image_size) for photo in photos])

    @classmethod
    def from_folder(cls, folder: str | Path) -> PhotoMakerV2:
        """config.json and model.safetensors, loaded strictly."""
        folder = Path(folder)
        encoder = cls(Encoding(**json.loads((folder / "config.json").read_text())))
        encoder.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return encoder.eval().requires_grad_(False)

    def save(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        weights = {k: v.detach().half().contiguous() for k, v in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")


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
