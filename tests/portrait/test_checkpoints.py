"""PhotoMaker's files as published, damaged, of the wrong kind and of the wrong version."""

import json
import os
import shutil
from dataclasses import asdict, replace

import pytest
import torch
from published import TINY_ENCODING, TINY_ENCODING_V1
from safetensors.torch import save_file

from narcis.errors import BadInput, NarcisError, NotFound
from narcis.portrait import checkpoints, photomaker
from narcis.portrait.photomaker import Encoding, PhotoMakerV1, PhotoMakerV2

LORA = "lora_weights_old_format.safetensors"
FORMS = ["bin", "safetensors", "legacy bin"]


@pytest.fixture(scope="module")
def parts(by_rule, golden):
    """Encoder and LoRA of each version, small, as they lie in the published files."""
    encoders = {1: PhotoMakerV1(TINY_ENCODING_V1), 2: PhotoMakerV2(TINY_ENCODING)}
    return {
        version: {"id_encoder": by_rule(encoder, "id_tiny/"), "lora_weights": golden(LORA)}
        for version, encoder in encoders.items()
    }


def write(path, parts, form="bin"):
    """One checkpoint in one of its forms, with the sizes beside it that its shapes do not tell."""
    version = 2 if "qformer_perceiver.token_norm.weight" in parts["id_encoder"] else 1
    sizes = {1: TINY_ENCODING_V1, 2: TINY_ENCODING}[version]
    (path / "config.json").write_text(json.dumps(asdict(sizes)))
    if form == "safetensors":
        save_file(
            {f"{part}.{name}": value for part in parts for name, value in parts[part].items()}, path / "pm.safetensors"
        )
        return path / "pm.safetensors"
    torch.save(parts, path / "pm.bin", _use_new_zipfile_serialization=form == "bin")
    return path / "pm.bin"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_every_published_form_gives_the_same_networks(tmp_path, parts, form, version):
    file = write(tmp_path, parts[version], form)
    for path in (file, tmp_path):
        loaded = photomaker.load(path)
        assert type(loaded.encoder) is {1: PhotoMakerV1, 2: PhotoMakerV2}[version]
        for name, value in loaded.encoder.state_dict().items():
            assert torch.equal(value, parts[version]["id_encoder"][name])
        assert loaded.lora.keys() == parts[version]["lora_weights"].keys()
        assert not loaded.encoder.training and not any(p.requires_grad for p in loaded.encoder.parameters())


def test_the_order_of_the_two_parts_is_not_asked_for(tmp_path, parts):
    file = write(tmp_path, dict(reversed(parts[2].items())))
    assert photomaker.load(file).encoder.version == 2


def test_halves_are_loaded_into_the_dtype_that_is_asked_for(tmp_path, parts):
    halves = {part: {name: value.half() for name, value in parts[2][part].items()} for part in parts[2]}
    file = write(tmp_path, halves)
    assert {p.dtype for p in photomaker.load(file).encoder.parameters()} == {torch.float32}
    assert {p.dtype for p in photomaker.load(file, dtype=torch.bfloat16).encoder.parameters()} == {torch.bfloat16}


def test_stored_positions_of_older_files_are_passed_over(tmp_path, parts):
    old = {"vision_model.embeddings.position_ids": torch.arange(257)[None]}
    file = write(tmp_path, parts[2] | {"id_encoder": old | parts[2]["id_encoder"]})
    assert photomaker.load(file).encoder.version == 2


def test_an_encoder_alone_has_no_lora(tmp_path, parts):
    save_file(parts[2]["id_encoder"], tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(asdict(TINY_ENCODING)))
    assert photomaker.load(tmp_path).lora == {}


# Sizes


@pytest.mark.parametrize("version, sizes", [(1, TINY_ENCODING_V1), (2, TINY_ENCODING)])
def test_shapes_tell_every_size_but_the_heads(parts, version, sizes):
    told = photomaker.PUBLISHED[version].told_by(parts[version]["id_encoder"])
    assert told == replace(sizes, vision_heads=1)  # 64 channels: as many as one of CLIP's published heads


def test_shapes_tell_the_published_sizes(golden):
    state = {k: torch.empty(v, device="meta") for k, v in golden("photomaker_v2_state_dict.json").items()}
    assert Encoding(1, 1, 64, 1, 1, 1, 1, 1, 1, 128, 1, 1).told_by(state) == Encoding()


@pytest.mark.parametrize("version, tensors", [(1, 407), (2, 463)])
def test_a_file_of_the_published_size_loads_strictly(tmp_path, golden, version, tensors):
    """All names and shapes, one number behind each: the file is small, and on "meta" nothing takes memory."""
    shapes = golden("photomaker_v2_state_dict.json")
    names = [name for name in shapes if version == 2 or not name.startswith("qformer")]
    encoder = {name: torch.zeros(1).expand(shapes[name]) for name in names}
    torch.save({"id_encoder": encoder, "lora_weights": golden(LORA)}, tmp_path / f"photomaker-v{version}.bin")
    loaded = photomaker.load(tmp_path, device="meta").encoder
    assert loaded.config == photomaker.PUBLISHED[version] and len(loaded.state_dict()) == tensors


def test_without_a_config_the_shapes_decide(tmp_path, parts):
    file = write(tmp_path, parts[2])
    (tmp_path / "config.json").unlink()
    assert photomaker.load(file).encoder.config == replace(TINY_ENCODING, vision_heads=1)


