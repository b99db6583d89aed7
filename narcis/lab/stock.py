"""Figures of what can be loaded and of what it takes: the shelf of weights, and time and memory by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from PIL import Image

from narcis.lab.figures import CAPTION, GAP, HEADING, PANEL, Drawing, in_style, lay
from narcis.lab.gauge import Spent
from narcis.portrait import weights
from narcis.portrait.catalogue import Entry
from narcis.portrait.weights import House

WIDTH, ROW = 9.2, 0.42  # inches of a figure, and of one of its rows
FREE, BARRED, PAPER, INK, PALE = "#4c6b3c", "#9e2b25", "#f6f1e7", "#3a2f28", "#8a7a6a"
STAGES = {"load": "#7a6a5a", "compose": "#2b6a9b", "decode": "#a99bd0", "sitter": "#dca62f", "refine": "#9e2b25"}
LONGEST = 20  # characters of a name that have room
LEAST = 1e6  # bytes where the scale of sizes begins


@in_style
def shelf(entries: Sequence[Entry], house: House, title: str = "") -> Drawing:
    """Every set of weights by its size: filled where it is here, an outline where it is not, red where production
    refuses it."""
    height = HEADING + ROW * len(entries) + 0.62
    drawing = Drawing(figsize=(WIDTH, height))
    drawing.text(0.1 / WIDTH, 1 - 0.2 / height, title, fontsize=10, va="center")
    axes = drawing.add_axes((0.19, 0.5 / height, 0.29, ROW * len(entries) / height))
    for row, one in enumerate(entries):
        place = weights.place(one, house.models)
        book(axes, row, one, place, one.licence.production or one.name in house.licensed)
    axes.set(xscale="log", xlim=(LEAST, 2e10), ylim=(len(entries) - 0.5, -0.5))
    axes.set_yticks(range(len(entries)), [one.name for one in entries], fontsize=8, color=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: bytes_said(size)))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend = [
        Patch(facecolor=FREE, label="production may use it"),
        Patch(facecolor=BARRED, label="production refuses it"),
    ]
    legend.append(Patch(facecolor=PAPER, edgecolor=PALE, label="not here"))
    explain(drawing, legend)
    return drawing


def book(axes: Axes, row: int, one: Entry, place: Path | None, free: bool) -> None:
    """One row: its bar, and beside it what it is and on what terms."""
    colour = FREE if free else BARRED
    exact = weights.bytes_here(one, place) if place else one.size
    size = exact or one.about or LEAST
    face, line = (colour if place else PAPER), ("-" if exact else ":")
    axes.barh(row, size - LEAST, left=LEAST, height=0.56, color=face, edgecolor=colour, linewidth=0.9, linestyle=line)
    shown = bytes_said(size) if exact else f"about {bytes_said(size)}"
    axes.text(2.6e10, row - 0.17, one.title, fontsize=7, va="center", color=INK, clip_on=False)
    axes.text(
        2.6e10, row + 0.2, f"{shown} · {one.licence.name}", fontsize=6.5, va="center", color=colour, clip_on=False
    )


@in_style
def gallery(rows: Mapping[str, Sequence[Image.Image]], columns: Sequence[str], title: str = "") -> Drawing:
    """Every model's pictures in a row of its own, each under its column's name; a row may be shorter."""
    side, row = PANEL - GAP, PANEL + CAPTION
    width, height = len(columns) * PANEL, len(rows) * row + HEADING
    drawing = Drawing(figsize=(width, height))
    drawing.text(0.1 / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    for i, (name, pictures) in enumerate(rows.items()):
        bottom = height - HEADING - (i + 1) * row + GAP
        for j, picture in enumerate(pictures):
            box = ((j * PANEL + GAP / 2) / width, bottom / height, side / width, side / height)
            lay(drawing.add_axes(box), picture, f"{short(name)}, {columns[j]}")
    return drawing


@in_style
def spent(models: Mapping[str, Sequence[Spent]], title: str = "") -> Drawing:
    """Every model's stages: how long each took, one after the other, and the most memory while it ran."""
    height = HEADING + 0.52 * len(models) + 0.75
    drawing = Drawing(figsize=(WIDTH, height))
    drawing.text(0.1 / WIDTH, 1 - 0.2 / height, title, fontsize=10, va="center")
    box = (0.5 / height, 0.52 * len(models) / height)
    times = drawing.add_axes((0.13, box[0], 0.4, box[1]))
    memory = drawing.add_axes((0.59, box[0], 0.4, box[1]))
    for row, stages in enumerate(models.values()):
        lay_times(times, row, stages)
        lay_memory(memory, row, stages)
    for axes, label in ((times, "seconds"), (memory, "the most memory at a time")):
        axes.set(ylim=(len(models) - 0.5, -0.5), xlabel=label)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    times.set_yticks(range(len(models)), [short(name) for name in models], fontsize=8, color=INK)
    memory.set_yticks([])
    memory.set_xlim(left=0)
    memory.xaxis.set_major_formatter(FuncFormatter(lambda size, _: bytes_said(size) if size else "0"))
    known = {one.stage for stages in models.values() for one in stages}
    legend = [Patch(facecolor=colour, label=stage) for stage, colour in STAGES.items() if stage in known]
    explain(drawing, legend)
    return drawing


def explain(drawing: Drawing, colours: Sequence[Patch]) -> None:
    """What the colours mean, on the title's line."""
    place = (0.995, 1 - 0.2 / drawing.get_figheight())
    drawing.legend(
        handles=colours, loc="center right", ncols=len(colours), frameon=False, fontsize=7, bbox_to_anchor=place
    )


def lay_times(axes: Axes, row: int, stages: Sequence[Spent]) -> None:
    ends = np.cumsum([one.seconds for one in stages])
    for one, end in zip(stages, ends, strict=True):
        axes.barh(row, one.seconds, left=end - one.seconds, height=0.5, color=STAGES.get(one.stage, PALE))
    axes.text(ends[-1], row, f"  {ends[-1]:.1f} s", fontsize=7, va="center", color=INK)
    axes.margins(x=0.14)


def lay_memory(axes: Axes, row: int, stages: Sequence[Spent]) -> None:
    """A dot for each stage; their order is the colours'."""
    most = max(one.bytes for one in stages)
    axes.hlines(row, 0, most, color=PALE, linewidth=0.6)
    for place, one in zip(np.linspace(-0.16, 0.16, len(stages)), stages, strict=True):
        axes.plot(one.bytes, row + place, "o", color=STAGES.get(one.stage, PALE), markersize=4.5)
    axes.text(most, row, f"    {bytes_said(most)}", fontsize=7, va="center", color=INK)
    axes.margins(x=0.16)


def short(name: str) -> str:
    """A name's end, where it is a long path."""
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def bytes_said(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
