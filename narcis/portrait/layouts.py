"""Other analysers' points as our 106 landmarks: each layout is a matrix of weights, from its points to ours.

A row picks one point, or mixes a few where a layout has none in that place.  Rows sum to 1, so that moving, turning and
stretching a face moves its landmarks alike.  "Left" is the left of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from narcis.errors import BadInput
from narcis.portrait.faces import Landmarks

Weights = Float[np.ndarray, "_ n"]


def landmarks(points: Float[np.ndarray, "n 2"]) -> Landmarks:
    """Ours, from the 106 points of InsightFace, 468 or 478 of MediaPipe, 68 of iBUG, or the 5 that recognisers use."""
    if len(points) not in LAYOUTS:
        known = ", ".join(str(count) for count in sorted(LAYOUTS))
        raise BadInput(f"a face has {len(points)} points; known are layouts of {known}", points=len(points))
    return Landmarks((weights(len(points)) @ points).astype(np.float32))


@cache
def weights(count: int) -> Weights:
    """[106, count]: what our landmarks take of a layout of so many points."""
    return LAYOUTS[count]()


def picked(count: int, *points: int) -> Weights:
    return np.eye(count)[list(points)]


def mean(count: int, *points: int) -> Weights:
    return picked(count, *points).mean(0, keepdims=True)


def along(count: int, line: Sequence[int], steps: int) -> Weights:
    """`steps` places along a line of points, evenly from its first to its last."""
    at = np.linspace(0, len(line) - 1, steps)
    before = np.minimum(at.astype(int), len(line) - 2)
    part = (at - before)[:, None]
    corners = picked(count, *line)
    return (1 - part) * corners[before] + part * corners[before + 1]


def around(count: int, left: Sequence[int], right: Sequence[int]) -> Weights:
    """The contour, from two lines that both end in the chin."""
    return np.concatenate([along(count, left, 17), along(count, right, 17)[-2::-1]])


# ------------------------------------------------------------------------------------- InsightFace, 106
def insightface() -> Weights:
    """2d106det, as its markup image numbers them."""
    contour = (1, *range(9, 17), *range(2, 9), 0, *range(24, 17, -1), *range(32, 24, -1), 17)
    brows = (50, 51, 49, 48, 43, 44, 45, 47, 46), (102, 103, 104, 105, 101, 100, 99, 98, 97)
    eyes = (35, 41, 40, 42, 39, 37, 33, 36, 38, 34), (89, 95, 94, 96, 93, 91, 87, 90, 92, 88)
    nose = (72, 73, 74, 86, 75, 76, 77, 78, 81, 82, 83, 84, 79, 85, 80)
    outer = (52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55)
    inner = (65, 66, 62, 70, 69, 57, 60, 54)
    return picked(106, *contour, *brows[0], *brows[1], *eyes[0], *eyes[1], *nose, *outer, *inner)


# --------------------------------------------------------------------------------- MediaPipe, 468 and 478
OVAL_L = (162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
OVAL_R = (389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
LIDS_L, LIDS_R = (33, 161, 159, 157, 133, 154, 145, 163), (362, 384, 386, 388, 263, 390, 374, 381)


def mediapipe(count: int, iris_l: Weights, iris_r: Weights) -> Weights:
    """The face mesh; what lies between the lids is told apart by the two sizes."""
    brows = (107, 66, 105, 63, 70, 46, 53, 52, 55), (336, 296, 334, 293, 300, 276, 283, 282, 285)
    nose = (168, 197, 5, 4, 198, 115, 48, 98, 420, 344, 278, 327, 97, 326, 2)
    outer = (61, 40, 39, 0, 269, 270, 291, 321, 405, 17, 181, 91)
    inner = (78, 81, 13, 311, 308, 402, 14, 178)
    left = [picked(count, *LIDS_L), mean(count, *LIDS_L), iris_l]
    right = [picked(count, *LIDS_R), mean(count, *LIDS_R), iris_r]
    rest = picked(count, *nose, *outer, *inner)
    return np.concatenate(
        [around(count, OVAL_L, OVAL_R), picked(count, *brows[0]), picked(count, *brows[1]), *left, *right, rest]
    )


def mesh() -> Weights:
    return mediapipe(468, mean(468, *LIDS_L), mean(468, *LIDS_R))


def mesh_with_irises() -> Weights:
    return mediapipe(478, picked(478, 468), picked(478, 473))


# ------------------------------------------------------------------------------------------- iBUG, 68
def ibug() -> Weights:
    """300-W's points (Sagonas et al. 2013); brows have one line only, so their lower edge is set towards the lids."""
    left = [picked(68, 21, 20, 19, 18, 17), lowered((17, 18, 20, 21), (36, 37, 38, 39))]
    right = [picked(68, 22, 23, 24, 25, 26), lowered((26, 25, 23, 22), (45, 44, 43, 42))]
    return np.concatenate(
        [around(68, range(9), range(16, 7, -1)), *left, *right, eye(36), eye(42), nose(), picked(68, *range(48, 68))]
    )


