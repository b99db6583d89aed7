"""Hair: the mass behind the head, and the cap over it with its hairline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narcis.mini.painter.fields import Field, bell, dome, mix, smooth, strands, texture
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Head, Surface
from narcis.mini.painter.sitter import Sitter

ENDS = {"short": 0.20, "parted": 0.26, "bob": 0.80, "long": 1.0, "updo": 0.10, "curly": 0.35}  # y of its lower end


# ------------------------------------------------------------------------------------------ behind the head
def draw_back_hair(g: GBuffer, head: Head, sitter: Sitter, rng: np.random.Generator) -> None:
    if sitter.hair in BACKS:
        BACKS[sitter.hair](g, head, sitter, rng)


def bun(g: GBuffer, head: Head, sitter: Sitter, rng: np.random.Generator) -> None:
    x, y = head.x, head.y
    d = np.hypot(x / 0.46, (y + 1.10) / 0.34)
    light, n = strands(np.arctan2(y + 1.1, x) * 0.3, d, rng, 30, 3, 0.35)
    height = (dome(d) * 0.4 + n * 0.015) * head.scale
    colour = sitter.hair_light * light[..., None]
    g.layer(smooth(1.03, 0.99, d), colour, height, gloss=0.35, label=Label.BACK_HAIR, shadow=0.3)


def cloud_of_curls(g: GBuffer, head: Head, sitter: Sitter, rng: np.random.Generator) -> None:
    x, y = head.x, head.y
    d = head.gauge(x, y + 0.05, sitter.volume * 1.17) + 0.02 * texture(x * 14, y * 14)
    curl = np.sin(texture(x * 9, y * 9) * 3.2)
    height = (dome(d) * 0.6 + 0.03 * curl) * head.scale
    colour = sitter.hair_light * np.exp(0.35 * curl)[..., None]
    cover = smooth(1.02, 0.98, d) * smooth(0.75, 0.6, y)
    g.layer(cover, colour, height, gloss=0.3, label=Label.BACK_HAIR, shadow=0.35)


def falling(end: float, flare: float, waves: float) -> Callable[[GBuffer, Head, Sitter, np.random.Generator], None]:
    """Hair down to y = end, wider by `flare` below."""

    def draw(g: GBuffer, head: Head, sitter: Sitter, rng: np.random.Generator) -> None:
        x, y, width = head.x, head.y, sitter.width * sitter.volume
        across = np.abs(x)
        wave = 0.03 * np.sin(y * 9 + np.sign(x)) * waves
        half = width * (1.12 + flare * smooth(-0.5, 0.8, y)) + wave
        above = width * (1.12 + flare * smooth(-0.5, 0.8, 0.0))
        d = np.where(y < 0, np.hypot(x / (above + wave), y / 1.08), across / half)
        ends = y + 0.10 * across + 0.05 * texture(x * 22, y * 2)
        cover = smooth(1.02, 0.985, d) * smooth(end + 0.05, end - 0.05, ends)
        light, n = strands(x + wave, y, rng, 40, 3, 0.34)
        height = (dome(np.clip(d, 0, 1)) * 0.5 + n * 0.012) * head.scale
        colour = sitter.hair_light * 0.8 * light[..., None]
        g.layer(cover, colour, height, gloss=0.3, label=Label.BACK_HAIR, shadow=0.4, spread=8)

    return draw


BACKS = {
    "updo": bun,
    "curly": cloud_of_curls,
    "long": falling(1.75, 0.22, 1.0),
    "bob": falling(0.78, 0.16, 0.0),
}


# -------------------------------------------------------------------------------------------- over the head
def draw_hair(g: GBuffer, head: Head, sitter: Sitter, surface: Surface, rng: np.random.Generator) -> None:
    if sitter.hair == "bald":
        draw_fringe(g, head, sitter, surface, rng)
        return
    style, end = sitter.hair, ENDS[sitter.hair]
    x, y = head.x - head.skew(head.y) * 0.5, head.y
    rise = rise_of(head, sitter, x, y, end)
    line = hairline(sitter, surface, end)
    ragged = 0.03 * texture(surface.x * 26, surface.y * 5 + 20)
    rough = 0.012 * texture(x * 30, y * 30) if style in ("short", "curly") else 0
    cover = smooth(1.01, 0.985, rise + rough) * smooth(0.02, -0.02, surface.y - line + ragged)
    cover = cover * smooth(end + 0.04, end - 0.04, surface.y + ragged)
    light, n = STRANDS.get(style, combed)(sitter, x, y, rise, rng)
    relief = 0.74 * dome(rise, 2.2) + (0.026 if style == "curly" else 0.013) * n
    height = (relief + 0.07 * smooth(0.0, -0.25, surface.y - line)) * head.scale
    shine = bell(y + 0.62 - 0.25 * x**2, 0.10)
    colour = sitter.hair_light * (light * (1 + 0.35 * shine))[..., None]
    g.layer(cover, colour, height, gloss=0.38, label=Label.HAIR, shadow=0.42, spread=5)
    g.add_ink(cover * smooth(1.0, 1.7, -n) * 0.6)


def draw_fringe(g: GBuffer, head: Head, sitter: Sitter, surface: Surface, rng: np.random.Generator) -> None:
    """What a bald head keeps above the ears."""
    x, y = head.x - head.skew(head.y) * 0.5, surface.y
    cover = smooth(0.05, -0.05, np.abs(np.abs(x) - sitter.width) - 0.07) * smooth(-0.42, -0.28, y)
    cover = cover * smooth(0.22, 0.10, y) * smooth(0.87, 0.95, surface.rho) * smooth(1.05, 1.03, surface.rho)
    light, n = strands(x, y * 0.3, rng, 40, 6, 0.3)
    height = (0.7 * surface.z + 0.02 * n) * head.scale
    colour = sitter.hair_light * light[..., None]
    g.layer(cover * 0.85, colour, height, gloss=0.2, label=Label.HAIR, shadow=0.2, spread=3, ink=0.3)


def rise_of(head: Head, sitter: Sitter, x: Field, y: Field, end: float) -> Field:
    """The head's gauge under hair of some volume, which short styles lose towards their end."""
    volume = sitter.volume * (1.06 if sitter.hair == "curly" else 1.0)
    taper = smooth(-0.25, end, y) if sitter.hair in ("short", "parted", "updo", "curly") else 0.0
    return head.gauge(x, y + 0.03, mix(volume, 1.0, taper))


