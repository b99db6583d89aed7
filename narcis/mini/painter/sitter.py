"""Who is painted: everything that survives a change of medium, drawn from one seed.

Lengths are head units: the crown lies at y = -1, the chin at y = +1, the eyes near y = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from narcis.mini.painter.fields import Colour, linear, mix

HAIR_COLOURS = {  # as displayed
    "black": (0.045, 0.038, 0.04),
    "brown": (0.20, 0.11, 0.06),
    "auburn": (0.38, 0.13, 0.05),
    "blond": (0.74, 0.55, 0.27),
    "red": (0.62, 0.22, 0.06),
    "grey": (0.50, 0.49, 0.48),
    "white": (0.86, 0.84, 0.80),
}
HAIR_STYLES = ("bald", "short", "parted", "bob", "long", "curly", "updo")
BEARDS = ("none", "stubble", "moustache", "goatee", "beard")
GLASSES = ("none", "round", "square")
IRISES = ((0.30, 0.18, 0.09), (0.18, 0.10, 0.05), (0.25, 0.45, 0.60), (0.30, 0.48, 0.28), (0.42, 0.45, 0.48))

WOMENS_HAIR = {"long": 0.3, "bob": 0.2, "updo": 0.2, "curly": 0.15, "parted": 0.1, "short": 0.05}
MENS_HAIR = {"short": 0.34, "parted": 0.24, "curly": 0.16, "bald": 0.14, "long": 0.12}
MENS_BEARDS: Mapping[str, float] = dict(zip(BEARDS, (0.34, 0.12, 0.16, 0.14, 0.24)))
GLASSES_WORN: Mapping[str, float] = dict(zip(GLASSES, (0.8, 0.12, 0.08)))


@dataclass(frozen=True)
class Sitter:
    """Numbers without a unit are 0 to 1 or factors about 1."""

    seed: int
    woman: bool
    age: float  # 0 young, 1 old
    skin: tuple[float, float, float]  # as displayed
    tone: float  # 0 light, 1 dark
    width: float  # half the head's width
    jaw: float  # the jaw's half width and the chin's, as parts of the head's
    chin: float
    temple: float
    cheek: float
    gaunt: float
    eye_x: float  # middle of an eye from the middle of the face
    eye_y: float
    eye_w: float  # half width and half height of the opening
    eye_h: float
    eye_tilt: float  # outer corner up
    iris: tuple[float, float, float]
    lid: float
    brow_h: float  # above the eye
    brow_t: float  # thickness
    brow_arch: float
    brow_len: float
    nose_y: float  # the tip
    nose_w: float
    nose_h: float
    hook: float
    mouth_y: float
    mouth_w: float  # half width
    lip_upper: float
    lip_lower: float
    lip_red: float
    ear: float
    hair: str
    hair_colour: str
    hair_low: float  # y of the hairline
    volume: float
    part: float  # x of the parting
    beard: str
    beard_len: float
    glasses: str
    freckles: float
    moles: tuple[tuple[float, float], ...]  # x, y
    scar: bool

    @property
    def skin_colour(self) -> Colour:
        """Linear light."""
        return linear(self.skin)

    @property
    def hair_light(self) -> Colour:
        """The hair's colour in linear light."""
        return linear(HAIR_COLOURS[self.hair_colour])


def sitter(seed: int) -> Sitter:
    """The sitter of a seed. The order of the draws is what a seed means: new traits are drawn last."""
    rng = np.random.default_rng([7919, seed])
    woman = bool(rng.random() < 0.5)
    age = float(np.clip(rng.beta(1.5, 1.8), 0, 1))
    tone = rng.uniform() ** 1.35
    skin = skin_of(rng, tone)
    hair_colour = hair_colour_of(rng, age, tone)
    hair = pick(rng, WOMENS_HAIR if woman else MENS_HAIR)
    beard = "none" if woman else pick(rng, MENS_BEARDS)
    moles = moles_of(rng)
    return Sitter(
        seed=int(seed), woman=woman, age=age, skin=skin, tone=tone, **head_of(rng, woman), **eyes_of(rng, woman),
        **nose_and_mouth_of(rng, woman), ear=rng.uniform(0.8, 1.25), hair=hair, hair_colour=hair_colour, moles=moles,
        beard=beard, **rest_of(rng, tone),
    )  # fmt: skip


def pick(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


def skin_of(rng: np.random.Generator, tone: float) -> tuple[float, float, float]:
    base = np.array([mix(0.93, 0.30, tone**0.9), mix(0.76, 0.18, tone**0.8), mix(0.66, 0.12, tone**0.72)])
    tint = np.array([rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.02), rng.uniform(-0.05, 0.05)])
    red, green, blue = (base * (1 + tint)).tolist()
    return red, green, blue


def hair_colour_of(rng: np.random.Generator, age: float, tone: float) -> str:
    if age > 0.68 and rng.random() < 0.75:
        return str(rng.choice(["grey", "white"]))
    dark = ["black", "black", "black", "brown", "auburn"]
    return str(rng.choice(["black", "brown", "auburn", "blond", "red", "black", "brown"] if tone < 0.55 else dark))


def moles_of(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    n = int(rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15]))
    return tuple((rng.uniform(-0.5, 0.5), rng.uniform(-0.1, 0.75)) for _ in range(n))


def head_of(rng: np.random.Generator, woman: bool) -> dict:
    u = rng.uniform
    return dict(
        width=u(0.64, 0.80) - 0.02 * woman,
        jaw=u(0.70, 0.90) - 0.05 * woman,
        chin=u(0.30, 0.52) - 0.06 * woman,
        temple=u(0.86, 0.98),
        cheek=u(0, 1),
        gaunt=u(0, 1) * (1 - 0.5 * woman),
    )


def eyes_of(rng: np.random.Generator, woman: bool) -> dict:
    u = rng.uniform
    return dict(
        eye_x=u(0.25, 0.335),
        eye_y=u(-0.05, 0.04),
        eye_w=u(0.125, 0.17) + 0.008 * woman,
        eye_h=u(0.052, 0.082) + 0.012 * woman,
        eye_tilt=u(-0.16, 0.20),
        iris=IRISES[int(rng.choice(5, p=[0.3, 0.3, 0.17, 0.13, 0.1]))],
        lid=u(0, 1),
        brow_h=u(0.13, 0.21),
        brow_t=u(0.022, 0.05) - 0.008 * woman,
        brow_arch=u(0, 0.07) + 0.02 * woman,
        brow_len=u(0.9, 1.3),
    )


def nose_and_mouth_of(rng: np.random.Generator, woman: bool) -> dict:
    u = rng.uniform
    return dict(
        nose_y=u(0.29, 0.41),
        nose_w=u(0.75, 1.35),
        nose_h=u(0.75, 1.3),
        hook=u(-0.4, 1) * (1 - 0.4 * woman),
        mouth_y=u(0.575, 0.655),
        mouth_w=u(0.17, 0.27),
        lip_upper=u(0.025, 0.058) + 0.01 * woman,
        lip_lower=u(0.04, 0.075) + 0.012 * woman,
        lip_red=u(0.2, 0.7) + 0.25 * woman,
    )


def rest_of(rng: np.random.Generator, tone: float) -> dict:
    u = rng.uniform
    return dict(
        hair_low=u(-0.70, -0.54),
        volume=u(1.05, 1.16),
        part=u(-0.5, 0.5),
        beard_len=u(0.0, 0.5),
        glasses=pick(rng, GLASSES_WORN),
        freckles=u(0, 1) if tone < 0.4 and rng.random() < 0.25 else 0.0,
        scar=bool(rng.random() < 0.06),
    )
