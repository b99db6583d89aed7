"""Trains the UNet, both text encoders and the identity encoder together, on latents of paintings.

v-prediction (Salimans & Ho 2022) on SDXL's noise schedule, weights by min-SNR-5 (Hang et al. 2023, arXiv 2303.09556).
A sample is a whole portrait or a face's crop (SDXL's six numbers say which), conditioned on its caption alone, on its
caption with the sitter's identity fused into the class word, or on nothing (zeros, as SDXL's empty negative).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from narcis.mini.training.likeness import Critic
from narcis.mini.training.words import LENGTH
from narcis.portrait.photomaker import CLIP_MEAN, CLIP_STD, Encoding, PhotoMakerV2

TEXT = 128  # width of each text encoder
IDENTITY = Encoding(64, 16, 96, 192, 4, 2, 8, 8, id_dim=128, width=2 * TEXT, tokens=2, depth=2, head_dim=128)
WIDTHS = (80, 160, 240)
PERSON = 0.4  # what missing the person altogether costs; the squared error of latents is about as much


@dataclass
class Samples:
    """n paintings in one frame: latents [n, 16, 16, 16] half, sizes [n, 6], sitters [n], captions' ids [n, v, L]."""

    latents: Tensor
    sizes: Tensor
    ways: Tensor  # [n, 2, 3] from the frame to its aligned face, see likeness.py
    sitters: Tensor
    plain: Tensor
    extended: Tensor
    place: Tensor  # [n, v] index of the first of the two class tokens


@dataclass
class People:
    """What is known of each sitter's photos: pixels [s, p, 3, 64, 64] uint8 CLIP view, embeddings [s, p, 128]."""

    pixels: Tensor
    embeddings: Tensor


def text_config(vocabulary: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT,
        intermediate_size=2 * TEXT,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=TEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        hidden_act="gelu",
    )


def new_unet(channels: int) -> Any:
    sizes: dict[str, Any] = {
        "sample_size": 16,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": WIDTHS,
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": 1,
        "cross_attention_dim": 2 * TEXT,
        "attention_head_dim": (2, 4, 6),
        "use_linear_projection": True,
        "norm_num_groups": 16,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 32,
        "projection_class_embeddings_input_dim": TEXT + 6 * 32,
    }
    return UNet2DConditionModel(**sizes)


