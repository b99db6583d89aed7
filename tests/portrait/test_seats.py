"""Who sits where; faces are wherever a test says."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from schematic import face_at, turned

from narcis.errors import BadInput
from narcis.portrait import recipes, seats
from narcis.portrait.faces import Face
from narcis.portrait.models import Model
from narcis.portrait.photomaker import PhotoMaker, PhotoMakerV1
from narcis.portrait.stages import Identity
from narcis.recipe import MaskRecipe, Recipe

ADA, BRUNO, CHIARA = np.eye(3, 64, dtype=np.float32)  # as long as the tiny encoder wants it
NOBODY = np.empty(0, np.float32)
PHOTO = Image.new("RGB", (128, 128), "gray")
RECIPE = Recipe(prompt="a portrait of a man beside a woman", seed=5, class_word="man")


def face(x: float = 64, unit: float = 30, embedding: np.ndarray = ADA, sex: Any = "woman", landmarks=None) -> Face:
    return Face((0, 0, 2 * unit, 2 * unit), 0.9, landmarks or face_at(x, 56, unit), embedding, sex)


def person(embedding: np.ndarray | None, word: str = "person") -> Identity:
    return Identity([PHOTO], None if embedding is None else embedding[None], 1.0, word)


class Sees:
    """An analyser that finds these faces, picture by picture."""

    name, licence = "schematic", "none"

    def __init__(self, *found: list[Face]):
        self.found = list(found)

    def analyse(self, picture: np.ndarray) -> list[Face]:
        return self.found.pop(0)


def with_version_1(tiny: Model) -> Model:
    """The tiny model, but its identity encoder is of PhotoMaker's first version."""
    assert tiny.id_encoder is not None and tiny.id_encoder.version == 2
    model = replace(tiny)
    vars(model)["photomaker"] = PhotoMaker(PhotoMakerV1(replace(tiny.id_encoder.config, tokens=1)), {})
    return model


# ------------------------------------------------------------------------------------------- the people
def test_photos_and_embeddings_stay_in_step(tiny: Model, caplog: pytest.LogCaptureFixture):
    """The second photo has no face, the third has two, and the fourth is turned away: they and theirs are left out."""
    photos = [Image.new("RGB", (128, 128), (i, i, i)) for i in range(5)]
    aside = face(landmarks=turned(80))
    sees = Sees([face(embedding=ADA)], [], [face(), face()], [aside], [face(embedding=BRUNO)])
    with caplog.at_level(logging.WARNING):
        sitter = seats.sitter(tiny, sees, photos, 0.8)
    assert sitter.photos == [photos[0], photos[4]] == sitter.identity.photos
    assert np.array_equal(np.asarray(sitter.identity.embeddings), [ADA, BRUNO])
    assert (sitter.identity.weight, sitter.identity.class_word, sitter.face.sex) == (0.8, "woman", "woman")
    said = [record.message for record in caplog.records]
    assert [line.split(":")[0] for line in said] == [f"photo {i} of 5 is left out" for i in (2, 3, 4)]
    assert "no face is found" in said[0] and "2 faces" in said[1] and "turned 80° away" in said[2]


def test_a_sitter_of_whom_no_photo_is_left_is_refused(tiny: Model):
    with pytest.raises(BadInput, match="no face is found"):
        seats.sitter(tiny, Sees([]), [PHOTO])
    with pytest.raises(BadInput, match="give at least one"):
        seats.sitter(tiny, Sees(), [])


def test_the_class_word_is_the_analysers_unless_it_is_given(tiny: Model):
    assert seats.sitter(tiny, Sees([face(sex="man")]), [PHOTO]).identity.class_word == "man"
    assert seats.sitter(tiny, Sees([face(sex="man")]), [PHOTO], 1.0, "woman").identity.class_word == "woman"
    assert seats.sitter(tiny, Sees([face(sex="unknown")]), [PHOTO]).identity.class_word == "person"


def test_an_analyser_that_recognises_nobody_serves_version_1_alone(tiny: Model):
    stranger = face(embedding=NOBODY, sex="unknown")
    with pytest.raises(BadInput, match="schematic recognises nobody, and PhotoMaker V2 needs to know") as refused:
        seats.sitter(tiny, Sees([stranger]), [PHOTO])
    assert "\n" not in str(refused.value)
    sitter = seats.sitter(with_version_1(tiny), Sees([stranger]), [PHOTO])
    assert sitter.identity.embeddings is None and sitter.identity.class_word == "person"


# ------------------------------------------------------------------------------------- in a composition
def test_one_sitter_takes_the_largest_face():
    small, large = face(30, 20), face(90, 25)
    assert seats.taken([small, large], [person(ADA)]) == [large]


