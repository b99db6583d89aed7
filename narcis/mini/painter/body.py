"""Shoulders and neck, on which costumes are worn. Head units; y of the shoulders is about 1.2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from narcis.mini.painter.fields import Colour, Field, bell, dome, linear, smooth, strands
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head
from narcis.mini.painter.palette import Palette
from narcis.mini.painter.sitter import Sitter

GOLD = linear((0.90, 0.70, 0.30))


@dataclass
class Bust:
    """The shoulders' coordinates and relief, for a costume to be drawn on."""

    head: Head
    sitter: Sitter
    palette: Palette
    rng: np.random.Generator
    x: Field
    y: Field
    across: Field  # |x|
    width: float  # half of the shoulders'
    cover: Field
    z: Field
    folds: Field  # brightness factor of cloth, and its relief
    fold: Field

    @property
    def scale(self) -> float:
        return self.head.scale

    @property
    def cloth(self) -> Colour:
        """The main colour in folds."""
        return self.palette.main * self.folds[..., None]


def bust(head: Head, sitter: Sitter, palette: Palette, rng: np.random.Generator) -> Bust:
    x, y = head.body_x - head.yaw * 0.10, head.body_y
    width = 1.62 if sitter.woman else 1.85
    across = np.abs(x)
    slope = 1.14 + 0.13 * smooth(0.3, 0.75, across) + 0.30 * (across / width) ** 2.4
    top = slope + 2.2 * smooth(width * 0.86, width * 1.12, across)
    cover = smooth(-0.012, 0.012, y - top)
    z = dome(across / (width * 1.08), 2.5) * 0.8 + 0.30 * smooth(0, 0.6, y - top)
    folds, fold = strands(x * 0.6 + 0.18 * np.sin(y * 2), y * 0.25, rng, 34.0, 5.0, 0.10)
    return Bust(head, sitter, palette, rng, x, y, across, width, cover, z, folds, fold)


def draw_neck(g: GBuffer, head: Head, sitter: Sitter) -> None:
    x, y = head.body_x - head.yaw * 0.05, head.body_y
    width = (0.315 if sitter.woman else 0.40) + 0.16 * smooth(0.98, 1.42, y)
    cover = smooth(0.01, -0.01, np.abs(x) - width) * smooth(0.3, 0.32, y) * smooth(1.50, 1.42, y + 0.35 * np.abs(x))
    muscle = 0.03 * bell(np.abs(x) - 0.30 + 0.22 * smooth(0.9, 1.45, y), 0.05)
    height = (dome(x / (width * 1.05)) * 0.40 + muscle) * head.scale
    under_chin = 0.30 + 0.70 * smooth(0.92, 1.45, y + 0.12 * np.abs(x))
    colour = sitter.skin_colour * 0.95
    g.layer(cover, colour, height, gloss=0.12, label=Label.NECK, shadow=0.3, spread=5, occlusion=under_chin)