class Net(nn.Module):
    """All that is trained together."""

    def __init__(self, vocabulary: int, channels: int):
        super().__init__()
        self.text_encoder = CLIPTextModel(text_config(vocabulary))
        self.text_encoder_2 = CLIPTextModelWithProjection(text_config(vocabulary))
        for encoder in (self.text_encoder, self.text_encoder_2):  # CLIP's own 0.02 starves a net this small
            for name, weight in encoder.named_parameters():
                if "embedding" in name:
                    nn.init.normal_(weight, std=0.3)
        self.unet = new_unet(channels).to(memory_format=torch.channels_last)
        self.id_encoder = PhotoMakerV2(IDENTITY)

    def read(self, folder: Path) -> None:
        """The weights of a model's folder; raises where any is missing or of another shape."""
        for name, part in self.named_children():
            (file,) = (folder / name).glob("*.safetensors")
            part.load_state_dict({k: v.float() for k, v in load_file(file).items()})

    def words(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """[b, L] -> [b, L, 256] penultimate states of both encoders, [b, 128] pooled."""
        first = self.text_encoder(ids, output_hidden_states=True)
        second = self.text_encoder_2(ids, output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds

    def forward(self, x: Tensor, t: Tensor, batch: Batch) -> Tensor:
        prompt, pooled = self.words(batch.ids)
        with_face = batch.identity.nonzero().flatten()
        if len(with_face):
            mask = torch.zeros(len(with_face), prompt.shape[1], dtype=torch.bool, device=prompt.device)
            first = batch.place[with_face]
            mask[torch.arange(len(with_face)), first] = mask[torch.arange(len(with_face)), first + 1] = True
            fused = self.id_encoder(batch.pixels[with_face], prompt[with_face], mask, batch.embeddings[with_face])
            prompt = prompt.index_copy(0, with_face, fused)
        shown = batch.shown[:, None].to(prompt.dtype)
        added = {"text_embeds": pooled * shown, "time_ids": batch.sizes}
        x = x.contiguous(memory_format=torch.channels_last)
        return self.unet(x, t, encoder_hidden_states=prompt * shown[..., None], added_cond_kwargs=added).sample


@dataclass
class Batch:
    latents: Tensor
    sizes: Tensor
    ways: Tensor
    ids: Tensor
    place: Tensor
    identity: Tensor  # [b] bool
    shown: Tensor  # [b] bool: false is the empty condition
    pixels: Tensor
    embeddings: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(field.to(device) for field in vars(self).values()))


def draw(rng: np.random.Generator, frames: list[tuple[Samples, float, float]], people: People, n: int) -> Batch:
    """n samples; each frame comes with its share of the batch and the share of it that shows the sitter."""
    parts = [part(rng, samples, people, round(n * share), known) for samples, share, known in frames]
    return Batch(*(torch.cat(fields) for fields in zip(*(vars(p).values() for p in parts))))


def part(rng: np.random.Generator, samples: Samples, people: People, n: int, known: float) -> Batch:
    i = torch.from_numpy(rng.integers(0, len(samples.latents), n))
    v = torch.from_numpy(rng.integers(0, samples.plain.shape[1], n))
    identity, shown = torch.from_numpy(rng.random(n) < known), torch.from_numpy(rng.random(n) > 0.1)
    ids = torch.where(identity[:, None], samples.extended[i, v], samples.plain[i, v])
    who = samples.sitters[i]
    photo = torch.from_numpy(rng.integers(0, people.embeddings.shape[1], n))
    pixels = clip_units(people.pixels[who, photo])[:, None]
    return Batch(
        samples.latents[i].float(),
        samples.sizes[i],
        samples.ways[i],
        ids,
        samples.place[i, v],
        identity,
        shown,
        pixels,
        people.embeddings[who, photo][:, None],
    )


def clip_units(pixels: Tensor) -> Tensor:
    """uint8 [b, 3, s, s] in CLIP's normalised units."""
    return (pixels.float() / 255 - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]


def alphas() -> Tensor:
    """SDXL's cumulative ᾱ for t = 0…999."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def loss_of(net: Net, batch: Batch, t: Tensor, noise: Tensor, bar: Tensor, critic: Critic | None = None) -> Tensor:
    """Weighted squared error of v for each sample, [b]; with a critic also how far it misses the person."""
    a = bar[t][:, None, None, None]
    x = a.sqrt() * batch.latents + (1 - a).sqrt() * noise
    truth = a.sqrt() * noise - (1 - a).sqrt() * batch.latents
    with torch.autocast(x.device.type, torch.bfloat16):
        v = net(x, t, batch).float()
    snr = bar[t] / (1 - bar[t])
    loss = (snr.clamp(max=5) + 1) / (snr + 1) * (v - truth).square().mean((1, 2, 3))
    if critic is None:
        return loss
    missed = critic.miss(a.sqrt() * x - (1 - a).sqrt() * v, batch.latents, batch.ways)
    return loss + PERSON * trust(batch, bar[t]) * missed


def trust(batch: Batch, a: Tensor) -> Tensor:
    """How much a prediction can know of the person, [b]: who was told much, all others what the noise leaves to see."""
    return torch.where(batch.identity & batch.shown, a**0.25, a)


def attention_of(device: str):
    """On a CPU two plain products train a fifth faster than torch's blockwise attention, on sequences this short."""
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


def rate(part: float, step: int, top: float) -> float:
    """Warm up, stay, and go down over the last quarter: a checkpoint from the flat part can be trained on."""
    return top * min(1.0, (step + 1) / 200) * min(1.0, max(0.02, (1 - part) / 0.25))


@dataclass
class Progress:
    """Everything a training needs to go on: saved every few minutes."""

    net: Net
    average: list[Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    seen: int = 0

    def to(self, device: str) -> None:
        self.net.to(device)
        self.average = [mean.to(device) for mean in self.average]
        for state in self.optimiser.state.values():
            state.update({k: v.to(device) for k, v in state.items() if torch.is_tensor(v) and v.ndim})

    def save(self, file: Path) -> None:
        state = {
            "net": self.net.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seen": self.seen,
        }
        torch.save(state, file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)

    def load(self, file: Path) -> None:
        state = torch.load(file, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seen = state["step"], state["seen"]

    @torch.no_grad()
    def averaged(self) -> Net:
        """The net with its averaged weights, for use; training goes on with the others."""
        net = copy.deepcopy(self.net).cpu().eval()
        for own, mean in zip(net.parameters(), self.average):
            own.copy_(mean)
        return net

    @torch.no_grad()
    def follow(self) -> None:
        keep = min(0.998, (1 + self.step) / (10 + self.step))  # half of it is of the last 350 steps
        for mean, own in zip(self.average, self.net.parameters()):
            mean.lerp_(own.detach(), 1 - keep)


def begin(vocabulary: int, channels: int, seed: int, top: float, start: Path | None = None) -> Progress:
    """A training at its beginning, from nothing or from the weights of a finished model's folder."""
    torch.manual_seed(seed)
    net = Net(vocabulary, channels)
    if start:
        net.read(start)
    optimiser = torch.optim.AdamW(net.parameters(), top, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    return Progress(net, [p.detach().clone() for p in net.parameters()], optimiser)


def train(
    progress: Progress,
    frames: list[tuple[Samples, float, float]],
    people: People,
    *,
    minutes: float,
    used: float,
    batch: int,
    top: float,
    seed: int,
    file: Path,
    each: Callable[[Progress, float], None],
    say: Callable[[str], None],
    critic: Critic | None = None,
    device: str = "cpu",
) -> None:
    """Trains until `minutes` are used up, of which `used` went by before; saves and calls `each` every three."""
    rng, bar = np.random.default_rng([seed, progress.step]), alphas()
    critic = critic.to(device) if critic else None
    progress.to(device)
    progress.net.train()
    begun = saved = time.time()
    started, mean = progress.seen, None
    while (gone := used + (time.time() - begun) / 60) < minutes:
        lr = rate(gone / minutes, progress.step, top)
        with attention_of(device):
            loss = learn(progress, draw(rng, frames, people, batch), rng, bar, lr, device, critic)
        mean = loss if mean is None else 0.99 * mean + 0.01 * loss
        if progress.step % 100 == 0:
            pace = 1000 * (time.time() - begun) / (progress.seen - started)
            say(
                f"denoiser: step {progress.step}, {progress.seen} samples, {gone / minutes:.0%}, "
                f"loss {mean:.4f}, {pace:.1f} ms a sample"
            )
        if time.time() - saved > 180:
            progress.save(file)
            each(progress, gone - used)
            saved = time.time()
    progress.to("cpu")
    progress.save(file)
    each(progress, minutes - used)


def learn(
    progress: Progress,
    batch: Batch,
    rng: np.random.Generator,
    bar: Tensor,
    lr: float,
    device: str,
    critic: Critic | None = None,
) -> float:
    """One step; its loss.  Noise levels are spread evenly over the batch."""
    n = len(batch.latents)
    t = torch.from_numpy(((rng.permutation(n) + rng.random(n)) / n * 1000).astype(np.int64))
    noise = torch.randn(batch.latents.shape)
    for group in progress.optimiser.param_groups:
        group["lr"] = lr
    loss = loss_of(progress.net, batch.to(device), t.to(device), noise.to(device), bar.to(device), critic).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(progress.net.parameters(), 1.0)
    progress.optimiser.step()
    progress.optimiser.zero_grad(set_to_none=True)
    progress.step, progress.seen = progress.step + 1, progress.seen + n
    progress.follow()
    return loss.item()
