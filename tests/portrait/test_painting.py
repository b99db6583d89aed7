"""The whole way of one recipe on the tiny networks, whose faces are wherever a test says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from schematic import face_at

from narcis.errors import BadInput
from narcis.portrait import painting, recipes
from narcis.portrait.faces import Face
from narcis.portrait.models import Model
from narcis.portrait.stages import Identity
from narcis.recipe import MaskRecipe, Recipe

RECIPE = Recipe(prompt="a portrait of a person", seed=5, size=128, steps=2, detail_steps=2, mask=MaskRecipe(neck=0.0))
WHO = np.eye(1, 64, dtype=np.float32)[0]  # as long as the tiny encoder wants it


class Sees:
    """An analyser that finds in its first picture these faces, in the next ones those."""

    name, licence = "schematic", "none"

    def __init__(self, *found: list[Face]):
        self.found = list(found)

    def analyse(self, picture: np.ndarray) -> list[Face]:
        assert picture.dtype == np.uint8 and picture.shape == (128, 128, 3)
        return self.found.pop(0)


def face(embedding: np.ndarray = WHO) -> Face:
    return Face((40, 30, 88, 90), 0.9, face_at(64, 56, 12), embedding, "woman")


def seeing(tiny: Model, *found: list[Face]) -> Model:
    """The tiny model with an analyser of its own; the one that all tests share stays without."""
    model = replace(tiny)
    vars(model)["analyser"] = Sees(*found)
    return model


@pytest.fixture(scope="module")
def sitter() -> Identity:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8))
    return Identity([photo], torch.from_numpy(WHO)[None])


def test_both_stages_are_painted_and_nothing_changes_outside_the_map(tiny: Model, sitter: Identity):
    model = seeing(tiny, [face(-WHO)], [face()])
    made = painting.paint(model, RECIPE, sitter)
    assert made.composition.size == made.portrait.size == (128, 128)
    assert made.composition == recipes.picture(tiny, painting.last(recipes.compose(tiny, RECIPE)).clean)
    assert made.portrait != made.composition
    measured = painting.measures(model, made, sitter)
    assert measured["outside"] == 0
    assert measured["likeness_before"] == pytest.approx(-1) and measured["likeness"] == pytest.approx(1)


def test_the_sitter_joins_in_stage_2_only(tiny: Model, sitter: Identity):
    other = Identity(sitter.photos, -torch.as_tensor(sitter.embeddings))
    one, two = (painting.paint(seeing(tiny, [face()]), RECIPE, who) for who in (sitter, other))
    assert one.composition == two.composition and one.portrait != two.portrait


def test_a_portrait_in_which_no_face_is_left_has_no_likeness(tiny: Model, sitter: Identity):
    model = seeing(tiny, [face()], [])
    measured: dict[str, Any] = painting.measures(model, painting.paint(model, RECIPE, sitter), sitter)
    assert measured["likeness"] is None and measured["outside"] == 0


def test_a_composition_without_a_face_is_refused_with_its_seed(tiny: Model, sitter: Identity):
    with pytest.raises(BadInput, match="the composition of seed 5 shows no face; try another seed") as refused:
        painting.paint(seeing(tiny, []), RECIPE, sitter)
    assert refused.value.data == {"seed": 5}


def test_a_model_that_finds_no_faces_at_all_is_refused_before_anything_is_painted(tiny: Model, sitter: Identity):
    with pytest.raises(BadInput, match="has no analyser/ to find faces with"):
        painting.paint(tiny, RECIPE, sitter)
