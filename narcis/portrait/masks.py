"""From a mask recipe and a face's landmarks to the change map of its crop: 1 repaints from the start, 0 keeps.

Shapes are drawn in the face's own frame: the origin is the middle of the eyes, u points to the picture's right, v down,
and the unit is the way from eyes to mouth.  A recipe therefore means the same at every resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from narcis.portrait.faces import CHIN, Landmarks
from narcis.portrait.strokes import brushed
from narcis.recipe import MaskRecipe

Region = Bool[np.ndarray, "h w"]
Cover = Float[np.ndarray, "h w"]  # 0 to 1
Distance = Float[np.ndarray, "h w"]  # px

# Proportions of heads in eye-mouth distances: canons of drawing, checked on the painter's sitters.
HAIRLINE, CROWN = -1.1, -1.85
HAIR_WIDTH, HAIR_END = 1.28, 1.5  # of the face's half width, down to v, where it is as wide as the face
NECK_WIDTH, NECK_END = 0.62, 3.0
CANVAS = 512  # px, what maps are drawn on before they take the crop's size
MARGIN, WINDOW = 0.03, 0.09  # of the crop's side: 0 up to the first, untouched from the second
JAWS = (9, 23)  # contour points below the ears, from where the neck goes down

SHARED = 0.8  # eye-mouth distances over which what is one face's becomes another's
MIDDLE = 0.4  # of a face, below its eyes

OUTER = ("face", "forehead", "hair", "neck")
FEATURES = {"brows": ("brow_l", "brow_r"), "eyes": ("eye_l", "eye_r"), "nose": ("nose",), "mouth": ("mouth",)}
ROOM = {"brows": 0.05, "eyes": 0.05, "nose": 0.03, "mouth": 0.05}  # of the face's height, about their landmarks


def change_map(recipe: MaskRecipe, landmarks: Landmarks, size: int) -> Float[Tensor, "1 1 h w"]:
    """The recipe's wish for each pixel of a crop of `size` px, given the landmarks in that crop.

    More `grow` never lowers it, and the crop's border is always kept, so that pasting leaves no edge.
    """
    value = drawn_map(recipe, landmarks.moved(onto_canvas(size)))
    way = cv2.INTER_AREA if size < CANVAS else cv2.INTER_LINEAR
    value = cv2.resize(value, (size, size), interpolation=way) * border(size)
    return torch.from_numpy(np.float32(value))[None, None]


def own(landmarks: Landmarks, others: Sequence[Landmarks], size: int) -> Float[Tensor, "1 1 h w"]:
    """What of a crop of `size` px belongs to a face among others: 1 where it is the nearest, 0 where another one is.

    Distances are counted in each face's own units, so that a child before an adult keeps its head.
    """
    near = away(landmarks, size)
    shares = [(0.5 + (away(other, size) - near) / SHARED).clip(0, 1) for other in others]
    share = np.minimum.reduce([np.ones((size, size)), *shares])
    return torch.from_numpy(np.float32(share * share * (3 - 2 * share)))[None, None]


def away(landmarks: Landmarks, size: int) -> Float[np.ndarray, "h w"]:
    """Every pixel's distance from the middle of a face, in eye-mouth distances."""
    x, y = landmarks.eyes + MIDDLE * landmarks.axis
    rows, columns = np.mgrid[0:size, 0:size]
    return np.hypot(columns - x, rows - y) / max(float(np.hypot(*landmarks.axis)), 1e-6)


def onto_canvas(size: int) -> Float[np.ndarray, "2 3"]:
    """From a crop's pixels to the canvas's, middle of pixel to middle of pixel."""
    scale = CANVAS / size
    return np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])


def drawn_map(recipe: MaskRecipe, landmarks: Landmarks) -> Cover:
    """The map on the canvas, before its border is cleared."""
    drawn = distances(np.float32(landmarks.points).tobytes())
    height = face_height(landmarks)
    grow, soft = recipe.grow * height, max(recipe.feather * height, 1.0)
    weights = {name: float(getattr(recipe, name)) for name in (*OUTER, *FEATURES)}
    covers = {name: cover(drawn[name], grow + ROOM.get(name, 0) * height, soft) for name in drawn if weights[name] > 0}
    value = lowered(highest([weights[name] * c for name, c in covers.items()]), drawn, weights, height)
    value = recipe.floor * highest(list(covers.values())) + (recipe.ceiling - recipe.floor) * value**recipe.curve
    return brushed(value, recipe.strokes, Frame(landmarks))


@lru_cache(maxsize=2)
def distances(points: bytes) -> dict[str, Distance | None]:
    """Each region's distances, kept for the next recipe of the same face (float32 [106, 2], on the canvas).

    They cost more than all the rest of a map, and are asked for again at each move of a slider.
    """
    drawn = draw(Landmarks(np.frombuffer(points, np.float32).reshape(106, 2)))
    return {name: distance(region) for name, region in drawn.items()}


