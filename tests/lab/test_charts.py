import io

import matplotlib as mpl
import numpy as np
import pytest
from cycler import cycler
from PIL import Image

from narcis.lab import charts
from narcis.portrait import schedules


def test_every_schedule_is_drawn_at_its_own_noise_levels():
    falls, spent = charts.levels(["ays", "leading"], 10, "ays", "levels").axes
    for line, dots, name in zip(falls.lines, spent.lines, ("ays", "leading"), strict=True):
        wanted = schedules.schedule(name, 10).sigmas[:-1].numpy()
        assert np.array_equal(line.get_ydata(), wanted) and np.array_equal(dots.get_xdata(), wanted)
    assert falls.lines[0].get_linewidth() > falls.lines[1].get_linewidth()  # the one that is spoken of


def test_what_was_not_measured_is_a_gap_in_its_line():
    (panel,) = charts.curves({"likeness": {"0": [(0, 0.1), (1, None), (2, 0.3)]}}, "weight", "merge step").axes
    (line,) = panel.lines
    assert np.array_equal(line.get_ydata(), [0.1, np.nan, 0.3], equal_nan=True)
    assert panel.get_xlabel() == "weight" and panel.get_title() == "likeness"


def test_a_table_says_its_numbers_and_is_darker_where_they_are_higher():
    drawing = charts.table(np.array([[0.1, 0.9], [0.5, np.nan]]), ("a", ["1", "2"]), ("b", ["x", "y"]), "t", (0, 1))
    panel = drawing.axes[0]
    assert [text.get_text() for text in panel.texts[:4]] == ["0.10", "0.90", "0.50", "–"]
    (shown,) = panel.images
    luma = np.asarray(shown.to_rgba(np.ma.asarray(shown.get_array())))[..., :3] @ [0.2, 0.7, 0.1]
    assert luma[0, 0] > luma[1, 0] > luma[0, 1]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["x", "y"]


@pytest.mark.parametrize("values", [np.full((1, 1), np.nan), np.full((2, 3), 0.5)])
def test_a_table_of_nothing_or_of_one_number_is_drawn_too(values):
    rows, columns = values.shape
    drawing = charts.table(values, ("a", ["r"] * rows), ("b", ["c"] * columns), "t")
    assert Image.open(io.BytesIO(drawing.png())).width > 100


def test_lines_keep_the_colours_of_the_style_when_they_are_shown():
    """A name such as C1 would mean matplotlib's own orange by then."""
    with mpl.rc_context({"axes.prop_cycle": cycler(color=["lime", "cyan"])}):
        (panel,) = charts.curves({"likeness": {"0": [(0, 0.1)], "1": [(0, 0.2)]}}, "weight", "merge step").axes
        assert [line.get_color() for line in panel.lines] == ["#9e2b25", "#2b6a9b"]
