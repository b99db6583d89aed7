import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from schematic import face_at

from narcis.portrait.measure import likeness, outside, psnr, sharpness


def noisy(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8))


def test_likeness_is_the_cosine():
    a = np.array([3.0, 4.0])
    assert likeness(a, 7 * a) == pytest.approx(1)
    assert likeness(a, -a) == pytest.approx(-1)
    assert likeness(a, np.array([4.0, -3.0])) == pytest.approx(0)
    assert likeness(a, np.array([0.0, 1.0])) == pytest.approx(0.8)
    assert likeness(a, np.zeros(2)) == 0


def test_outside_sees_one_changed_channel_and_only_where_the_map_is_0():
    before, change = Image.new("RGB", (8, 8)), torch.zeros(1, 1, 8, 8)
    change[..., :4] = 0.01
    after = before.copy()
    after.putpixel((1, 1), (255, 255, 255))
    assert outside(change, before, after) == 0
    after.putpixel((6, 6), (0, 51, 0))
    assert outside(change, before, after) == pytest.approx(0.2)


def test_outside_of_a_map_that_is_everywhere_is_0():
    assert outside(torch.ones(1, 1, 64, 64), noisy(), noisy(1)) == 0


def test_outside_refuses_a_map_of_another_size():
    with pytest.raises(ValueError, match="one size"):
        outside(torch.zeros(1, 1, 32, 32), noisy(), noisy())


def test_psnr_of_one_grey_level_is_48_decibel():
    """20 log10(255) = 48.13."""
    assert psnr(Image.new("RGB", (4, 4), (7, 7, 7)), Image.new("RGB", (4, 4), (8, 8, 8))) == pytest.approx(
        48.13, abs=0.01
    )
    assert psnr(noisy(), noisy()) == math.inf


def test_blur_lowers_sharpness_in_the_face_and_nothing_else_does():
    face, picture = face_at(32, 28, 11), noisy()
    blurred = picture.filter(ImageFilter.GaussianBlur(1))
    assert sharpness(blurred, face) < 0.2 * sharpness(picture, face)
    corner = picture.copy()
    corner.paste(0, (0, 0, 8, 8))
    assert sharpness(corner, face) == sharpness(picture, face)
    assert sharpness(Image.new("RGB", (64, 64)), face) == 0
