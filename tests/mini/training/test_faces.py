"""What the detector and the landmarker are taught is true."""

import cv2
import numpy as np
import pytest

from narcis.mini import painter
from narcis.mini.analyser import Detector
from narcis.mini.training import faces, latents
from narcis.mini.training.data import Pictures


@pytest.fixture(scope="module")
def album():
    made = [
        painter.paint(painter.sitter(k), painter.id_photo_scene(np.random.default_rng(k)), 128, 1.0) for k in range(3)
    ]
    drawn = Pictures(
        np.stack([m.pixels for m in made]), np.stack([m.landmarks for m in made]).astype(np.float32), np.arange(3), []
    )
    return faces.Album(drawn, drawn)


def test_a_mirrored_mirror_is_the_picture(album):
    picture, points = album.pixels[0], album.landmarks[0]
    again, back = faces.mirrored(*faces.mirrored(picture, points))
    assert np.array_equal(again, picture) and back == pytest.approx(points, abs=1e-4)


def test_a_mirrored_left_eye_is_a_right_eye(album):
    picture, points = album.pixels[0], album.landmarks[0]
    _, flipped = faces.mirrored(picture, points)
    assert flipped[61:71].mean(0)[0] == pytest.approx(127 - points[51:61].mean(0)[0], abs=1e-3)
    assert (np.diff(flipped[51:56, 0]) > 0).all() and (np.diff(flipped[86:93, 0]) > 0).all()  # still left to right


def test_the_target_of_a_collage_decodes_to_its_faces(album):
    rng = np.random.default_rng(4)
    for _ in range(20):
        _, axes = faces.collage(rng, album)
        heat, *rest = faces.target(axes)[0]
        peaks = np.argwhere(heat == 1)
        assert len(peaks) == len(axes)
        for y, x in peaks.tolist():
            dx, dy, ax, ay, log = (value[y, x] for value in rest)
            eyes, length = (np.array([x + dx, y + dy]) + 0.5) * faces.STRIDE, np.exp(log) * faces.STRIDE
            assert min(np.abs(eyes - e).max() + np.abs(np.array([ax, ay]) * length - a).max() for e, a in axes) < 0.1


def test_framed_landmarks_lie_in_the_unit_square(album):
    rng = np.random.default_rng(5)
    points = np.stack([faces.framed(rng, album)[1] for _ in range(30)])
    assert points.min() > -0.35 and points.max() < 1.35 and 0.4 < points.mean() < 0.6


def test_with_a_code_every_painting_is_also_seen_as_a_denoiser_misses_it(album):
    rng = np.random.default_rng(0)
    smooth = np.stack([cv2.resize(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8), (320, 320)) for _ in range(4)])
    points = np.tile(album.landmarks[:1] * 2.5, (4, 1, 1))
    drawn = Pictures(smooth, points, np.arange(4), [])
    known = Pictures(album.pixels[:3], album.landmarks[:3], np.arange(3), [])
    seen = faces.Album(known, drawn, latents.fit(np.stack([cv2.resize(p, (256, 256)) for p in smooth])))
    assert seen.pixels.shape == (3 + 4 + 4, 128, 128, 3)
    plain, missed = seen.pixels[3:7].astype(float), seen.pixels[7:].astype(float)
    assert np.array_equal(seen.landmarks[3:7], seen.landmarks[7:])
    off = np.abs(plain - missed).mean()
    assert 1 < off < 0.5 * np.abs(plain - missed[::-1]).mean()  # the same pictures, and not quite


def test_a_training_goes_on_from_the_net_that_it_is_given(album):
    net = Detector()
    bias = dict(net.named_parameters())["head.3.bias"]
    before = bias.detach().clone()
    same = faces.train_detector(net, album, seed=0, minutes=0.001, say=lambda _: None)
    assert same is net and not same.training
    assert 0 < (bias - before).abs().max() < 0.1
