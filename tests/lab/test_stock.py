"""Figures of the shelf and of what stages take."""

import io

import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from narcis.lab import stock
from narcis.lab.figures import Drawing
from narcis.lab.gauge import Spent
from narcis.portrait.catalogue import ENTRIES
from narcis.portrait.weights import House

TAKEN = [Spent("load", 1.0, 300_000_000), Spent("compose", 2.0, 2_000_000_000)]


def texts(drawing: Drawing) -> list[str]:
    return [text.get_text() for axes in drawing.axes for text in axes.texts]


def bars(drawing: Drawing) -> dict[str, tuple]:
    """Each row's colours, of its inside and of its edge."""
    (axes,) = drawing.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    return {name: (bar.get_facecolor(), bar.get_edgecolor()) for name, bar in zip(names, axes.patches, strict=True)}


def test_the_shelf_tells_what_is_here_what_is_refused_and_every_licence(tmp_path):
    found = stock.shelf(list(ENTRIES.values()), House((tmp_path,)), "weights")
    colours = bars(found)
    assert colours.keys() == ENTRIES.keys()
    assert colours["mini"][0] == colours["mini"][1] == colours["sdxl-base"][1] != colours["sdxl-base"][0]
    assert colours["photomaker-v2"][1] == colours["buffalo_l"][1] != colours["photomaker-v1"][1]
    said = texts(found)
    assert all(any(one.licence.name in line for line in said) for one in ENTRIES.values())
    assert "6.94 GB · CreativeML Open RAIL++-M" in said and "about 934 MB · Apache-2.0" in said


def test_what_somebody_has_licensed_is_no_longer_red(tmp_path):
    colours = bars(stock.shelf(list(ENTRIES.values()), House((tmp_path,), True, ("buffalo_l",))))
    assert colours["buffalo_l"][1] == colours["mini"][1] != colours["photomaker-v2"][1]


def test_times_add_up_and_the_most_memory_is_named():
    times, memory = stock.spent({"mini": TAKEN}, "taken").axes
    first, second = (bar for bar in times.patches if isinstance(bar, Rectangle))
    assert (first.get_width(), second.get_x(), second.get_width()) == (1.0, 1.0, 2.0)
    assert times.texts[0].get_text().strip() == "3.0 s" and memory.texts[0].get_text().strip() == "2 GB"


def test_a_gallery_has_a_row_for_each_model_and_a_row_may_be_shorter():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    drawing = stock.gallery({"mini": [picture, picture], "sdxl": [picture]}, ["from words", "as ada"], "all")
    assert [axes.get_title() for axes in drawing.axes] == ["mini, from words", "mini, as ada", "sdxl, from words"]
    boxes = [axes.get_position() for axes in drawing.axes]
    assert all(min(box.x0, box.y0) >= 0 and max(box.x1, box.y1) <= 1 for box in boxes)
    assert Image.open(io.BytesIO(drawing.png())).size == tuple(int(side * 144) for side in drawing.page.size)


def test_a_long_path_is_known_by_its_end():
    assert stock.short("sdxl") == "sdxl" and stock.short("/models/finetunes/juggernaut") == "…inetunes/juggernaut"
    assert len(stock.short("x" * 99)) == stock.LONGEST
