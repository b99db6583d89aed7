"""SDXL's parts, read from a folder in diffusers' layout, and what each does: no pipeline in between.

Text becomes embeddings, the UNet a `Denoiser`, the VAE a way from pictures to latents and back.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from narcis.errors import BadInput, NotFound
from narcis.portrait import bands, memory, tokens
from narcis.portrait import device as devices
from narcis.portrait.checkpoints import strictly
from narcis.portrait.sampling import Denoiser, Latents, Step

log = logging.getLogger(__name__)

Pixels = Float[Tensor, "b 3 H W"]  # in [-1, 1]
TimeIds = Float[Tensor, "b 6"]
PREVIEW_SIDE = 20  # latents, which are 160 px of SDXL; a larger picture is shrunk before it is decoded as a preview

# The training noise that `schedules` knows, which is also SDXL's own.
NOISE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, eq=False)
class Parts:
    """The networks and tokenizers of one model, in evaluation mode, for one device."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    tokenizer: CLIPTokenizer
    tokenizer_2: CLIPTokenizer
    prediction: str  # what the UNet was trained to say: one of PREDICTIONS
    zero_negative: bool  # no negative prompt means zeros, not the encoded empty string
    profile: devices.Profile
    ladder: memory.Ladder  # which of the networks lie on the device, and which only visit it

    @property
    def device(self) -> torch.device:
        return self.profile.device

    @property
    def dtype(self) -> torch.dtype:
        """The UNet's and the text encoders'; the VAE stays float32 if its configuration says so."""
        return self.profile.dtype

    @property
    def made_on(self) -> dict[str, Any]:
        """What besides a recipe moves a pixel: the kind of machine and how it counts."""
        return {
            "device": devices.card(self.device),
            "profile": self.profile.name,
            "dtype": str(self.dtype).removeprefix("torch."),
            "vae_dtype": str(self.vae.dtype).removeprefix("torch."),
            "tf32": self.profile.tf32,
            "memory": self.ladder.rung.said,
            "torch": torch.__version__,
        }

    def compute(self, call: Callable[[], Any]) -> Any:
        """What networks give, under this profile's settings and on whatever rung of the ladder it takes."""
        with self.profile.counting():
            return self.ladder.run(call)

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


def load(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    rung: memory.Rung | None = None,
    joining: int | None = None,
    vae: Path | None = None,
) -> Parts:
    """All parts of a diffusers folder; refuses one whose noise or prediction this package does not know.

    For `rung` and `joining` see `assemble`; the folder's own identity encoder joins where nothing else is said, and its
    own VAE decodes where no other's folder is named.
    """
    index = json.loads((folder / "model_index.json").read_text())
    with no_progress_bar():
        text_encoder = load_text_encoder(CLIPTextModel, folder / "text_encoder", dtype)
        text_encoder_2 = load_text_encoder(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype)
    return assemble(
        load_network(UNet2DConditionModel, folder / "unet", dtype),
        load_network(AutoencoderKL, vae or folder / "vae", torch.float32),
        text_encoder,
        text_encoder_2,
        tokenizer=load_tokenizer(folder / "tokenizer", text_encoder),
        tokenizer_2=load_tokenizer(folder / "tokenizer_2", text_encoder_2),
        prediction=prediction_of(folder / "scheduler" / "scheduler_config.json"),
        zero_negative=bool(index.get("force_zeros_for_empty_prompt", True)),
        profile=devices.profile(device, dtype),
        rung=rung,
        joining=bytes_in(folder / "id_encoder") if joining is None else joining,
    )


def assemble(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    text_encoder_2: CLIPTextModelWithProjection,
    *,
    profile: devices.Profile,
    rung: memory.Rung | None = None,
    joining: int = 0,
    **said: Any,
) -> Parts:
    """Networks in main memory, each to its place on the device or beside it; what else Parts has is `said`.

    Without a rung of the ladder it is the highest that the device has room for, when an identity encoder of `joining`
    bytes has come, too.
    """
    for network in (unet, vae, text_encoder, text_encoder_2):
        network.eval().requires_grad_(False)
    if not vae.config["force_upcast"]:
        cast(vae, profile.vae_dtype)
    encoders = [text_encoder, text_encoder_2]
    if rung is None:
        rung = highest(profile.device, unet, vae, [*map(memory.size_of, encoders), joining])
    ladder = memory.Ladder(profile.device, unet, vae, rung)
    for encoder in encoders:
        ladder.admit(encoder)
    return Parts(unet, vae, text_encoder, text_encoder_2, profile=profile, ladder=ladder, **said)


