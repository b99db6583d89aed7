"""Who sits: the people of a portrait, and which of a composition's faces becomes whose.

A sitter is one or more photos with one clear face each.  Several sitters take several faces of one composition, from
left to right; faces that nobody takes stay as they were painted, and no face is painted over for its neighbour.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait import faces, masks, measure, recipes
from narcis.portrait.faces import Analyser, Crop, Face
from narcis.portrait.models import Model
from narcis.portrait.stages import Identity
from narcis.recipe import Recipe

log = logging.getLogger(__name__)

FURTHER = 1_000_003  # from one seat's seed to the next one's


@dataclass(frozen=True, eq=False)
class Sitter:
    """One person: the photos that show a clear face, that face of each, and the identity they make together."""

    photos: list[Image.Image]
    faces: list[Face]
    identity: Identity

    @property
    def face(self) -> Face:
        return self.faces[0]


def sitter(
    model: Model, analyser: Analyser, photos: Sequence[Image.Image], weight: float = 1.0, class_word: str = ""
) -> Sitter:
    """The person of some photos; the class word overrules the analyser's.

    A photo without one clear face is left out, with its embedding, and the log says why; a person of whom no photo is
    left is refused, and so is one whom nobody recognised where the model's identity encoder needs that.
    """
    kept, found = together(photos, analyser)
    known = all(face.recognised for face in found)
    if not known and model.id_encoder is not None and model.id_encoder.version == 2:
        raise BadInput(
            f"the face analyser {analyser.name} recognises nobody, and PhotoMaker V2 needs to know whom it paints; "
            "choose a model with another analyser, or one with PhotoMaker V1",
            analyser=analyser.name,
        )
    embeddings = np.stack([face.embedding for face in found]) if known else None
    return Sitter(kept, found, Identity(kept, embeddings, weight, class_word or found[0].class_word))


def together(photos: Sequence[Image.Image], analyser: Analyser) -> tuple[list[Image.Image], list[Face]]:
    """The photos that show one clear face, and those faces, in step.  Raises the last refusal where there is none."""
    kept, found, refused = [], [], BadInput("a sitter has no photos; give at least one")
    for number, photo in enumerate(photos, 1):
        try:
            found.append(faces.sitter_face(photo, analyser))
            kept.append(photo)
        except BadInput as error:
            refused = error
            log.warning("photo %d of %d is left out: %s", number, len(photos), error)
    if not kept:
        raise refused
    return kept, found


# ------------------------------------------------------------------------------------- in a composition
def taken(found: Sequence[Face], sitters: Sequence[Identity], painted: bool = False) -> list[Face]:
    """One face for each sitter, or none at all where there are too few.

    The largest, from left to right; where the sitters have `painted` their part of the composition, and its faces are
    recognised, each sitter's is the likest.
    """
    if len(found) < len(sitters):
        return []
    if painted and all(face.recognised for face in found) and all(s.embeddings is not None for s in sitters):
        _, likest = linear_sum_assignment(-likenesses(sitters, found))
        return [found[i] for i in likest]
    largest = sorted(found, key=lambda face: -face.size)[: len(sitters)]
    return sorted(largest, key=lambda face: face.landmarks.eyes[0])


def likenesses(sitters: Sequence[Identity], found: Sequence[Face]) -> Float[np.ndarray, "s f"]:
    """The cosine of every sitter's mean embedding and every face's."""
    people = np.stack([np.asarray(sitter.embeddings).mean(0) for sitter in sitters])
    seen = np.stack([face.embedding for face in found])
    return unit(people) @ unit(seen).T


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)


def missing(found: Sequence[Face], sitters: Sequence[Identity], what: str) -> str:
    """Why nobody can sit, in one line."""
    if not found:
        return f"{what} shows no face; try another seed"
    return f"{what} shows {len(found)} of {len(sitters)} faces; try another seed, or words for {len(sitters)} people"


def nearest(found: Sequence[Face], seat: Face) -> Face | None:
    """Of the faces of a portrait, the one that sits where this one was."""
    reach = float(np.hypot(*seat.landmarks.axis))
    near = [(float(np.hypot(*(face.landmarks.eyes - seat.landmarks.eyes))), i) for i, face in enumerate(found)]
    return found[min(near)[1]] if near and min(near)[0] < reach else None


def likeness(sitter: Identity, face: Face | None) -> float | None:
    """Of a face to a sitter's first photo; None where there is no face, or nobody knows whose."""
    if face is None or sitter.embeddings is None or not face.recognised:
        return None
    return measure.likeness(np.asarray(sitter.embeddings)[0], face.embedding)


def crop(model: Model, recipe: Recipe, picture: Image.Image, face: Face) -> Crop:
    """A face as large as Stage 2 paints it, or larger where that would shrink it."""
    step = model.factor * 2 ** (len(model.unet.config["down_block_types"]) - 1)
    size = faces.crop_size(face.landmarks, recipes.detail_size(model, recipe), step)
    return faces.crop(picture, face.landmarks, size)


def change_map(recipe: Recipe, crop: Crop, face: Face, found: Sequence[Face]) -> Float[Tensor, "1 1 h w"]:
    """The recipe's map of a face's crop, kept off the other faces that were found beside it."""
    others = [other.landmarks.moved(crop.matrix) for other in found if other is not face]
    wanted = recipes.change_map(recipe, crop)
    return wanted * masks.own(crop.landmarks_in_crop, others, crop.image.width) if others else wanted


# -------------------------------------------------------------------------------------------- in words
def side_by_side(prompt: str, sitters: Sequence[Identity]) -> str:
    """A prompt for one as a prompt for all: "a man in a robe" becomes "a man beside a woman in a robe"."""
    first = sitters[0].class_word
    return prompt.replace(f" {first}", f" {row(sitters)}", 1) if len(sitters) > 1 else prompt


def row(sitters: Sequence[Identity]) -> str:
    return " beside a ".join(sitter.class_word for sitter in sitters)


def order(recipe: Recipe, sitters: Sequence[Identity], seat: int) -> Recipe:
    """What Stage 2 paints at one seat: that sitter alone, from a seed of its own; the first has the recipe's."""
    prompt = recipe.prompt.replace(row(sitters), sitters[seat].class_word)
    return recipe.model_copy(update={"prompt": prompt, "seed": (recipe.seed + FURTHER * seat) % 2**32})