@pytest.mark.parametrize(
    "config, said",
    [
        ("{", "does not tell an identity encoder's sizes: Expecting property name"),
        ('{"colour": 3}', "does not tell an identity encoder's sizes: .* unexpected keyword argument 'colour'"),
        ('{"vision_width": 64, "vision_heads": 5}', "widths 64 and 2048 has no 5 heads and heads of 128 channels"),
    ],
)
def test_a_config_that_tells_no_sizes_is_refused(tmp_path, parts, config, said):
    file = write(tmp_path, parts[2])
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadInput, match=said):
        photomaker.load(file)


# What is refused


def refusal(path, **asked) -> str:
    with pytest.raises(NarcisError) as refused:
        photomaker.load(path, **asked)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600
    return str(refused.value)


@pytest.mark.parametrize("found, wanted", [(1, 2), (2, 1)])
def test_one_version_where_the_other_is_meant(tmp_path, parts, found, wanted):
    file = write(tmp_path, parts[found])
    said = f"pm.bin is PhotoMaker V{found} where V{wanted} is wanted; take photomaker-v{wanted}.bin"
    assert said in refusal(file, version=wanted)
    with pytest.raises(BadInput, match=said):
        {1: PhotoMakerV1, 2: PhotoMakerV2}[wanted].from_folder(tmp_path)


def test_missing_extra_and_misshapen_tensors_are_named(tmp_path, parts):
    encoder = dict(parts[2]["id_encoder"])
    del encoder["fuse_module.mlp1.fc1.bias"], encoder["vision_model.pre_layrnorm.bias"]
    encoder["colour.weight"] = torch.zeros(1)
    encoder["visual_projection.weight"] = torch.zeros(96, 32)
    said = refusal(write(tmp_path, parts[2] | {"id_encoder": encoder}))
    assert "is no PhotoMaker V2: of its 127 tensors it lacks " in said
    assert "vision_model.pre_layrnorm.bias, fuse_module.mlp1.fc1.bias, has besides colour.weight" in said
    assert "has in other shapes visual_projection.weight [96, 32] instead of [96, 64]" in said


def test_many_missing_tensors_are_counted(tmp_path, parts):
    kept = {name: value for name, value in parts[2]["id_encoder"].items() if "encoder.layers" not in name}
    said = refusal(write(tmp_path, parts[2] | {"id_encoder": kept}))
    assert "self_attn.k_proj.weight, " in said and "and 45 more" in said


@pytest.mark.parametrize("form", ["bin", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_told_with_its_hash(tmp_path, parts, form, share):
    file = write(tmp_path, parts[2], form)
    os.truncate(file, int(file.stat().st_size * share))
    said = refusal(file)
    assert f"{file} is truncated or no checkpoint ({file.stat().st_size:,} bytes, sha256 " in said
    assert checkpoints.sha256(file) in said and said.endswith("fetch it again")


def test_a_page_of_html_is_no_checkpoint(tmp_path):
    (tmp_path / "photomaker-v2.bin").write_text("<!doctype html><title>Sign in</title>" * 40)
    assert "is truncated or no checkpoint" in refusal(tmp_path)


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


def test_code_in_a_pickle_never_runs(tmp_path, parts, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(parts[2] | {"extra": Trap()}, tmp_path / "photomaker-v2.bin")
    assert "holds more than tensors, which may run code when unpickled" in refusal(tmp_path / "photomaker-v2.bin")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_another_networks_weights_are_no_photomaker(tmp_path, tiny, prefix):
    save_file(
        {prefix + name: value.clone() for name, value in tiny.unet.state_dict().items()}, tmp_path / "x.safetensors"
    )
    said = refusal(tmp_path)
    assert "is no identity encoder of PhotoMaker" in said and "qformer_perceiver.token_norm.weight" in said


@pytest.mark.parametrize(
    "change, said",
    [
        ({"lora_weights": {}}, "holds id_encoder, lora_weights; PhotoMaker's checkpoints hold"),
        ({"optimizer": {"step": 3}}, "holds id_encoder, lora_weights, optimizer; PhotoMaker's checkpoints hold"),
        ({"id_encoder": {"weight": "none"}}, "PhotoMaker's checkpoints hold id_encoder and lora_weights"),
    ],
)
def test_other_parts_than_the_two_are_refused(tmp_path, parts, change, said):
    assert said in refusal(write(tmp_path, parts[2]) and written(tmp_path, parts[2] | change))


def written(path, parts):
    torch.save(parts, path / "pm.bin")
    return path / "pm.bin"


def test_half_of_a_safetensors_checkpoint_is_refused(tmp_path, parts):
    half = {f"id_encoder.{name}": value for name, value in parts[2]["id_encoder"].items()}
    save_file(half, tmp_path / "pm.safetensors")
    assert "PhotoMaker's checkpoints hold id_encoder and lora_weights" in refusal(tmp_path)


def test_a_folder_without_a_checkpoint_or_with_two_says_so(tmp_path, parts):
    with pytest.raises(NotFound, match=r"holds no .bin and no .safetensors; leave one file there"):
        photomaker.load(tmp_path)
    shutil.copy(write(tmp_path, parts[2]), tmp_path / "photomaker-v1.bin")
    with pytest.raises(NotFound, match=r"holds photomaker-v1.bin, pm.bin; leave one file there"):
        photomaker.load(tmp_path)
    with pytest.raises(NotFound, match=r"no checkpoint .*nowhere.bin; name PhotoMaker's"):
        photomaker.load(tmp_path / "nowhere.bin")
