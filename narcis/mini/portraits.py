"""Both stages for many orders at once, without a notebook: what `mini check` and `mini sheet` look at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from narcis.errors import BadInput
from narcis.portrait import sdxl, stages
from narcis.portrait.faces import Crop, Face, crop, paste, sitter_face
from narcis.portrait.images import to_image, to_tensor
from narcis.portrait.masks import change_map
from narcis.portrait.models import Model
from narcis.recipe import MaskRecipe

BATCH = 8


@dataclass(frozen=True)
class Order:
    """What to paint, and whom."""

    prompt: str
    photo: Image.Image
    class_word: str
    seed: int


@dataclass
class Painted:
    """What came of an order; without a face in Stage 1 there is no Stage 2, and the portrait is the composition."""

    order: Order
    composition: Image.Image
    portrait: Image.Image
    face: Face | None = None
    crop: Crop | None = None
    change: torch.Tensor | None = field(default=None, repr=False)


def paint(
    model: Model,
    orders: list[Order],
    *,
    steps: int = 20,
    detail_steps: int = 14,
    guidance: float = 2.0,
    mask: MaskRecipe | None = None,
) -> list[Painted]:
    """Every order through both stages, in batches."""
    painted = []
    for i in range(0, len(orders), BATCH):
        painted += paint_batch(model, orders[i : i + BATCH], steps, detail_steps, guidance, mask or MaskRecipe())
    return painted


def paint_batch(
    model: Model, orders: list[Order], steps: int, detail_steps: int, guidance: float, mask: MaskRecipe
) -> list[Painted]:
    prompts, seeds = [o.prompt for o in orders], [o.seed for o in orders]
    *_, last = stages.compose(model, prompts, seeds, steps=steps, guidance=guidance)
    painted = [Painted(o, picture, picture) for o, picture in zip(orders, to_image(sdxl.decode(model, last.clean)))]
    for p in painted:
        find(model, p, mask)
    refine([p for p in painted if p.face], model, detail_steps, guidance)
    return painted


def find(model: Model, p: Painted, mask: MaskRecipe) -> None:
    try:
        p.face = sitter_face(p.composition, analyser_of(model))
    except BadInput:
        return  # told by `face is None`; a check counts these
    p.crop = crop(p.composition, p.face.landmarks, model.native_size)
    p.change = change_map(mask, p.crop.landmarks_in_crop, model.native_size)


def refine(painted: list[Painted], model: Model, steps: int, guidance: float) -> None:
    if not painted:
        return
    crops = torch.cat([to_tensor(p.crop.image) for p in painted if p.crop])
    changes = torch.cat([p.change for p in painted if p.change is not None])
    identities = [identity(model, p.order) for p in painted]
    sizes = [part_of(p.composition, p.crop) for p in painted if p.crop]
    prompts, seeds = [p.order.prompt for p in painted], [p.order.seed for p in painted]
    *_, last = stages.refine(
        model, crops, changes, prompts, identities, seeds, steps=steps, guidance=guidance, time_ids=sizes
    )
    for p, refined in zip(painted, to_image(sdxl.decode(model, last.clean))):
        assert p.crop is not None and p.change is not None
        p.portrait = paste(p.composition, refined, p.crop, p.change)


def part_of(picture: Image.Image, face: Crop) -> tuple[int, ...]:
    """SDXL's six numbers of a crop: the truth about how much of the picture it is."""
    left, top, *_ = face.box
    return sdxl.crop_of(
        (picture.height, picture.width), (top, left), face.magnification, (face.image.height, face.image.width)
    )


def identity(model: Model, order: Order) -> stages.Identity:
    face = sitter_face(order.photo, analyser_of(model))
    return stages.Identity([order.photo], torch.from_numpy(face.embedding[None]), 1.0, order.class_word)


def analyser_of(model: Model):
    if model.analyser is None:
        raise BadInput(f"{model.folder} has no analyser; give a model that has one")
    return model.analyser


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))
