"""A picture made again from what its manifest says of it: is it the same, and if not, why not?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.lab import progress
from narcis.lab.progress import Film
from narcis.portrait import images, measure, painting, recipes, seats, sitters
from narcis.portrait.models import Model
from narcis.portrait.seats import Sitter
from narcis.recipe import Recipe

# Along a side, each held to the tolerance by itself.  With mini a tile is off by 0.0005 at most where torch counts in
# another number of threads, by 0.004 in bfloat16, and by 0.5 where somebody else sits: 0.02 lies well between.
TILES = 16

# What the manifest's parameters may hold that no recipe does, and what it means for the picture.
BEYOND = {
    "face_at": "its face was placed by hand, at {}, which no recipe holds",
    "picture": "it was painted over the picture {}, which no recipe holds",
}


@dataclass(frozen=True)
class Original:
    """A finished picture and what its manifest says of it."""

    path: Path
    recipe: Recipe
    made_on: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)  # the run's parameters

    @property
    def picture(self) -> Image.Image:
        with Image.open(self.path) as picture:
            return picture.convert("RGB")


@dataclass(frozen=True)
class Verdict:
    """How far two pictures are apart, in parts of full scale; `tile` is the mean of the tile that differs most."""

    match: Literal["exact", "close", "different"]
    largest: float
    mean: float
    tile: float
    tolerance: float

    @property
    def said(self) -> str:
        if self.match == "exact":
            return "it is the same picture, bit for bit"
        far = f"a tile differs by {self.tile:.2%} of the scale at most, and {self.tolerance:.2%} is allowed"
        same = {"close": "it is the same picture within tolerance", "different": "it is not the same picture"}
        return f"{same[self.match]}: {far}"


# What is said where nothing is otherwise and the pictures still are not the same.
UNKNOWN = "nothing that the manifest tells of is otherwise: this narcis reads the recipe in another way than it did"


# ------------------------------------------------------------------------------------------- the original
def read(picture: str, recipe: str = "") -> Original:
    """A picture of a run's folder, or any with its recipe as JSON.  Raises NotFound, BadInput."""
    path = Path(picture).expanduser()
    if not path.is_file():
        raise NotFound(f"there is no picture {path}; name one in the images/ of a run's folder")
    if recipe:
        return Original(path, Recipe.from_json(recipe))
    run = RunFolder(path.resolve().parents[1])
    manifest = run.manifest()
    entry = next((one for one in manifest.get("images", []) if run.path / one["file"] == path.resolve()), None)
    if entry is None:
        raise NotFound(f"no manifest.json tells of {path}; give its recipe too, or name a picture in a run's images/")
    if not entry.get("recipe"):
        raise BadInput(f"{path} has no recipe in its manifest, so nobody can know what made it")
    asked = manifest.get("parameters") or {}
    return Original(path, Recipe(**entry["recipe"]), entry.get("made_on") or {}, entry.get("measures") or {}, asked)


def photos(recipe: Recipe, *given: str) -> list[Path]:
    """The sitters' photos: those that are given, in their order, else the bundled ones of the recipe's hashes.

    Raises NotFound for one that is neither.
    """
    bundled = {images.sha256(path): path for path in sitters.bundled().values()}
    wanted = max(len(recipe.photos), sum(map(bool, given)))
    found = []
    for n in range(wanted):
        hash = recipe.photos[n] if n < len(recipe.photos) else ""
        path = Path(given[n]).expanduser() if n < len(given) and given[n] else bundled.get(hash)
        if path is None:
            raise NotFound(
                f"the photo of sitter {n + 1} (sha256 {hash[:12]}…) is not among those that ship; "
                f"give it with {'--face' if n == 0 else '--beside'}",
                sha256=hash,
            )
        found.append(path)
    return found


# ------------------------------------------------------------------------------------------ made again
def people(model: Model, recipe: Recipe, paths: Sequence[Path]) -> list[Sitter]:
    """Who sits, as the portrait's notebook has it: the recipe's class word is the first one's."""
    if not paths:
        return []
    if model.analyser is None:
        raise BadInput(f"{model.folder} has no analyser/ to find faces with; choose a model that has one")
    return [
        seats.sitter(
            model,
            model.analyser,
            [images.open_photo(path)],
            recipe.identity_weight,
            recipe.class_word if n == 0 else "",
        )
        for n, path in enumerate(paths)
    ]


