"""Figures of a mask: the faces of a picture, the regions of one, the rings a map becomes, what each knob does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image
from torch import Tensor

from narcis.lab.easel import Easel
from narcis.lab.figures import CAPTION, GAP, HEADING, SIGHT, Drawing, extent, in_style, lay, sheet, trace
from narcis.lab.knobs import Felt
from narcis.portrait import masks, rings
from narcis.portrait.faces import Crop
from narcis.recipe import MaskRecipe

# First step to last: ever lighter, so that grey print and colour-blind eyes see the order; as in the workbench.
RAMP = LinearSegmentedColormap.from_list("rings", ["#741818", "#c46e28", "#e8be6e", "#f6ecd0"])
INK, PALE, RED, BLUE = "#3a2f28", "#8a7a6a", "#9e2b25", "#2f5d7c"


@in_style
def found(easel: Easel, title: str = "") -> Drawing:
    """Every face of the picture, the chosen one's crop outlined; beside it that crop and its landmarks."""
    drawing, (whole, close) = sheet(2, title, panel=3.0)
    others = len(easel.found) - 1
    lay(whole, easel.picture, "one face is found" if not others else f"{others + 1} faces are found, one is worked on")
    for face in easel.found:
        trace(whole, face.landmarks, 0.5)
    square = np.vstack([easel.crop.corners, easel.crop.corners[:1]])
    whole.plot(*square.T, color=SIGHT, linewidth=1.2)
    lay(close, easel.crop.image, f"106 landmarks, {easel.crop.magnification:.2f} × as large")
    trace(close, easel.crop.landmarks_in_crop, 0.9)
    return drawing


@in_style
def regions(crop: Crop, mask: MaskRecipe, title: str = "") -> Drawing:
    """What each name of the recipe means on this face, and how far it is to be repainted."""
    side, columns = 1.55, 4
    drawn = masks.draw(crop.landmarks_in_crop.moved(masks.onto_canvas(crop.image.width)))
    rows = -(-len(drawn) // columns)
    width, height = columns * side, rows * (side + CAPTION) + HEADING
    drawing = Drawing(figsize=(width, height))
    drawing.text(GAP / 2 / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    grey = crop.image.convert("L").convert("RGB")
    for i, (name, region) in enumerate(drawn.items()):
        left, bottom = i % columns * side + GAP / 2, height - HEADING - (i // columns + 1) * (side + CAPTION) + GAP / 2
        box = (left / width, bottom / height, (side - GAP) / width, (side - GAP) / height)
        panel = drawing.add_axes(box)
        lay(panel, grey, f"{name} {getattr(mask, name):.2f}")
        tint = np.zeros((*region.shape, 4), np.float32)
        tint[region] = (0.62, 0.17, 0.15, 0.62)
        panel.imshow(tint, extent=extent(grey))
    return drawing


@in_style
def ringed(easel: Easel, change: Float[Tensor, "1 1 h w"], n: int, title: str = "") -> Drawing:
    """The step from which each pixel is repainted: as the map is drawn, as the latents have it, and in all."""
    drawing, (outline, blocks, bars) = sheet(3, title, panel=2.9)
    grey = easel.crop.image.convert("L").convert("RGB")
    seen = easel.latents(change)
    lay_rings(outline, grey, change, n, "the map's rings")
    lay_rings(blocks, grey, seen, n, f"what happens: {seen.shape[-1]} × {seen.shape[-1]} latents")
    lay_shares(bars, rings.shares(rings.joins(change, n), n), n)
    return drawing


def lay_rings(panel: Axes, grey: Image.Image, change: Float[Tensor, "1 1 h w"], n: int, caption: str) -> None:
    steps = rings.joins(change, n)[0, 0].numpy()
    lay(panel, grey, caption)
    shown = np.ma.masked_greater_equal(steps, n)
    panel.imshow(shown, cmap=RAMP, vmin=0, vmax=max(n - 1, 1), alpha=0.8, extent=extent(grey), interpolation="nearest")


def lay_shares(panel: Axes, shares: Float[Tensor, " m"], n: int) -> None:
    """A bar for each step, and one for what never joins."""
    place = panel.get_position()
    panel.set_position((place.x0 + 0.055, place.y0 + 0.14, place.width - 0.065, place.height - 0.16))
    colours = [RAMP(i / max(n - 1, 1)) for i in range(n)]
    percents = (100 * shares).tolist()
    panel.bar(range(1, n + 1), percents[:n], color=colours, edgecolor=PALE, linewidth=0.3)
    panel.bar([n + 2], percents[n:], color="none", edgecolor=PALE, hatch="////", linewidth=0.6)
    ticks = sorted({1, (n + 1) // 2, n})
    panel.set_xticks([*ticks, n + 2], [*map(str, ticks), "never"])
    panel.set(xlabel="step from which it is repainted", ylabel="% of the crop")
    panel.set_title(f"{percents[0]:.0f}% from the first step on")


@in_style
def felt(moves: Sequence[Felt], title: str = "") -> Drawing:
    """What each knob moves: the map, the picture, the likeness; the knobs that count most stand first."""
    ordered = sorted(moves, key=lambda one: -one.picture)
    width, height = 8.7, 0.24 * len(ordered) + HEADING + 0.62
    drawing = Drawing(figsize=(width, height))
    drawing.text(GAP / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    low, tall = 0.34 / height, (height - HEADING - 0.62) / height
    names = [f"{one.knob.label.lower()}  {one.before:g} → {one.after:g}" for one in ordered]
    columns = [
        ("the map changes by", [100 * one.map for one in ordered], "%", PALE),
        ("the picture changes by", [100 * one.picture for one in ordered], "%", RED),
        ("likeness gains", [one.likeness or 0.0 for one in ordered], "", BLUE),
    ]
    for i, (caption, values, unit, colour) in enumerate(columns):
        panel = drawing.add_axes((0.2 + 0.27 * i, low, 0.22, tall))
        lay_bars(panel, values, unit, colour)
        panel.set_title(caption)
        panel.set_yticks(range(len(names)), names if i == 0 else [""] * len(names), fontsize=7.5, color=INK)
    return drawing


def lay_bars(panel: Axes, values: Sequence[float], unit: str, colour: str) -> None:
    """One bar a row, its number beside it."""
    panel.barh(range(len(values)), values, height=0.6, color=colour)
    panel.axvline(0, color=PALE, linewidth=0.6)
    panel.set_ylim(len(values) - 0.4, -0.6)
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks([])
    most = max(map(abs, values)) or 1.0
    below = min(values) < 0
    panel.set_xlim(-1.45 * most if below else 0, 1.45 * most)
    for row, value in enumerate(values):
        said = f"{value:.1f} {unit}" if unit else f"{value:+.3f}"
        end, way = (value, "left") if value >= 0 else (value, "right")
        panel.text(
            end + (0.04 if way == "left" else -0.04) * most, row, said, va="center", ha=way, fontsize=7, color=INK
        )
