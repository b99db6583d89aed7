"""The whole way of one recipe, for sheets and sweeps; the portrait notebook shows the same steps one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait import faces, measure, recipes
from narcis.portrait.faces import Crop, Face
from narcis.portrait.models import Model
from narcis.portrait.sampling import Moment
from narcis.portrait.stages import Identity
from narcis.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Painting:
    """Stage 1, its face, and what Stage 2 made of it."""

    composition: Image.Image
    face: Face
    crop: Crop
    change: Float[Tensor, "1 1 h w"]
    portrait: Image.Image


def paint(model: Model, recipe: Recipe, sitter: Identity) -> Painting:
    """Both stages.  Raises BadInput where the composition shows no face."""
    if model.analyser is None:
        raise BadInput(f"{model.folder} has no analyser/ to find faces with; choose a model that has one")
    composition = recipes.picture(model, last(recipes.compose(model, recipe)).clean)
    found = model.analyser.analyse(np.asarray(composition))
    if not found:
        raise BadInput(f"the composition of seed {recipe.seed} shows no face; try another seed", seed=recipe.seed)
    crop = faces.crop(composition, found[0].landmarks, model.native_size)
    change = recipes.change_map(recipe, crop)
    refined = recipes.picture(model, last(recipes.refine(model, recipe, composition, crop, change, sitter)).clean)
    return Painting(composition, found[0], crop, change, faces.paste(composition, refined, crop, change))


def measures(model: Model, painting: Painting, sitter: Identity) -> dict[str, float | None]:
    """Likeness before and after (cosines; None where no face is found any more), and the change outside the map."""
    after = model.analyser.analyse(np.asarray(painting.portrait)) if model.analyser else []
    who = np.asarray(sitter.embeddings)[0]
    map_ = faces.on_painting(painting.change, painting.crop, painting.composition.size)
    return {
        "likeness_before": measure.likeness(who, painting.face.embedding),
        "likeness": measure.likeness(who, after[0].embedding) if after else None,
        "outside": measure.outside(map_, painting.composition, painting.portrait),
    }


def last(moments: Iterator[Moment]) -> Moment:
    *_, moment = moments
    return moment
