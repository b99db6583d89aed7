"""Faces: their 106 landmarks, the upright crop that Stage 2 repaints, and the way back into the painting.

Coordinates are (x, y) in pixels, those of a pixel being its index, as OpenCV's warps have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from narcis.errors import BadInput

Affine = Float[np.ndarray, "2 3"]
Points = Float[np.ndarray, "n 2"]

CONTEXT = 3.75  # the crop's side in eye-mouth distances
SINK = 0.16  # its centre below the middle of the eyes, on the way to the mouth
SMALLEST = 48  # px, the shorter side of a face that still tells who it is
TURNED = 60  # degrees to the side from which a face shows too little of itself
NOSE = 0.6  # how far its tip stands out before the eyes and mouth, in eye-mouth distances
LARGEST = 1.5  # of the model's own size, up to which a crop grows rather than shrink its face

# The 106 points. "l" is the left of the picture.
#   contour  left temple, through the chin (16), to the right temple
#   brow     5 along the upper edge from the nose outwards, 4 along the lower edge back
#   eye      left corner (of eye_l the outer), 3 upper, right corner, 3 lower right to left, middle, iris
#   nose     4 down the ridge to the tip, 4 down the left side and wing, 4 down the right, 2 nostrils, base
#   mouth    7 outer upper left to right, 5 outer lower right to left, 5 inner upper, 3 inner lower
REGIONS = {
    "contour": slice(0, 33),
    "brow_l": slice(33, 42),
    "brow_r": slice(42, 51),
    "eye_l": slice(51, 61),
    "eye_r": slice(61, 71),
    "nose": slice(71, 86),
    "mouth": slice(86, 106),
}
CHIN, NOSE_TIP, MOUTH_L, MOUTH_R = 16, 74, 86, 92

# The same points by larger names; the forehead has none, `masks` draws it from the rest.
LARGER = {
    "oval": slice(0, 51),  # jaw, temples and brows
    "jaw": slice(6, 27),
    "brows": slice(33, 51),
    "eyes": slice(51, 71),
}


@dataclass(frozen=True, eq=False)
class Landmarks:
    """106 points of one face, float32 [106, 2], in pixels of the picture they belong to."""

    points: Points

    def __post_init__(self) -> None:
        if self.points.shape != (106, 2):
            raise ValueError(f"landmarks have shape {self.points.shape}, not (106, 2)")

    def region(self, name: str) -> Points:
        return self.points[(REGIONS | LARGER)[name]]

    @property
    def five(self) -> Float[np.ndarray, "5 2"]:
        """Eye centres left and right, nose tip, mouth corners left and right: what recognisers align by."""
        eyes = [self.region(eye)[:8].mean(0) for eye in ("eye_l", "eye_r")]
        return np.stack([*eyes, *self.points[[NOSE_TIP, MOUTH_L, MOUTH_R]]])

    @property
    def eyes(self) -> Float[np.ndarray, " 2"]:
        """The middle of the two eyes."""
        return self.five[:2].mean(0)

    @property
    def axis(self) -> Float[np.ndarray, " 2"]:
        """From the middle of the eyes to the middle of the mouth: down, for the face."""
        return self.five[3:].mean(0) - self.eyes

    @property
    def yaw(self) -> float:
        """How far the face is turned aside, degrees: 0 looks at us, above 0 to the picture's right."""
        x, y = self.axis
        aside = float((self.points[NOSE_TIP] - self.eyes) @ (y, -x)) / max(float(x * x + y * y), 1e-6)
        return math.degrees(math.asin(min(1.0, max(-1.0, aside / NOSE))))

    def moved(self, matrix: Affine) -> Landmarks:
        return Landmarks(np.asarray(self.points @ matrix[:, :2].T + matrix[:, 2], np.float32))


