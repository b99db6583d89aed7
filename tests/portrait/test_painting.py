"""The whole way of one recipe on the tiny networks, whose faces are wherever a test says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from schematic import face_at

from narcis.errors import BadInput
from narcis.portrait import painting, recipes, seats
from narcis.portrait.faces import Face
from narcis.portrait.models import Model
from narcis.portrait.photomaker import PhotoMaker, PhotoMakerV1
from narcis.portrait.stages import Identity
from narcis.recipe import MaskRecipe, Recipe

RECIPE = Recipe(prompt="a portrait of a person", seed=5, size=128, steps=2, detail_steps=2, mask=MaskRecipe(neck=0.0))
WHO = 20 * np.eye(1, 64, dtype=np.float32)[0]  # raw, and as long as the tiny encoder wants it


class Sees:
    """An analyser that finds in its first picture these faces, in the next ones those."""

    name, licence = "schematic", "none"

    def __init__(self, *found: list[Face]):
        self.found = list(found)

    def analyse(self, picture: np.ndarray) -> list[Face]:
        assert picture.dtype == np.uint8 and picture.shape == (128, 128, 3)
        return self.found.pop(0)


def face(embedding: np.ndarray = WHO, x: float = 64) -> Face:
    return Face((x - 24, 30, x + 24, 90), 0.9, face_at(x, 56, 12), embedding, "woman")


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
    measured = painting.measures(model, made)
    assert measured["outside"] == 0
    assert measured["likeness_before"] == pytest.approx(-1) and measured["likeness"] == pytest.approx(1)


def test_the_sitter_joins_in_stage_2_only(tiny: Model, sitter: Identity):
    other = Identity(sitter.photos, -torch.as_tensor(sitter.embeddings))
    one, two = (painting.paint(seeing(tiny, [face()]), RECIPE, who) for who in (sitter, other))
    assert one.composition == two.composition and one.portrait != two.portrait


def test_a_portrait_in_which_no_face_is_left_has_no_likeness(tiny: Model, sitter: Identity):
    model = seeing(tiny, [face()], [])
    measured: dict[str, Any] = painting.measures(model, painting.paint(model, RECIPE, sitter))
    assert measured["likeness"] is None and measured["outside"] == 0


def test_a_composition_without_a_face_is_refused_with_its_seed(tiny: Model, sitter: Identity):
    with pytest.raises(BadInput, match="the composition of seed 5 shows no face; try another seed") as refused:
        painting.paint(seeing(tiny, []), RECIPE, sitter)
    assert refused.value.data == {"seed": 5}


def test_a_model_that_finds_no_faces_at_all_is_refused_before_anything_is_painted(tiny: Model, sitter: Identity):
    with pytest.raises(BadInput, match="has no analyser/ to find faces with"):
        painting.paint(tiny, RECIPE, sitter)


# ---------------------------------------------------------------------------------------- several sitters
def test_each_of_two_sitters_takes_a_face(tiny: Model, sitter: Identity):
    """As if each had sat alone in what the others had left, on the same composition."""
    other = Identity(sitter.photos, -torch.as_tensor(sitter.embeddings))
    left, right = face(x=34), face(-WHO, x=94)
    model = seeing(tiny, [right, left], [left, right])
    made = painting.paint(model, RECIPE, [sitter, other])
    assert [seat.face for seat in made.seats] == [left, right] and [s.sitter for s in made.seats] == [sitter, other]
    alone = painting.paint(seeing(tiny, [left]), RECIPE, sitter)
    half = (0, 0, 58, 128)
    assert made.composition == alone.composition and made.portrait.crop(half) == alone.portrait.crop(half)
    measured = painting.measures(model, made)
    assert measured["outside"] == 0
    assert [measured[name] for name in ("likeness", "likeness_2", "likeness_before_2")] == pytest.approx([1, 1, 1])


def test_a_face_that_nobody_takes_stays_as_it_was_painted(tiny: Model, sitter: Identity):
    large, small = face(x=34), replace(face(x=94), box=(80, 40, 108, 80))
    made = painting.paint(seeing(tiny, [small, large]), RECIPE, sitter)
    kept = (72, 0, 128, 128)
    assert [seat.face for seat in made.seats] == [large]
    assert made.portrait.crop(kept) == made.composition.crop(kept) and made.portrait != made.composition


def test_fewer_faces_than_sitters_are_refused(tiny: Model, sitter: Identity):
    with pytest.raises(
        BadInput, match="the composition of seed 5 shows 1 of 2 faces; try another seed, or words for 2"
    ):
        painting.paint(seeing(tiny, [face()]), RECIPE, [sitter, sitter])


def test_who_joins_stage_1_is_recognised_there(tiny: Model, sitter: Identity):
    """The likest face, though another is larger."""
    larger, own = replace(face(-WHO, x=34), box=(0, 0, 99, 99)), face(x=94)
    joined = RECIPE.model_copy(update={"merge_step": 0})
    assert painting.paint(seeing(tiny, [larger, own]), joined, sitter).seats[0].face is own
    assert painting.paint(seeing(tiny, [larger, own]), RECIPE, sitter).seats[0].face is larger


def test_a_person_whom_nobody_recognises_has_no_likeness(tiny: Model, sitter: Identity):
    stranger = face(np.empty(0, np.float32))
    model = seeing(tiny, [stranger], [stranger])
    measured = painting.measures(model, painting.paint(model, RECIPE, sitter))
    assert measured == {"likeness_before": None, "likeness": None, "outside": 0}


def test_version_1_paints_whom_no_analyser_recognises(tiny: Model):
    """From the photo alone: another photo is another portrait, on the same composition."""
    assert tiny.id_encoder is not None
    first = PhotoMaker(PhotoMakerV1(replace(tiny.id_encoder.config, tokens=1)).eval(), {})
    stranger = face(np.empty(0, np.float32))
    portraits = []
    for grey in (40, 220):
        model, analyser = seeing(tiny, [stranger]), Sees([stranger])
        vars(model)["photomaker"] = first
        sitter = seats.sitter(model, analyser, [Image.new("RGB", (128, 128), (grey, 90, 60))])
        portraits.append(painting.paint(model, RECIPE, sitter.identity).portrait)
    assert portraits[0] != portraits[1] and portraits[0].size == (128, 128)
