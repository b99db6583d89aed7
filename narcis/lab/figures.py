"""Figures of a portrait's stages: film strip, face and crop, change map, before and after, plates of many pictures.

Each returns a `Drawing`, which a notebook shows where it is a cell's last value.  Below it stands a caption: what the
function's own description says, or what `captioned` is given instead.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.resources import as_file, files
from typing import Any, ParamSpec, Self

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox
from PIL import Image
from torch import Tensor

from narcis.lab.progress import Film
from narcis.portrait.faces import Crop, Face, Landmarks
from narcis.portrait.measure import in_units

PANEL = 2.3  # inches a picture
HEADING, CAPTION, GAP = 0.36, 0.22, 0.1  # inches for the title, for a caption, between panels
DPI, SHOWN = 144, 96  # drawn for sharp screens, shown at the usual size
ITALIC = FontProperties(family="DejaVu Serif", style="italic", size=7.5)  # of captions
SPARE = 0.95  # of a line is filled, because hinted letters are a little wider than their outlines
LEADING = 0.155  # inches from line to line of them

# Landmarks as lines: region, first and last point, closed or not.
LINES = [
    ("contour", 0, 33, False),
    ("brow_l", 0, 9, True),
    ("brow_r", 0, 9, True),
    ("eye_l", 0, 8, True),
    ("eye_r", 0, 8, True),
    ("nose", 0, 4, False),
    ("nose", 4, 8, False),
    ("nose", 8, 12, False),
    ("mouth", 0, 12, True),
    ("mouth", 12, 20, True),
]
LINE = "#f3e3b5"
SIGHT = "#e8b04a"
PALE, QUIET, RED = "#8a7a6a", "#6b5d50", "#9e2b25"
# Little to much, from the paper to dark red: ever darker, so that grey print and colour-blind eyes see the order.
HEAT = LinearSegmentedColormap.from_list("heat", ["#f6f1e7", "#efd08b", "#d58a35", "#a8401f", "#5c1414"])
REPAINTED = LinearSegmentedColormap.from_list("repainted", [(0.62, 0.17, 0.15, 0.0), (0.62, 0.17, 0.15, 0.78)])

P = ParamSpec("P")


class Drawing(Figure):
    """A figure outside pyplot's list, so that none is left open and none is shown twice."""

    caption: Sequence[str] = ()  # its lines

    def captioned(self, text: str) -> Self:
        """With this caption below; it is set in the figure's width."""
        self.caption = set_in(text, self.get_figwidth() - GAP)
        return self

    @property
    def page(self) -> Bbox:
        """What is shown, in inches: the figure, and room for the caption below it."""
        width, height = self.get_size_inches()
        return Bbox([[0, -LEADING * len(self.caption) - (GAP if self.caption else 0)], [width, height]])

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return self.png(), {"width": round(self.page.width * SHOWN), "height": round(self.page.height * SHOWN)}

    def png(self) -> bytes:
        file = io.BytesIO()
        width, height = self.get_size_inches()
        set_up = [
            self.text(GAP / 2 / width, -LEADING * (row + 0.75) / height, line, font=ITALIC, color=QUIET)
            for row, line in enumerate(self.caption)
        ]
        self.savefig(file, format="png", dpi=DPI, bbox_inches=self.page)
        for line in set_up:
            line.remove()
        return file.getvalue()