@dataclass(frozen=True, eq=False)
class Face:
    """One face that an analyser found; the embedding is raw, not normalised, because identity encoders want it so.

    An analyser without a recogniser gives an embedding of no numbers, and does not know the sex.
    """

    box: tuple[float, float, float, float]  # left, top, right, bottom
    score: float
    landmarks: Landmarks
    embedding: Float[np.ndarray, " d"]
    sex: Literal["woman", "man", "unknown"]

    @property
    def recognised(self) -> bool:
        """Whether the embedding says who it is."""
        return len(self.embedding) > 0

    @property
    def class_word(self) -> str:
        """The word at which this face's identity enters a prompt."""
        return "person" if self.sex == "unknown" else self.sex

    @property
    def size(self) -> float:
        """The box's shorter side, px."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)


@runtime_checkable
class Analyser(Protocol):
    """Whatever finds faces."""

    @property
    def name(self) -> str: ...

    @property
    def licence(self) -> str: ...

    def analyse(self, picture: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """The faces of an RGB picture, best score first."""
        ...


def sitter_face(picture: Image.Image, analyser: Analyser) -> Face:
    """The one face of a picture; BadInput where there is none, several, or one that hardly shows who it is."""
    faces = analyser.analyse(np.asarray(picture.convert("RGB")))
    if not faces:
        raise BadInput("no face is found in the picture; take one from the front, in even light", faces=0)
    if len(faces) > 1:
        raise BadInput(f"{len(faces)} faces are in the picture; crop it to the one that is meant", faces=len(faces))
    (face,) = faces
    if (size := round(face.size)) < SMALLEST:
        raise BadInput(
            f"the face is {size} px wide; it must be {SMALLEST} px: take a closer or larger picture", size=size
        )
    if (yaw := round(abs(face.landmarks.yaw))) > TURNED:
        raise BadInput(f"the face is turned {yaw}° away; at most {TURNED}° show who it is: face the camera", yaw=yaw)
    return face


# ------------------------------------------------------------------------------------------------ crop
@dataclass(frozen=True, eq=False)
class Crop:
    """An upright square about a face.

    matrix takes picture pixels to crop pixels; magnification is crop pixels to a picture pixel.  box is where the
    square would lie if it were not turned: its left top corner in the picture, and that corner plus its side.
    """

    image: Image.Image
    matrix: Affine
    landmarks_in_crop: Landmarks
    magnification: float
    box: tuple[float, float, float, float]

    @property
    def back(self) -> Affine:
        """From crop pixels to picture pixels."""
        return cv2.invertAffineTransform(self.matrix)

    @property
    def corners(self) -> Float[np.ndarray, "4 2"]:
        """The turned square in the picture, from the left top clockwise."""
        side = self.image.width
        return np.array([[0, 0], [side, 0], [side, side], [0, side]]) @ self.back[:, :2].T + self.back[:, 2]


def upright(landmarks: Landmarks, context: float = CONTEXT) -> Affine:
    """From picture pixels to the unit square in which the face stands upright: eyes above, mouth straight below."""
    axis = landmarks.axis.astype(np.float64)
    length = math.hypot(*axis)
    if not length > 0:
        raise BadInput("the face's eyes and mouth lie on one point; take another picture")
    down, scale = axis / length, 1 / (context * length)
    turn = scale * np.array([[down[1], -down[0]], [down[0], down[1]]])
    move = 0.5 - turn @ (landmarks.eyes + SINK * axis)
    return np.column_stack([turn, move]).astype(np.float32)


def crop_size(landmarks: Landmarks, native: int, step: int, context: float = CONTEXT) -> int:
    """The side in px at which a face is refined: the model's own, and more where that would shrink the face.

    It grows in steps of what the model can paint, up to half as much again; there, attention costs five times as much.
    """
    side = context * float(np.hypot(*landmarks.axis))
    most = int(LARGEST * native) // step * step
    return native if side <= native else max(native, min(math.ceil(side / step) * step, most))


def crop(picture: Image.Image, landmarks: Landmarks, size: int, context: float = CONTEXT) -> Crop:
    """The face upright in `size` px square; beyond the picture's border its reflection."""
    matrix = upright(landmarks, context) * np.float32(size)
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    image = warp(pixels, matrix, (size, size), cv2.BORDER_REFLECT)
    left, top = cv2.invertAffineTransform(matrix)[:, 2]
    side = size / scale_of(matrix)
    box = (float(left), float(top), float(left + side), float(top + side))
    return Crop(as_image(image), matrix, landmarks.moved(matrix), scale_of(matrix), box)


def warp(pixels: np.ndarray, matrix: Affine, size: tuple[int, int], border: int) -> np.ndarray:
    """float32 [h, w, c] through an affine into (width, height), averaging areas where it shrinks.

    A shrinking warp first goes to a canvas k times as large, on which no source pixel is passed over.
    """
    k = max(1, math.ceil(1 / scale_of(matrix) - 1e-3))
    larger = k * np.asarray(matrix, np.float64)
    larger[:, 2] += (k - 1) / 2  # a pixel's middle is the middle of its k × k
    large = cv2.warpAffine(pixels, larger, (k * size[0], k * size[1]), flags=cv2.INTER_CUBIC, borderMode=border)
    return large if k == 1 else cv2.resize(large, size, interpolation=cv2.INTER_AREA)


def scale_of(matrix: Affine) -> float:
    return math.sqrt(abs(np.linalg.det(matrix[:, :2])))


def as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


