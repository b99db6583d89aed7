"""A sweep: one recipe varied along axes, every cell painted once, and the best by a rule that is written down.

A finished cell is a PNG in the run's `stages`, named by its recipe's hash, its measures inside: a sweep that was
interrupted, or that got another axis, goes on from what is there.  The table is CSV and no parquet, which would cost
every installation the 45 MB of pyarrow: ten thousand cells are a megabyte, and any reader of parquet reads CSV too.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from narcis.errors import BadInput
from narcis.folder import RunFolder
from narcis.lab import kept
from narcis.lab.progress import SIDE, Bar
from narcis.portrait import measure, painting, recipes, schedules, seats, steering
from narcis.portrait.models import Model
from narcis.portrait.stages import Identity
from narcis.recipe import MaskRecipe, Recipe

LOOP = ("seed", "size", "schedule", "solver", "steps", "guidance", "guidance_start", "guidance_end", "merge_step")
FACE = ("detail_steps", "detail_merge_step", "detail_guidance", "identity_weight", "detail_identity_lora")
MASK = tuple(f"mask_{name}" for name in MaskRecipe.model_fields if name not in ("version", "strokes"))
KNOWN = (*LOOP, *FACE, *MASK)
MOST = 100_000  # cells: a million would fill most disks
UNASKED = 500  # cells that start without a word
LONG = 3600  # seconds from which a sweep of any size is asked about
WIDEST = 12  # values of an axis on a page
GLIMPSES = 20  # previews of the whole sweep

Axes = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Cell:
    """One point of the sweep: its place on each axis, and what it paints."""

    place: tuple[int, ...]
    values: dict[str, Any]
    recipe: Recipe

    @property
    def file(self) -> str:
        """Its name among the stages."""
        return f"cell-{self.recipe.hash()}.png"


@dataclass(frozen=True)
class Done:
    """A painted cell; its measures are None where the composition shows no face."""

    cell: Cell
    path: Path
    measures: dict[str, float | None]

    def picture(self) -> Image.Image | None:
        """None where nothing could be painted, or the disk took nothing."""
        if self.measures.get("likeness_before") is None and self.measures.get("outside") is None:
            return None
        return Image.open(self.path).convert("RGB") if self.path.is_file() else None


# ---------------------------------------------------------------------------------------------- the axes
def axes(text: str) -> dict[str, list[Any]]:
    """ "identity_weight=0.5,1; seed=0..9" as values by name.  Raises BadInput, which lists what can be swept."""
    found: dict[str, list[Any]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, sign, listed = (piece.strip() for piece in part.partition("="))
        if not sign or not listed:
            raise BadInput(f"axis {part!r} is no name=value,value; write for example identity_weight=0.5,1,1.5")
        if name not in KNOWN:
            raise BadInput(f"{name} cannot be swept; what can is {', '.join(KNOWN)}", known=list(KNOWN))
        if name in found:
            raise BadInput(f"axis {name} is given twice; give all of its values at once")
        found[name] = values(name, listed)
    if not found:
        raise BadInput("no axis is given; write for example identity_weight=0.5,1,1.5; mask_feather=0.05,0.15")
    return found


def values(name: str, listed: str) -> list[Any]:
    """Numbers, names, and whole numbers from..to; each once, in their order."""
    found: list[Any] = []
    for piece in (piece.strip() for piece in listed.split(",")):
        if span := re.fullmatch(r"(\d{1,10})\.\.(\d{1,10})", piece):
            low, high = map(int, span.groups())
            if not low <= high < low + MOST:
                raise BadInput(f"{name}={piece} must rise, by less than {MOST}")
            found += range(low, high + 1)
        else:
            found.append(literal(piece))
    if "" in found:
        raise BadInput(f"axis {name} has an empty value in {listed!r}; write for example 0.5,1,1.5")
    return list(dict.fromkeys(found))


def literal(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def cells(base: Recipe, axes: Axes) -> list[Cell]:
    """Every combination, those of one composition one after the other.  Raises BadInput, also for far too many."""
    if (number := math.prod(map(len, axes.values()))) > MOST:
        raise BadInput(f"the axes have {number} cells; at most {MOST} can be swept: take fewer values", cells=number)
    found = []
    for place in product(*(range(len(listed)) for listed in axes.values())):
        taken = {name: listed[i] for (name, listed), i in zip(axes.items(), place, strict=True)}
        found.append(Cell(place, taken, varied(base, taken)))
    order = {cause: n for n, cause in enumerate(dict.fromkeys(cell.recipe.composition_cause for cell in found))}
    return sorted(found, key=lambda cell: order[cell.recipe.composition_cause])


def varied(base: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with these values, checked here, so that no sweep ends half-way at one that cannot be."""
    knobs = {name.removeprefix("mask_"): value for name, value in values.items() if name in MASK}
    others = {name: value for name, value in values.items() if name not in MASK}
    recipe = Recipe(**{**dict(base), **others, "mask": MaskRecipe(**{**dict(base.mask), **knobs})})
    schedules.schedule(recipe.schedule, recipe.steps)
    steering.solved(recipe.solver, lambda x, step: x)
    for name, steps in (("merge_step", recipe.steps), ("detail_merge_step", recipe.detail_steps)):
        if (merge := getattr(recipe, name) or 0) >= steps:
            raise BadInput(f"{name} is {merge} of {steps} steps; identity would never join: take less, or more steps")
    return recipe


