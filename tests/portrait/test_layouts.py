"""Layouts against what is known of them elsewhere, and against faces known by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from schematic import face_at, mirrored

from narcis.errors import BadInput
from narcis.portrait import layouts
from narcis.portrait.faces import CHIN, MOUTH_L, MOUTH_R, NOSE_TIP, REGIONS, Landmarks

# MediaPipe 0.10.21's own meshes of collins.jpg, 468 points and 478.
MESHES = np.load(Path(__file__).parent / "analysers" / "collins.npz")
WIDTH = 320

# InsightFace's 106 as outlines that others draw of them: Kendryte's K230 SDK, its face landmark sample.
DRAWN = {
    "contour": (
        *(1, 9, 10, 11, 12, 13, 14, 15, 16, 2, 3, 4, 5, 6, 7, 8, 0),
        *(24, 23, 22, 21, 20, 19, 18, 32, 31, 30, 29, 28, 27, 26, 25, 17),
    ),
    "brow_l": (43, 44, 45, 47, 46, 50, 51, 49, 48),
    "brow_r": (97, 98, 99, 100, 101, 105, 104, 103, 102),
    "eye_l": (35, 36, 33, 37, 39, 42, 40, 41),
    "eye_r": (89, 90, 87, 91, 93, 96, 94, 95),
    "bridge": (72, 73, 74, 86),
    "lips": (52, 55, 56, 53, 59, 58, 61, 68, 67, 71, 63, 64),
    "between_lips": (65, 54, 60, 57, 69, 70, 62, 66),
}


def mirror_106() -> list[int]:
    """Which of InsightFace's points takes whose place when a face is flipped."""
    pairs = list(zip(DRAWN["contour"], DRAWN["contour"][::-1]))
    pairs += zip((43, 48, 49, 51, 50, 46, 47, 45, 44), (101, 105, 104, 103, 102, 97, 98, 99, 100))
    pairs += zip((35, 41, 40, 42, 39, 37, 33, 36, 34, 38), (93, 96, 94, 95, 89, 90, 87, 91, 88, 92))
    pairs += [(i, i + 6) for i in range(75, 80)] + [(i, i) for i in (72, 73, 74, 86, 80)]
    pairs += [(52, 61), (64, 68), (63, 67), (71, 71), (55, 58), (56, 59), (53, 53)]
    pairs += [(65, 69), (66, 70), (62, 62), (54, 57), (60, 60)]
    to = dict(pairs) | {b: a for a, b in pairs}
    return [to[i] for i in range(106)]


MIRROR_68 = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
MIRROR_68 += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRROR_68 += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]


def insight() -> np.ndarray:
    """A face in InsightFace's order."""
    return layouts.weights(106).T @ face_at(160, 120, 40).points


def ibug() -> np.ndarray:
    return layouts.AVERAGE * 40 + [160, 120]


def five() -> np.ndarray:
    return face_at(160, 120, 40).five


FACES = {
    "106": insight,
    "68": ibug,
    "5": five,
    "468": lambda: MESHES["mesh"],
    "478": lambda: MESHES["with_irises"],
}


def upright(raw: np.ndarray) -> Landmarks:
    """In eye-mouth distances from the middle of the eyes."""
    landmarks = layouts.landmarks(raw)
    x, y = landmarks.axis
    turn = np.array([[y, -x], [x, y]]) / (x * x + y * y)
    return Landmarks(((landmarks.points - landmarks.eyes) @ turn.T).astype(np.float32))


