import io

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from narcis.lab import figures
from narcis.lab.progress import Film, Frame
from narcis.portrait.faces import REGIONS, Crop, Face, Landmarks, crop


def landmarks() -> Landmarks:
    """Points of each region on a ring around its place: what matters is where a figure draws them."""
    places = {"contour": (64, 70), "brow_l": (50, 50), "brow_r": (78, 50), "eye_l": (50, 58), "eye_r": (78, 58)}
    places |= {"nose": (64, 70), "mouth": (64, 84)}
    points = np.zeros((106, 2), np.float32)
    for name, part in REGIONS.items():
        turn = np.linspace(0, 2 * np.pi, part.stop - part.start, endpoint=False)
        points[part] = np.stack([np.cos(turn), np.sin(turn)], 1) * (40 if name == "contour" else 6) + places[name]
    return Landmarks(points)


@pytest.fixture
def painting() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4))


@pytest.fixture
def cut(painting: Image.Image) -> Crop:
    return crop(painting, landmarks(), 96)


def seen(drawing: figures.Drawing) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(drawing.png())).convert("RGB"))


def drawings(painting: Image.Image, cut: Crop) -> dict[str, figures.Drawing]:
    found = Face((0, 0, 9, 9), 0.9, landmarks(), np.zeros(4, np.float32), "woman")
    ramp = torch.linspace(0, 1, 96).expand(1, 1, 96, 96)
    film = Film([Frame(i + 1, 3, 1.0, painting) for i in range(3)], torch.zeros(1, 4, 2, 2))
    return {
        "film": figures.film_strip(film, painting, "a strip"),
        "face": figures.face(painting, found, cut, "a face"),
        "change": figures.change(cut, ramp, "a map"),
        "before_after": figures.before_after({"before": painting, "after": painting}, "two"),
    }


@pytest.mark.parametrize("name", ["film", "face", "change", "before_after"])
def test_a_figure_is_drawn_in_the_house_style(name: str, painting: Image.Image, cut: Crop):
    before = dict(mpl.rcParams)
    drawing = drawings(painting, cut)[name]
    assert tuple(seen(drawing)[0, -1]) == (0xF6, 0xF1, 0xE7)  # its paper
    assert drawing.texts[0].get_text() and all(axes.get_title() for axes in drawing.axes)
    assert dict(mpl.rcParams) == before  # and the notebook's own style is left alone


def test_a_notebook_shows_a_figure_once_and_sharp(painting: Image.Image, cut: Crop):
    drawing = drawings(painting, cut)["face"]
    data, shown = drawing._repr_png_()
    picture = Image.open(io.BytesIO(data))
    assert picture.width == pytest.approx(1.5 * shown["width"], abs=2)


def test_pictures_keep_their_shape_and_colours():
    """A red picture twice as high as wide is red, and higher than wide, on the paper."""
    pixels = seen(figures.before_after({"red": Image.new("RGB", (50, 100), "red")}))
    red = (pixels == (255, 0, 0)).all(2)
    height, width = red.any(1).sum(), red.any(0).sum()
    assert height / width == pytest.approx(2, abs=0.05)


def test_landmarks_are_drawn_where_they_are(painting: Image.Image, cut: Crop):
    drawing = drawings(painting, cut)["face"]
    whole, close = drawing.axes
    drawn = np.vstack([line.get_xydata() for line in whole.lines])
    for point in (landmarks().region("mouth")[0], landmarks().region("contour")[16]):
        assert np.abs(drawn - point).max(1).min() < 1e-4
    inside = np.vstack([line.get_xydata() for line in close.lines])
    assert np.abs(inside - cut.landmarks_in_crop.region("mouth")[0]).max(1).min() < 1e-4


def test_the_change_map_says_how_much_may_change(cut: Crop):
    half = torch.zeros(1, 1, 96, 96)
    half[..., :48] = 1
    assert "50%" in figures.change(cut, half).axes[0].get_title()
