"""The catalogue holds together: names, parts, hashes, licences."""

import re

import pytest
import torch

from narcis.errors import NotFound
from narcis.portrait import catalogue, device
from narcis.portrait.catalogue import ENTRIES, MODELS


@pytest.mark.parametrize("one", ENTRIES.values(), ids=lambda one: one.name)
def test_an_entry_has_a_source_a_licence_and_hashes_that_are_hashes(one):
    assert one.bundled or (one.hub and re.fullmatch("[0-9a-f]{40}", one.revision) and one.files)
    assert one.licence.name and one.licence.terms and one.licence.read.startswith("https://")
    for file in one.files:
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256), file.name
        assert file.size is None or file.size > 0
    assert set(one.upcast) <= set(one.parts)
    assert one.bundled or one.size or one.about


@pytest.mark.parametrize("name, parts", MODELS.items())
def test_a_model_has_one_base_and_each_part_once(name, parts):
    made = [ENTRIES[part] for part in parts]
    assert "base" in made[0].parts and not any("base" in one.parts for one in made[1:])
    joining = [one.parts[0] for one in made[1:]]
    assert len(set(joining)) == len(joining) and {"id_encoder", "analyser"} <= {p for one in made for p in one.parts}


def test_production_refuses_what_is_for_research_until_somebody_accepts_it():
    assert [one.name for one in catalogue.refused(["mini", "sdxl"])] == ["photomaker-v2", "buffalo_l"]
    assert [one.name for one in catalogue.refused(["sdxl"], ["photomaker-v2"])] == ["buffalo_l"]
    assert catalogue.refused(["sdxl"], ["photomaker-v2", "buffalo_l"]) == []
    assert catalogue.refused(["mini", "sdxl-v1"]) == []


def test_models_are_taken_apart_and_nothing_is_named_twice():
    assert [one.name for one in catalogue.entries(["sdxl-base", "sdxl-v1"])] == [
        "sdxl-base",
        "sdxl-vae-fp16-fix",
        "photomaker-v1",
        "mediapipe",
    ]
    with pytest.raises(NotFound, match="no model 'sdlx'; there are mini, sdxl, sdxl-v1, sdxl-base"):
        catalogue.entries(["sdlx"])
    with pytest.raises(NotFound, match="no weights 'sdlx'; there are mini, sdxl-base"):
        catalogue.entry("sdlx")


def test_a_size_is_told_where_every_files_is():
    assert ENTRIES["sdxl-base"].size == 6_941_187_536
    assert ENTRIES["photomaker-v1"].size is None


@pytest.mark.parametrize("halves, name", [(True, "cpu with bfloat16"), (False, "cpu")])
@pytest.mark.parametrize("entry, size", [("sdxl-base", 6_941_187_536), ("mini", 52_000_000)])
def test_a_processor_counts_as_the_catalogue_says(monkeypatch, halves, name, entry, size):
    monkeypatch.setattr(device, "native_bfloat16", lambda: halves)
    _, dtype = device.pick("cpu", size=size)
    assert dtype == getattr(torch, ENTRIES[entry].dtypes[name])
