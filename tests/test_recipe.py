import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narcis.errors import BadInput
from narcis.recipe import MaskRecipe, Recipe

unit = st.floats(0, 1)
masks = st.builds(MaskRecipe, face=unit, hair=unit, neck=unit, grow=unit, curve=st.floats(0.1, 10), ceiling=unit)
recipes = st.builds(
    Recipe,
    words=st.text(max_size=80),
    keywords=st.lists(st.text(max_size=9), max_size=4),
    prompt=st.text(min_size=1, max_size=99),
    seed=st.integers(0, 2**32 - 1),
    guidance=st.floats(1, 30),
    merge_step=st.none() | st.integers(0, 150),
    mask=masks,
    weights=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    photos=st.lists(st.text(max_size=9), max_size=2),
)


@given(recipes)
def test_a_recipe_survives_json(recipe: Recipe):
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe and again.hash() == recipe.hash() and hash(again) == hash(recipe)


def test_the_hash_of_a_mask_is_the_sha256_of_its_sorted_json():
    """Worked out by hand from the file format, so that other programs can check a recipe."""
    import hashlib

    text = json.dumps(json.loads(MaskRecipe().to_json()), sort_keys=True)
    assert MaskRecipe().hash() == hashlib.sha256(text.encode()).hexdigest()


def test_any_change_changes_the_hash():
    recipe = Recipe(prompt="a portrait", seed=1)
    changed = [{"seed": 2}, {"guidance": 4.5}, {"mask": MaskRecipe(neck=0.4)}, {"photos": ("ab",)}, {"merge_step": 0}]
    assert len({recipe.hash(), *(recipe.model_copy(update=change).hash() for change in changed)}) == 6


def test_whole_numbers_and_fractions_of_one_value_are_one_recipe():
    assert Recipe(prompt="a", seed=1, guidance=3).hash() == Recipe(prompt="a", seed=1, guidance=3.0).hash()


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 151}, "steps is 151"),
        ({"steps": "20"}, "steps is '20'"),
        ({"steps": True}, "steps is True"),
        ({"guidance": 0.5}, "guidance is 0.5"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"identity_weight": 2.1}, "identity_weight is 2.1"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"prompt": ""}, "prompt is ''"),
        ({"class_word": "dog"}, "class_word is 'dog'"),
        ({"words": "x" * 500}, "words is 'xxx"),
        ({"stpes": 3}, "no stpes; it has version, words"),
        ({"version": 2}, "version is 2"),
        ({"mask": {"face": 2.0}}, "face is 2.0"),
        ({"mask": {"floor": 0.9, "ceiling": 0.1}}, "floor 0.9 is above ceiling 0.1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(wrong: dict, said: str):
    with pytest.raises(BadInput) as refused:
        Recipe(**{"prompt": "a", "seed": 1, **wrong})
    assert said in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"prompt": "a"}', '{"prompt": "a", "seed": NaN}'])
def test_json_that_is_no_recipe_is_refused(text: str):
    with pytest.raises(BadInput):
        Recipe.from_json(text)


def test_a_recipe_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        MaskRecipe().face = 0.5  # type: ignore[misc]


def test_the_default_mask_repaints_the_head_and_blends_the_neck():
    mask = MaskRecipe()
    assert {mask.face, mask.brows, mask.eyes, mask.nose, mask.mouth, mask.forehead, mask.hair} == {1.0}
    assert 0 < mask.neck < 1 and mask.feather > 0


def test_what_stage_2_does_leaves_the_composition_as_it_is():
    recipe = Recipe(prompt="a queen", seed=3)
    second = {"detail_steps": 9, "identity_weight": 0.5, "mask": MaskRecipe(hair=0.0), "photos": ("ab",)}
    assert recipe.model_copy(update=second).composition_cause == recipe.composition_cause
    for name, value in {"seed": 4, "prompt": "a king", "steps": 21, "weights": {"unet": "ff"}}.items():
        assert recipe.model_copy(update={name: value}).composition_cause != recipe.composition_cause


def test_a_sitter_that_joins_in_stage_1_is_part_of_its_cause():
    joined = Recipe(prompt="a queen", seed=3, merge_step=5)
    assert joined.model_copy(update={"photos": ("ab",)}).composition_cause != joined.composition_cause
