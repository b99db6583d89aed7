import hashlib
import json
import shutil
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.portrait import device, models


def test_a_folder_is_loaded_once_a_process(tiny_folder, tiny):
    assert models.load(str(tiny_folder), "cpu", "float32") is tiny
    assert models.load(tiny_folder, "cpu", "bfloat16") is not tiny


def test_a_model_knows_its_sizes(tiny):
    assert (tiny.factor, tiny.channels, tiny.native_size, tiny.prediction) == (8, 4, 128, "epsilon")
    assert tiny.zero_negative and tiny.unet.dtype == torch.float32 and not tiny.unet.training


def test_what_lies_beside_the_networks_is_optional(tiny, tiny_folder, tmp_path):
    bare = shutil.copytree(tiny_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("id_encoder"))
    model = models.load(bare, "cpu", "float32")
    assert model.id_encoder is None and model.analyser is None and model.preview is None
    assert tiny.id_encoder is tiny.id_encoder and tiny.id_encoder is not None


def test_a_name_that_is_no_model_is_answered_with_those_that_are(monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(models, "BUNDLED", {"small": tiny_folder, "lost": tmp_path / "nowhere"})
    with pytest.raises(NotFound, match=r"no model 'dalle'; there are: small. A folder in diffusers' layout"):
        models.load("dalle")
    assert models.find("small") == tiny_folder


def test_hashes_are_those_of_the_bytes(tiny, tiny_folder):
    found = tiny.hashes
    assert set(found) >= {"unet/diffusion_pytorch_model.safetensors", "id_encoder/model.safetensors"}
    for name, value in found.items():
        assert value == hashlib.sha256((tiny_folder / name).read_bytes()).hexdigest()


def test_a_changed_file_has_another_hash(tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"one")
    before = models.hashes(tmp_path)
    file.write_bytes(b"three")
    assert models.hashes(tmp_path) != before


def test_analysers_come_from_entry_points_by_their_kind(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"kind": "paper"}))
    with pytest.raises(BadInput, match="wants a face analyser of kind 'paper'; installed are: "):
        models.make_analyser(tmp_path)
    installed = EntryPoints([EntryPoint("paper", "builtins:repr", models.ANALYSERS)])
    monkeypatch.setattr(models, "entry_points", lambda group: installed.select(group=group))
    assert models.make_analyser(tmp_path) == repr(tmp_path)


def test_the_processor_counts_in_float32():
    assert device.pick("cpu") == (torch.device("cpu"), torch.float32)
    assert device.pick("cpu", "bfloat16") == (torch.device("cpu"), torch.bfloat16)


def test_a_device_or_dtype_that_is_not_here_is_named():
    with pytest.raises(Unavailable, match="device 'cuda:99' is not on this machine; the best one here is"):
        device.pick("cuda:99")
    with pytest.raises(BadInput, match="no dtype 'int4'; there are float32, bfloat16, float16"):
        device.pick("cpu", "int4")
