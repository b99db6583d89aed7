"""The face's height map, in head units, and the shadows it casts on itself."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.face import Canvas
from narcis.mini.painter.fields import F, Field, bell, dome, mix, segment, smooth, spot


def relief(c: Canvas) -> Field:
    height = 0.72 * c.surface.z
    height += brows_and_sockets(c)
    height += cheekbones(c) - 0.07 * c.sitter.gaunt * c.both(c.sitter.width * 0.66, 0.50, 0.13, 0.19)
    add_nose(c, height)
    height += mouth_and_chin(c)
    add_folds(c, height)
    add_wrinkles(c, height)
    height += lips_relief(c)
    height -= 0.03 * spot(c.across - c.features.mouth_w * 1.04, c.y - c.lips.line, 0.03, 0.03)
    return height


def brows_and_sockets(c: Canvas) -> Field:
    st = c.sitter
    brow, ball = (
        0.050 * c.both(st.eye_x, c.features.brow_y, 0.22, 0.09),
        0.045 * c.both(st.eye_x, st.eye_y + 0.005, 0.13, 0.075),
    )
    return brow - 0.085 * c.both(st.eye_x * 0.95, st.eye_y - 0.02, 0.19, 0.11) + ball


def cheekbones(c: Canvas) -> Field:
    strength = 0.04 + 0.05 * c.sitter.cheek + 0.035 * c.features.joy
    return strength * c.both(c.sitter.width * 0.62, 0.22, 0.20, 0.17)


def add_nose(c: Canvas, height: Field) -> None:
    """A ridge that rises and widens to the tip, the tip, the wings."""
    st, nose = c.sitter, c.nose
    height += nose.rise * bell(nose.x, 0.065 + 0.050 * st.nose_w * nose.along**2)
    height += st.nose_h * 0.045 * spot(nose.x, c.y - st.nose_y + 0.02, 0.07 * st.nose_w, 0.06)
    height += 0.06 * st.nose_h * spot(nose.across - 0.095 * st.nose_w, c.y - st.nose_y - 0.005, 0.05, 0.052)


def mouth_and_chin(c: Canvas) -> Field:
    y, tip = c.features.mouth_y, c.sitter.nose_y
    mounds = 0.045 * c.middle(0, y, 0.24, 0.14) + 0.06 * c.middle(0, 0.88, 0.15, 0.10)
    return mounds - 0.035 * c.middle(0, y + 0.17, 0.15, 0.045) - 0.012 * c.middle(0, (tip + y) / 2 + 0.02, 0.03, 0.06)


def add_folds(c: Canvas, height: Field) -> None:
    distance, along, depth = c.fold
    height -= depth * bell(distance, 0.032) * smooth(1.15, 0.7, along)
    height += depth * 0.5 * bell(distance, 0.09)


def add_wrinkles(c: Canvas, height: Field) -> None:
    if c.old:
        height -= 0.020 * ((c.sitter.age - 0.45) / 0.55) * c.wrinkles
    if c.features.mood.frown:
        y = c.features.brow_y
        for side in (-1, 1):
            distance, _ = segment(c.x, c.y, side * 0.05, y - 0.02, side * 0.035, y + 0.09)
            height -= 0.022 * bell(distance, 0.018)


def lips_relief(c: Canvas) -> Field:
    lip = c.lips
    above = c.y - lip.line + lip.upper * 0.5 + lip.gap * 0.5
    below = c.y - lip.line - lip.lower * 0.5 - lip.gap * 0.5
    upper = 0.030 * dome(above / (lip.upper * 0.75 + 1e-4)) * lip.arch
    return upper + 0.042 * dome(below / (lip.lower * 0.62 + 1e-4)) * lip.arch


# ------------------------------------------------------------------------------------------------- shadows
def occlusion(c: Canvas, height: Field) -> Field:
    """1 in the open, less in hollows and in the nose's shadow; height in px."""
    shaded = hollows(height, c.scale) * (1 - 0.50 * cast_shadow(c, height) * smooth(0.96, 0.80, c.surface.rho))
    return mix(1.0, shaded, smooth(1.0, 0.9, c.surface.rho) * 0.9 + 0.1)


def hollows(height: Field, scale: float) -> Field:
    """Lower than the neighbourhood is darker."""
    near = cv2.GaussianBlur(height, (0, 0), max(1.0, scale * 0.05))
    far = cv2.GaussianBlur(height, (0, 0), max(1.0, scale * 0.12))
    dark = np.clip((near - height) / (scale * 0.020), 0, 1.2) * 0.30
    return np.clip(1 - dark - np.clip((far - height) / (scale * 0.06), 0, 1.2) * 0.20, 0.3, 1)


def cast_shadow(c: Canvas, height: Field) -> Field:
    """What rises above the ray to the light, along five steps of it."""
    shadow = np.zeros_like(height)
    for k in range(1, 6):
        step = k * c.scale * 0.045
        move = np.array([[1, 0, c.scene.lit * step], [0, 1, step * 0.75]], F)
        moved = cv2.warpAffine(height, move, height.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        shadow = np.maximum(shadow, moved - height - step * 0.92)
    return cv2.GaussianBlur(np.clip(shadow / (c.scale * 0.03), 0, 1), (0, 0), max(0.8, c.scale * 0.018))
