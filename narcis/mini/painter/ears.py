"""Ears, where hair does not cover them."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.fields import dome, rgb, smooth
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head
from narcis.mini.painter.sitter import Sitter


def draw_ears(g: GBuffer, head: Head, sitter: Sitter) -> None:
    if sitter.hair in ("bob", "long", "curly"):
        return
    for side in (-1, 1):
        if side * head.yaw <= 0.30:  # else the head hides it
            draw_ear(g, head, sitter, side)


def draw_ear(g: GBuffer, head: Head, sitter: Sitter, side: int) -> None:
    x = side * (sitter.width * 1.01 + 0.015) - head.yaw * 0.12
    u, v = (head.x - x) / (0.105 * sitter.ear), (head.y - 0.10) / (0.215 * sitter.ear)
    u = u + side * 0.15 * v
    d = np.hypot(u, v)
    height = dome(d) * 0.1 - 0.07 * np.exp(-((u + side * 0.2) ** 2 + v**2) / 0.22)
    colour = sitter.skin_colour * rgb(1.0, 0.88, 0.84)
    g.layer(smooth(1.03, 0.97, d), colour, height * head.scale, gloss=0.1, label=Label.EAR, shadow=0.25, spread=4)
