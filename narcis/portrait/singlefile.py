"""A whole SDXL model in one `.safetensors` file, its tensors named as the original training code names them.

Nothing is fetched: the names are translated by diffusers' own conversion, sizes are those that a config.json in the
layout says, else SDXL's published ones; tokenizers come from the layout, see `layout_of`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils as conversion
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from narcis.errors import BadInput, NotFound
from narcis.portrait import catalogue, checkpoints, sdxl, weights
from narcis.portrait import device as devices

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
PARTS = {UNET: "UNet", VAE: "VAE", CLIP: "first text encoder", OPEN_CLIP: "second text encoder"}

# What other models' files have that SDXL's have not.
STRANGERS = {
    "cond_stage_model.transformer.": "Stable Diffusion 1",
    "cond_stage_model.model.": "Stable Diffusion 2",
    "conditioner.embedders.0.model.": "SDXL's refiner",
    "model.diffusion_model.double_blocks.": "a flow model such as FLUX",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
}

# Podell et al. 2023, arXiv 2307.01952; what is not named is diffusers' or transformers' default.
SIZES: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 128,
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],  # heads, whatever the name says
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {
        "sample_size": 1024,
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "latent_channels": 4,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    },
    "text_encoder": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
        "hidden_act": "quick_gelu",
    },
    "text_encoder_2": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
        "hidden_act": "gelu",
    },
}
Make = Callable[[dict[str, Any], dict[str, Tensor]], tuple[nn.Module, dict[str, Tensor]]]

CLIP_IDS = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}


def load(
    file: Path, layout: Path, device: torch.device, dtype: torch.dtype, vae: Path | None = None, joining: int = 0
) -> sdxl.Parts:
    """All parts of a file; a VAE's folder takes the place of the file's own.  `joining` as in `sdxl.load`.

    Raises BadInput where it is damaged, or another model than SDXL.
    """
    names, said = contents(file)
    refuse_strangers(file, names)
    text_encoder, text_encoder_2 = (converted(file, part, layout, dtype) for part in ("text_encoder", "text_encoder_2"))
    return sdxl.assemble(
        converted(file, "unet", layout, dtype),
        sdxl.load_network(AutoencoderKL, vae, torch.float32) if vae else converted(file, "vae", layout, torch.float32),
        text_encoder,
        text_encoder_2,
        tokenizer=sdxl.load_tokenizer(layout / "tokenizer", text_encoder),
        tokenizer_2=sdxl.load_tokenizer(layout / "tokenizer_2", text_encoder_2),
        prediction=prediction_of(file, names, said),
        zero_negative=bool(read(layout / "model_index.json").get("force_zeros_for_empty_prompt", True)),
        profile=devices.profile(device, dtype),
        joining=joining,
    )


def layout_of(file: Path, folders: Sequence[Path]) -> Path:
    """Where a file's tokenizers are: in the folder of its name, beside it, or among the models of this machine."""
    ours = [weights.place(catalogue.entry(name), folders) for name in ("sdxl-layout", "sdxl-base")]
    for folder in (file.with_suffix(""), file.parent, *ours):
        if folder and all((folder / name).is_dir() for name in ("tokenizer", "tokenizer_2")):
            return folder
    raise NotFound(
        f"{file.name} needs SDXL's tokenizers, which a single file does not hold; `narcis models pull sdxl-layout` "
        "fetches them (3 MB), or put tokenizer/ and tokenizer_2/ beside it",
        file=str(file),
    )


# What is in the file


def contents(file: Path) -> tuple[list[str], dict[str, str]]:
    """The names of a file's tensors, and what is said of it in its header."""
    try:
        with safe_open(file, "pt") as opened:
            return list(opened.keys()), opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        raise BadInput(
            f"{file} is cut off or no .safetensors file ({size:,} bytes, sha256 {weights.sha256(file)}): {error}; "
            "fetch it again",
            sha256=weights.sha256(file),
        ) from None


def refuse_strangers(file: Path, names: Sequence[str]) -> None:
    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in names)

    for mark, kind in STRANGERS.items():
        if has(mark):
            raise BadInput(f"{file} is {kind}, not SDXL: it has {mark}*; only SDXL and its finetunes fit", kind=kind)
    if names and all("lora" in name for name in names):
        raise BadInput(f"{file} is a LoRA, not a model; it needs a model to be added to", kind="LoRA")
    if lacking := [f"{part} ({prefix}*)" for prefix, part in PARTS.items() if not has(prefix)]:
        raise BadInput(
            f"{file} is no whole SDXL model: it lacks {', '.join(lacking)} and has {checkpoints.listed(names)}",
            lacking=lacking,
        )


def prediction_of(file: Path, names: Sequence[str], said: Mapping[str, str]) -> str:
    """What the UNet predicts: finetunes that predict v say so by a tensor of that name, or in the header."""
    if "ztsnr" in names:
        raise BadInput(f"{file} was trained down to zero signal (ztsnr); only SDXL's own noise is supported")
    told = said.get("modelspec.prediction_type", "epsilon")
    return "v_prediction" if "v_pred" in names or told in ("v", "v_prediction") else "epsilon"


# Its networks


def converted(file: Path, part: str, layout: Path, dtype: torch.dtype) -> Any:
    """One network of a file; it takes the tensors over, so that none is in memory twice."""
    prefix, make = NETWORKS[part]
    with safe_open(file, "pt") as opened:
        given = {name: opened.get_tensor(name) for name in opened.keys() if name.startswith(prefix)}  # noqa: SIM118
    with torch.device("meta"):
        network, tensors = make(read(layout / part / "config.json") or SIZES[part], given)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("position_ids")}
    checkpoints.strictly(file, f"SDXL {part}", tensors, network.state_dict())
    network.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, assign=True)
    return counted(network)


def read(path: Path) -> dict[str, Any]:
    """A JSON file, empty where there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def make_unet(sizes: dict[str, Any], given: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    network = UNet2DConditionModel.from_config(sizes)
    return network, conversion.convert_ldm_unet_checkpoint(given, network.config)  # type: ignore[attr-defined]


def make_vae(sizes: dict[str, Any], given: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    network = AutoencoderKL.from_config(sizes)
    return network, conversion.convert_ldm_vae_checkpoint(given, network.config)  # type: ignore[attr-defined]


def make_text_encoder(sizes: dict[str, Any], given: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    network = CLIPTextModel(CLIPTextConfig(**{**CLIP_IDS, **sizes}))
    return network, fitting(network, conversion.convert_ldm_clip_checkpoint(given))


def make_text_encoder_2(sizes: dict[str, Any], given: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    network = CLIPTextModelWithProjection(CLIPTextConfig(**{**CLIP_IDS, **sizes}))
    return network, fitting(network, conversion.convert_open_clip_checkpoint(network, given, prefix=OPEN_CLIP))


def fitting(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as this transformers has them: since 5.6 those of a CLIPTextModel do not begin with text_model."""
    if hasattr(network, "text_model"):
        return tensors
    return {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}


NETWORKS: dict[str, tuple[str, Make]] = {
    "unet": (UNET, make_unet),
    "vae": (VAE, make_vae),
    "text_encoder": (CLIP, make_text_encoder),
    "text_encoder_2": (OPEN_CLIP, make_text_encoder_2),
}


def counted(network: nn.Module) -> nn.Module:
    """Positions are counted, not stored: CLIP makes them anew, since nothing that is made on meta has values."""
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                module.register_buffer(name, torch.arange(buffer.shape[-1])[None], persistent=False)
    return network
