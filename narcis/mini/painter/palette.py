"""Colour harmonies a caption can name."""

from __future__ import annotations

from typing import NamedTuple

from narcis.mini.painter.fields import Colour, linear


class Palette(NamedTuple):
    """Colours in linear light."""

    main: Colour  # the costume
    accent: Colour
    dark: Colour  # the ground, in shadow and in light
    light: Colour


def harmony(*colours: tuple[float, float, float]) -> Palette:
    return Palette(*map(linear, colours))


PALETTES = {
    "crimson": harmony((0.62, 0.07, 0.09), (0.93, 0.74, 0.30), (0.16, 0.04, 0.05), (0.55, 0.20, 0.16)),
    "azure": harmony((0.10, 0.25, 0.60), (0.90, 0.78, 0.45), (0.04, 0.09, 0.20), (0.35, 0.55, 0.75)),
    "emerald": harmony((0.07, 0.38, 0.22), (0.88, 0.72, 0.28), (0.03, 0.12, 0.09), (0.38, 0.58, 0.42)),
    "violet": harmony((0.36, 0.13, 0.48), (0.90, 0.70, 0.50), (0.10, 0.05, 0.16), (0.52, 0.38, 0.62)),
    "amber": harmony((0.72, 0.40, 0.08), (0.45, 0.10, 0.08), (0.17, 0.09, 0.04), (0.85, 0.62, 0.28)),
    "umber": harmony((0.34, 0.22, 0.14), (0.80, 0.66, 0.42), (0.09, 0.07, 0.05), (0.46, 0.38, 0.28)),
    "ivory": harmony((0.86, 0.81, 0.70), (0.70, 0.52, 0.22), (0.30, 0.28, 0.26), (0.82, 0.78, 0.70)),
}
