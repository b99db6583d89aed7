"""Beards; stubble is skin's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from narcis.mini.painter.features import Features
from narcis.mini.painter.fields import Field, bell, dome, mix, smooth, strands, texture
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head, Surface


@dataclass
class Growth:
    """Where a beard grows, and its strands."""

    head: Head
    features: Features
    surface: Surface
    mouth_y: float
    across: Field
    ragged: Field
    strand: Field  # height of the strands
    moustache: Field


def draw_beard(g: GBuffer, head: Head, features: Features, surface: Surface, rng: np.random.Generator) -> None:
    st = features.sitter
    if st.beard not in BEARDS:
        return
    x, y = surface.x, surface.y
    mouth_y, across = st.mouth_y + 0.03 * features.mood.surprise, np.abs(x)
    bend = x + 0.18 * np.sin(y * 3) * np.sign(x) * across
    light, n = strands(bend + 0.25 * np.sign(x) * across * (y - mouth_y), y, rng, 42, 7, 0.30)
    ragged = 0.035 * texture(x * 30 + 3, y * 8 + 5)
    above = moustache(features, surface, mouth_y, ragged)
    cover, height = BEARDS[st.beard](Growth(head, features, surface, mouth_y, across, ragged, n, above))
    shade = 0.75 + 0.25 * smooth(mouth_y - 0.2, mouth_y + 0.4, y)
    colour = st.hair_light * (light * shade)[..., None]
    g.layer(cover, colour, height * head.scale, gloss=0.25, label=Label.BEARD, shadow=0.35, spread=4, ink=0.6)
    g.add_ink(cover * smooth(0.9, 1.6, -n) * 0.5)


def moustache(features: Features, surface: Surface, mouth_y: float, ragged: Field) -> Field:
    u = np.abs(surface.x) / features.sitter.mouth_w
    middle = mouth_y - 0.075 + 0.10 * u**2
    body = smooth(0.01, -0.012, np.abs(surface.y - middle) - (0.052 - 0.018 * u**2) + ragged * 0.3)
    return body * smooth(1.35, 1.15, u) * smooth(1.0, 0.97, surface.rho)


def full(b: Growth) -> tuple[Field, Field]:
    """Down from the cheeks, past the chin."""
    st, x, y, head_y = b.features.sitter, b.surface.x, b.surface.y, b.head.y
    end = 1.02 + 0.62 * st.beard_len
    head_x = b.head.x - b.head.skew(head_y)
    half = st.width * mix(1.0, st.jaw, 0.6) * dome(np.clip((head_y - 0.35) / (end + 0.02 - 0.35), 0, 1), 2.4) * 1.02
    inside = smooth(0.015, -0.02, np.abs(head_x) - half + b.ragged) * (head_y > 0.05)
    cheek = 0.44 - 0.50 * smooth(0.45 * st.width, st.width, b.across) + 0.10 * bell(b.across - 0.30, 0.12)
    mouth = smooth(0.95, 0.75, np.hypot(x / (st.mouth_w * 0.92), (y - b.mouth_y - 0.015) / 0.085))
    cover = np.maximum(inside * smooth(-0.03, 0.03, y - cheek + b.ragged) * (1 - mouth), b.moustache)
    height = 0.55 * dome(head_x / (half + 0.03)) * (1 - 0.4 * smooth(0.6, end, head_y)) + 0.028 * b.strand
    return cover, height


def goatee(b: Growth) -> tuple[Field, Field]:
    st = b.features.sitter
    below = (b.surface.y - (b.mouth_y + 0.26 + 0.12 * st.beard_len)) / (0.19 + 0.16 * st.beard_len)
    d = np.hypot(b.surface.x / 0.17, below) + b.ragged * 2
    height = 0.72 * b.surface.z + 0.05 * np.clip(1 - d, 0, 1) + 0.02 * b.strand
    return np.maximum(smooth(1.05, 0.9, d), b.moustache), height


def moustache_alone(b: Growth) -> tuple[Field, Field]:
    return b.moustache, 0.72 * b.surface.z + 0.05 * b.moustache + 0.02 * b.strand


BEARDS: dict[str, Callable[[Growth], tuple[Field, Field]]] = {
    "moustache": moustache_alone,
    "goatee": goatee,
    "beard": full,
}
