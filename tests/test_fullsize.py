"""`make fullsize`: what it writes is SDXL's and PhotoMaker's real size; that it runs takes 8 GB and minutes."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer

from narcis.mini.analyser import MiniAnalyser
from narcis.portrait import sdxl

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def fullsize() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fullsize", ROOT / "benchmarks" / "fullsize.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_networks_have_the_published_numbers_of_parameters(fullsize: ModuleType):
    counted = {part: sum(p.numel() for p in network.parameters()) for part, network, _ in fullsize.networks()}
    assert counted == {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
        "id_encoder": 543_395_840,
    }


def test_the_identity_encoder_has_the_published_463_tensors(fullsize: ModuleType):
    (encoder,) = (network for part, network, _ in fullsize.networks() if part == "id_encoder")
    published = json.loads((ROOT / "tests" / "golden" / "photomaker_v2_state_dict.json").read_text())
    assert len(published) == 463
    assert {key: list(value.shape) for key, value in encoder.state_dict().items()} == published


def test_the_vocabulary_is_invented_and_as_large_as_clips(fullsize: ModuleType, tmp_path: Path):
    fullsize.write_tokenizer(tmp_path / "tokenizer", "<|endoftext|>")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    ids = tokenizer("a byzantine emperor, été 1453", padding="max_length").input_ids
    assert len(tokenizer) == 49408 and len(ids) == tokenizer.model_max_length == 77
    assert (ids[0], ids[-1], max(ids)) == (49406, 49407, 49407)
    assert tokenizer.decode(ids, skip_special_tokens=True).strip().startswith("a byzantine emperor")


def test_drawn_weights_keep_their_inputs_scale(fullsize: ModuleType):
    x = torch.randn(64, 1000, generator=torch.Generator().manual_seed(0))
    matrix = fullsize.weight("unet/somewhere.weight", torch.Size([1000, 1000]))
    assert (x @ matrix.T).std().item() == pytest.approx(1.0, abs=0.02)


def test_the_analyser_says_the_same_in_512_numbers(fullsize: ModuleType, tmp_path: Path):
    fullsize.write_analyser(tmp_path)
    with Image.open(ROOT / "narcis" / "mini" / "sitters" / "ada.png") as photo:
        ada = np.asarray(photo.convert("RGB"))
    (wide,) = MiniAnalyser.from_folder(tmp_path).analyse(ada)
    (own,) = MiniAnalyser.from_folder(fullsize.MINI / "analyser").analyse(ada)
    assert wide.embedding.shape == (512,) and wide.sex == own.sex
    assert np.array_equal(wide.embedding, np.tile(own.embedding, 4))


def test_the_schedulers_noise_is_one_that_the_package_knows(fullsize: ModuleType, tmp_path: Path):
    (tmp_path / "scheduler_config.json").write_text(json.dumps(fullsize.SCHEDULER))
    assert sdxl.prediction_of(tmp_path / "scheduler_config.json") == "epsilon"
