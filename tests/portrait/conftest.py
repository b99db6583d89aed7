"""The reference numbers of the published implementations, and the tiny networks that they were made with.

Those networks' weights follow from their names (see `weight`), so no weight file is kept here.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from published import GOLDEN, TINY_ENCODING
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from narcis.portrait import models
from narcis.portrait.models import Model
from narcis.portrait.photomaker import PhotoMakerV2


def rand(name: str, shape: Iterable[int]) -> Tensor:
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(crc32(name.encode())))


def weight(salt: str, key: str, shape: torch.Size) -> Tensor:
    """A weight that anyone can draw again, from its name."""
    key = key.removeprefix("text_model.")
    r = rand(salt + key, shape)
    if len(shape) >= 2:
        return r * math.prod(shape[1:]) ** -0.5
    return 1 + 0.1 * r if key.endswith(".weight") else 0.05 * r


def fill(network: nn.Module, salt: str) -> dict[str, Tensor]:
    weights = {key: weight(salt, key, value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(weights)
    return weights


def config(part: str) -> dict:
    return json.loads((GOLDEN / "tiny_sdxl" / part / "config.json").read_text())


def tiny_networks() -> dict[str, Any]:
    return {
        "unet": UNet2DConditionModel.from_config(config("unet")),
        "vae": AutoencoderKL.from_config(config("vae")),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**config("text_encoder"))),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**config("text_encoder_2"))),
    }


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict]:
    """A golden file by its name: tensors or JSON."""

    def read(name: str) -> dict:
        path = GOLDEN / name
        return json.loads(path.read_text()) if path.suffix == ".json" else load_file(path)

    return read


@pytest.fixture(scope="session")
def by_rule() -> Callable[[nn.Module, str], dict[str, Tensor]]:
    """Fills a network with the weights of its names under a salt."""
    return fill


@pytest.fixture(scope="session")
def drawn() -> Callable[[str, Iterable[int]], Tensor]:
    """Inputs that the golden files do not store: unit noise by name and shape."""
    return rand


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny SDXL with its identity encoder, as a model folder."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(GOLDEN / "tiny_sdxl", folder)
    for part, network in tiny_networks().items():
        name = "model" if part.startswith("text") else "diffusion_pytorch_model"
        save_file(fill(network, f"{part}/"), folder / part / f"{name}.safetensors", {"format": "pt"})
    encoder = PhotoMakerV2(TINY_ENCODING)
    encoder.save(folder / "id_encoder")  # writes halves; the golden numbers want float32
    save_file(fill(encoder, "id_tiny/"), folder / "id_encoder" / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Model:
    return models.load(tiny_folder, "cpu", "float32")
