"""A schematic face: 106 landmarks known by hand, for tests that need no painter."""

import numpy as np

from narcis.portrait.faces import Landmarks


def face_at(x: float = 128, y: float = 112, unit: float = 44, degrees: float = 0) -> Landmarks:
    """The middle of its eyes at (x, y) px, its mouth `unit` px below, turned clockwise."""
    t = np.deg2rad(degrees)
    turn = unit * np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    return Landmarks((points() @ turn + [x, y]).astype(np.float32))


def points() -> np.ndarray:
    """[106, 2] in eye-mouth distances from the middle of the eyes, in the order of the landmarks."""
    return np.concatenate([contour(), brow(-1), brow(1), eye(-0.5), eye(0.5), nose(), mouth()])


def contour() -> np.ndarray:
    t = np.linspace(np.pi, 0, 33)
    return np.stack([1.15 * np.cos(t), -0.2 + 1.8 * np.sin(t)], 1)


def brow(side: int) -> np.ndarray:
    outwards, back = np.linspace(0.2, 0.85, 5), np.linspace(0.75, 0.3, 4)
    return np.concatenate(
        [np.stack([side * outwards, -0.35 + 0 * outwards], 1), np.stack([side * back, -0.28 + 0 * back], 1)]
    )


def eye(x: float) -> np.ndarray:
    u = np.array([-1, -0.5, 0, 0.5, 1, 0.5, 0, -0.5, 0, 0])
    v = np.array([0, -1, -1, -1, 0, 1, 1, 1, 0, 0])
    return np.stack([x + 0.24 * u, 0.1 * v], 1)


def nose() -> np.ndarray:
    ridge = [(0, y) for y in (0, 0.2, 0.4, 0.6)]
    sides = [(s * x, y) for s in (-1, 1) for x, y in ((0.1, 0.3), (0.18, 0.5), (0.2, 0.6), (0.15, 0.68))]
    return np.array([*ridge, *sides, (-0.08, 0.66), (0.08, 0.66), (0, 0.7)])


def mouth() -> np.ndarray:
    outer, inner = np.linspace(-0.4, 0.4, 7), np.linspace(-0.35, 0.35, 5)
    rows = [(outer, -0.08), (outer[5:0:-1], 0.1), (inner, 0.0), (inner[3:0:-1], 0.02)]
    shaped = [np.stack([x, 1 + v * (1 - (x / 0.4) ** 2)], 1) for x, v in rows]
    return np.concatenate(shaped)


def mirrored(landmarks: Landmarks, width: int) -> Landmarks:
    """The same face in a picture of that width that was flipped: its left eye is now the right one."""
    flipped = landmarks.points * [-1, 1] + [width - 1, 0]
    return Landmarks(flipped[MIRROR].astype(np.float32))


EYE = [4, 3, 2, 1, 0, 7, 6, 5, 8, 9]
NOSE = [*range(4), *range(8, 12), *range(4, 8), 13, 12, 14]
MOUTH = [*range(6, -1, -1), *range(11, 6, -1), *range(16, 11, -1), *range(19, 16, -1)]
PARTS = [(0, range(32, -1, -1)), (42, range(9)), (33, range(9)), (61, EYE), (51, EYE), (71, NOSE), (86, MOUTH)]
MIRROR = [first + i for first, order in PARTS for i in order]


def turned(degrees: float, out: float = 0.6) -> Landmarks:
    """A flat face whose nose tip stands out, turned about its upright axis to the picture's right."""
    flat = points()
    depth = np.zeros(106)
    depth[74] = out
    t = np.deg2rad(degrees)
    moved = np.stack([flat[:, 0] * np.cos(t) + depth * np.sin(t), flat[:, 1]], 1)
    return Landmarks((150 + 50 * moved).astype(np.float32))