def cast(vae: AutoencoderKL, dtype: torch.dtype) -> None:
    """In place; diffusers' own way warns that none of its layers should have stayed behind."""
    nn.Module.to(vae, dtype)


def highest(
    device: torch.device, unet: UNet2DConditionModel, vae: AutoencoderKL, encoders: Iterable[int]
) -> memory.Rung:
    """The highest rung on which one picture of the model's own size fits beside what else lies on the device."""
    side = unet.config["sample_size"] * 2 ** (len(vae.config["block_out_channels"]) - 1)
    return memory.fitting(memory.demand(unet, vae, encoders, (side, side)), devices.free_bytes(device))


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def load_network(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A diffusers network with the weights of its folder.

    It is made without weights and takes over the files' own: nothing is drawn at random first, and what is stored in
    the dtype that is wanted stays on disk until it is used.
    """
    with torch.device("meta"):
        network = kind.from_config(kind.load_config(folder))
    weights = {key: value for file in weight_files(folder) for key, value in load_file(file).items()}
    network._fix_state_dict_keys_on_load(weights)  # older VAEs name their attention otherwise
    strictly(folder, kind.__name__, weights, network.state_dict())
    network.load_state_dict({key: value.to(dtype) for key, value in weights.items()}, assign=True)
    return network


def weight_files(folder: Path) -> list[Path]:
    """The files of one variant: fp16 where a folder holds no other, as downloads of SDXL often do."""
    files = sorted(folder.glob("*.safetensors"))
    if variant_in(folder) is None:
        files = [file for file in files if ".fp16." not in file.name]
    if not files:
        raise NotFound(f"{folder} has no .safetensors; a model's folder has weights in every part", folder=str(folder))
    return files


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
    first = parts.compute(lambda: parts.text_encoder(ids.to(parts.device), output_hidden_states=True))
    second = parts.compute(lambda: parts.text_encoder_2(ids_2.to(parts.device), output_hidden_states=True))
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
        (output,) = parts.compute(
            lambda: parts.unet(
                scaled.to(parts.dtype), t, encoder_hidden_states=prompt, added_cond_kwargs=added, return_dict=False
            )
        )
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


VaeWay = Callable[[Any, Tensor], Tensor]  # (VAE, pixels or latents) -> the other


def in_range(parts: Parts, x: Tensor, in_bands: VaeWay, whole: VaeWay) -> Tensor:
    """What the VAE makes of x; one that overflows in float16, as SDXL's first does, counts in float32 from then on.

    Otherwise the picture is black.  madebyollin's sdxl-vae-fp16-fix is the same VAE without that fault.
    """
    made = parts.compute(lambda: by_way(parts, x, in_bands, whole))
    if parts.vae.dtype != torch.float16 or made.isfinite().all():
        return made
    log.warning("the VAE overflows in float16: once more in float32, and from now on")
    cast(parts.vae, torch.float32)
    return parts.compute(lambda: by_way(parts, x, in_bands, whole))


def by_way(parts: Parts, x: Tensor, in_bands: VaeWay, whole: VaeWay) -> Tensor:
    """One picture after the other: it fills a card by itself, and then does not depend on its batch."""
    way = in_bands if parts.ladder.in_bands else whole
    return torch.cat([way(parts.vae, one.to(parts.device, parts.vae.dtype)) for one in x.split(1)])


def moments(vae: Any, pixels: Tensor) -> Tensor:
    """Mean and logarithm of the variance, one after the other in the channels."""
    return vae.encode(pixels, return_dict=False)[0].parameters


def picture(vae: Any, z: Tensor) -> Tensor:
    return vae.decode(z, return_dict=False)[0]


def encode(parts: Parts, pixels: Pixels, noise: Latents | None = None) -> Latents:
    """Pictures as latents: the posterior's mode, or with unit noise a sample of it."""
    posterior = DiagonalGaussianDistribution(in_range(parts, pixels, bands.encode, moments))
    z = posterior.mean.float()
    if noise is not None:
        z = z + posterior.std.float() * noise.to(parts.device)
    return (z - shift(parts)) * parts.vae.config["scaling_factor"]


def decode(parts: Parts, latents: Latents) -> Pixels:
    """Latents as pictures, float32; a little beyond [-1, 1] where the VAE overshoots."""
    z = latents / parts.vae.config["scaling_factor"] + shift(parts)
    return in_range(parts, z, bands.decode, picture).float()


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
