"""A training that begins where a finished model ends: its parts become this training's parts, so that each that is
deleted from the folder is trained anew, and the denoiser goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor

from narcis.errors import BadInput
from narcis.mini.analyser import MiniAnalyser
from narcis.mini.recogniser import to_tensor
from narcis.mini.training import crops, samples
from narcis.mini.training.data import Pictures
from narcis.mini.training.vae import Vae

SOME, FAR = 40, 0.1  # pictures to tell a code by; squared error from which it is another one


def unpack(model: Path, instruments: Path, folder: Path) -> None:
    """Whatever part of the model the folder does not have yet, as `plan.part` would have left it."""
    folder.mkdir(parents=True, exist_ok=True)
    analyser = MiniAnalyser.from_folder(model / "analyser")
    vae = weights(model / "vae")
    found = {
        "recogniser0": analyser.recogniser.state_dict(),
        "detector": analyser.detector.state_dict(),
        "landmarker": analyser.landmarker.state_dict(),
        "encoder": vae,
        "decoder": vae,
        "recogniser1": weights(instruments, "recogniser"),
        "judge": weights(instruments, "judge"),
    }
    for name, state in found.items():
        if not (file := folder / f"{name}.pt").exists():
            torch.save(state, file)
    if not (folder / "tokenizer").exists():  # grown anew, the same words could have other numbers
        shutil.copytree(model / "tokenizer", folder / "tokenizer")


@torch.inference_mode()
def linear_of(model: Path, paintings: Pictures, file: Path) -> None:
    """The latent code of the data, in the signs of the model's encoder; raises BadInput where it is another code."""
    if file.exists():
        return
    shown = [crops.whole(p, points).pixels for p, points in zip(paintings.pixels[:SOME], paintings.landmarks)]
    pictures = to_tensor(np.stack(shown))
    vae: Vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)
    encoded = vae.encode(pictures).latent_dist.mean
    fitted = samples.fitted(paintings, file.with_suffix(".new")).like(encoded, pictures)
    off = float((fitted.encode(pictures) - encoded).square().mean())
    if off > FAR:
        raise BadInput(f"{model} has other latents than this data ({off:.2f} of their variance); train without --start")
    fitted.save(file)


def weights(folder: Path, name: str = "*") -> dict[str, Tensor]:
    (file,) = folder.glob(f"{name}.safetensors")
    return {key: value.float() for key, value in load_file(file).items()}