@pytest.mark.parametrize("count", layouts.LAYOUTS)
def test_every_landmark_is_a_mean_of_points(count: int):
    """So that what happens to a picture happens to its landmarks."""
    weights = layouts.weights(count)
    assert weights.shape == (106, count) and np.allclose(weights.sum(1), 1)


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
class TestGeometry:
    def test_features_lie_where_their_names_say(self, face):
        seen = upright(face())
        middles = {name: seen.region(name).mean(0) for name in REGIONS}
        assert -0.85 < middles["eye_l"][0] < -0.3 and 0.3 < middles["eye_r"][0] < 0.85
        assert middles["brow_l"][1] < -0.1 > middles["brow_r"][1]
        assert middles["brow_l"][0] < 0 < middles["brow_r"][0]
        assert abs(middles["nose"][0]) < 0.15 and 0.2 < middles["nose"][1] < 0.75
        assert abs(middles["mouth"][0]) < 0.1 and 0.8 < middles["mouth"][1] < 1.2

    def test_the_contour_runs_from_the_left_temple_through_the_chin_to_the_right_temple(self, face):
        jaw = upright(face()).region("contour")
        assert jaw[0, 0] < -0.8 and jaw[-1, 0] > 0.8 and jaw[[0, -1], 1].max() < 0.4
        assert jaw[:, 1].argmax() in (CHIN - 1, CHIN, CHIN + 1) and abs(jaw[CHIN, 0]) < 0.12
        assert (np.diff(jaw[4:29, 0]) > 0).all()  # from left to right, below the ears

    def test_eyes_go_round_from_their_left_corner_over_the_upper_lid(self, face):
        for name in ("eye_l", "eye_r"):
            eye = upright(face()).region(name)
            assert eye[:8, 0].argmin() == 0 and eye[:8, 0].argmax() == 4
            assert (np.diff(eye[:5, 0]) > 0).all() and (np.diff(eye[4:8, 0]) < 0).all()
            assert (eye[1:4, 1] < eye[7:4:-1, 1]).all()
            assert (eye[8:] > eye[:8].min(0)).all() and (eye[8:] < eye[:8].max(0)).all()

    def test_brows_go_outwards_above_and_back_below(self, face):
        for name, side in (("brow_l", -1), ("brow_r", 1)):
            brow = upright(face()).region(name)
            assert (np.diff(side * brow[:5, 0]) > 0).all() and (np.diff(side * brow[5:, 0]) < 0).all()
            assert brow[:5, 1].mean() < brow[5:, 1].mean()

    def test_the_nose_goes_down_its_ridge_then_its_sides_and_ends_below(self, face):
        nose = upright(face()).region("nose")
        assert (np.diff(nose[:4, 1]) > 0).all() and np.abs(nose[:4, 0]).max() < 0.12
        assert (nose[4:8, 0] < nose[3, 0]).all() and (nose[8:12, 0] > nose[3, 0]).all()
        assert nose[12, 0] < nose[14, 0] < nose[13, 0] and nose[14, 1] > nose[3, 1]

    def test_the_mouth_goes_round_outside_and_then_inside(self, face):
        mouth = upright(face()).region("mouth")
        assert (np.diff(mouth[:7, 0]) > 0).all() and (np.diff(mouth[7:12, 0]) < 0).all()
        assert (np.diff(mouth[12:17, 0]) > 0).all() and (np.diff(mouth[17:, 0]) < 0).all()
        assert mouth[3, 1] < mouth[14, 1] <= mouth[18, 1] < mouth[9, 1]

    def test_everything_lies_in_the_oval(self, face):
        seen = upright(face())
        hull = cv2.convexHull(seen.region("oval"))
        assert min(cv2.pointPolygonTest(hull, tuple(map(float, p)), True) for p in seen.points) > -1e-3


@pytest.mark.parametrize("raw, mirror", [(insight(), mirror_106()), (ibug(), MIRROR_68), (five(), [1, 0, 2, 4, 3])])
def test_a_flipped_face_has_flipped_landmarks(raw: np.ndarray, mirror: list[int]):
    raw = raw + np.random.default_rng(0).normal(0, 1, raw.shape)  # nobody is symmetric
    flipped = (raw * [-1, 1] + [WIDTH - 1, 0])[mirror]
    assert np.allclose(layouts.landmarks(flipped).points, mirrored(layouts.landmarks(raw), WIDTH).points, atol=1e-3)


def test_insightfaces_regions_are_those_that_others_draw():
    taken = layouts.weights(106).argmax(1)
    assert sorted(taken) == list(range(106))
    assert tuple(taken[:33]) == DRAWN["contour"]
    for name in ("brow_l", "brow_r"):
        assert set(taken[REGIONS[name]]) == set(DRAWN[name])
    for name in ("eye_l", "eye_r"):
        assert set(taken[REGIONS[name]][:8]) == set(DRAWN[name])
    assert tuple(taken[71:75]) == DRAWN["bridge"]
    assert set(taken[86:98]) == set(DRAWN["lips"]) and set(taken[98:]) == set(DRAWN["between_lips"])
    assert [taken[i] for i in (CHIN, NOSE_TIP, MOUTH_L, MOUTH_R)] == [0, 86, 52, 61]


def test_five_points_come_back_as_they_were():
    """Exactly where a stretched mean face fits them, and as near as one does where none fits."""
    mean = layouts.landmarks(layouts.AVERAGE).five
    stretched = mean @ [[30, 2], [-3, 44]] + [100, 90]
    assert np.allclose(layouts.landmarks(stretched).five, stretched, atol=1e-3)
    arcface = np.array(
        [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
    )
    assert np.abs(layouts.landmarks(arcface).five - arcface).max() < 0.8


def test_a_layout_that_nobody_knows_is_refused():
    with pytest.raises(BadInput, match="a face has 98 points; known are layouts of 5, 68, 106, 468, 478"):
        layouts.landmarks(np.zeros((98, 2)))
