"""Figures of a portrait's stages: film strip, face and crop, change map, before and after.

Each returns a `Drawing`, which a notebook shows where it is a cell's last value.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.resources import as_file, files
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from narcis.lab.progress import Film
from narcis.portrait.faces import Crop, Face, Landmarks

PANEL = 2.3  # inches a picture
HEADING, CAPTION, GAP = 0.36, 0.22, 0.1  # inches for the title, for a caption, between panels
DPI, SHOWN = 144, 96  # drawn for sharp screens, shown at the usual size

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
REPAINTED = LinearSegmentedColormap.from_list("repainted", [(0.62, 0.17, 0.15, 0.0), (0.62, 0.17, 0.15, 0.78)])

P = ParamSpec("P")


class Drawing(Figure):
    """A figure outside pyplot's list, so that none is left open and none is shown twice."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(side * SHOWN) for side in self.get_size_inches())
        return self.png(), {"width": width, "height": height}

    def png(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()


def in_style(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    """Draws under narcis.mplstyle, whatever the notebook has set."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        with as_file(files("narcis.lab") / "narcis.mplstyle") as path, mpl.rc_context(fname=path):
            return draw(*args, **kwargs)

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
    over.contour(values, [0.02, 0.5, 0.98], colors=LINE, linewidths=[0.5, 0.9, 0.5], origin="upper")
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
