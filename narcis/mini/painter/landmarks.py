"""The exact 106 landmarks of a painted face, in the order of `narcis.portrait.faces`."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.features import Features
from narcis.mini.painter.head import Head

Points = np.ndarray  # [n, 3]: face x, y and height above the face, head units


def landmarks(head: Head, features: Features) -> np.ndarray:
    """[106, 2] px of the head's canvas."""
    brows = [brow(features, side) for side in (-1, 1)]
    eyes = [eye(features, side) for side in (-1, 1)]
    return head.project(np.concatenate([head.jaw(), *brows, *eyes, nose(features), mouth(features)]))


def flat(x, y) -> Points:
    return np.stack([x, y, 0 * x], 1)


def brow(features: Features, side: int) -> Points:
    """Five along the upper edge outwards, four along the lower edge back."""
    return np.concatenate(
        [edge(features, side, np.linspace(-0.95, 1.0, 5), -1), edge(features, side, np.linspace(0.6, -0.6, 4), 1)]
    )


def edge(features: Features, side: int, out: np.ndarray, down: int) -> Points:
    line, thick = features.brow(out)
    along = out * features.sitter.eye_w * 1.18 * features.sitter.brow_len
    return flat(side * (features.sitter.eye_x + 0.01 + along), line + down * thick)


def eye(features: Features, side: int) -> Points:
    """Left corner, three of the upper lid, right corner, three of the lower lid back, middle, iris."""
    st, u = features.sitter, np.array([-0.5, 0.0, 0.5])
    upper, lower = features.lids(u, side)
    u = np.concatenate([[-1], u, [1], u[::-1], [0, 0]])
    v = np.concatenate([[0], upper, [0], lower[::-1], [(upper[1] + lower[1]) / 2, -0.10]])
    return flat(side * st.eye_x + u * st.eye_w, st.eye_y + features.eye_h * v - st.eye_tilt * side * u * st.eye_w * 0.9)


def nose(features: Features) -> Points:
    """Four down the ridge, four down each side and wing, nostrils, base."""
    top, tip, wide = features.nose_top, features.sitter.nose_y, features.sitter.nose_w
    t = np.array([0.0, 1 / 3, 2 / 3, 1.0])
    points = [(0, top + s * (tip - top), above) for s, above in zip(t, features.ridge(t) * 0.9)]
    for side in (-1, 1):
        wing = [(side * x * wide, tip + y, 0.05) for x, y in ((0.135, -0.05), (0.15, 0), (0.12, 0.04))]
        points += [(side * 0.07, (top + tip) / 2, 0.05), *wing]
    nostrils = [(-0.052 * wide, tip + 0.033, 0.1), (0.052 * wide, tip + 0.033, 0.1)]
    return np.array([*points, *nostrils, (0, tip + 0.055, 0.08)])


def mouth(features: Features) -> Points:
    """Outer edge: seven above from the left, five below from the right; inner edge: five above, three below."""
    outer, inner = np.linspace(-1, 1, 7), np.linspace(-0.9, 0.9, 5)
    edges = [(outer, "top"), (outer[1:-1][::-1], "bottom"), (inner, "inner top"), (inner[1:-1][::-1], "inner bottom")]
    return np.concatenate([lip(features, u, kind) for u, kind in edges])


def lip(features: Features, u: np.ndarray, kind: str) -> Points:
    line, upper, lower, gap = features.lips(u)
    offset = {"top": -upper - gap / 2, "inner top": -gap / 2, "inner bottom": gap / 2, "bottom": lower + gap / 2}
    return flat(u * features.mouth_w, line + offset[kind])