def distance(region: Region) -> Distance | None:
    """How far each pixel is from a region, px; None where the region has no pixel."""
    if not region.any():
        return None
    return cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def lowered(value: Cover, drawn: dict[str, Distance | None], weights: dict[str, float], height: float) -> Cover:
    """Features that are to change less than the face are cut out of it; these do not grow with the rest."""
    for name in FEATURES:
        if weights[name] < weights["face"]:
            c = cover(drawn[name], ROOM[name] * height, ROOM[name] * height)
            value = np.minimum(value, weights[name] * c + value * (1 - c))
    return value


def cover(away: Distance | None, grow: float, soft: float) -> Cover:
    """1 up to `grow` px around a region, then smoothly down to 0 over `soft` px."""
    if away is None:
        return np.zeros((CANVAS, CANVAS), np.float32)
    t = ((grow + soft - away) / soft).clip(0, 1)
    return t * t * (3 - 2 * t)


def highest(covers: list[Cover]) -> Cover:
    return reduce(np.maximum, covers, np.zeros((CANVAS, CANVAS), np.float32))


def border(size: int) -> Cover:
    """0 within the margin of the crop's border, 1 from the window on."""
    edge = (np.arange(size) + 0.5) / size
    t = ((np.minimum(edge, 1 - edge) - MARGIN) / (WINDOW - MARGIN)).clip(0, 1)
    ramp = t * t * (3 - 2 * t)
    return np.minimum.outer(ramp, ramp)


def face_height(landmarks: Landmarks) -> float:
    """From the brows to the chin, px: the unit of `grow` and `feather`."""
    v = Frame(landmarks).inward(landmarks.points)[:, 1]
    return float(v[CHIN] - v[33:51].min()) * Frame(landmarks).unit


# ---------------------------------------------------------------------------------------------- shapes
@dataclass(frozen=True)
class Frame:
    """The face's own coordinates."""

    landmarks: Landmarks

    @property
    def unit(self) -> float:
        return float(np.hypot(*self.landmarks.axis))

    @property
    def turn(self) -> Float[np.ndarray, "2 2"]:
        """Rows: one unit of u and one of v, in pixels."""
        x, y = self.landmarks.axis.tolist()
        return np.array([[y, -x], [x, y]])

    def inward(self, points: np.ndarray) -> np.ndarray:
        return (points - self.landmarks.eyes).astype(np.float64) @ np.linalg.inv(self.turn)

    def outward(self, points: np.ndarray) -> np.ndarray:
        return points @ self.turn + self.landmarks.eyes


def draw(landmarks: Landmarks) -> dict[str, Region]:
    """Every region of the recipe as the pixels it holds; the outer ones do not overlap."""
    frame = Frame(landmarks)
    hulls = {"face": face_outline(landmarks), **{n: frame.outward(s) for n, s in head_shapes(landmarks).items()}}
    drawn = {name: filled([hull]) for name, hull in hulls.items()}
    drawn["forehead"] &= ~drawn["face"]
    drawn["neck"] &= ~drawn["face"]
    drawn["hair"] &= ~(drawn["face"] | drawn["forehead"] | drawn["neck"])
    for name, parts in FEATURES.items():
        drawn[name] = filled([hull_of(landmarks.region(part)) for part in parts])
    return drawn


def face_outline(landmarks: Landmarks) -> np.ndarray:
    """Jaw and brows."""
    return hull_of(np.concatenate([landmarks.region(r) for r in ("contour", "brow_l", "brow_r")]))


def head_shapes(landmarks: Landmarks) -> dict[str, np.ndarray]:
    """Forehead, hair and neck in the face's frame, where no landmark says where they are."""
    jaw = Frame(landmarks).inward(landmarks.region("contour"))
    (left, ear), right = jaw[0], jaw[-1, 0]
    middle, half = (left + right) / 2, (right - left) / 2
    wide = HAIR_WIDTH * half
    hair = np.concatenate([dome(middle, ear, wide, CROWN), [[middle + half, HAIR_END], [middle - half, HAIR_END]]])
    a, b = jaw[list(JAWS)]
    chin = jaw[CHIN, 0]
    neck = [a, b, [chin + NECK_WIDTH * half, NECK_END], [chin - NECK_WIDTH * half, NECK_END]]
    return {"forehead": dome(middle, ear, half, HAIRLINE), "hair": hair, "neck": np.array(neck)}


def dome(middle: float, base: float, half: float, top: float) -> np.ndarray:
    """The upper half of an ellipse, from left to right."""
    t = np.linspace(np.pi, 0, 33)
    return np.stack([middle + half * np.cos(t), base + (top - base) * np.sin(t)], 1)


def hull_of(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def filled(outlines: list[np.ndarray]) -> Region:
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    for outline in outlines:
        # Sixteenths of a pixel; outlines far off the canvas would overflow OpenCV's 32 bits.
        cv2.fillPoly(canvas, [np.round(outline.clip(-9e4, 9e4) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return canvas > 0
