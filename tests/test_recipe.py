import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narcis.errors import BadInput
from narcis.recipe import MaskRecipe, Recipe, Stroke

unit = st.floats(0, 1)
masks = st.builds(MaskRecipe, face=unit, hair=unit, neck=unit, grow=unit, curve=st.floats(0.1, 10), ceiling=unit)
recipes = st.builds(
    Recipe,
    words=st.text(max_size=80),
    keywords=st.lists(st.text(max_size=9), max_size=4),
    prompt=st.text(min_size=1, max_size=99),
    seed=st.integers(0, 2**32 - 1),
    guidance=st.floats(1, 30),
    guidance_start=st.floats(0, 0.8),
    identity_lora=unit,
    detail_identity_lora=unit,
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
        ({"guidance_start": 0.9}, "guidance_start 0.9 is above guidance_end 0.8"),
        ({"identity_lora": 1.5}, "identity_lora is 1.5"),
        ({"detail_identity_lora": -0.5}, "detail_identity_lora is -0.5"),
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


# What an earlier version wrote beside a picture, and the composition that it names.
OLD = """{"class_word": "woman", "detail_guidance": 4.0, "detail_merge_step": 0, "detail_steps": 14, "dtype": "float32",
"guidance": 4.0, "guidance_end": 0.8, "idea": "", "identity_weight": 1.0, "keywords": [], "mask": {"brows": 1.0,
"ceiling": 1.0, "curve": 1.0, "eyes": 1.0, "face": 1.0, "feather": 0.15, "floor": 0.0, "forehead": 1.0, "grow": 0.04,
"hair": 1.0, "mouth": 1.0, "neck": 0.5, "nose": 1.0, "version": 1}, "merge_step": null, "model": "mini",
"negative_prompt": "", "photos": [], "prompt": "a queen", "schedule": "ays", "seed": 3, "size": null, "steps": 20,
"version": 1, "weights": {}, "words": ""}"""
OLD_CAUSE = "80ac0c4cd0004a3bdb796a37287c035551c337c5c8605ce5a439d61242f6fced"


def test_a_recipe_of_an_earlier_version_means_what_it_meant():
    """No guidance interval, no LoRA in Stage 1, Euler's steps; its composition is still known by its cause."""
    old = Recipe.from_json(OLD)
    assert old == Recipe(prompt="a queen", seed=3, class_word="woman")
    assert (old.guidance_start, old.identity_lora, old.solver) == (0, 0, "euler")
    assert old.composition_cause == OLD_CAUSE


@pytest.mark.parametrize("change", [{"guidance_start": 0.1}, {"identity_lora": 0.5}, {"solver": "dpmpp_2m"}])
def test_interval_lora_and_solver_are_part_of_a_compositions_cause(change: dict):
    recipe = Recipe(prompt="a queen", seed=3)
    assert recipe.model_copy(update=change).composition_cause != recipe.composition_cause


def test_the_lora_of_stage_2_is_not():
    recipe = Recipe(prompt="a queen", seed=3)
    assert recipe.model_copy(update={"detail_identity_lora": 0.0}).composition_cause == recipe.composition_cause


# The default mask's hash before there were strokes.
OLD_MASK = "c94db7b6328d0d3c93de76b53c91ef9c7b501994e146f6396dc32f77cb180b92"


def test_a_mask_without_strokes_is_written_and_hashed_as_before_there_were_any():
    assert MaskRecipe().hash() == OLD_MASK and "strokes" not in Recipe(prompt="a queen", seed=3).to_json()
    assert MaskRecipe.from_json(MaskRecipe().to_json()) == MaskRecipe(strokes=())


def test_strokes_are_part_of_a_mask_its_hash_and_its_json():
    one, two = Stroke(points=((0, 1), (0.5, 1))), Stroke(level=0, points=((0.0, 1.0),))
    masks = [
        MaskRecipe(),
        MaskRecipe(strokes=(one,)),
        MaskRecipe(
            strokes=(
                one,
                two,
            )
        ),
        MaskRecipe(
            strokes=(
                two,
                one,
            )
        ),
    ]
    assert len({mask.hash() for mask in masks}) == 4
    assert all(MaskRecipe.from_json(mask.to_json()) == mask for mask in masks)
    assert all(Recipe.from_json(Recipe(prompt="a", seed=1, mask=mask).to_json()).mask == mask for mask in masks)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"points": []}, "points is []"),
        ({"points": [[0, 99]]}, "points.0.1 is 99"),
        ({"points": [[0, 0]], "radius": 0}, "radius is 0"),
        ({"points": [[0, 0]], "level": 1.1}, "level is 1.1"),
        ({"points": [[0, 0]], "colour": 1}, "has no colour"),
    ],
)
def test_a_stroke_is_checked_like_every_other_number(wrong: dict, said: str):
    with pytest.raises(BadInput) as refused:
        MaskRecipe.from_json(json.dumps({"strokes": [wrong]}))
    assert said in str(refused.value) and "\n" not in str(refused.value)
