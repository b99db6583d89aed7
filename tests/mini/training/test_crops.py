"""The two frames that mini learns from are the frames that the pipeline makes."""

import numpy as np
import pytest
from PIL import Image

from narcis.mini import painter
from narcis.mini.training import crops
from narcis.portrait import faces, sdxl


class Steady(np.random.Generator):
    """A random generator that never strays from the mean."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def normal(self, loc=0.0, scale=1.0, size=None):
        return np.full(size, float(loc)) if size else float(loc)


@pytest.fixture(scope="module")
def painting():
    return painter.paint(painter.sitter(3), painter.scene(np.random.default_rng(3), medium="oil"), 320, 1.0)


def test_a_trained_crop_is_the_pipelines_crop(painting):
    ours = crops.close(painting.pixels, painting.landmarks, Steady()).pixels
    marks = faces.Landmarks(painting.landmarks.astype(np.float32))
    theirs = faces.crop(Image.fromarray(painting.pixels), marks, crops.SIZE)
    difference = np.abs(ours.astype(float) - np.asarray(theirs.image, float))
    assert difference.mean() < 1.0  # grey levels; both interpolate cubically


def test_a_trained_crops_six_numbers_are_the_pipelines(painting):
    sizes = crops.close(painting.pixels, painting.landmarks, Steady()).sizes
    crop = faces.crop(
        Image.fromarray(painting.pixels), faces.Landmarks(painting.landmarks.astype(np.float32)), crops.SIZE
    )
    left, top, *_ = crop.box
    asked = sdxl.crop_of((320, 320), (top, left), crop.magnification, (crops.SIZE, crops.SIZE))
    assert np.allclose(sizes, asked, atol=1.0)


def test_a_whole_portrait_is_told_as_a_whole_picture(painting):
    framed = crops.whole(painting.pixels, painting.landmarks)
    assert framed.pixels.shape == (256, 256, 3)
    assert tuple(framed.sizes) == sdxl.whole_picture(256, 256)


def test_the_five_points_go_where_the_face_goes(painting):
    marks = faces.Landmarks(painting.landmarks.astype(np.float32))
    crop = faces.crop(Image.fromarray(painting.pixels), marks, crops.SIZE)
    close = crops.close(painting.pixels, painting.landmarks, Steady())
    assert np.allclose(close.five, crop.landmarks_in_crop.five, atol=0.1)
    assert np.allclose(crops.whole(painting.pixels, painting.landmarks).five, marks.five * 0.8, atol=0.1)