def set_in(text: str, width: float) -> list[str]:
    """The text in lines of so many inches; a word that is longer stands alone."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and TextPath((0, 0), longer, prop=ITALIC).get_extents().width > 72 * SPARE * width:
            lines.append(word)
        else:
            lines[-1:] = [longer]
    return lines


def in_style(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    """Draws under narcis.mplstyle, whatever the notebook has set.

    The caption is what the function says of itself: a reader of the page asks what a reader of the code asks.
    """
    said = (draw.__doc__ or "").strip().split("\n\n")[0]

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        with as_file(files("narcis.lab") / "narcis.mplstyle") as path, mpl.rc_context(fname=path):
            drawing = draw(*args, **kwargs)
            return drawing if drawing.caption else drawing.captioned(said)

    return drawn


# ------------------------------------------------------------------------------------------- the stages
@in_style
def film_strip(film: Film, picture: Image.Image, title: str = "") -> Drawing:
    """What the network had in mind at some of the steps: rough previews of its clean image, then the picture itself."""
    drawing, panels = sheet(len(film.frames) + 1, title, panel=1.45)
    for panel, frame in zip(panels, film.frames, strict=False):
        lay(panel, frame.picture, f"{frame.step} of {frame.of} · σ {frame.sigma:.3g}")
    lay(panels[-1], picture, "decoded")
    return drawing


@in_style
def contact_sheet(film: Film, picture: Image.Image, title: str = "", columns: int = 7) -> Drawing:
    """The clean image that the network predicts at every step, to be read as a page is: rough previews, and last of all
    the picture itself."""
    panels = [*((f"{frame.step} · σ {frame.sigma:.3g}", frame.picture) for frame in film.frames), ("decoded", picture)]
    rows, side = -(-len(panels) // columns), 1.2
    drawing, place = page(columns, rows, title, side)
    for i, (caption, shown) in enumerate(panels):
        lay(drawing.add_axes(place(*divmod(i, columns))), shown, caption)
    return drawing


@in_style
def face(picture: Image.Image, found: Face, crop: Crop, title: str = "") -> Drawing:
    """Where the face is in the picture, and the upright, magnified crop that is going to be repainted."""
    drawing, (whole, close) = sheet(2, title)
    lay(whole, picture, f"found with a score of {found.score:.2f}")
    square = np.vstack([crop.corners, crop.corners[:1]])
    whole.plot(*square.T, color=SIGHT, linewidth=1.2)
    trace(whole, found.landmarks, 0.5)
    lay(close, crop.image, f"upright, {crop.magnification:.2f} × as large")
    trace(close, crop.landmarks_in_crop, 0.9)
    return drawing


@in_style
def change(crop: Crop, wanted: Float[Tensor, "1 1 h w"], title: str = "") -> Drawing:
    """The change map over its crop: the redder, the earlier in the schedule repainting begins; clear is kept."""
    values = wanted[0, 0].cpu().numpy()
    drawing, (over, alone) = sheet(2, title)
    lay(over, crop.image.convert("L").convert("RGB"), f"{(values > 0).mean():.0%} of the crop may change")
    over.imshow(values, cmap=REPAINTED, vmin=0, vmax=1, extent=extent(crop.image))
    over.contour(values, [0.02, 0.5, 0.98], colors=LINE, linewidths=[0.5, 0.9, 0.5])
    lay(alone, Image.fromarray((values * 255).round().astype(np.uint8)).convert("RGB"), "white 1, black 0")
    return drawing


@in_style
def before_after(pictures: Mapping[str, Image.Image], title: str = "") -> Drawing:
    """Pictures side by side, each under its caption."""
    drawing, panels = sheet(len(pictures), title)
    for panel, (caption, picture) in zip(panels, pictures.items(), strict=True):
        lay(panel, picture, caption)
    return drawing


@in_style
def grid(rows: Mapping[str, Sequence[Image.Image]], columns: Sequence[str], title: str = "") -> Drawing:
    """Pictures in rows, each row under its name, each column under its own."""
    heading, side = HEADING if title else 0.0, PANEL * 0.62
    width, height = len(columns) * side + GAP, len(rows) * (side + CAPTION) + heading + GAP
    drawing = Drawing(figsize=(width, height))
    if title:
        drawing.text(GAP / 2 / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    for i, (name, pictures) in enumerate(rows.items()):
        bottom = height - heading - (i + 1) * (side + CAPTION)
        for j, picture in enumerate(pictures):
            box = ((j * side + GAP / 2) / width, bottom / height, (side - GAP / 2) / width, (side - GAP / 2) / height)
            lay(drawing.add_axes(box), picture, f"{name} · {columns[j]}")
    return drawing


@in_style
def plate(
    pictures: Sequence[Sequence[Image.Image | None]],
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    title: str = "",
    marked: tuple[int, int] | None = None,
    side: float = 1.3,
) -> Drawing:
    """A picture for every pair of the values on the two sides; where there is none, none could be painted."""
    drawing, place = page(len(across[1]), len(down[1]), title, side, margin=margin_of(down), ruled=True)
    for i, row in enumerate(pictures):
        for j, picture in enumerate(row):
            panel = drawing.add_axes(place(i, j))
            blank(panel) if picture is None else lay(panel, picture, "")
            if (i, j) == marked:
                frame(panel)
    label(drawing, place, down, across, side)
    return drawing


@in_style
def where(
    before: Image.Image, after: Image.Image, reached: Float[Tensor, "1 1 h w"], title: str = "", most: float = 0.25
) -> Drawing:
    """Where the change went: the darker, the more a pixel has moved, in parts of full scale.  The line is the map's
    edge; beyond it nothing may have."""
    moved = np.abs(in_units(before) - in_units(after)).mean(-1)
    drawing, (left, middle, right) = sheet(3, title)
    lay(left, before, "before")
    lay(middle, after, "after")
    lay(right, Image.new("RGB", before.size, "#f6f1e7"), f"mean {moved.mean():.1%}, dark red {most:.0%} or more")
    right.imshow(moved, cmap=HEAT, vmin=0, vmax=most, extent=extent(before))
    values = reached[0, 0].cpu().numpy()
    if values.min() <= 0 < values.max():
        right.contour(values, [1e-3], colors=PALE, linewidths=0.7)
    outlined(right)
    return drawing


@in_style
def apart(a: Image.Image, b: Image.Image, title: str = "") -> Drawing:
    """Two pictures that should be one, and where they are not: the darker, the further apart.  Clean paper is no
    difference at all; the scale ends at the largest there is, or at one grey level."""
    drawing, (left, middle, right) = sheet(3, title)
    lay(left, a, "the original")
    lay(middle, b, "made again")
    if a.size != b.size:
        lay(right, Image.new("RGB", b.size, "#5c1414"), f"{a.width} × {a.height} and {b.width} × {b.height} px")
        return drawing
    off = np.abs(in_units(a) - in_units(b)).max(-1)
    most = max(float(off.max()), 1 / 255)
    lay(
        right,
        Image.new("RGB", b.size, "#f6f1e7"),
        f"dark red {255 * most:.0f} of 255" if off.any() else "no difference",
    )
    right.imshow(off, cmap=HEAT, vmin=0, vmax=most, extent=extent(b), interpolation="nearest")
    outlined(right)
    return drawing


def outlined(panel: Axes) -> None:
    """A thin line around a panel that may be as white as the paper."""
    box: dict[str, Any] = {"transform": panel.transAxes, "fill": False, "edgecolor": PALE, "linewidth": 0.6}
    panel.add_patch(Rectangle((0, 0), 1, 1, clip_on=False, **box))


@in_style
def moved(pairs: Mapping[str, tuple[Image.Image, Image.Image]], title: str = "") -> Drawing:
    """Before, after, and where they differ: the brighter, the more, up to a fifth of the full scale."""
    rows = {name: [a, b, difference(a, b)] for name, (a, b) in pairs.items()}
    return grid.__wrapped__(rows, ["accepted", "tonight", "difference"], title)


def difference(a: Image.Image, b: Image.Image) -> Image.Image:
    """The largest difference of a channel, five times as bright; pictures of two sizes differ everywhere."""
    if a.size != b.size:
        return Image.new("L", b.size, 255)
    off = np.abs(np.asarray(a.convert("RGB"), np.float32) - np.asarray(b.convert("RGB"), np.float32)).max(-1)
    return Image.fromarray((5 * off).clip(0, 255).astype(np.uint8))


# -------------------------------------------------------------------------------------------- the parts
def sheet(columns: int, title: str, panel: float = PANEL) -> tuple[Drawing, Sequence[Axes]]:
    """A row of empty panels under a title."""
    heading = HEADING if title else 0.0
    side = panel - GAP
    width, height = columns * panel, GAP + side + CAPTION + heading
    drawing = Drawing(figsize=(width, height))
    boxes = [((i * panel + GAP / 2) / width, GAP / height, side / width, side / height) for i in range(columns)]
    if title:
        drawing.text(GAP / 2 / width, 1 - 0.2 / height, title, fontsize=10, va="center")
    return drawing, [drawing.add_axes(box) for box in boxes]


def page(
    columns: int, rows: int, title: str, side: float, margin: float = 0.0, ruled: bool = False
) -> tuple[Drawing, Callable[[int, int], tuple[float, float, float, float]]]:
    """An empty page for rows of panels, and the box of the panel (row, column).

    `margin` inches are free to the left; a ruled page has its captions on its two sides, any other below each panel.
    """
    heading = HEADING if title else 0.0
    top, high = (2 * CAPTION, side) if ruled else (0.0, side + CAPTION)
    width, height = max(margin + columns * side + GAP, 3.2), heading + top + rows * high + GAP
    drawing = Drawing(figsize=(width, height))
    if title:
        drawing.text(GAP / 2 / width, 1 - 0.2 / height, title, fontsize=10, va="center")

    def place(row: int, column: int) -> tuple[float, float, float, float]:
        left, bottom = margin + column * side + GAP / 2, height - heading - top - row * high - (high - side) - side
        inner = side - GAP / 2
        return (left / width, (bottom + GAP / 2) / height, inner / width, inner / height)

    return drawing, place


def margin_of(down: tuple[str, Sequence[str]]) -> float:
    """Inches that the names of rows take, with the name of them all above."""
    return 0.0 if not any((down[0], *down[1])) else 0.16 + 0.075 * max(len(down[0]), *map(len, down[1]))


def label(
    drawing: Drawing,
    place: Callable[[int, int], tuple[float, float, float, float]],
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    side: float,
) -> None:
    """The names and the values of the two sides of a ruled page."""
    width, height = drawing.get_size_inches()
    left, bottom, wide, high = place(0, 0)
    top, edge = bottom + high, left - 0.08 / width
    for j, name in enumerate(across[1]):
        drawing.text(place(0, j)[0] + wide / 2, top + 0.06 / height, name, ha="center", va="bottom", fontsize=8)
    for i, name in enumerate(down[1]):
        drawing.text(edge, place(i, 0)[1] + high / 2, name, ha="right", va="center", fontsize=8)
    said: dict[str, Any] = {"va": "bottom", "fontsize": 7.5, "color": QUIET, "style": "italic"}
    drawing.text(left, top + (0.06 + CAPTION) / height, f"{across[0]} →", ha="left", **said)
    if down[0]:
        drawing.text(edge, top + 0.06 / height, f"{down[0]} ↓", ha="right", **said)


def blank(panel: Axes) -> None:
    """A panel without a picture."""
    panel.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    panel.text(0.5, 0.5, "no face", ha="center", va="center", color=PALE, style="italic", fontsize=7.5)
    for spine in panel.spines.values():
        spine.set(visible=True, color=PALE, linewidth=0.5, linestyle=(0, (2, 3)))


def frame(panel: Axes) -> None:
    """A frame around the panel that a reader should find first; the light line tells it from a dark red inside."""
    panel.patch.set_visible(False)
    for colour, width in (("#fdf8ec", 4.0), (RED, 2.2)):
        pen: dict[str, Any] = {"edgecolor": colour, "linewidth": width, "clip_on": False}
        panel.add_patch(Rectangle((0, 0), 1, 1, transform=panel.transAxes, fill=False, **pen))


def lay(panel: Axes, picture: Image.Image, caption: str) -> None:
    panel.imshow(np.asarray(picture.convert("RGB")), extent=extent(picture))
    panel.set_title(caption)
    panel.set_axis_off()
    panel.autoscale(False)


def extent(picture: Image.Image) -> tuple[float, float, float, float]:
    """Pixel (x, y) lies at (x, y), y downwards, as in `portrait.faces`."""
    return (-0.5, picture.width - 0.5, picture.height - 0.5, -0.5)


def trace(panel: Axes, landmarks: Landmarks, width: float) -> None:
    """The 106 points as lines."""
    pen: dict[str, Any] = {"color": LINE, "linewidth": width, "solid_joinstyle": "round"}
    for region, first, last, closed in LINES:
        points = landmarks.region(region)[first:last]
        panel.plot(*(np.vstack([points, points[:1]]) if closed else points).T, **pen)
    for eye in ("eye_l", "eye_r"):
        panel.plot(*landmarks.region(eye)[9], ".", color=SIGHT, markersize=4 * width)