# -------------------------------------------------------------------------------------------- the cost
@dataclass(frozen=True)
class Plan:
    """What a sweep is going to take."""

    cells: int
    painted: int  # of them in an earlier attempt
    compositions: int  # distinct ones that are to be painted
    steps: int  # of a network, a guided one counted twice
    seconds: float
    bytes: int  # on disk, at most

    @property
    def said(self) -> str:
        left = self.cells - self.painted
        before = f", {self.painted} of them painted before" if self.painted else ""
        return (
            f"{self.cells} cells{before}: {self.compositions} compositions and {left} faces to paint, "
            f"about {lasting(self.seconds)} and at most {self.bytes / 1e6:.0f} MB"
        )

    def confirmed(self, confirm: bool) -> None:
        """Raises BadInput for a large or long sweep that nobody has confirmed."""
        if not confirm and (self.cells - self.painted > UNASKED or self.seconds > LONG):
            raise BadInput(f"{self.said}; set confirm to true to start it, or take fewer values", cells=self.cells)


def plan(model: Model, cells: Sequence[Cell], run: RunFolder) -> Plan:
    """Two steps are taken to see how fast this machine is; what was painted before is not counted again."""
    left = [cell for cell in cells if not (run.stages / cell.file).is_file()]
    stages = {cell.recipe.composition_cause: cell.recipe for cell in left}
    new = [order for cause, order in stages.items() if not (run.stages / f"{cause}.safetensors").is_file()]
    steps = sum(evaluations(o.steps, o.guidance, o) for o in new)
    steps += sum(evaluations(c.recipe.detail_steps, c.recipe.detail_guidance, c.recipe) for c in left)
    side = max(((cell.recipe.size or model.native_size) for cell in cells), default=0)
    seconds = steps * pace(model, left[0].recipe) if left else 0.0
    return Plan(len(cells), len(cells) - len(left), len(new), steps, seconds, 3 * side * side * len(left))


def evaluations(steps: int, guidance: float, recipe: Recipe) -> int:
    """How often the network is asked: twice in a guided step."""
    first, last = (steering.steps_before(f, steps) for f in (recipe.guidance_start, recipe.guidance_end))
    return steps + (last - first if guidance > 1 else 0)


def pace(model: Model, recipe: Recipe) -> float:
    """Seconds for asking the network once; the first step, which also wakes it, is not counted."""
    plain = {"steps": 2, "guidance": 1.0, "merge_step": None}
    moments = recipes.compose(model, recipe.model_copy(update=plain))
    next(moments)
    started = time.perf_counter()
    next(moments).clean.cpu()
    return time.perf_counter() - started


def lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# ----------------------------------------------------------------------------------------- the painting
def paint(model: Model, cells: Sequence[Cell], sitter: Identity, run: RunFolder) -> Iterator[Done]:
    """Every cell, those of an earlier attempt as they lie; to stop, stop asking."""
    known = {cell.file: one for cell in cells if (one := found(run, cell))}
    parts = len({cell.recipe.composition_cause for cell in cells})
    every, done = max(1, len(cells) // GLIMPSES), 0
    for part, (_, alike) in enumerate(groupby(cells, key=lambda cell: cell.recipe.composition_cause)):
        composition = None
        for cell in alike:
            if (one := known.get(cell.file)) is None:
                composition = composition or compose(model, cell.recipe, sitter, run, part, parts)
                one = painted(model, cell, composition, sitter, run)
            done += 1
            tell(run, one, done, len(cells), every)
            yield one


def painted(model: Model, cell: Cell, composition: Image.Image, sitter: Identity, run: RunFolder) -> Done:
    """One cell, kept as soon as it is finished."""
    picture, measures = face(model, cell.recipe, composition, sitter)
    run.keep(cell.file, written(picture, measures))
    return Done(cell, run.stages / cell.file, measures)


def compose(
    model: Model, recipe: Recipe, sitter: Identity, run: RunFolder, part: int = 0, parts: int = 1
) -> Image.Image:
    """Stage 1, once for all cells that share it."""
    who = weighed(sitter, recipe)
    moments = partial(recipes.compose, model, recipe, who)
    film = kept.follow(recipe.composition_cause, moments, model, run, "compose", part, parts)
    return recipes.picture(model, film.clean)


def face(
    model: Model, recipe: Recipe, composition: Image.Image, sitter: Identity
) -> tuple[Image.Image, dict[str, float | None]]:
    """Stage 2 and its measures; the composition itself and no measures where it shows no face."""
    who, started = weighed(sitter, recipe), time.perf_counter()
    if not seats.taken(painting.analysed(model, composition), [who]):
        return composition, {}
    painted = painting.seated(model, recipe, composition, [who])
    told = painting.measures(model, painted)
    moved = abs(measure.in_units(composition) - measure.in_units(painted.portrait)).mean()
    told |= {"changed": float(moved), "sharpness": measure.sharpness(painted.portrait, painted.seats[0].face.landmarks)}
    return painted.portrait, told | {"seconds": round(time.perf_counter() - started, 3)}


def weighed(sitter: Identity, recipe: Recipe) -> Identity:
    """As much of the sitter as the recipe wants."""
    return replace(sitter, weight=recipe.identity_weight)


def written(picture: Image.Image, measures: dict[str, float | None]) -> bytes:
    """The picture and what was measured, in one file, so that neither is ever there alone."""
    said, file = PngInfo(), io.BytesIO()
    said.add_text("measures", json.dumps(measures))
    picture.save(file, "PNG", pnginfo=said)
    return file.getvalue()


def found(run: RunFolder, cell: Cell) -> Done | None:
    """What an earlier attempt left of a cell."""
    path = run.stages / cell.file
    try:
        with Image.open(path) as picture:
            measures = json.loads(picture.info["measures"])
            picture.verify()
        return Done(cell, path, measures)
    except (OSError, SyntaxError, KeyError, ValueError):  # none there, or one that somebody has damaged
        return None


def tell(run: RunFolder, one: Done, done: int, of: int, every: int) -> None:
    """A line of progress and the bar, now and then with a picture."""
    shown = one.picture() if done % every == 0 or done == of else None
    if shown is not None:
        shown.thumbnail((SIDE, SIDE))
    run.tell("sweep", done, of, run.preview(shown, "sweep", done) if shown else None)
    Bar.of("sweep", done - 1).show(done, of, shown)


# ------------------------------------------------------------------------------------------ what came of it
def ranked(done: Sequence[Done], most_changed: float) -> list[Done]:
    """The likest first, of the cells that change at most so much of the picture, on average and in parts of full scale,
    and nothing outside the map; of equals, the one that was painted first."""
    fair = [one for one in done if one.measures.get("likeness") is not None and not one.measures["outside"]]
    return sorted(
        (one for one in fair if (one.measures["changed"] or 0) <= most_changed),
        key=lambda one: -(one.measures["likeness"] or 0),
    )


def best(done: Sequence[Done], most_changed: float) -> Done:
    """The first of these.  Raises BadInput where there is none."""
    if not (order := ranked(done, most_changed)):
        raise BadInput(
            f"none of {len(done)} cells has a likeness and changes at most {most_changed:g}; "
            "allow more change, other seeds, or a model whose analyser recognises people"
        )
    return order[0]


def shown(axes: Axes) -> tuple[str, str]:
    """The two axes that a page has, down and across: the longest, the longer one across; one alone lies across.

    Seeds are chance, so they are on it only where there is nothing else.
    """
    names = sorted(axes, key=lambda name: (name == "seed", -len(axes[name])))[:2]
    return (names[1], names[0]) if len(names) > 1 else ("", names[0])


def page(axes: Axes, best: Cell) -> dict[str, list[Any]]:
    """The axes, but of long ones on the page only some values, evenly chosen, with the best cell's among them."""
    drawn = {name: list(listed) for name, listed in axes.items()}
    for name in filter(None, shown(axes)):
        listed, most = drawn[name], min(WIDEST, len(drawn[name]))
        places = {round(i * (len(listed) - 1) / max(1, most - 1)) for i in range(most)}
        drawn[name] = [value for i, value in enumerate(listed) if i in places or value == best.values[name]]
    return drawn


def spot(cell: Cell, page: Axes) -> tuple[int, int] | None:
    """A cell's row and column on the page, None where its values are not there."""
    down, across = shown(page)
    rows, row = page.get(down, [""]), cell.values.get(down, "")
    columns, column = page[across], cell.values[across]
    return (rows.index(row), columns.index(column)) if row in rows and column in columns else None


def means(done: Sequence[Done], page: Axes, name: str) -> Float[np.ndarray, "r c"]:
    """A measure on the page's two axes, the mean over all others; nan where nothing was measured."""
    rows, columns = (len(page.get(axis, [""])) for axis in shown(page))
    heaps: dict[tuple[int, int], list[float]] = {}
    for one in done:
        if (value := one.measures.get(name)) is not None and (place := spot(one.cell, page)):
            heaps.setdefault(place, []).append(value)
    table = np.full((rows, columns), np.nan)
    for place, heap in heaps.items():
        table[place] = np.mean(heap)
    return table


def pictures(done: Sequence[Done], page: Axes, like: Done) -> list[list[Image.Image | None]]:
    """The pictures of the page's two axes, on all others those of `like`."""
    rows, columns = (len(page.get(axis, [""])) for axis in shown(page))
    laid: list[list[Image.Image | None]] = [[None] * columns for _ in range(rows)]
    for one in done:
        alike = all(one.cell.values[name] == like.cell.values[name] for name in page if name not in shown(page))
        if alike and (place := spot(one.cell, page)):
            laid[place[0]][place[1]] = one.picture()
    return laid


def labels(page: Axes) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    """The names and values of the page's two sides."""
    down, across = ((name, [str(value) for value in page.get(name, [""])]) for name in shown(page))
    return down, across


def table(done: Sequence[Done]) -> bytes:
    """One line a cell, in CSV: values, measures, the recipe's hash, and the picture's file."""
    names = list(dict.fromkeys(name for one in done for name in one.measures))
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow([*(done[0].cell.values if done else ()), *names, "recipe", "file"])
    for one in done:
        measured = [one.measures.get(name) for name in names]
        lines.writerow([*one.cell.values.values(), *measured, one.cell.recipe.hash(), f"stages/{one.path.name}"])
    return file.getvalue().encode()