def paint(model: Model, recipe: Recipe, people: Sequence[Sitter], run: RunFolder) -> tuple[Film, Image.Image]:
    """Both stages, or the first alone where nobody sits; the film is the first one's."""
    identities = [one.identity for one in people]
    joins = identities[0] if len(identities) == 1 else None
    film = progress.follow(recipes.compose(model, recipe, joins), model, run, "compose")
    composition = recipes.picture(model, film.clean)
    if not identities:
        return film, composition
    portrait = painting.seated(model, recipe, composition, identities).portrait
    run.tell("refine", 1, 1)
    return film, portrait


def compare(original: Image.Image, again: Image.Image, tolerance: float) -> Verdict:
    """Two pictures are the same within tolerance if no tile of 16 × 16 differs by more than that on average.

    A mean over the whole picture would not see a face that has become another's.
    """
    if original.size != again.size:
        return Verdict("different", 1.0, 1.0, 1.0, tolerance)
    apart = np.abs(measure.in_units(original) - measure.in_units(again)).mean(2)
    if not apart.any():
        return Verdict("exact", 0.0, 0.0, 0.0, tolerance)
    high, wide = (math.ceil(side / TILES) for side in apart.shape)
    rows = [
        apart[y : y + high, x : x + wide]
        for y in range(0, apart.shape[0], high)
        for x in range(0, apart.shape[1], wide)
    ]
    tile = max(float(part.mean()) for part in rows)
    largest = float(np.abs(measure.in_units(original) - measure.in_units(again)).max())
    return Verdict("close" if tile <= tolerance else "different", largest, float(apart.mean()), tile, tolerance)


# ---------------------------------------------------------------------------------------------- why not
def differences(original: Original, model: Model, paths: Sequence[Path]) -> list[str]:
    """What is otherwise than it was when the picture was painted, a line each; the weightiest first."""
    recipe = original.recipe
    return [
        *other_weights(recipe, model),
        *other_photos(original, paths),
        *beyond(original),
        *other_machine(original, model),
    ]


def other_weights(recipe: Recipe, model: Model) -> list[str]:
    if not recipe.weights:
        return ["its recipe does not say which weights painted it"]
    both = recipe.weights.keys() & model.hashes.keys()
    told = [(sorted(name for name in both if recipe.weights[name] != model.hashes[name]), "are others")]
    told += [(sorted(recipe.weights.keys() - both), "are not here"), (sorted(model.hashes.keys() - both), "are new")]
    return [f"these weights of {recipe.model} {what}: {', '.join(names)}" for names, what in told if names]


def other_photos(original: Original, paths: Sequence[Path]) -> list[str]:
    hashes, known = [images.sha256(path) for path in paths], original.recipe.photos
    if not hashes and original.measures.get("likeness") is not None:
        return ["it shows a sitter whom its recipe does not name; give the photo"]
    if not known and hashes:
        return ["its recipe does not say which photo it was painted from"]
    return [
        f"{path.name} is not the photo of the recipe (sha256 {hash[:12]}…, not {wanted[:12]}…)"
        for path, hash, wanted in zip(paths, hashes, known, strict=False)
        if hash != wanted
    ]


def beyond(original: Original) -> list[str]:
    return [said.format(value) for name, said in BEYOND.items() if (value := original.asked.get(name))]


def other_machine(original: Original, model: Model) -> list[str]:
    """By what besides the recipe moves a pixel; a run of before that was written down tells its dtype alone."""
    then = {"dtype": original.recipe.dtype} | dict(original.made_on)
    return [
        f"{name} was {then[name]} and is {value}"
        for name, value in model.made_on.items()
        if name in then and then[name] != value
    ]


def facts(original: Original, verdict: Verdict, why: Sequence[str]) -> dict[str, Any]:
    """For a manifest."""
    told = {name: getattr(verdict, name) for name in ("match", "largest", "mean", "tile", "tolerance", "said")}
    why = why or [UNKNOWN] * (verdict.match == "different")
    return {**told, "differences": list(why), "original": str(original.path), "recipe_hash": original.recipe.hash()}


def stored(recipe: Recipe) -> str:
    """A recipe in a few lines, for people."""
    names = ("prompt", "seed", "steps", "detail_steps", "identity_weight", "model", "dtype")
    return json.dumps({name: getattr(recipe, name) for name in names}, indent=1, ensure_ascii=False)
