import hashlib
import json
import shutil
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import ldm
import pytest
import torch
from safetensors.torch import load_file, save_file

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.portrait import device, models, weights
from narcis.portrait.catalogue import APACHE, ENTRIES, INSIGHTFACE, MODELS, Entry, File
from narcis.portrait.photomaker import PhotoMakerV2


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


@pytest.fixture
def house(monkeypatch, tmp_path) -> Path:
    """An empty folder of models, which is this installation's only one."""
    monkeypatch.setenv("NARCIS_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def toy(house, tiny_folder, monkeypatch) -> Path:
    """The tiny model as four entries of the catalogue, and a model `toy` that is made of them."""
    for name, part, own in (("base", "", "model_index.json"), ("vae", "vae", "config.json"), ("id", "id_encoder", "")):
        ignored = shutil.ignore_patterns("id_encoder") if not part else None
        shutil.copytree(tiny_folder / part, house / f"toy-{name}", ignore=ignored)
        file = own or "model.safetensors"
        one = Entry(f"toy-{name}", "a toy", (part or "base",), APACHE, (File(file),), hub="toys/toy")
        monkeypatch.setitem(ENTRIES, one.name, one)
    monkeypatch.setitem(MODELS, "toy", ("toy-base", "toy-vae", "toy-id"))
    return house


def test_a_name_that_is_no_model_is_answered_with_those_that_are(house):
    with pytest.raises(NotFound, match=r"no model 'dalle'; there are: mini, and `narcis models list` shows what") as no:
        models.load("dalle")
    assert str(no.value).endswith("and a .safetensors file of SDXL are models too")


def test_a_model_of_the_catalogue_is_put_together_from_what_is_here(toy, tiny):
    model = models.load("toy", "cpu", "float32")
    assert model.folder == toy / "toy-base" and isinstance(model.id_encoder, PhotoMakerV2) and model.analyser is None
    for name, value in tiny.unet.state_dict().items():
        assert torch.equal(model.unet.state_dict()[name], value)
    assert models.load("toy", "cpu", "float32") is model
    assert models.load("toy-base", "cpu", "float32").id_encoder is None
    assert "toy" in models.available()


def test_a_joining_vae_is_for_float16_alone(toy):
    assert "vae" in models.made_of("toy").at(torch.float16).beside
    exact = models.made_of("toy").at(torch.bfloat16)
    assert list(exact.beside) == ["id_encoder"] and [one.name for one in exact.entries] == ["toy-base", "toy-id"]


def test_the_joining_vae_decodes_in_float16_and_the_bases_own_elsewhere(toy):
    (file,) = (toy / "toy-vae").glob("*.safetensors")
    save_file({name: torch.zeros_like(value) for name, value in load_file(file).items()}, file)
    half, whole = models.load("toy", "cpu", "float16"), models.load("toy", "cpu", "float32")
    assert not half.vae.decoder.conv_in.weight.any() and whole.vae.decoder.conv_in.weight.any()
    assert half.hashes["vae/diffusion_pytorch_model.safetensors"] == weights.sha256(file)
    assert whole.hashes["vae/diffusion_pytorch_model.safetensors"] != weights.sha256(file)


def test_hashes_name_the_part_that_a_file_is(toy):
    made = models.made_of("toy")
    assert {name.split("/")[0] for name in made.hashes} == {
        "unet",
        "text_encoder",
        "text_encoder_2",
        "vae",
        "id_encoder",
    }
    assert made.files["vae/diffusion_pytorch_model.safetensors"].parent == toy / "toy-vae"
    assert made.files["id_encoder/model.safetensors"].parent == toy / "toy-id"
    assert made.size == sum(path.stat().st_size for path in made.files.values())


def test_what_a_model_lacks_is_named_with_the_way_to_fetch_it(toy):
    shutil.rmtree(toy / "toy-id")
    with pytest.raises(NotFound, match="'toy' is not all here: it lacks toy-id; `narcis models pull toy` fetches"):
        models.load("toy")
    with pytest.raises(NotFound, match="'sdxl' is not all here: it lacks sdxl-base, sdxl-vae-fp16-fix, photomaker-v2"):
        models.load("sdxl")


def test_anything_may_be_joined_by_weights_of_the_catalogue(toy, tiny_folder):
    bare = shutil.copytree(tiny_folder, toy.parent / "bare", ignore=shutil.ignore_patterns("id_encoder"))
    model = models.load(f"{bare}+toy-id", "cpu", "float32")
    assert isinstance(model.id_encoder, PhotoMakerV2) and "id_encoder/model.safetensors" in model.hashes
    with pytest.raises(NotFound, match="no weights 'toy-di'; there are"):
        models.load(f"{bare}+toy-di")
    shutil.copytree(tiny_folder, toy / "sdxl-base")
    with pytest.raises(BadInput, match="sdxl-base cannot join a model"):
        models.load(f"{bare}+sdxl-base")


def test_weights_that_are_no_model_say_what_they_are(toy):
    with pytest.raises(BadInput, match=r"toy-id is no model: it is id_encoder; write for example sdxl-base\+toy-id"):
        models.load("toy-id")


def test_a_single_file_is_a_model_and_its_folder_says_the_rest(toy, tiny, tiny_folder):
    stored = {part: load_file(next((tiny_folder / part).glob("*.safetensors"))) for part in ("unet", "vae")}
    encoders = {
        part: load_file(tiny_folder / part / "model.safetensors") for part in ("text_encoder", "text_encoder_2")
    }
    first = {name.removeprefix("text_model."): value for name, value in encoders["text_encoder"].items()}
    tensors = ldm.single_file(**stored, text_encoder=first, text_encoder_2=encoders["text_encoder_2"], blocks=[1, 1, 1])
    beside = shutil.copytree(tiny_folder, toy.parent / "finetune", ignore=shutil.ignore_patterns("id_encoder"))
    save_file(tensors, file := beside.with_suffix(".safetensors"))
    model = models.load(f"{file}+toy-id", "cpu", "float32")
    assert torch.equal(model.unet.conv_in.weight, tiny.unet.conv_in.weight) and model.id_encoder
    assert set(model.hashes) == {"finetune.safetensors", "id_encoder/model.safetensors"}
    assert model.made.strangers == ("finetune",)


def test_a_pickled_checkpoint_stays_closed(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"")
    with pytest.raises(BadInput, match=r"model\.ckpt is pickled, which may run code"):
        models.load(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    "lacking, kind",
    [("text_encoder_2", "StableDiffusionPipeline"), ("text_encoder", "StableDiffusionXLImg2ImgPipeline")],
)
def test_a_folder_of_another_model_says_what_it_is(tiny_folder, tmp_path, lacking, kind):
    other = shutil.copytree(tiny_folder, tmp_path / "other", ignore=shutil.ignore_patterns(lacking))
    (other / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    with pytest.raises(BadInput, match=f"other is a {kind} without {lacking}; only SDXL and its finetunes fit"):
        models.load(other, "cpu", "float32")


def test_the_place_of_an_entry_is_that_entry_however_it_is_named(toy):
    assert models.made_of(toy / "toy-base").entries == models.made_of("toy-base").entries
    assert models.made_of(toy / "toy-base").strangers == ()


def test_a_damaged_file_of_a_folder_is_named_with_its_hash(tiny_folder, tmp_path):
    broken = shutil.copytree(tiny_folder, tmp_path / "broken")
    file = broken / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(BadInput, match=r"model.safetensors is cut off or damaged \(5,000 bytes, sha256 [0-9a-f]{64}"):
        models.load(broken, "cpu", "float32")


def test_a_catalogued_file_that_is_another_is_refused_before_anything_is_read(toy, monkeypatch):
    (toy / "toy-base" / "hashes.json").write_text(json.dumps({"model_index.json": "0" * 64}))
    monkeypatch.setattr(models.sdxl, "load", lambda *_, **__: pytest.fail("read it"))
    with pytest.raises(BadInput, match=r"model_index.json is not what was published: sha256 .*, not 000000000000…"):
        models.load("toy-base", "cpu", "bfloat16")


def test_production_refuses_at_load_what_nobody_has_accepted(toy, tiny_folder, monkeypatch):
    monkeypatch.setenv("NARCIS_PRODUCTION", "1")
    monkeypatch.setitem(ENTRIES, "toy-id", replace(ENTRIES["toy-id"], licence=INSIGHTFACE))
    with pytest.raises(BadInput, match=r"production refuses toy-id \(non-commercial.*NARCIS_LICENSED=toy-id$"):
        models.load("toy", "cpu", "float32")
    monkeypatch.setenv("NARCIS_LICENSED", "toy-id")
    assert models.load("toy", "cpu", "float32").id_encoder
    with pytest.raises(BadInput, match=r"production refuses tiny \(its licence is not recorded\)"):
        models.load(tiny_folder, "cpu", "float32")
    models.load("mini", "cpu", "float32")


def test_a_model_counts_the_bytes_that_it_holds(tiny):
    networks = [tiny.unet, tiny.vae, tiny.text_encoder, tiny.text_encoder_2, tiny.id_encoder]
    parameters = sum(p.nbytes for network in networks for p in network.parameters())
    assert parameters <= models.measured(tiny, torch.device("cpu")) < parameters * 1.01


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
