from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from schematic import face_at

from narcis.portrait import images, masks, recipes, stages
from narcis.portrait.faces import Crop, crop
from narcis.portrait.lora import Lora
from narcis.portrait.models import Model
from narcis.recipe import MaskRecipe, Recipe

ORDER = Recipe(
    prompt="a portrait",
    seed=5,
    size=64,
    steps=3,
    guidance=2.0,
    guidance_end=0.5,
    detail_steps=2,
    detail_guidance=3.0,
    mask=MaskRecipe(neck=0.0),
)


@pytest.fixture
def painting() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8))


@pytest.fixture
def cut(painting: Image.Image) -> Crop:
    return crop(painting, face_at(), 64)


def last(moments) -> torch.Tensor:
    *_, (_, _, clean) = moments
    return clean


def test_a_recipe_composes_what_its_numbers_compose(tiny: Model):
    by_hand = stages.compose(tiny, ["a portrait"], [5], steps=3, guidance=2.0, guidance_end=0.5, size=64)
    assert torch.equal(last(recipes.compose(tiny, ORDER)), last(by_hand))


def test_every_number_of_a_recipe_matters(tiny: Model):
    clean = last(recipes.compose(tiny, ORDER))
    changes = [{"seed": 6}, {"guidance": 5.0}, {"guidance_end": 1.0}, {"negative_prompt": "hat"}, {"prompt": "a hat"}]
    changes += [{"guidance_start": 0.5}, {"solver": "dpmpp_2m"}]
    for change in changes:
        other = last(recipes.compose(tiny, ORDER.model_copy(update=change)))
        assert not torch.equal(other, clean), change


def test_a_recipe_refines_what_its_numbers_refine(tiny: Model, painting: Image.Image, cut: Crop):
    change = recipes.change_map(ORDER, cut)
    assert torch.equal(change, masks.change_map(ORDER.mask, cut.landmarks_in_crop, 64))
    left, top = cut.box[:2]
    k = cut.magnification
    part = (round(256 * k), round(256 * k), max(0, round(top * k)), max(0, round(left * k)), 64, 64)
    by_hand = stages.refine(
        tiny,
        images.to_tensor(cut.image),
        change,
        ["a portrait"],
        None,
        [5],
        steps=2,
        guidance=3.0,
        guidance_end=0.5,
        time_ids=[part],
    )
    assert torch.equal(last(recipes.refine(tiny, ORDER, painting, cut, change, None)), last(by_hand))


def test_a_sitter_joins_stage_1_at_the_merge_step_only(tiny: Model, painting: Image.Image):
    width = tiny.id_encoder.config.id_dim  # type: ignore[union-attr]
    sitter = stages.Identity([painting], torch.ones(1, width))
    without = last(recipes.compose(tiny, ORDER))
    assert torch.equal(last(recipes.compose(tiny, ORDER, sitter)), without)
    merged = ORDER.model_copy(update={"merge_step": 1, "prompt": "a portrait of a person"})
    assert not torch.equal(last(recipes.compose(tiny, merged, sitter)), without)


def test_a_picture_is_the_decoded_latents(tiny: Model):
    clean = last(recipes.compose(tiny, ORDER))
    assert recipes.picture(tiny, clean).size == (64, 64)


@pytest.fixture
def with_lora(tiny: Model, golden) -> Model:
    model = replace(tiny, unet=deepcopy(tiny.unet))
    vars(model)["lora"] = Lora(model.unet, golden("lora_weights_old_format.safetensors"))
    return model


def test_each_stage_has_the_recipes_own_lora(with_lora: Model, tiny: Model, painting: Image.Image, cut: Crop):
    sitter = stages.Identity([painting], torch.ones(1, tiny.id_encoder.config.id_dim))  # type: ignore[union-attr]
    change, refine = recipes.change_map(ORDER, cut), recipes.refine
    plain = last(recipes.compose(tiny, ORDER))
    assert torch.equal(last(recipes.compose(with_lora, ORDER)), plain)
    strong = ORDER.model_copy(update={"identity_lora": 1.0})
    assert not torch.equal(last(recipes.compose(with_lora, strong)), plain)

    without = last(refine(tiny, ORDER, painting, cut, change, sitter))
    assert not torch.equal(last(refine(with_lora, ORDER, painting, cut, change, sitter)), without)
    off = ORDER.model_copy(update={"detail_identity_lora": 0.0})
    assert torch.equal(last(refine(with_lora, off, painting, cut, change, sitter)), without)


def test_without_a_sitter_stage_2_has_no_lora(with_lora: Model, tiny: Model, painting: Image.Image, cut: Crop):
    change = recipes.change_map(ORDER, cut)
    refined = [last(recipes.refine(model, ORDER, painting, cut, change, None)) for model in (with_lora, tiny)]
    assert torch.equal(*refined)
