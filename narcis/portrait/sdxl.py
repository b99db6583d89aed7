"""SDXL's parts, read from a folder in diffusers' layout, and what each does: no pipeline in between.

Text becomes embeddings, the UNet a `Denoiser`, the VAE a way from pictures to latents and back.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from narcis.errors import BadInput
from narcis.portrait import tokens
from narcis.portrait.sampling import Denoiser, Latents, Step

Pixels = Float[Tensor, "b 3 H W"]  # in [-1, 1]
TimeIds = Float[Tensor, "b 6"]
PREVIEW_SIDE = 32  # latents; a larger picture is shrunk before it is decoded as a preview

# The training noise that `schedules` knows, which is also SDXL's own.
NOISE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, eq=False)
class Parts:
    """The networks and tokenizers of one model, in evaluation mode, on one device."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    tokenizer: CLIPTokenizer
    tokenizer_2: CLIPTokenizer
    prediction: str  # what the UNet was trained to say: one of PREDICTIONS
    zero_negative: bool  # no negative prompt means zeros, not the encoded empty string
    device: torch.device
    dtype: torch.dtype  # the UNet's and the text encoders'; the VAE stays float32 if its configuration says so

    @property
    def factor(self) -> int:
        """Pixels a latent, along a side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def channels(self) -> int:
        return self.unet.config["in_channels"]

    @property
    def native_size(self) -> int:
        """The side of the square pictures that the model was trained on, in pixels."""
        return self.unet.config["sample_size"] * self.factor


@dataclass(frozen=True, eq=False)
class Text:
    """Encoded prompts: every token's embedding, and one pooled embedding for each prompt."""

    prompt: Float[Tensor, "b L d"]
    pooled: Float[Tensor, "b p"]


@dataclass(frozen=True, eq=False)
class Preview:
    """A linear guess of a picture's colours from its latents: pixels = latents · matrix + bias."""

    matrix: Float[Tensor, "c 3"]
    bias: Float[Tensor, "3"]


# Loading


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Parts:
    """All parts of a diffusers folder; refuses one whose noise or prediction this package does not know."""
    index = json.loads((folder / "model_index.json").read_text())
    with no_progress_bar():
        text_encoder = load_text_encoder(CLIPTextModel, folder / "text_encoder", dtype)
        text_encoder_2 = load_text_encoder(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype)
    vae = load_network(AutoencoderKL, folder / "vae", torch.float32)
    if not vae.config["force_upcast"]:
        vae = vae.to(dtype)
    unet = load_network(UNet2DConditionModel, folder / "unet", dtype)
    return Parts(
        *(ready(network, device) for network in (unet, vae, text_encoder, text_encoder_2)),
        tokenizer=load_tokenizer(folder / "tokenizer", text_encoder),
        tokenizer_2=load_tokenizer(folder / "tokenizer_2", text_encoder_2),
        prediction=prediction_of(folder / "scheduler" / "scheduler_config.json"),
        zero_negative=bool(index.get("force_zeros_for_empty_prompt", True)),
        device=device,
        dtype=dtype,
    )


def ready(network: nn.Module, device: torch.device) -> Any:
    return network.to(device).eval().requires_grad_(False)


