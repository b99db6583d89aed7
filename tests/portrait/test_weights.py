"""Weights on a disk: where they are found, whether they are what was published, and who may use them."""

import hashlib
import json
from pathlib import Path

import pytest

from narcis.errors import BadInput
from narcis.portrait import weights
from narcis.portrait.catalogue import APACHE, ENTRIES, Entry, File
from narcis.portrait.weights import House
from narcis.settings import Settings

BYTES = b"weights " * 1000


def entry(**changed) -> Entry:
    file = File("unet/x.safetensors", len(BYTES), hashlib.sha256(BYTES).hexdigest())
    given = {
        "name": "toy",
        "title": "a toy",
        "parts": ("base",),
        "licence": APACHE,
        "files": (file,),
        "hub": "toys/toy",
    }
    return Entry(**{**given, **changed})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy" / "unet").mkdir(parents=True)
    (tmp_path / "toy" / "unet" / "x.safetensors").write_bytes(BYTES)
    return tmp_path / "toy"


def states(one: Entry, folder: Path) -> dict[str, str]:
    return {finding.name: finding.state for finding in weights.examine(one, folder)}


# ------------------------------------------------------------------------------------------ what they are
def test_a_file_is_as_published_cut_off_another_or_missing(folder):
    path, one = folder / "unet" / "x.safetensors", entry()
    assert states(one, folder) == {"unet/x.safetensors": "ok"}
    path.write_bytes(BYTES[:100])
    assert states(one, folder) == {"unet/x.safetensors": "truncated"}
    path.write_bytes(BYTES[:-1] + b"!")
    assert states(one, folder) == {"unet/x.safetensors": "other"}
    path.unlink()
    assert states(one, folder) == {"unet/x.safetensors": "missing"}


@pytest.mark.parametrize(
    "content, said",
    [
        (BYTES[:100], r"x.safetensors is cut off: 100 of 8,000 bytes; `narcis models pull toy` fetches it again"),
        (
            BYTES[:-1] + b"!",
            r"x.safetensors is not what was published: sha256 [0-9a-f]{12}…, not [0-9a-f]{12}…; `narcis",
        ),
    ],
    ids=["truncated", "wrong"],
)
def test_what_is_not_as_published_is_refused_and_the_hash_says_why(folder, content, said):
    (folder / "unet" / "x.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        weights.verify(entry(), folder)


def test_a_missing_file_is_not_refused_because_another_variant_may_stand_in(folder):
    (folder / "unet" / "x.safetensors").rename(folder / "unet" / "full.safetensors")
    weights.verify(entry(), folder)


def test_where_the_catalogue_has_no_hash_the_one_that_was_pulled_counts(folder):
    one = entry(files=(File("unet/x.safetensors"),))
    assert states(one, folder) == {"unet/x.safetensors": "unknown"}
    (folder / "hashes.json").write_text(json.dumps({"unet/x.safetensors": hashlib.sha256(BYTES).hexdigest()}))
    assert states(one, folder) == {"unet/x.safetensors": "ok"}
    (folder / "unet" / "x.safetensors").write_bytes(b"changed")
    assert states(one, folder) == {"unet/x.safetensors": "other"}


def test_what_ships_is_as_shipped():
    for one in ENTRIES.values():
        if one.bundled and one.bundled.is_dir():
            assert set(states(one, one.bundled).values()) == {"ok"}, one.name


def test_hashes_of_a_model_are_of_what_is_read(folder):
    for name in ("unet/x.bin", "unet/x.onnx", "id_encoder/pm.bin", "analyser/det.onnx", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    assert list(weights.model_files(folder)) == ["analyser/det.onnx", "id_encoder/pm.bin", "unet/x.safetensors"]


# ------------------------------------------------------------------------------------------ where
def test_the_first_folder_that_has_any_of_it_is_its_place(folder, tmp_path):
    empty = tmp_path / "empty"
    (empty / "toy").mkdir(parents=True)
    assert weights.place(entry(), [empty, tmp_path]) == folder
    assert weights.place(entry(), [empty]) is None and weights.place(entry(), []) is None


def test_the_house_is_what_the_settings_say(monkeypatch, tmp_path):
    for name in ("MODELS", "PRODUCTION", "LICENSED"):
        monkeypatch.delenv(f"NARCIS_{name}", raising=False)
    assert weights.house() == House()
    monkeypatch.setenv("NARCIS_MODELS", f"{tmp_path}:/models")
    monkeypatch.setenv("NARCIS_PRODUCTION", "1")
    monkeypatch.setenv("NARCIS_LICENSED", "photomaker-v2, buffalo_l")
    assert weights.house() == House((tmp_path, Path("/models")), True, ("photomaker-v2", "buffalo_l"))


def test_settings_and_house_have_the_same_defaults(monkeypatch):
    monkeypatch.setattr(weights, "decider", lambda: None)
    said = Settings.model_fields
    assert weights.house() == House(said["models"].default, said["production"].default, said["licensed"].default)


# ------------------------------------------------------------------------------------------ terms
def test_production_names_what_it_refuses_and_the_setting_that_records_the_decision():
    names = ["sdxl-base", "photomaker-v2", "buffalo_l"]
    weights.admit(names, ["finetune"], House())
    weights.admit(names, [], House(production=True, licensed=("photomaker-v2", "buffalo_l")))
    with pytest.raises(BadInput) as refused:
        weights.admit(names, ["finetune"], House(production=True, licensed=("buffalo_l",)))
    said = str(refused.value)
    assert said.startswith("production refuses photomaker-v2 (trained on InsightFace's embeddings, so non-commercial")
    assert "finetune (its licence is not recorded)" in said and "\n" not in said and "buffalo_l (" not in said
    assert said.endswith("by NARCIS_LICENSED=buffalo_l,photomaker-v2,finetune")
