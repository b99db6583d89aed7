"""The doctor looks, and says what is amiss."""

import json

import pytest

from narcis import doctor


def test_a_sound_installation_is_well_in_every_finding():
    findings = {finding.what: finding for finding in doctor.examine()}
    assert [finding for finding in findings.values() if not finding.well] == []
    assert {"python", "torch", "ipykernel", "mini", "jobs", "runs", "device"} <= findings.keys()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "a.safetensors").write_bytes(b"weights")
    (tmp_path / "model_index.json").write_text("{}")
    known = {"unet/a.safetensors": doctor.sha256(tmp_path / "unet" / "a.safetensors")}
    (tmp_path / "hashes.json").write_text(json.dumps(known))
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    return tmp_path


def test_whole_weights_are_well(weights):
    assert doctor.model().well


def test_damaged_weights_are_named(weights):
    (weights / "unet" / "a.safetensors").write_bytes(b"weighst")
    found = doctor.model()
    assert not found.well and "unet/a.safetensors" in found.said and "install narcis again" in found.said


def test_missing_weights_are_told_with_the_way_out(weights):
    (weights / "model_index.json").unlink()
    assert not doctor.model().well and "install narcis again" in doctor.model().said


def test_a_folder_of_runs_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "file" / "runs"))
    found = doctor.runs()
    assert not found.well and "NARCIS_RUNS" in found.said
