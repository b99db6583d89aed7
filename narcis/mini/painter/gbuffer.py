"""The G-buffer: what is seen at each pixel, before a medium says how it is painted.

Parts are laid on from back to front; each layer covers albedo, relief, gloss, shadow, label and ink together.
"""

from __future__ import annotations

import copy
from enum import IntEnum

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, rgb
from narcis.mini.painter.head import Head


class Label(IntEnum):
    """What a pixel belongs to. Below 6 lies behind the sitter; media draw borders where labels meet."""

    GROUND = 0
    GROUND_PART = 1  # hills, stone
    GROUND_PART_2 = 2  # every other hill, stars
    HALO = 3
    COSTUME = 20  # and on to 27, one a costume
    COLLAR = 28
    BACK_HAIR = 30
    NECK = 40
    EAR = 41
    SKIN = 50
    EYE = 51
    LIPS = 52
    BEARD = 53
    HAIR = 54
    HEADWEAR = 60  # and on to 62, its parts
    GLASSES = 63


BEHIND = 6  # labels below it are the backdrop's


class GBuffer:
    """Square float32 fields, `size` px: albedo (linear), normal, gloss, occlusion (1 is open), label, ink (0 to 1)."""

    FIELDS = ("albedo", "normal", "gloss", "occlusion", "label", "ink")

    def __init__(self, head: Head, exposure: float):
        self.head, self.exposure, self.size = head, exposure, head.size
        self.albedo = np.zeros((self.size, self.size, 3), F)
        self.normal = np.zeros((self.size, self.size, 3), F)
        self.normal[..., 2] = 1
        self.gloss = np.zeros((self.size, self.size), F)
        self.occlusion = np.ones((self.size, self.size), F)
        self.label = np.zeros((self.size, self.size), np.uint8)
        self.ink = np.zeros((self.size, self.size), F)

    def layer(
        self, mask: Field, albedo: Colour, height: Field | None = None, *, gloss: float | Field = 0.0,
        label: int | None = None, shadow: float = 0.0, spread: float = 6.0, occlusion: float | Field = 1.0,
        ink: float = 1.0,
    ) -> None:  # fmt: skip
        """Covers `mask` (0 to 1). `height` in px gives the relief; `shadow` darkens what lies behind, `spread` px of
        384 around; `ink` outlines a labelled layer.
        """
        mask = np.clip(mask, 0, 1).astype(F)
        if shadow:
            around = cv2.GaussianBlur(mask, (0, 0), spread * self.size / 384)
            self.occlusion *= 1 - shadow * np.clip(around, 0, 1)
        self.albedo += (np.asarray(albedo, F) - self.albedo) * mask[..., None]
        if height is not None:
            self.normal += (normals(height.astype(F)) - self.normal) * mask[..., None]
        self.gloss += (gloss - self.gloss) * mask
        self.occlusion += (occlusion - self.occlusion) * mask
        self.ink *= 1 - mask
        if label is not None:
            self.label[mask > 0.5] = label
            if ink:
                self.add_ink(ink * outline(mask))

    def paint(self, mask: Field, albedo: Colour) -> None:
        """Colour alone."""
        self.albedo += (np.asarray(albedo, F) - self.albedo) * mask[..., None]

    def add_ink(self, amount: Field) -> None:
        np.maximum(self.ink, amount, out=self.ink)

    def crop(self, part: tuple[slice, slice]) -> GBuffer:
        """A view of part of the canvas: drawing there is cheaper, and lands on this canvas."""
        view = copy.copy(self)
        for name in self.FIELDS:
            setattr(view, name, getattr(self, name)[part])
        return view

    def shade(self, light: str, key: float, ambient: float, contrast: float = 1.0) -> Colour:
        """The scene as a photograph would show it, display values: a key light from above, sky, a rim, highlights."""
        side = -1 if light == "left" else 1
        towards = rgb(0.58 * side, -0.52, 0.63)
        towards /= np.linalg.norm(towards)
        key, ambient, open_ = key * self.exposure, ambient * self.exposure, self.occlusion
        lit = np.clip((self.normal @ towards) * 0.9 + 0.1, 0, 1) ** F(contrast)
        sky = ambient * (0.75 - 0.35 * self.normal[..., 1])
        rim = np.clip(-side * self.normal[..., 0] * 0.8 - 0.15, 0, 1) ** 2 * 0.35
        light_in = (key * lit * (0.25 + 0.75 * open_))[..., None] * rgb(1.06, 1.0, 0.90)
        light_in = light_in + (sky * open_)[..., None] * rgb(0.92, 0.98, 1.12)
        light_in = light_in + (rim * open_)[..., None] * rgb(0.75, 0.9, 1.1)
        out = self.albedo * light_in + self.highlights(towards)[..., None]
        return np.power(np.clip(out, 0, 1), F(1 / 2.2))

    def highlights(self, towards: Colour) -> Field:
        """Blinn's: a wide one and a sharp one, for an eye in front of the canvas."""
        half = towards + np.array([0.0, 0.0, 1.0])
        half /= np.linalg.norm(half)
        facing = np.clip(self.normal @ half.astype(F), 0, 1)
        return (facing**22 * 0.55 * self.gloss + facing**90 * 0.8 * self.gloss**2) * self.occlusion

    # ------------------------------------------------------------------ selections that media ask for
    @property
    def behind(self) -> Field:
        return self.label < BEHIND

    @property
    def face(self) -> Field:
        """Skin, eyes, lips and beard."""
        return (self.label >= Label.SKIN) & (self.label < Label.HAIR)

    @property
    def flesh(self) -> Field:
        """Skin, eyes, lips, neck and ears."""
        return ((self.label >= Label.SKIN) & (self.label < Label.BEARD)) | self.throat

    @property
    def throat(self) -> Field:
        return (self.label == Label.NECK) | (self.label == Label.EAR)

    @property
    def hair(self) -> Field:
        return (self.label == Label.HAIR) | (self.label == Label.BACK_HAIR) | (self.label == Label.BEARD)


def normals(height: Field) -> Colour:
    """Unit normals of a relief in px."""
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    n = np.dstack([-gx, -gy, np.ones_like(gx)])
    n /= np.sqrt((n * n).sum(-1, keepdims=True))
    return n


def outline(mask: Field) -> Field:
    edge = cv2.Laplacian(cv2.GaussianBlur(mask, (0, 0), 1.2), cv2.CV_32F)
    return np.clip(np.abs(edge) * 8, 0, 1)