def test_several_take_the_largest_from_left_to_right():
    right, tiny_one, left = face(110, 30), face(60, 10), face(20, 25)
    assert seats.taken([right, tiny_one, left], [person(ADA), person(BRUNO)]) == [left, right]


def test_where_there_are_too_few_faces_nobody_sits():
    assert seats.taken([face()], [person(ADA), person(BRUNO)]) == [] == seats.taken([], [person(ADA)])
    assert seats.missing([], [person(ADA)], "it") == "it shows no face; try another seed"
    two = [person(ADA), person(BRUNO)]
    assert seats.missing([face()], two, "it") == "it shows 1 of 2 faces; try another seed, or words for 2 people"


def test_who_was_painted_into_the_composition_takes_the_face_that_is_likest():
    """Not the largest; and two sitters do not take the same."""
    other, own = face(30, 40, -ADA + BRUNO), face(90, 20, ADA + 0.3 * BRUNO)
    assert seats.taken([other, own], [person(ADA)], painted=True) == [own]
    both = [face(30, 40, 2 * ADA), face(90, 20, ADA + 0.4 * BRUNO)]
    assert seats.taken(both, [person(BRUNO), person(ADA)], painted=True) == both[::-1]


def test_where_nobody_is_recognised_the_largest_is_taken_all_the_same():
    small, large = face(30, 20, NOBODY), face(90, 25, NOBODY)
    assert seats.taken([small, large], [person(ADA)], painted=True) == [large]
    assert seats.taken([face(30, 20), face(90, 25)], [person(None)], painted=True)[0].size == 50


def test_a_seat_is_found_again_where_it_was():
    seat, moved, far = face(64), face(70), face(120)
    assert seats.nearest([far, moved], seat) is moved
    assert seats.nearest([far], seat) is None is seats.nearest([], seat)


def test_likeness_needs_two_who_are_known():
    assert seats.likeness(person(ADA), face(embedding=3 * ADA)) == pytest.approx(1)
    assert seats.likeness(person(ADA), face(embedding=NOBODY)) is None
    assert seats.likeness(person(None), face()) is None is seats.likeness(person(ADA), None)


def test_a_crop_grows_rather_than_shrinks_a_large_face(tiny: Model):
    picture = Image.new("RGB", (400, 400), "gray")
    native = tiny.native_size
    sizes = [seats.crop(tiny, RECIPE, picture, face(200, unit)).image.width for unit in (native / 8, native / 3.3)]
    assert sizes[0] == native < sizes[1] <= 1.5 * native and sizes[1] % tiny.factor == 0


def test_a_map_is_kept_off_the_faces_beside_it(tiny: Model):
    picture = Image.new("RGB", (200, 128), "gray")
    one, two = face(64, 16), face(112, 16)
    recipe = RECIPE.model_copy(update={"mask": MaskRecipe(grow=0.3)})
    crop = seats.crop(tiny, recipe, picture, one)
    alone, beside = (seats.change_map(recipe, crop, one, found) for found in ([one], [one, two]))
    x, y = (two.landmarks.moved(crop.matrix).eyes - [2, 0]).round().astype(int).clip(0, crop.image.width - 1)
    assert torch.equal(alone, recipes.change_map(recipe, crop))
    assert (beside <= alone).all() and beside[0, 0, y, x] < 1e-3
    eyes = crop.landmarks_in_crop.eyes.round().astype(int)
    assert beside[0, 0, eyes[1], eyes[0]] == alone[0, 0, eyes[1], eyes[0]] > 0.9


# -------------------------------------------------------------------------------------------- in words
def test_a_prompt_for_one_becomes_a_prompt_for_all():
    man, woman = person(ADA, "man"), person(BRUNO, "woman")
    prompt = "oil painting of a stern man, robe, portrait"
    assert seats.side_by_side(prompt, [man]) == prompt
    both = seats.side_by_side(prompt, [man, woman])
    assert both == "oil painting of a stern man beside a woman, robe, portrait"
    orders = [seats.order(Recipe(prompt=both, seed=2**32 - 1), [man, woman], i) for i in (0, 1)]
    assert [order.prompt for order in orders] == [prompt, "oil painting of a stern woman, robe, portrait"]
    assert orders[0].seed == 2**32 - 1 and orders[1].seed == 1_000_002


def test_a_prompt_of_ones_own_stays_for_every_seat():
    two = [person(ADA, "man"), person(BRUNO, "woman")]
    mine = RECIPE.model_copy(update={"prompt": "two friends at a table"})
    assert seats.order(mine, two, 1).prompt == "two friends at a table"
    assert seats.order(RECIPE, two[:1], 0) == RECIPE
