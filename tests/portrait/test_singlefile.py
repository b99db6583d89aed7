"""Single files: a tiny model in both layouts is the same model; what is no SDXL is named."""

import json
import shutil
from pathlib import Path

import ldm
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from narcis.errors import BadInput, NotFound
from narcis.portrait import catalogue, sdxl, singlefile

CPU = torch.device("cpu")
NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def tensors(tiny_folder: Path) -> dict[str, Tensor]:
    """The tiny model's weights under their old names."""
    stored = {part: load_file(next((tiny_folder / part).glob("*.safetensors"))) for part in NETWORKS}
    stored["text_encoder"] = {name.removeprefix("text_model."): v for name, v in stored["text_encoder"].items()}
    return ldm.single_file(**stored, blocks=[1, 1, 1])


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("finetune") / "tiny.safetensors"
    position_ids = {"conditioner.embedders.0.transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}
    save_file({**tensors, **position_ids}, path)
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_single_file_is_the_folder_bit_for_bit(file, tiny_folder, dtype):
    single, whole = singlefile.load(file, tiny_folder, CPU, dtype), sdxl.load(tiny_folder, CPU, dtype)
    for part in NETWORKS:
        mine, theirs = getattr(single, part), getattr(whole, part)
        assert mine.dtype == theirs.dtype and not mine.training
        assert dict(mine.state_dict()).keys() == dict(theirs.state_dict()).keys()
        for name, value in theirs.state_dict().items():
            assert torch.equal(mine.state_dict()[name], value), (part, name)
        assert not any(tensor.is_meta for tensor in [*mine.parameters(), *mine.buffers()])
        assert not any(parameter.requires_grad for parameter in mine.parameters())
    assert (single.prediction, single.zero_negative) == (whole.prediction, whole.zero_negative)


def test_both_see_the_same_in_words_and_pictures(file, tiny_folder, drawn):
    single, whole = (singlefile.load(file, tiny_folder, CPU, torch.float32), sdxl.load(tiny_folder, CPU, torch.float32))
    words = ["portrait of a woman in a garden"]
    assert_close(vars(sdxl.encode_prompts(single, words)), vars(sdxl.encode_prompts(whole, words)), rtol=0, atol=0)
    latents = drawn("latents", (1, 4, 8, 8))
    assert torch.equal(sdxl.decode(single, latents), sdxl.decode(whole, latents))


# What is known of the full size, from the published files: two bytes a parameter, and a short header.
@pytest.mark.parametrize(
    "part, make, name",
    [
        ("unet", UNet2DConditionModel.from_config, "unet/diffusion_pytorch_model.fp16.safetensors"),
        ("vae", AutoencoderKL.from_config, "vae/diffusion_pytorch_model.fp16.safetensors"),
        ("text_encoder", lambda sizes: CLIPTextModel(CLIPTextConfig(**sizes)), "text_encoder/model.fp16.safetensors"),
        (
            "text_encoder_2",
            lambda sizes: CLIPTextModelWithProjection(CLIPTextConfig(**sizes)),
            "text_encoder_2/model.fp16.safetensors",
        ),
    ],
)
def test_the_full_sizes_are_those_of_the_published_files(part, make, name):
    published = {file.name: file.size for file in catalogue.ENTRIES["sdxl-base"].files}[name]
    with torch.device("meta"):
        network = make(singlefile.SIZES[part])
    bytes_ = 2 * sum(parameter.numel() for parameter in network.parameters())
    assert published and 0 < published - bytes_ < 300_000


@pytest.fixture(scope="module")
def full_size() -> dict[str, Tensor]:
    """SDXL's own tensors under their old names, without bytes."""
    with torch.device("meta"):
        networks = {
            "unet": UNet2DConditionModel.from_config(singlefile.SIZES["unet"]),
            "vae": AutoencoderKL.from_config(singlefile.SIZES["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**singlefile.SIZES["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**singlefile.SIZES["text_encoder_2"])),
        }
        return ldm.single_file(**{part: dict(net.state_dict()) for part, net in networks.items()}, blocks=[2, 2, 2])


def test_every_tensor_of_the_full_size_finds_its_place(full_size):
    for part, (prefix, make) in singlefile.NETWORKS.items():
        given = {name: tensor for name, tensor in full_size.items() if name.startswith(prefix)}
        with torch.device("meta"):
            network, found = make(singlefile.SIZES[part], given)
        assert shapes(found) == shapes(dict(network.state_dict())), part


def test_a_full_size_file_is_loaded_by_its_names_alone(full_size, tiny_folder, tmp_path):
    """Its 6.9 GB are a hole, so that only the header is on the disk; beside it are tokenizers and nothing else."""
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(tiny_folder / name, tmp_path / name)
    file = tmp_path / "sdxl.safetensors"
    size = write_hollow(full_size, file)
    published = 6_938_078_334  # bytes of sd_xl_base_1.0.safetensors
    assert abs(published - size) < 500_000
    layout = singlefile.layout_of(file, [])
    parts = singlefile.load(file, layout, CPU, torch.float16)
    assert parts.native_size == 1024 and parts.unet.dtype == torch.float16 and parts.vae.dtype == torch.float32
    assert sum(p.numel() for p in parts.unet.parameters()) == 2_567_463_684


def write_hollow(tensors: dict[str, Tensor], file: Path) -> int:
    """All tensors as float16 zeros that take no room; returns the file's size."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 2 * tensor.numel()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        opened.truncate(8 + len(text) + end)
    return file.stat().st_size


def shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


# What a finetune says of itself


def test_a_finetune_that_predicts_v_is_told_by_its_marks(file):
    assert singlefile.prediction_of(file, ["a"], {}) == "epsilon"
    assert singlefile.prediction_of(file, ["a", "v_pred"], {}) == "v_prediction"
    assert singlefile.prediction_of(file, ["a"], {"modelspec.prediction_type": "v"}) == "v_prediction"
    with pytest.raises(BadInput, match="trained down to zero signal"):
        singlefile.prediction_of(file, ["v_pred", "ztsnr"], {})


def test_tokenizers_are_looked_for_beside_the_file_and_then_among_the_models(file, tiny_folder, tmp_path):
    with pytest.raises(NotFound, match=r"tiny.safetensors needs SDXL's tokenizers.*`narcis models pull sdxl-layout`"):
        singlefile.layout_of(file, [tmp_path])
    (tmp_path / "sdxl-layout").symlink_to(tiny_folder)
    assert singlefile.layout_of(file, [tmp_path]) == tmp_path / "sdxl-layout"
    assert singlefile.layout_of(tiny_folder / "tiny.safetensors", [tmp_path]) == tiny_folder
    assert singlefile.layout_of(tiny_folder.with_suffix(".safetensors"), []) == tiny_folder


# What is no SDXL


@pytest.mark.parametrize(
    "names, said",
    [
        (
            ["cond_stage_model.transformer.text_model.x", "model.diffusion_model.out.2.bias"],
            "is Stable Diffusion 1, not",
        ),
        (["cond_stage_model.model.ln_final.bias", "model.diffusion_model.out.2.bias"], "is Stable Diffusion 2, not"),
        (["conditioner.embedders.0.model.ln_final.bias", "model.diffusion_model.out.2.bias"], "is SDXL's refiner, not"),
        (["lora_unet_down_blocks_1.lora_up.weight", "lora_te1_x.lora_down.weight"], "is a LoRA, not a model"),
        (
            ["down_blocks.0.resnets.0.conv1.weight"],
            r"no whole SDXL model: it lacks UNet \(model.diffusion_model.\*\), VAE",
        ),
    ],
    ids=["sd1", "sd2", "refiner", "lora", "unet alone"],
)
def test_another_model_is_named(tmp_path, tiny_folder, names, said):
    path = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(1) for name in names}, path)
    with pytest.raises(BadInput, match=said) as refused:
        singlefile.load(path, tiny_folder, CPU, torch.float32)
    assert "\n" not in str(refused.value)


def test_an_inpainting_model_is_told_by_its_shape(tensors, tmp_path, tiny_folder):
    path = tmp_path / "inpainting.safetensors"
    first = "model.diffusion_model.input_blocks.0.0.weight"
    save_file({**tensors, first: torch.zeros(32, 9, 3, 3)}, path)
    with pytest.raises(BadInput, match=r"is no SDXL unet.*conv_in.weight \[32, 9, 3, 3\] instead of \[32, 4, 3, 3\]"):
        singlefile.load(path, tiny_folder, CPU, torch.float32)


def test_a_file_that_is_cut_off_says_its_hash(file, tmp_path, tiny_folder):
    short = tmp_path / "short.safetensors"
    short.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(BadInput, match=r"cut off or no .safetensors file \(100,000 bytes, sha256 [0-9a-f]{64}\)"):
        singlefile.load(short, tiny_folder, CPU, torch.float32)