def hairline(sitter: Sitter, surface: Surface, end: float) -> Field:
    """y of the hairline above each point of the face."""
    return HAIRLINES.get(sitter.hair, round_line)(sitter, surface.x, end)


def round_line(st: Sitter, x: Field, end: float) -> Field:
    across = np.abs(x) / st.width
    return st.hair_low + 0.16 * across**2 + (end - st.hair_low - 0.12) * smooth(0.70, 1.0, across)


def receding_line(st: Sitter, x: Field, end: float) -> Field:
    """A man's short hair: it has gone back beside the middle with the years."""
    line = round_line(st, x, end)
    return line if st.woman else line - 0.10 * st.age * bell(np.abs(x) / st.width - 0.5, 0.2)


def parted_line(st: Sitter, x: Field, end: float) -> Field:
    across, low, part = np.abs(x) / st.width, st.hair_low, st.part
    sweep = 0.24 * np.clip((x - part) * np.sign(part + 1e-3) * -1, 0, 2) * 0.9
    return low - 0.02 + sweep + 0.10 * across**2 + (end - low - 0.2) * smooth(0.74, 1.0, across)


def straight_fringe(st: Sitter, x: Field, end: float) -> Field:
    return st.hair_low + 0.26 + 0.04 * np.cos(x * 40) * 0.3 + 0.95 * smooth(0.62, 0.9, np.abs(x) / st.width)


def middle_parting(st: Sitter, x: Field, end: float) -> Field:
    curtain = 0.42 * np.abs(x - st.part * 0.25) ** 1.5
    return st.hair_low - 0.02 + curtain + (end - st.hair_low - 0.1) * smooth(0.72, 1.0, np.abs(x) / st.width)


HAIRLINES: dict[str, Callable[[Sitter, Field, float], Field]] = {
    "short": receding_line,
    "parted": parted_line,
    "bob": straight_fringe,
    "long": middle_parting,
    "updo": middle_parting,
}


def curls(st: Sitter, x: Field, y: Field, rise: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    curl = np.sin(texture(x * 11 + 31, y * 11) * 3.4)
    return np.exp(0.38 * curl), curl * 1.3


def from_parting(st: Sitter, x: Field, y: Field, rise: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    a = x - st.part
    return strands(np.hypot(a, (y + 1.0) * 0.7), np.arctan2(a, y + 1.3) * 3, rng, 34, 4, 0.32)


def from_crown(st: Sitter, x: Field, y: Field, rise: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    return strands(np.arctan2(x, y * -1 + 0.25) * 0.8, rise * 1.5, rng, 40, 6, 0.30)


def combed(st: Sitter, x: Field, y: Field, rise: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    a = x - st.part * 0.25
    return strands(np.abs(a) + np.hypot(a, y + 1.02) * 0.5, y * 0.6, rng, 44, 3, 0.32)


STRANDS = {"curly": curls, "parted": from_parting, "short": from_crown}
