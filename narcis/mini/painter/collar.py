"""What costumes wear over the neck."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narcis.mini.painter.body import GOLD, Bust
from narcis.mini.painter.fields import F, bell, blend, dome, linear, rgb, smooth
from narcis.mini.painter.gbuffer import GBuffer, Label


def draw_collar(g: GBuffer, b: Bust, costume: str) -> None:
    if costume in COLLARS:
        COLLARS[costume](g, b)


def pleats(g: GBuffer, b: Bust) -> None:
    """The ruff's starched wheel."""
    d = np.hypot(b.x, (b.y - 1.16 - 0.03) / 0.40)
    pleat = np.cos(np.arctan2((b.y - 1.19) / 0.40, b.x) * 34)
    cover = smooth(1.02, 0.99, d + 0.022 * pleat) * smooth(0.16, 0.2, d)
    colour = rgb(0.86, 0.85, 0.82) * (0.80 + 0.20 * pleat * smooth(0.3, 0.9, d))[..., None]
    height = (0.10 * (1 - (d - 0.75) ** 2) + 0.018 * pleat * d) * b.scale * 1.6
    g.layer(cover, colour, height, gloss=0.1, label=Label.COLLAR, shadow=0.6, spread=9)
    g.add_ink(cover * smooth(0.55, 0.95, -pleat) * smooth(0.3, 0.6, d) * 0.5)


def pearls(g: GBuffer, b: Bust) -> None:
    """A string of nineteen."""
    head, s = b.head, b.scale
    for k in range(-9, 10):
        q = k / 9
        pearl(g, b, head.cx + s * (q * 0.47 + head.yaw * 0.1), head.cy + s * (1.30 + 0.24 * (1 - q * q)))


def pearl(g: GBuffer, b: Bust, x: float, y: float) -> None:
    """A sphere at (x, y) px, drawn in its own small window; the canvas's border may cut it off."""
    s, size = b.scale, b.head.size
    y0, y1, x0, x1 = int(max(0, y - s * 0.06)), int(y + s * 0.06) + 1, int(max(0, x - s * 0.06)), int(x + s * 0.06) + 1
    part = (slice(y0, min(size, y1)), slice(x0, min(size, x1)))
    dx, dy = b.head.columns[part] - x, b.head.rows[part] - y
    if dx.size == 0:
        return
    cover = smooth(1.1, 0.9, np.hypot(dx, dy) / (s * 0.038))
    normal = np.dstack([dx, dy, np.full(dx.shape, s * 0.03, F)])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    small = g.crop(part)
    small.paint(cover, rgb(0.84, 0.80, 0.74))
    small.normal += (normal - small.normal) * cover[..., None]
    small.gloss += (1.0 - small.gloss) * cover
    small.occlusion += (1.0 - small.occlusion) * cover


def robe_collar(g: GBuffer, b: Bust) -> None:
    if b.sitter.woman:
        pearls(g, b)


def shirt_collar(g: GBuffer, b: Bust) -> None:
    y = b.y
    for side in (-1, 1):
        x = b.x * side
        cover = smooth(0.01, -0.01, np.abs(x - 0.20 - 0.1 * (1.32 - y)) - 0.17 * smooth(1.0, 1.3, y))
        cover = cover * smooth(1.10, 1.12, y + 0.3 * (x - 0.3)) * smooth(1.42, 1.40, y + 0.35 * x) * (x > 0.02)
        white = rgb(0.84, 0.83, 0.80)
        g.layer(cover, white, (0.15 * x) * b.scale, gloss=0.1, label=Label.COLLAR + 1, shadow=0.3, spread=4)


def gorget(g: GBuffer, b: Bust) -> None:
    """The armour's steel ring, gilt at its edges."""
    d = np.abs(b.y - 1.24 - 0.10 * (1 - (b.x / 0.55) ** 2))
    cover = smooth(0.13, 0.115, d) * smooth(0.60, 0.58, b.across)
    colour = blend(linear((0.52, 0.54, 0.58)), GOLD, bell(d - 0.1, 0.02))
    height = (dome(b.x / 0.62) * 0.5 + 0.04 * np.cos(d * 24)) * b.scale
    g.layer(cover, colour, height, gloss=1.0, label=Label.COLLAR, shadow=0.5, spread=7)


COLLARS: dict[str, Callable[[GBuffer, Bust], None]] = {
    "ruff": pleats,
    "gown": pearls,
    "robe": robe_collar,
    "suit": shirt_collar,
    "armour": gorget,
}
