"""A brush's strokes on a map: what of a mask is told by hand, and lies on any face as it lay on the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float

from narcis.recipe import Stroke

if TYPE_CHECKING:
    from narcis.portrait.masks import Frame

Cover = Float[np.ndarray, "h w"]  # 0 to 1
FAR = 1e4  # px; a stroke that is further away than this is nowhere on the canvas


def brushed(value: Cover, strokes: Sequence[Stroke], frame: Frame) -> Cover:
    """The map after each stroke in turn; the frame is that of the face on it."""
    for stroke in strokes:
        way = frame.outward(np.array(stroke.points)).clip(-FAR, FAR)
        place, cover = around(way, stroke.radius * frame.unit, max(stroke.soft * frame.unit, 1.0), value.shape)
        if cover.size:
            value[place] += (stroke.level - value[place]) * cover
    return value


def around(
    way: Float[np.ndarray, "n 2"], radius: float, soft: float, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], Cover]:
    """The part of a canvas that a stroke may touch, and how far it covers each pixel of it: 1 up to `radius` px."""
    reach = radius + soft + 2
    left, top = np.floor(way.min(0) - reach).astype(int).clip(0, (shape[1], shape[0]))
    right, bottom = np.ceil(way.max(0) + reach).astype(int).clip(0, (shape[1], shape[0]))
    place = (slice(int(top), int(bottom)), slice(int(left), int(right)))
    if right <= left or bottom <= top:
        return place, np.zeros((0, 0), np.float32)
    # The way itself may run beyond the canvas; distances are measured from all of it.
    low, high = np.floor(way.min(0)).astype(int) - 1, np.ceil(way.max(0)).astype(int) + 2
    low, high = np.minimum(low, (left, top)), np.maximum(high, (right, bottom))
    free = np.ones(tuple((high - low)[::-1]), np.uint8)
    drawn = np.round(np.concatenate([way, way[-1:]]) - low).astype(np.int32)  # OpenCV draws no line of one point
    cv2.polylines(free, [drawn], False, 0)
    away = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    away = away[top - low[1] : bottom - low[1], left - low[0] : right - low[0]]
    t = ((radius + soft - away) / soft).clip(0, 1)
    return place, t * t * (3 - 2 * t)
