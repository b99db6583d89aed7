"""One face of one picture, and what Stage 2 makes of it under any mask: what a workbench stands on, and a notebook."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait import faces, masks, painting, recipes, seats, steering
from narcis.portrait.faces import SMALLEST, Affine, Crop, Face
from narcis.portrait.masks import WINDOW, Frame
from narcis.portrait.models import Model
from narcis.portrait.sampling import Latents, Moment
from narcis.portrait.stages import Identity
from narcis.recipe import MaskRecipe, Recipe


@dataclass(frozen=True, eq=False)
class Result:
    """A portrait under one mask; likenesses are cosines, None where no face is found or nobody knows whose it is."""

    mask: MaskRecipe
    portrait: Image.Image
    likeness_before: float | None
    likeness: float | None
    outside: float  # largest change where the map is 0, as a fraction of full scale
    repainted: float  # the part of the crop where the map is above 0
    seconds: float | None = None

    def measures(self) -> dict[str, Any]:
        """For a manifest."""
        names = ("likeness_before", "likeness", "outside", "repainted", "seconds")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Easel:
    """A picture, the faces found in it, the one that is worked on, and who is to sit.

    The recipe says all but the mask.
    """

    model: Model
    recipe: Recipe
    picture: Image.Image
    sitter: Identity
    found: Sequence[Face]
    which: int = 0  # of `found`
    notes: list[str] = field(default_factory=list)  # what a person should know about the face

    @classmethod
    def of(
        cls, model: Model, recipe: Recipe, picture: Image.Image, sitter: Identity, which: int | None = None
    ) -> Easel:
        """The largest face of a picture, or the one that is asked for, counted from the left.

        Raises BadInput where there is none, or not that one.
        """
        found = sorted(painting.analysed(model, picture), key=lambda face: face.landmarks.eyes[0])
        if not found:
            raise BadInput("no face is found in the picture; paint it from another seed, or take another", faces=0)
        if which is not None and not 0 <= which < len(found):
            raise BadInput(
                f"face {which} is asked for; the picture shows {len(found)}: name 0 to {len(found) - 1}, from the left",
                faces=len(found),
            )
        largest = max(range(len(found)), key=lambda i: found[i].size)
        chosen = largest if which is None else which
        return cls(model, recipe, picture, sitter, found, chosen, notes(found, chosen))

    @property
    def face(self) -> Face:
        return self.found[self.which]

    @cached_property
    def crop(self) -> Crop:
        return seats.crop(self.model, self.recipe, self.picture, self.face)

    # ------------------------------------------------------------------------------------------- the map
    def change(self, mask: MaskRecipe) -> Float[Tensor, "1 1 h w"]:
        """What of the crop may change, as `seats.change_map` has it in every job."""
        wanted = masks.change_map(mask, self.crop.landmarks_in_crop, self.crop.image.width)
        return wanted if self.share is None else wanted * self.share

    @cached_property
    def share(self) -> Float[Tensor, "1 1 h w"] | None:
        """What of the crop belongs to this face among others: always the same, whatever the mask."""
        others = [face.landmarks.moved(self.crop.matrix) for face in self.found if face is not self.face]
        return masks.own(self.crop.landmarks_in_crop, others, self.crop.image.width) if others else None

    def latents(self, change: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
        """A map as the network sees it."""
        side = self.crop.image.width // self.model.factor
        return steering.shrink(change, (side, side))

    @property
    def frame(self) -> Affine:
        """From the face's own frame, in which strokes lie, to the crop as a unit square."""
        frame, side = Frame(self.crop.landmarks_in_crop), self.crop.image.width
        return np.column_stack([frame.turn.T, frame.landmarks.eyes + 0.5]).astype(np.float32) / side

    # ----------------------------------------------------------------------------------------- the paint
    def refine(self, mask: MaskRecipe) -> Iterator[Moment]:
        """Stage 2, step by step; to stop it, stop asking.  Raises BadInput where the mask changes nothing."""
        change = self.change(mask)
        if not change.any():
            raise BadInput("the map is 0 everywhere, so nothing would be painted; raise a region, or use the brush")
        recipe = self.recipe.model_copy(update={"mask": mask})
        return recipes.refine(self.model, recipe, self.picture, self.crop, change, self.sitter)

    def result(self, mask: MaskRecipe, clean: Latents, seconds: float | None = None) -> Result:
        """The portrait of the last step's clean latents, and its measures."""
        change = self.change(mask)
        refined = recipes.picture(self.model, clean)
        portrait = faces.paste(self.picture, refined, self.crop, change)
        seat = painting.Seat(self.face, self.crop, change, self.sitter)
        told = painting.measures(self.model, painting.Painting(self.picture, [seat], portrait))
        repainted = float((change > 0).float().mean())
        before, after, outside = told["likeness_before"], told["likeness"], told["outside"]
        return Result(mask, portrait, before, after, float(outside or 0), repainted, seconds)

    def paint(self, mask: MaskRecipe) -> Result:
        """All steps at once."""
        started = time.perf_counter()
        clean = painting.last(self.refine(mask)).clean
        return self.result(mask, clean, time.perf_counter() - started)

    def close(self, portrait: Image.Image) -> Image.Image:
        """A portrait's face, cut out as the crop was."""
        return faces.crop(portrait, self.face.landmarks, self.crop.image.width).image


def notes(found: Sequence[Face], which: int) -> list[str]:
    """What a person should know about a face before working on it, a line each."""
    face = found[which]
    told = [f"a face of {round(face.size)} px"]
    if face.size < SMALLEST:
        told.append(f"below {SMALLEST} px little of it is drawn; a larger picture shows more")
    if len(found) > 1:
        told.append(f"{which + 1} of {len(found)}, from the left; nothing of the others changes")
    return told


def extreme(change: Float[Tensor, "1 1 h w"]) -> str:
    """What is wrong with a map that is 0 or 1 all over, empty where nothing is."""
    if not change.any():
        return "The map is 0 everywhere: nothing would be painted. Raise a region, or paint with the brush."
    side = change.shape[-1]
    edge = math.ceil(WINDOW * side)
    if bool((change[..., edge : side - edge, edge : side - edge] > 0.999).all()):
        return "The map is 1 up to the crop's border: nothing ties the face to the picture around it."
    return ""
