"""Alignment, which recognition stands on, against similarity transforms known by hand."""

import cv2
import numpy as np
import pytest
import torch

from narcis.mini.recogniser import SIZE, TEMPLATE, Recogniser, align, to_tensor, without_hair


@pytest.mark.parametrize("turn, scale", [(0.0, 1.0), (0.4, 2.5), (-0.3, 0.7)])
def test_a_turned_and_scaled_face_is_aligned_to_the_same_picture(turn, scale):
    rng = np.random.default_rng(0)
    face = cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([rotation, [100, 90]]).astype(np.float32)
    picture = cv2.warpAffine(face, matrix, (300, 300), flags=cv2.INTER_CUBIC)
    points = TEMPLATE * SIZE @ rotation.T + [100, 90]
    seen = align(picture, points)[8:-8, 8:-8].astype(float)
    assert np.abs(seen - face[8:-8, 8:-8]).mean() < 3  # grey levels, after two interpolations


def test_a_margin_shows_more_of_the_same_face():
    picture = np.random.default_rng(1).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    points = TEMPLATE * SIZE + 30
    assert np.array_equal(align(picture, points, 8)[8:-8, 8:-8], align(picture, points))


def test_coincident_points_show_the_picture_rather_than_fail():
    assert align(np.full((100, 80, 3), 9, np.uint8), np.full((5, 2), 40.0)).shape == (SIZE, SIZE, 3)


def test_masked_faces_tell_nothing_of_hair():
    faces = torch.randn(2, 3, SIZE, SIZE)
    masked = without_hair(faces)
    assert float(masked[..., :6, :].abs().max()) == 0 and float(masked[..., 32, 32].abs().min()) > 0


def test_an_embedding_is_raw():
    net = Recogniser().eval()
    with torch.no_grad():
        out = net(to_tensor(np.zeros((2, SIZE, SIZE, 3), np.uint8)))
    assert out.shape == (2, 128)
