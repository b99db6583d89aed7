"""Upright frames, by hand."""

import numpy as np
import pytest

from narcis.mini.frames import axis_of, frame, undo


def test_the_eyes_stand_above_the_middle_and_the_mouth_below():
    matrix = frame(np.array([50.0, 40.0]), np.array([0.0, 20.0]), 100, context=4, sink=0.25)
    place = lambda p: matrix[:, :2] @ p + matrix[:, 2]  # noqa: E731
    assert place([50, 40]) == pytest.approx([50, 50 - 0.25 * 25])  # a unit, 20 px, is a quarter of the side
    assert place([50, 60]) == pytest.approx([50, 50 + 0.75 * 25])


def test_a_tilted_face_stands_upright():
    axis = 20 * np.array([np.sin(0.5), np.cos(0.5)])
    matrix = frame(np.array([50.0, 40.0]), axis, 80)
    eyes, mouth = (matrix[:, :2] @ p + matrix[:, 2] for p in ([50, 40], np.array([50, 40]) + axis))
    assert mouth[0] == pytest.approx(eyes[0], abs=1e-3) and mouth[1] > eyes[1]


def test_undo_brings_points_back():
    matrix = frame(np.array([50.0, 40.0]), np.array([3.0, 20.0]), 80)
    points = np.random.default_rng(0).uniform(0, 100, (106, 2))
    assert undo(matrix, points @ matrix[:, :2].T + matrix[:, 2]) == pytest.approx(points, abs=1e-3)


def test_the_axis_goes_from_the_eyes_to_the_mouth():
    points = np.zeros((106, 2))
    points[51:59], points[61:69], points[86], points[92] = [40, 50], [60, 50], [45, 80], [55, 80]
    eyes, axis = axis_of(points)
    assert eyes.tolist() == [50, 50] and axis.tolist() == [0, 30]
