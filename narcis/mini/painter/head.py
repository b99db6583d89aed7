"""The head's outline, its 2.5-D turn, and the ways between head units and pixels."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from narcis.mini.painter.fields import F, Field, smooth
from narcis.mini.painter.scene import Scene
from narcis.mini.painter.sitter import Sitter

FRAMES = {"portrait": (0.285, 0.545), "close-up": (0.39, 0.50)}  # head unit and y of its origin, parts of the picture
TURN = 0.62  # how far a point at full height moves sideways, in head units to a radian of yaw


class Surface(NamedTuple):
    """The face under each pixel: coordinates that turn with it, base height, and 0 to 1 from middle to outline."""

    x: Field
    y: Field
    z: Field
    rho: Field


class Head:
    """Coordinates of every pixel: (x, y) upright with the head, (body_x, body_y) upright with the picture.

    scale is px to a head unit; (cx, cy) is the head's origin in px; columns and rows are the pixels' own.
    """

    FIELDS = ("x", "y", "body_x", "body_y", "columns", "rows")

    def __init__(self, sitter: Sitter, scene: Scene, size: int):
        self.size, self.width = size, sitter.width
        unit, origin = FRAMES[scene.frame]
        self.scale = unit * size * scene.zoom
        self.cx, self.cy = (0.5 + scene.dx) * size, (origin + scene.dy) * size
        self.yaw, self.pitch, self.roll = scene.yaw, scene.pitch, scene.roll
        self.radii = outline_radii(sitter)
        self.rows, self.columns = np.mgrid[0:size, 0:size].astype(F)
        self.body_x, self.body_y = (self.columns - self.cx) / self.scale, (self.rows - self.cy) / self.scale
        c, s = np.cos(self.roll), np.sin(self.roll)
        self.x = (c * self.body_x + s * self.body_y).astype(F)
        self.y = (-s * self.body_x + c * self.body_y).astype(F)

    def crop(self, part: tuple[slice, slice]) -> Head:
        view = copy.copy(self)
        for name in self.FIELDS:
            setattr(view, name, getattr(self, name)[part])
        return view

    def window(self) -> tuple[slice, slice]:
        """The part of the canvas that the head and its hair can reach."""
        y0, y1 = int(max(0, self.cy - self.scale * 1.75)), int(min(self.size, self.cy + self.scale * (1.75 + 0.15)))
        x0, x1 = int(max(0, self.cx - self.scale * 1.2)), int(min(self.size, self.cx + self.scale * 1.2))
        return slice(y0, y1), slice(x0, x1)

    def gauge(self, x, y, grow=1.0):
        """0 in the middle, 1 on the head's outline grown by a factor."""
        turns = (np.arctan2(y, x) + np.pi / 2) / (2 * np.pi) * len(self.radii)
        outline = self.radii[np.mod(turns, len(self.radii)).astype(np.int32) % len(self.radii)]
        return np.hypot(x, y) / (outline * grow)

    def skew(self, y):
        """How far the chin leads when the head turns."""
        return self.yaw * 0.14 * smooth(-0.2, 1.0, y)

    def bulge(self, x, y):
        """Base height: 1 in the middle of the face, 0 on its outline."""
        return np.sqrt(np.clip(1 - self.gauge(x, y) ** 2.2, 0, 1))

    def surface(self) -> Surface:
        x = self.x - self.skew(self.y)
        rho = self.gauge(x, self.y)
        z = np.sqrt(np.clip(1 - rho**2.2, 0, 1))
        return Surface(x - self.yaw * TURN * z, self.y - self.pitch * 0.6 * z, z, rho)

    def project(self, points: np.ndarray) -> np.ndarray:
        """[n, 3] face x, y and height above the face -> [n, 2] px: inverts `surface` by iteration."""
        x, y, above = np.asarray(points, np.float64).T
        turned_x, turned_y = x, y
        for _ in range(12):
            z = self.bulge(turned_x - self.skew(turned_y), turned_y)
            turned_x, turned_y = x + self.yaw * (TURN * z + above) + self.skew(turned_y), y + self.pitch * 0.6 * z
        return self.on_canvas(turned_x, turned_y)

    def on_canvas(self, x, y) -> np.ndarray:
        """Upright head coordinates -> px [n, 2]."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.stack([self.cx + self.scale * (c * x - s * y), self.cy + self.scale * (s * x + c * y)], 1)

    def jaw(self, n: int = 33) -> np.ndarray:
        """[n, 3]: the outline from temple to temple through the chin, in head units."""
        start = np.arctan2(-0.12, self.width)
        angle = np.linspace(np.pi - start, start, n)
        turns = ((angle + np.pi / 2) / (2 * np.pi) * len(self.radii)).astype(int)
        radius = self.radii[turns % len(self.radii)] * 0.985
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], 1)


def outline_radii(sitter: Sitter) -> np.ndarray:
    """The outline's radius at 1024 angles, clockwise from the crown: a smooth curve through eight points of a side."""
    x = np.array([0, 0.64, 0.95 * sitter.temple, 1, 0.985, sitter.jaw, sitter.chin, 0.0]) * sitter.width
    x[4] *= 0.96 + 0.05 * sitter.cheek
    y = np.array([-1, -0.87, -0.52, -0.12, 0.16, 0.60, 0.90, 1.0])
    side = PchipInterpolator(np.arctan2(y, x), np.hypot(x, y))(np.linspace(-np.pi / 2, np.pi / 2, 513))
    side = np.convolve(np.pad(side, 12, mode="reflect"), np.ones(25) / 25, "valid")
    return np.concatenate([side, side[::-1][1:-1]]).astype(F)
