"""The whole way of one recipe, for sheets and sweeps; the portrait notebook shows the same steps one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait import faces, measure, recipes, seats
from narcis.portrait.faces import Crop, Face
from narcis.portrait.models import Model
from narcis.portrait.sampling import Moment
from narcis.portrait.stages import Identity
from narcis.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Seat:
    """One face of a composition, and what Stage 2 was given of it."""

    face: Face
    crop: Crop
    change: Float[Tensor, "1 1 h w"]
    sitter: Identity


@dataclass(frozen=True, eq=False)
class Painting:
    """Stage 1, the faces that sitters took, and what Stage 2 made of them."""

    composition: Image.Image
    seats: list[Seat]
    portrait: Image.Image


def paint(model: Model, recipe: Recipe, sitters: Identity | Sequence[Identity]) -> Painting:
    """Both stages.  Raises BadInput where the composition shows fewer faces than sitters."""
    sitters = [sitters] if isinstance(sitters, Identity) else list(sitters)
    if model.analyser is None:
        raise BadInput(f"{model.folder} has no analyser/ to find faces with; choose a model that has one")
    joins = sitters[0] if len(sitters) == 1 else None
    composition = recipes.picture(model, last(recipes.compose(model, recipe, joins)).clean)
    return seated(model, recipe, composition, sitters)


def seated(model: Model, recipe: Recipe, composition: Image.Image, sitters: Sequence[Identity]) -> Painting:
    """Stage 2 of a composition, face by face."""
    found = analysed(model, composition)
    joined = recipe.merge_step is not None and len(sitters) == 1
    if not (taken := seats.taken(found, sitters, joined)):
        raise BadInput(seats.missing(found, sitters, f"the composition of seed {recipe.seed}"), seed=recipe.seed)
    portrait, done = composition, []
    for seat, (face, sitter) in enumerate(zip(taken, sitters, strict=True)):
        crop = seats.crop(model, recipe, composition, face)
        change = seats.change_map(recipe, crop, face, found)
        moments = recipes.refine(model, seats.order(recipe, sitters, seat), portrait, crop, change, sitter)
        portrait = faces.paste(portrait, recipes.picture(model, last(moments).clean), crop, change)
        done.append(Seat(face, crop, change, sitter))
    return Painting(composition, done, portrait)


def measures(model: Model, painting: Painting) -> dict[str, float | None]:
    """Likeness before and after (cosines; None where no face is found or known any more), and change outside the maps.

    The second seat's likeness is `likeness_2`, and so on.
    """
    after = analysed(model, painting.portrait) if model.analyser else []
    told: dict[str, float | None] = {}
    for number, seat in enumerate(painting.seats, 1):
        end = "" if number == 1 else f"_{number}"
        told[f"likeness_before{end}"] = seats.likeness(seat.sitter, seat.face)
        told[f"likeness{end}"] = seats.likeness(seat.sitter, seats.nearest(after, seat.face))
    return told | {"outside": measure.outside(reached(painting), painting.composition, painting.portrait)}


def reached(painting: Painting) -> Float[Tensor, "1 1 h w"]:
    """Above 0 wherever any seat's map is."""
    size = painting.composition.size
    return torch.stack([faces.on_painting(seat.change, seat.crop, size) for seat in painting.seats]).amax(0)


def analysed(model: Model, picture: Image.Image) -> list[Face]:
    if model.analyser is None:
        raise BadInput(f"{model.folder} has no analyser/ to find faces with; choose a model that has one")
    return model.analyser.analyse(np.asarray(picture))


def last(moments: Iterator[Moment]) -> Moment:
    *_, moment = moments
    return moment