def lowered(brow: Sequence[int], lid: Sequence[int]) -> Weights:
    return 0.75 * picked(68, *brow) + 0.25 * picked(68, *lid)


def eye(first: int) -> Weights:
    """Six points: left corner, two above, right corner, two below from the right."""
    left, a, b, right, c, d = range(first, first + 6)
    lids = [picked(68, left, a), mean(68, a, b), picked(68, b, right, c), mean(68, c, d), picked(68, d)]
    return np.concatenate([*lids, mean(68, *range(first, first + 6)), mean(68, a, b, c, d)])


def nose() -> Weights:
    sides = [[mean(68, 28, wing), mean(68, 30, wing, wing), picked(68, wing), mean(68, wing, n)] for wing, n in WINGS]
    return np.concatenate([picked(68, 27, 28, 29, 30), *sides[0], *sides[1], picked(68, 32, 34, 33)])


WINGS = ((31, 32), (35, 34))  # the wing's lowest point, and the nostril beside it


# ---------------------------------------------------------------------------------------------- five
# A mean face as iBUG's 68 points, in eye-mouth distances from the middle of the eyes: InsightFace's `meanshape_68`
# (MIT) with both halves made alike, nodding by 22° so that its nose tip is where the ArcFace template has it.
JAW = ((-1.16, -0.4), (-1.11, -0.1), (-1.06, 0.23), (-1.0, 0.56), (-0.92, 0.85), (-0.78, 1.1))
JAW += ((-0.58, 1.31), (-0.35, 1.5), (0.0, 1.6), (0.35, 1.5), (0.58, 1.31), (0.78, 1.1))
JAW += ((0.92, 0.85), (1.0, 0.56), (1.06, 0.23), (1.11, -0.1), (1.16, -0.4))
BROWS = ((-0.83, -0.25), (-0.72, -0.26), (-0.59, -0.25), (-0.43, -0.21), (-0.27, -0.17))
BROWS += ((0.27, -0.17), (0.43, -0.21), (0.59, -0.25), (0.72, -0.26), (0.83, -0.25))
NOSE = ((0.0, 0.09), (0.0, 0.24), (0.0, 0.37), (0.0, 0.5), (-0.26, 0.67))
NOSE += ((-0.14, 0.72), (0.0, 0.75), (0.14, 0.72), (0.26, 0.67))
EYES = ((-0.71, -0.03), (-0.57, -0.05), (-0.42, -0.05), (-0.27, 0.01), (-0.41, 0.06), (-0.57, 0.05))
EYES += ((0.27, 0.01), (0.42, -0.05), (0.57, -0.05), (0.71, -0.03), (0.57, 0.05), (0.41, 0.06))
MOUTH = ((-0.39, 1.0), (-0.24, 0.97), (-0.13, 0.94), (0.0, 0.98), (0.13, 0.94), (0.24, 0.97), (0.39, 1.0))
MOUTH += ((0.26, 1.11), (0.13, 1.17), (0.0, 1.18), (-0.13, 1.17), (-0.26, 1.11), (-0.32, 1.0), (-0.12, 1.02))
MOUTH += ((0.0, 1.03), (0.12, 1.02), (0.32, 1.0), (0.13, 1.04), (0.0, 1.05), (-0.13, 1.04))
AVERAGE = np.array((*JAW, *BROWS, *NOSE, *EYES, *MOUTH))


def five() -> Weights:
    """Eye centres, nose tip, mouth corners: the mean face, stretched and slanted to fit them best."""
    face = ibug() @ AVERAGE
    known = Landmarks(face.astype(np.float32)).five
    return homogeneous(face) @ np.linalg.pinv(homogeneous(known))


def homogeneous(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    return np.column_stack([points, np.ones(len(points))])


LAYOUTS = {106: insightface, 468: mesh, 478: mesh_with_irises, 68: ibug, 5: five}
