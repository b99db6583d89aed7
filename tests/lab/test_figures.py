import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
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


# ------------------------------------------------------------------------------------------ captions and plates
def test_a_figure_says_below_what_its_function_says_of_itself(painting: Image.Image):
    drawing = figures.where(painting, painting, torch.zeros(1, 1, 128, 128), "nothing")
    said = " ".join(drawing.caption)
    assert said.startswith("Where the change went: the darker, the more a pixel has moved") and "\n" not in said
    figure = Image.open(io.BytesIO(drawing.png())).height
    assert figure > drawing.get_figheight() * figures.DPI + 20  # the caption is below, and takes nothing away
    own = drawing.captioned("another")
    assert own is drawing and list(own.caption) == ["another"]


def test_a_caption_is_set_as_wide_as_its_figure(painting: Image.Image):
    wide = figures.before_after({str(i): painting for i in range(5)}).captioned("word " * 60)
    narrow = figures.before_after({"one": painting}).captioned("word " * 60)
    assert 1 < len(wide.caption) < len(narrow.caption)
    for drawing in (wide, narrow):
        below = seen(drawing)[int(drawing.get_figheight() * figures.DPI) + 4 :]
        ink = (below.min(2) < 0xC0).any(0).nonzero()[0]
        assert 0.6 * below.shape[1] < ink.max() < below.shape[1] - 4


def test_a_plate_has_a_picture_for_every_pair_and_says_where_there_is_none(painting: Image.Image):
    drawing = figures.plate([[painting, None], [painting, painting]], ("a", ["1", "2"]), ("b", ["x", "y"]), "t", (1, 0))
    panels = drawing.axes
    assert [len(panel.images) for panel in panels] == [1, 0, 1, 1] and panels[1].texts[0].get_text() == "no face"
    assert [len(panel.patches) for panel in panels] == [0, 0, 2, 0]  # the frame
    said = [text.get_text() for text in drawing.texts]
    assert {"x", "y", "1", "2", "b →", "a ↓"} <= set(said)
    boxes = [panel.get_position() for panel in panels]
    assert all(min(box.x0, box.y0) >= 0 and max(box.x1, box.y1) <= 1 for box in boxes)
    assert boxes[0].y0 > boxes[2].y1 and boxes[0].x1 < boxes[1].x0


def test_where_the_change_went_is_dark_and_elsewhere_is_paper():
    before, after = Image.new("RGB", (64, 64), "gray"), Image.new("RGB", (64, 64), "gray")
    after.paste("white", (0, 0, 32, 64))
    (shown,) = figures.where(before, after, torch.ones(1, 1, 64, 64), "half").axes[2].images[1:]
    colours = np.asarray(shown.to_rgba(np.asarray(shown.get_array())))[..., :3]
    assert colours[:, :32].mean() < 0.3 and np.allclose(colours[:, 32:] * 255, (0xF6, 0xF1, 0xE7), atol=1)


def test_the_line_of_a_map_lies_on_its_edge_and_not_upside_down(painting: Image.Image, cut: Crop):
    top = torch.zeros(1, 1, 96, 96)
    top[..., 8:30, 20:70] = 1
    over = figures.change(cut, top).axes[0]
    whole = torch.zeros(1, 1, 128, 128)
    whole[..., 8:30, 20:70] = 1
    for panel in (over, figures.where(painting, painting, whole).axes[2]):
        points = np.vstack([path.vertices for path in panel.collections[0].get_paths()])
        assert np.allclose([points.min(0), points.max(0)], [(19.5, 7.5), (69.5, 29.5)], atol=0.6)


def test_two_pictures_that_are_one_leave_the_paper_clean(painting: Image.Image):
    clean = figures.apart(painting, painting).axes[2]
    assert clean.get_title() == "no difference" and np.asarray(clean.images[1].get_array()).max() == 0
    off = np.array(painting)
    off[5, 7, 1] ^= 1
    nearly = figures.apart(painting, Image.fromarray(off)).axes[2]
    assert nearly.get_title() == "dark red 1 of 255" and (np.asarray(nearly.images[1].get_array()) > 0).sum() == 1
    assert "128 × 128 and 64 × 64 px" in figures.apart(painting, painting.resize((64, 64))).axes[2].get_title()


def test_a_contact_sheet_has_every_step_and_the_picture(painting: Image.Image):
    film = Film([Frame(i + 1, 9, 1.0, painting) for i in range(9)], torch.zeros(1, 4, 2, 2))
    panels = figures.contact_sheet(film, painting, "nine").axes
    assert [panel.get_title() for panel in panels] == [*(f"{i} · σ 1" for i in range(1, 10)), "decoded"]
    assert len({round(panel.get_position().y0, 4) for panel in panels}) == 2


# ------------------------------------------------------------------------------------------ colours
# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", at full
# severity; in linear RGB.
SIGHTS = {
    "usual": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(colours: np.ndarray, sight: str) -> np.ndarray:
    """CIE L*a*b* [n, 3] of sRGB colours in 0 to 1, as somebody with that sight has them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(SIGHTS[sight]).T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(seen @ to_xyz.T / to_xyz.sum(1)).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_of_lines_are_told_apart_by_every_eye(sight: str):
    """A difference of 10 is seen at a glance; matplotlib's own cycle comes down to 4."""
    with mpl.rc_context(fname=str(Path(figures.__file__).parent / "narcis.mplstyle")):
        colours = np.array([to_rgb(one["color"]) for one in mpl.rcParams["axes.prop_cycle"]])
    values = lab(colours, sight)
    apart = np.linalg.norm(values[:, None] - values[None], axis=2)
    assert apart[np.triu_indices(len(colours), 1)].min() > 18


@pytest.mark.parametrize("sight", SIGHTS)
def test_more_is_darker_in_a_heat_map_for_every_eye(sight: str):
    light = lab(figures.HEAT(np.linspace(0, 1, 64))[:, :3], sight)[:, 0]
    assert (np.diff(light) < 0).all() and light[0] - light[-1] > 60
