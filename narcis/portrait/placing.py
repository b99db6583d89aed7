"""A painting's face, where an analyser sees none: in a mosaic, a cubist's picture, or whatever else is no photo."""

from __future__ import annotations

import numpy as np
from PIL import Image

from narcis.errors import BadInput
from narcis.portrait.faces import Analyser, Face, Landmarks


def look(painting: Image.Image, analyser: Analyser, at: str, like: Landmarks) -> list[Face]:
    """The faces of a painting, best first: the one that is said to be `at` a place, else those the analyser finds."""
    return [by_hand(at, like, painting.size)] if at else analyser.analyse(np.asarray(painting))


def by_hand(at: str, like: Landmarks, size: tuple[int, int]) -> Face:
    """A face at "left,top,width,height", fractions of a picture of `size` (width, height), with another's features.

    Those are its landmarks', stretched to the place; it has no embedding, since nobody has looked at it.
    """
    place = parsed(at) * np.tile(size, 2)
    low, high = like.points.min(0), like.points.max(0)
    points = place[:2] + (like.points - low) / np.maximum(high - low, 1e-6) * place[2:]
    left, top, right, bottom = (float(edge) for edge in (*place[:2], *(place[:2] + place[2:])))
    nobody = np.empty(0, np.float32)
    return Face((left, top, right, bottom), 1.0, Landmarks(points.astype(np.float32)), nobody, "unknown")


def parsed(at: str) -> np.ndarray:
    try:
        place = np.array([float(part) for part in at.split(",")])
    except ValueError:
        place = np.empty(0)
    if place.shape != (4,) or not (place >= 0).all() or not (place[2:] > 0).all() or (place[:2] + place[2:] > 1).any():
        raise BadInput(
            f"face_at is {at!r}; it must be left,top,width,height as fractions of the picture, such as 0.3,0.2,0.4,0.5",
            face_at=at,
        )
    return place
