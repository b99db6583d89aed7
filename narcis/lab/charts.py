"""Charts of numbers: noise levels of schedules, curves of a measure, tables in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from narcis.lab.figures import CAPTION, GAP, HEADING, HEAT, QUIET, RED, Drawing, frame, in_style
from narcis.portrait import schedules

INK = "#3a2f28"
MARKS = "osD^vP*"  # beside colour, a second way to tell lines apart
LEVELS = (0.03, 0.1, 0.3, 1, 3, 10)  # noise levels that have a tick

Series = Mapping[str, Sequence[tuple[float, float | None]]]  # points (x, y) of every line; None where nothing was found


@in_style
def levels(names: Sequence[str], steps: int, chosen: str, title: str = "") -> Drawing:
    """Left, how fast the noise goes; right, where each schedule spends its steps: a dot is a noise level at which the
    network is asked.  Above σ = 3 a composition is decided, below 0.3 only its grain."""
    drawing, (falls, spent) = row(2, 3.1, 2.5, title)
    for place, (name, mark) in enumerate(zip(names, cycle(MARKS), strict=False)):
        sigmas = schedules.schedule(name, steps).sigmas[:-1].numpy()
        pen: dict[str, Any] = strength(name == chosen, place) | {"marker": mark, "markersize": 3.6}
        falls.plot(np.arange(1, steps + 1), sigmas, **pen)
        spent.plot(sigmas, np.full(steps, place), **{**pen, "linewidth": 0.5})
    falls.set(yscale="log", xlabel="step", ylabel="noise level σ", xlim=(0.5, steps + 0.5))
    falls.yaxis.set_major_locator(FixedLocator(LEVELS))
    falls.yaxis.set_major_formatter(FuncFormatter(plain))
    spent.set(xscale="log", xlabel="noise level σ", ylim=(len(names) - 0.5, -0.5))
    spent.xaxis.set_major_locator(FixedLocator(LEVELS))
    spent.xaxis.set_major_formatter(FuncFormatter(plain))
    spent.set_yticks(range(len(names)), list(names))
    spent.tick_params(axis="y", length=0, labelsize=8)
    spent.spines["left"].set_visible(False)
    for axis in (falls.yaxis, spent.xaxis):
        axis.set_minor_locator(NullLocator())
    spent.invert_xaxis()
    return drawing


def strength(chosen: bool, place: int) -> dict[str, Any]:
    """The line that is spoken of is red and stands before the others."""
    if chosen:
        return {"color": RED, "linewidth": 1.8, "zorder": 3}
    return {"color": colour(1 + place % 6), "linewidth": 1.0, "alpha": 0.85}


def colour(n: int) -> str:
    """Of the style's cycle; its names, C0 and so on, mean others by the time that the figure is shown."""
    return to_hex(f"C{n}")


@in_style
def curves(panels: Mapping[str, Series], across: str, name: str, title: str = "") -> Drawing:
    """A panel for each measure, a line for each value of the other knob."""
    drawing, axes = row(len(panels), 3.1, 2.4, title)
    for panel, (measure, lines) in zip(axes, panels.items(), strict=True):
        for place, ((line, points), mark) in enumerate(zip(lines.items(), cycle(MARKS), strict=False)):
            x, y = zip(*points, strict=True)
            shown = np.array([np.nan if value is None else value for value in y], float)
            panel.plot(x, shown, marker=mark, markersize=4, color=colour(place % 7), label=line)
        panel.set(xlabel=across, title=measure)
        panel.set_xticks(sorted({x for points in lines.values() for x, _ in points}))
        panel.xaxis.set_major_formatter(FuncFormatter(plain))
        panel.grid(axis="y", linewidth=0.5)
        panel.margins(x=0.08, y=0.12)
        if not any(value for points in lines.values() for _, value in points):
            panel.set_ylim(0, 0.01)  # a line of zeros lies on the ground
    handles, lines = axes[0].get_legend_handles_labels()
    names = [f"{name} {line}" if place == 0 else line for place, line in enumerate(lines)]
    spot = (0.995, 1 - 0.2 / drawing.get_figheight())
    pen: dict[str, Any] = {"loc": "center right", "frameon": False, "fontsize": 7.5, "bbox_to_anchor": spot}
    drawing.legend(handles, names, ncols=len(names), **pen)
    return drawing


