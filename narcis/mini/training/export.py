"""From trained parts to the model's folder: diffusers' layout, fp16 safetensors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from safetensors.torch import save_file
from torch import Tensor, nn

from narcis.mini.analyser import MiniAnalyser
from narcis.mini.painter.caption import vocabulary
from narcis.mini.training.diffusion import Net
from narcis.mini.training.latents import PATCH, Linear
from narcis.mini.training.vae import Vae
from narcis.portrait import models, sdxl, wording

SIZES = {"landmarker": [16, 32, 64, 128], "recogniser": [16, 32, 64, 128]}
PARTS = {
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def export(net: Net, vae: Vae, linear: Linear, tokenizer: Path, analyser: MiniAnalyser, folder: Path) -> None:
    """Writes the whole folder; an existing one is replaced only once the new one is complete."""
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    for name, part in {
        "unet": net.unet,
        "vae": vae,
        "text_encoder": net.text_encoder,
        "text_encoder_2": net.text_encoder_2,
    }.items():
        save_half(part, new / name)
    net.id_encoder.save(new / "id_encoder")
    analyser.save(new / "analyser", SIZES)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(tokenizer, new / name)
    scheduler().save_pretrained(new / "scheduler")
    index = {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True, **PARTS}
    (new / "model_index.json").write_text(json.dumps(index, indent=1) + "\n")
    sdxl.write_preview(preview(linear), new / "preview.json")
    (new / wording.VOCABULARY).write_text(json.dumps(vocabulary(), indent=1) + "\n")
    (new / "hashes.json").write_text(json.dumps(models.hashes(new), indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def save_half(part: nn.Module, folder: Path) -> None:
    """fp16 on disk without touching the weights in memory, which training goes on with."""
    state = {k: v.clone() for k, v in part.state_dict().items()}
    part.half().save_pretrained(folder)  # type: ignore[operator]
    part.float().load_state_dict(state)


def scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        prediction_type="v_prediction",
        timestep_spacing="leading",
        steps_offset=1,
    )


def preview(linear: Linear) -> sdxl.Preview:
    """A patch's mean colour, straight from the linear code."""
    mean = torch.eye(3).repeat(PATCH * PATCH, 1) / PATCH**2  # [768, 3], as patches are laid out: pixels, then colours
    return sdxl.Preview((linear.scale[:, None] * linear.basis.T) @ mean, linear.mean @ mean)


def export_instruments(judge: nn.Module, recogniser: nn.Module, folder: Path) -> None:
    """What `mini check` measures with, and nothing else uses."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in {"judge": judge, "recogniser": recogniser}.items():
        weights: dict[str, Tensor] = {
            k: v.half().contiguous() for k, v in part.state_dict().items() if v.is_floating_point()
        }
        save_file(weights, folder / f"{name}.safetensors")