def load_network(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    # Without accelerate, diffusers first fills the network with random weights, and says so.
    lean = find_spec("accelerate") is not None
    return kind.from_pretrained(folder, torch_dtype=dtype, variant=variant_in(folder), low_cpu_mem_usage=lean)


def load_text_encoder(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    return kind.from_pretrained(folder, dtype=dtype, variant=variant_in(folder))


def variant_in(folder: Path) -> str | None:
    """The variant fp16 where a folder holds no other, as downloads of SDXL often do."""
    names = [path.name for path in folder.glob("*.safetensors")]
    return "fp16" if names and all(".fp16." in name for name in names) else None


def load_tokenizer(folder: Path, encoder: Any) -> CLIPTokenizer:
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    room = encoder.config.max_position_embeddings
    if tokenizer.model_max_length > room:
        raise BadInput(
            f"{folder} makes prompts of {tokenizer.model_max_length} tokens, its text encoder has room for {room}",
            limit=room,
        )
    return tokenizer


def prediction_of(path: Path) -> str:
    """What the UNet predicts, once it is sure that it was trained on the noise that `schedules` knows."""
    config = json.loads(path.read_text())
    for name, known in NOISE.items():
        if config.get(name) != known:
            raise BadInput(
                f"{path} has {name} {config.get(name)!r}; only {known!r}, SDXL's, is supported", setting=name
            )
    if config.get("rescale_betas_zero_snr"):
        raise BadInput(f"{path} rescales its betas to zero signal; only SDXL's own are supported")
    if (prediction := config.get("prediction_type", "epsilon")) not in PREDICTIONS:
        raise BadInput(
            f"{path} has prediction_type {prediction!r}; supported are {', '.join(PREDICTIONS)}", known=PREDICTIONS
        )
    return prediction


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Loading takes a blink for the embedded model, and a bar would tear whoever draws one of their own."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


# Text


def encode_prompts(parts: Parts, prompts: Sequence[str]) -> Text:
    return encode_ids(parts, tokens.plain(parts.tokenizer, prompts), tokens.plain(parts.tokenizer_2, prompts))


def encode_ids(parts: Parts, ids: Int[Tensor, "b L"], ids_2: Int[Tensor, "b L"]) -> Text:
    """Both encoders' penultimate hidden states side by side, and the second's pooled projection.

    The pooled state is the end token's; a configuration with the legacy eos_token_id 2 means the highest id, which is
    the same token as long as the trigger never comes here.
    """
    first = parts.text_encoder(ids.to(parts.device), output_hidden_states=True)
    second = parts.text_encoder_2(ids_2.to(parts.device), output_hidden_states=True)
    return Text(torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds)


def encode_negatives(parts: Parts, negatives: Sequence[str | None]) -> Text:
    """Negative prompts; None is zeros where the model wants that, "" is always the encoded empty prompt."""
    text = encode_prompts(parts, [negative or "" for negative in negatives])
    if not parts.zero_negative:
        return text
    given = torch.tensor([negative is not None for negative in negatives], device=parts.device)
    return Text(torch.where(given[:, None, None], text.prompt, 0), torch.where(given[:, None], text.pooled, 0))


def sitters_text(parts: Parts, prompts: Sequence[str], slots: Sequence[int]) -> tuple[Text, Bool[Tensor, "b L"]]:
    """Prompts with room for identity, and where that room is; see `tokens.extended`."""
    ids, _ = tokens.extended(parts.tokenizer, prompts, slots)
    ids_2, mask = tokens.extended(parts.tokenizer_2, prompts, slots)
    return encode_ids(parts, ids, ids_2), mask.to(parts.device)


def sitters_text_only(parts: Parts, prompts: Sequence[str]) -> Text:
    """The same prompts without trigger and identity, for the steps before these join."""
    return encode_ids(
        parts, tokens.without_trigger(parts.tokenizer, prompts), tokens.without_trigger(parts.tokenizer_2, prompts)
    )


def joined(first: Text, second: Text) -> Text:
    return Text(torch.cat([first.prompt, second.prompt]), torch.cat([first.pooled, second.pooled]))


# Micro-conditioning: (original height, width, crop top, left, target height, width), Podell et al. 2023, section 2.2


def whole_picture(height: int, width: int) -> tuple[int, ...]:
    """Time ids of a picture that is all there."""
    return (height, width, 0, 0, height, width)


def crop_of(
    picture: tuple[int, int], corner: tuple[float, float], magnification: float, size: tuple[int, int]
) -> tuple[int, ...]:
    """Time ids of a crop of `size` whose top left corner (y, x) lies in a picture (height, width), then magnified.

    The model is told the truth: this is that much of a picture of that size.
    """
    height, width = (round(side * magnification) for side in picture)
    top, left = (max(0, round(place * magnification)) for place in corner)
    return (height, width, top, left, *size)


# The UNet


def network(parts: Parts, text: Text, time_ids: TimeIds) -> Denoiser:
    """The UNet under one condition: float32 latents in and out, whatever it counts in itself."""
    prompt, pooled = text.prompt.to(parts.dtype), text.pooled.to(parts.dtype)
    added = {"text_embeds": pooled, "time_ids": time_ids.to(parts.device, torch.float32)}

    def predict(x: Latents, step: Step) -> Latents:
        scaled = x / (step.sigma**2 + 1) ** 0.5
        t = torch.tensor(step.t, dtype=torch.float32, device=x.device)
        output = parts.unet(
            scaled.to(parts.dtype), t, encoder_hidden_states=prompt, added_cond_kwargs=added, return_dict=False
        )[0]
        return clean(parts.prediction, output.float(), x, step.sigma)

    return predict


def clean(prediction: str, output: Latents, x: Latents, sigma: float) -> Latents:
    """Clean latents from what the UNet says of x = clean + sigma · noise.

    epsilon is the noise; v, of x / sqrt(sigma² + 1), is Salimans & Ho 2022, arXiv 2202.00512.
    """
    if prediction == "epsilon":
        return x - sigma * output
    return x / (sigma**2 + 1) - output * (sigma / (sigma**2 + 1) ** 0.5)


# The VAE


def encode(parts: Parts, pixels: Pixels, noise: Latents | None = None) -> Latents:
    """Pictures as latents: the posterior's mode, or with unit noise a sample of it."""
    (posterior,) = parts.vae.encode(pixels.to(parts.device, parts.vae.dtype), return_dict=False)
    z = posterior.mean.float()
    if noise is not None:
        z = z + posterior.std.float() * noise.to(parts.device)
    return (z - shift(parts)) * parts.vae.config["scaling_factor"]


def decode(parts: Parts, latents: Latents) -> Pixels:
    """Latents as pictures, float32; a little beyond [-1, 1] where the VAE overshoots."""
    z = latents / parts.vae.config["scaling_factor"] + shift(parts)
    (pixels,) = parts.vae.decode(z.to(parts.device, parts.vae.dtype), return_dict=False)
    return pixels.float()


def shift(parts: Parts) -> float:
    return parts.vae.config.get("shift_factor") or 0.0


# Previews


def preview(parts: Parts, latents: Latents, linear: Preview | None = None) -> Pixels:
    """A cheap look at clean latents, in [-1, 1]: their linear colours, one pixel a latent, else a small decode."""
    if linear is not None:
        colours = torch.einsum("bchw,cr->brhw", latents, linear.matrix.to(latents))
        return (colours + linear.bias.to(latents)[:, None, None]).clamp(-1, 1)
    if (side := max(latents.shape[-2:])) > PREVIEW_SIDE:
        latents = interpolate(latents, scale_factor=PREVIEW_SIDE / side, mode="area")
    return decode(parts, latents).clamp(-1, 1)


def fit_preview(parts: Parts, pixels: Pixels) -> Preview:
    """The linear map that best explains pictures, shrunk by area, by their latents (least squares)."""
    latents = encode(parts, pixels)
    colours = interpolate(pixels.to(latents), latents.shape[-2:], mode="area")
    known = latents.movedim(1, -1).flatten(0, -2)
    known = torch.cat([known, torch.ones_like(known[:, :1])], 1)
    solution = torch.linalg.lstsq(known, colours.movedim(1, -1).flatten(0, -2)).solution
    return Preview(solution[:-1], solution[-1])


def read_preview(path: Path) -> Preview | None:
    """{"matrix": c rows of 3, "bias": 3}, where a model folder has one."""
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    return Preview(torch.tensor(stored["matrix"]), torch.tensor(stored["bias"]))


def write_preview(linear: Preview, path: Path) -> None:
    path.write_text(json.dumps({"matrix": linear.matrix.tolist(), "bias": linear.bias.tolist()}))