@in_style
def table(
    values: Float[np.ndarray, "r c"],
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    title: str = "",
    marked: tuple[int, int] | None = None,
    pattern: str = "{:.2f}",
) -> Drawing:
    """A number for every pair of the values on the two sides: the darker, the higher.  A dash stands where nothing was
    measured."""
    rows, columns = values.shape
    margin, wide, high = 0.3 + 0.075 * max(map(len, (down[0], *down[1]))), 0.72, 0.36
    wide = max(wide, 0.2 + 0.07 * max(map(len, across[1])))
    width, height = max(margin + columns * wide + 2 * GAP, 3.6), HEADING + 2.4 * CAPTION + rows * high + GAP
    drawing = Drawing(figsize=(width, height))
    drawing.text(GAP / 2 / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    panel = drawing.add_axes((margin / width, GAP / height, columns * wide / width, rows * high / height))
    known = values[np.isfinite(values)]
    low, top = (known.min(), known.max()) if known.size else (0.0, 1.0)
    scaled = (values - low) / (top - low) if top > low else np.where(np.isfinite(values), 0.35, np.nan)
    panel.imshow(np.ma.masked_invalid(scaled), cmap=HEAT, vmin=-0.05, vmax=1.1, aspect="auto", interpolation="nearest")
    for (i, j), value in np.ndenumerate(values):
        pale = np.isfinite(scaled[i, j]) and scaled[i, j] > 0.55
        said = pattern.format(value) if np.isfinite(value) else "–"
        panel.text(j, i, said, ha="center", va="center", fontsize=8, color="#fdf8ec" if pale else INK)
    sides(panel, down, across)
    if marked is not None:
        outline(panel, *marked)
    return drawing


def sides(panel: Axes, down: tuple[str, Sequence[str]], across: tuple[str, Sequence[str]]) -> None:
    """Names and values above and to the left of a table."""
    panel.set_xticks(range(len(across[1])), across[1], fontsize=8)
    panel.set_yticks(range(len(down[1])), down[1], fontsize=8)
    panel.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, labelcolor=INK)
    for spine in panel.spines.values():
        spine.set_visible(False)
    said: dict[str, Any] = {"fontsize": 7.5, "color": QUIET, "style": "italic", "textcoords": "offset points"}
    panel.annotate(f"{across[0]} →", (0, 1), (0, 18), xycoords="axes fraction", **said)
    if down[0]:
        panel.annotate(f"{down[0]} ↓", (0, 1), (-6, 4), xycoords="axes fraction", ha="right", **said)


def outline(panel: Axes, row: int, column: int) -> None:
    """The same red frame as a plate's."""
    spot = panel.inset_axes((column - 0.5, row - 0.5, 1, 1), transform=panel.transData)
    spot.set_axis_off()
    frame(spot)


# -------------------------------------------------------------------------------------------- the parts
def row(columns: int, wide: float, high: float, title: str) -> tuple[Drawing, list[Axes]]:
    """A row of charts under a title, with room for what their axes say."""
    left, below, gap = 0.62, 0.46, 0.72
    width, height = left + columns * wide + (columns - 1) * gap + GAP, HEADING + CAPTION + high + below
    drawing = Drawing(figsize=(width, height))
    drawing.text(GAP / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    boxes = [((left + i * (wide + gap)) / width, below / height, wide / width, high / height) for i in range(columns)]
    return drawing, [drawing.add_axes(box) for box in boxes]


def plain(value: float, _: object = None) -> str:
    return f"{value:g}"