# ----------------------------------------------------------------------------------------------- paste
SOLID = 0.5  # the part of the map's highest value from which the refined picture shows alone
MOST_GRAIN = 5.0  # grey levels; what is coarser than that at the seam is drawing, not grain


def paste(painting: Image.Image, refined: Image.Image, crop: Crop, change: Float[Tensor, "1 1 h w"]) -> Image.Image:
    """The refined crop back in its painting, where the change map is above 0; elsewhere the painting, bit for bit.

    Between 0 and half of its highest value the map is the feather.  Along that seam the refined picture takes the
    painting's colour and grain, which the way through the autoencoder shifts.
    """
    if refined.size != crop.image.size:
        raise ValueError(f"refined is {refined.size}, its crop was {crop.image.size}")
    whole = np.array(painting.convert("RGB"))
    place, back = window(crop, painting.size)
    if place is None:
        return Image.fromarray(whole)
    under = whole[place].astype(np.float32)
    size = (under.shape[1], under.shape[0])
    weight = feather(warped_map(change, back, size))
    over = warp(np.asarray(refined.convert("RGB"), np.float32), back, size, cv2.BORDER_REPLICATE)
    over = with_grain(in_colour(over, under, weight), under, weight)
    blended = (under + (over - under) * weight).round().clip(0, 255).astype(np.uint8)
    whole[place] = np.where(weight > 0, blended, whole[place])
    return Image.fromarray(whole)


def on_painting(change: Float[Tensor, "1 1 h w"], crop: Crop, size: tuple[int, int]) -> Float[Tensor, "1 1 H W"]:
    """The change map of a crop, as it lies on its painting of `size` (width, height); 0 beyond the crop."""
    whole = np.zeros((size[1], size[0], 1), np.float32)
    place, back = window(crop, size)
    if place is not None:
        shape = whole[place].shape
        whole[place] = warped_map(change, back, (shape[1], shape[0]))
    return torch.from_numpy(whole[None, None, :, :, 0])


def window(crop: Crop, size: tuple[int, int]) -> tuple[tuple[slice, slice] | None, Affine]:
    """The part of a picture of `size` that the crop may touch (None: they miss); from crop pixels to that part's."""
    left, top = np.maximum(np.floor(crop.corners.min(0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(crop.corners.max(0)).astype(int) + 2, size)
    back = crop.back.copy()
    back[:, 2] -= (left, top)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None, back


def warped_map(change: Tensor, back: Affine, size: tuple[int, int]) -> Float[np.ndarray, "h w 1"]:
    """Cubic warps ring a little around 0; a ring is not a wish to change."""
    values = warp(change[0, 0].detach().cpu().float().numpy()[..., None], back, size, cv2.BORDER_CONSTANT)
    values = values.reshape(size[1], size[0], 1).clip(0, 1)
    return np.where(values < 1e-3, np.float32(0), values)


def feather(change: np.ndarray) -> np.ndarray:
    """How much of the refined picture shows: smoothly from 0 to 1 while the map climbs to half of its height."""
    t = (change / max(SOLID * float(change.max()), 1e-6)).clip(0, 1)
    return t * t * (3 - 2 * t)


def seam(weight: np.ndarray) -> np.ndarray:
    """Where both pictures are to be seen: 0 outside and inside, 1 in the middle of the feather."""
    return 4 * weight * (1 - weight)


def in_colour(over: np.ndarray, under: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`over` shifted to `under`'s colour along the seam, and inside by a smooth continuation of that shift."""
    ring = seam(weight)
    if ring.sum() < 1:
        return over
    shift = (ring * (under - over)).sum((0, 1)) / ring.sum()
    sigma = (max(over.shape) / 12, max(over.shape) / 12, 0)
    near = gaussian_filter(ring, sigma)
    # Far from the seam, where near is 0, the shift is the seam's mean.
    return over + (gaussian_filter(ring * (under - over), sigma) + 1e-2 * shift) / (near + 1e-2)


def with_grain(over: np.ndarray, under: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`over` with as much grey noise as it lacks to be as rough as `under` is along the seam."""
    ring = seam(weight)[..., 0] > 0.1
    lacking = grain(under, ring) ** 2 - grain(over, ring) ** 2
    if lacking <= 0:
        return over
    noise = np.random.default_rng(0).standard_normal(over.shape[:2])[..., None].astype(np.float32)
    return over + noise * min(math.sqrt(lacking), MOST_GRAIN)


def grain(pixels: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation of the finest detail in grey levels, by the median, which outlines do not move."""
    if not where.any():
        return 0.0
    grey = pixels.mean(2)
    fine = (grey - gaussian_filter(grey, 1.0))[where]
    return 1.4826 * float(np.median(np.abs(fine - np.median(fine))))
