"""Strokes on a map: where they lie, how far they reach, and that they mean the same on another face."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from schematic import face_at

from narcis.portrait import masks
from narcis.portrait.masks import Frame
from narcis.recipe import MaskRecipe, Stroke

REGIONS = ("face", "brows", "eyes", "nose", "mouth", "forehead", "hair", "neck")
NOTHING: dict[str, Any] = dict.fromkeys(REGIONS, 0.0)
ALONG = Stroke(
    radius=0.3,
    soft=0.2,
    points=(
        (-0.6, 0.2),
        (0.6, 0.2),
        (0.0, 1.2),
    ),
)


def painted(*strokes: Stroke, size: int = 256, on=None, **regions: float) -> np.ndarray:
    mask = MaskRecipe(**{**NOTHING, **regions}, strokes=strokes)
    return masks.change_map(mask, on or face_at(), size)[0, 0].numpy()


def at(value: np.ndarray, face, u: float, v: float) -> float:
    """The map where the face's own frame says, to the nearest pixel."""
    x, y = np.round(Frame(face).outward(np.array([u, v]))).astype(int)
    return float(value[y, x])


def away(points: np.ndarray, way: Sequence[tuple[float, float]]) -> np.ndarray:
    """Distance of points [n, 2] to a polyline, by the formula for a segment: a second implementation."""
    told = []
    for a, b in pairwise(map(np.array, way)):
        t = ((points - a) @ (b - a) / ((b - a) @ (b - a))).clip(0, 1)
        told.append(np.linalg.norm(points - (a + t[:, None] * (b - a)), axis=1))
    return np.min(told, axis=0)


def test_a_stroke_is_full_up_to_its_radius_and_gone_beyond_its_soft_edge():
    face, value = face_at(), painted(ALONG)
    rows, columns = np.mgrid[30:226, 30:226]  # inside the window, where the border changes nothing
    places = Frame(face).inward(np.stack([columns.ravel(), rows.ravel()], 1))
    far = away(places, ALONG.points)
    t = ((0.3 + 0.2 - far) / 0.2).clip(0, 1)
    wanted = (t * t * (3 - 2 * t)).reshape(rows.shape)
    # A pixel of the canvas is 1/88 of an eye-mouth distance here, and the ramp's steepest slope 7.5 to a distance.
    assert np.abs(value[30:226, 30:226] - wanted).max() < 7.5 * 1.5 / 88
    assert np.abs(value[30:226, 30:226] - wanted).mean() < 0.004


@pytest.mark.parametrize("there", [face_at(120, 100, 30, 25), face_at(140, 130, 60, -40), face_at(100, 90, 40, 170)])
def test_a_stroke_lies_on_the_same_part_of_another_face(there):
    here = face_at()
    first, second = painted(ALONG, on=here), painted(ALONG, on=there)
    grid = [(u, v) for u in np.linspace(-0.8, 0.8, 9) for v in np.linspace(-0.2, 1.2, 8)]
    off = [abs(at(first, here, u, v) - at(second, there, u, v)) for u, v in grid]
    assert max(off) < 0.25 and np.mean(off) < 0.03  # what a pixel's width makes on the ramp


@pytest.mark.parametrize("size", [64, 128, 512])
def test_a_stroke_means_the_same_at_every_resolution(size: int):
    small, scale = painted(ALONG), size / 256
    face = face_at(128 * scale + (scale - 1) / 2, 112 * scale + (scale - 1) / 2, 44 * scale)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(painted(ALONG, on=face, size=size))[None, None], (64, 64), mode="area"
    )
    small = torch.nn.functional.interpolate(torch.from_numpy(small)[None, None], (64, 64), mode="area")
    assert (large - small).abs().max() < 0.06


def test_what_is_taken_away_is_kept_and_the_rest_is_as_it_was():
    face, mouth = (
        face_at(),
        Stroke(
            level=0,
            radius=0.25,
            soft=0.1,
            points=(
                (-0.3, 1.0),
                (0.3, 1.0),
            ),
        ),
    )
    before, after = painted(face=1.0, mouth=1.0), painted(mouth, face=1.0, mouth=1.0)
    assert at(before, face, 0, 1) == 1 and at(after, face, 0, 1) == 0
    rows, columns = np.mgrid[0:256, 0:256]
    far = away(Frame(face).inward(np.stack([columns.ravel(), rows.ravel()], 1)), [(-0.3, 1.0), (0.3, 1.0)]) > 0.39
    assert np.array_equal(before.ravel()[far], after.ravel()[far])


def test_the_last_stroke_has_the_last_word():
    add, take = (Stroke(level=level, points=((0.0, 0.5),)) for level in (1, 0))
    face = face_at()
    assert at(painted(add, take), face, 0, 0.5) == 0 and at(painted(take, add), face, 0, 0.5) == 1
    assert at(painted(add, Stroke(level=0.4, points=((0.0, 0.5),))), face, 0, 0.5) == pytest.approx(0.4)


@pytest.mark.parametrize("points", [[(8, 8)], [(-8, -8), (-8, 8)], [(-8, 0.5), (8, 0.5)]])
def test_a_stroke_may_run_off_the_crop(points):
    value = painted(Stroke(radius=0.2, soft=0.1, points=points))
    assert value.min() >= 0 and value.max() <= 1
    assert (value.max() == 1) == (points[0] == (-8, 0.5))


def test_no_stroke_reaches_the_crops_border():
    everywhere = Stroke(radius=4, soft=0, points=((0, 0),))
    value = painted(everywhere)
    assert value[128, 128] == 1 and max(value[0].max(), value[-1].max(), value[:, 0].max(), value[:, -1].max()) == 0


def test_a_map_is_not_changed_by_the_ones_that_were_asked_for_before():
    """Distances are kept between recipes of one face; nothing may be written into them."""
    before = painted(face=1.0)
    painted(Stroke(level=0, radius=1, points=((0, 0.5),)), face=1.0, hair=1.0)
    assert np.array_equal(painted(face=1.0), before)
