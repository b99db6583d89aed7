"""What a recipe means: its two stages and its map, with every number taken from it."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.portrait import images, masks, sdxl, stages
from narcis.portrait.faces import Crop
from narcis.portrait.models import Model
from narcis.portrait.sampling import Latents, Moment
from narcis.recipe import Recipe


def compose(model: Model, recipe: Recipe, identity: stages.Identity | None = None) -> Iterator[Moment]:
    """Stage 1 of one recipe; the sitter takes part only where the recipe has a merge step."""
    joins = [identity] if identity is not None and recipe.merge_step is not None else None
    return stages.compose(
        model,
        [recipe.prompt],
        [recipe.seed],
        steps=recipe.steps,
        guidance=recipe.guidance,
        guidance_start=recipe.guidance_start,
        guidance_end=recipe.guidance_end,
        negative=recipe.negative_prompt or None,
        size=recipe.size,
        schedule=recipe.schedule,
        solver=recipe.solver,
        merge_step=recipe.merge_step if joins else None,
        identities=joins,
        identity_lora=recipe.identity_lora,
    )


def detail_size(model: Model, recipe: Recipe) -> int:
    """The side at which Stage 2 sees a face: the model's own, or the whole picture's where that is smaller."""
    return min(recipe.size or model.native_size, model.native_size)


def change_map(recipe: Recipe, crop: Crop) -> Float[Tensor, "1 1 h w"]:
    """What of the crop may change: 1 from the first step on, 0 not at all."""
    return masks.change_map(recipe.mask, crop.landmarks_in_crop, crop.image.width)


def refine(
    model: Model,
    recipe: Recipe,
    painting: Image.Image,
    crop: Crop,
    change: Float[Tensor, "1 1 h w"],
    identity: stages.Identity | None,
) -> Iterator[Moment]:
    """Stage 2 of one recipe: the crop of its painting, as the sitter."""
    left, top, *_ = crop.box
    part = sdxl.crop_of(
        (painting.height, painting.width), (top, left), crop.magnification, (crop.image.height, crop.image.width)
    )
    return stages.refine(
        model,
        images.to_tensor(crop.image),
        change,
        [recipe.prompt],
        [identity] if identity else None,
        [recipe.seed],
        steps=recipe.detail_steps,
        merge_step=recipe.detail_merge_step,
        guidance=recipe.detail_guidance,
        guidance_start=recipe.guidance_start,
        guidance_end=recipe.guidance_end,
        negative=recipe.negative_prompt or None,
        schedule=recipe.schedule,
        solver=recipe.solver,
        time_ids=[part],
        identity_lora=recipe.detail_identity_lora if identity else 0.0,
    )


def picture(model: Model, clean: Latents) -> Image.Image:
    """The picture of one recipe's clean latents."""
    (decoded,) = images.to_image(sdxl.decode(model, clean))
    return decoded
