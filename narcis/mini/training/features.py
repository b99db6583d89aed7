"""A sitter's true features as numbers, for the recogniser to regress."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from narcis.mini import painter
from narcis.mini.painter.sitter import BEARDS, GLASSES, HAIR_COLOURS, HAIR_STYLES

NUMBERS = [
    "woman",
    "age",
    "tone",
    "width",
    "jaw",
    "chin",
    "cheek",
    "gaunt",
    "eye_x",
    "eye_y",
    "eye_w",
    "eye_h",
    "eye_tilt",
    "lid",
    "brow_h",
    "brow_t",
    "brow_arch",
    "nose_y",
    "nose_w",
    "nose_h",
    "hook",
    "mouth_y",
    "mouth_w",
    "lip_upper",
    "lip_lower",
    "lip_red",
    "hair_low",
    "volume",
    "freckles",
]
WORDS = {"hair": HAIR_STYLES, "hair_colour": tuple(HAIR_COLOURS), "beard": BEARDS, "glasses": GLASSES}


def features(numbers: Iterable[int]) -> np.ndarray:
    """[sitters, k] float32: standardised numbers, the sex first, and words one-hot."""
    people = [painter.sitter(n) for n in numbers]
    values = np.array([[*(float(getattr(p, k)) for k in NUMBERS), *p.skin, *p.iris] for p in people], np.float32)
    values = (values - values.mean(0)) / (values.std(0) + 1e-4)
    words = [[1.5 * (getattr(p, k) == word) for k, known in WORDS.items() for word in known] for p in people]
    return np.concatenate([values, np.array(words, np.float32)], 1)
