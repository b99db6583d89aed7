"""Pop art: screen-printed flats, two shadows on the skin, loud grounds, thick outlines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narcis.mini.painter.fields import Colour, F, Field, blend, display, mix, rgb, smooth
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.media.filters import blur, borders, curve, luma, saturate, saturate_one, scale_of, soft
from narcis.mini.painter.scene import Scene

LOUD = {
    "crimson": rgb(0.93, 0.16, 0.22),
    "azure": rgb(0.10, 0.52, 0.86),
    "emerald": rgb(0.10, 0.70, 0.42),
    "violet": rgb(0.56, 0.26, 0.76),
    "amber": rgb(0.99, 0.66, 0.10),
    "umber": rgb(0.62, 0.40, 0.24),
    "ivory": rgb(0.97, 0.92, 0.80),
}
OUTLINE = rgb(0.05, 0.04, 0.08)


def pop_art(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k = scale_of(g)
    picture = g.shade(scene.light, key=1.15, ambient=0.45, contrast=1.0)
    tone = luma(picture)
    loud = saturate(curve(blur(picture, 1.2 * k), 1.3, 0.45), 2.1)
    print_ = mix(loud, np.clip(np.floor(loud * 3.99) / 3.0, 0, 1), 0.75)
    print_ = blend(print_, shadowed_skin(g, tone, k), soft(g.flesh, 0.7))
    ground = GROUNDS[scene.backdrop](g, LOUD[scene.palette], print_)
    print_ = blend(print_, ground, soft(g.behind, 0.6))
    if g.hair.any():
        print_ = blend(print_, two_toned_hair(g, loud, tone), soft(g.hair, 0.6) * 0.8)
    return blend(np.clip(print_, 0, 1), OUTLINE, outlines(g, k))


def shadowed_skin(g: GBuffer, tone: Field, k: float) -> Colour:
    """One flat light, two printed shadows; what is not skin-coloured keeps its colour."""
    colour, seen = display(g.albedo), g.label == Label.SKIN
    middle = np.median(colour[seen], 0) if seen.any() else rgb(0.8, 0.6, 0.5)
    light = np.clip(saturate_one(middle * 1.05 + 0.10, 1.25), 0, 1)
    dark = np.clip(light * rgb(0.92, 0.48, 0.45), 0, 1)
    skin = blend(light * np.ones((g.size, g.size, 1), F), dark, shadows(g, tone, k))
    strange = np.clip(np.abs(colour - middle).sum(-1) * 1.5 - 0.30, 0, 1)
    return blend(skin, saturate(colour, 1.8), strange)


def shadows(g: GBuffer, tone: Field, k: float) -> Field:
    """0, a half or 1, against the brightest skin."""
    even = blur(tone, 1.3 * k)
    bright = float(np.percentile(even[g.flesh], 85)) if g.flesh.any() else 0.7
    dark = np.clip(1.02 - even / bright, 0, 1) * 1.35
    return 0.5 * smooth(0.30, 0.34, blur(dark, 1.2 * k)) + 0.5 * smooth(0.62, 0.66, blur(dark, 1.2 * k))


def two_toned_hair(g: GBuffer, loud: Colour, tone: Field) -> Colour:
    colour = np.clip(np.median(loud[g.hair], 0), 0, 1)
    light = np.clip(saturate_one(colour, 1.6) * 1.5 + 0.10, 0, 1)
    middle = max(0.02, float(np.median(tone[g.hair])))
    return blend(np.clip(colour * 0.5, 0, 1), light, smooth(0.9, 1.1, tone / middle))


def outlines(g: GBuffer, k: float) -> Field:
    """The ink, and the borders of backdrop, flesh and hair."""
    parts = np.where(g.behind, 0, np.where(g.flesh, 1, np.where(g.hair, 2, g.label)))
    line = np.clip(blur(g.ink, 1.1 * k) * 2.6 - 0.25, 0, 1)
    return np.maximum(line, np.clip(blur(borders(parts), 1.1 * k) * 2.6 - 0.2, 0, 1))


# ------------------------------------------------------------------------------------------------- grounds
def grid(g: GBuffer) -> tuple[Field, Field]:
    """x and y in px of a 384 px picture."""
    y, x = np.mgrid[0 : g.size, 0 : g.size].astype(F) / scale_of(g)
    return x, y


def flat(g: GBuffer, ink: Colour) -> Colour:
    return np.ones((g.size, g.size, 3), F) * ink


def dots(g: GBuffer, ink: Colour, radius: float | Field) -> Colour:
    """Pale dots, 24 px apart."""
    x, y = grid(g)
    d = np.hypot(np.mod(x / 24, 1) - 0.5, np.mod(y / 24, 1) - 0.5)
    return blend(flat(g, ink), np.clip(ink * 0.55 + 0.45, 0, 1), smooth(0.05, -0.05, d - radius))


def rays(g: GBuffer, ink: Colour) -> Colour:
    """From the head."""
    k, (x, y) = scale_of(g), grid(g)
    angle = np.arctan2(y * k - g.head.cy, x * k - g.head.cx)
    return blend(flat(g, ink), np.clip(ink * 0.4 + 0.6, 0, 1), smooth(-0.06, 0.06, np.sin(angle * 14)))


def fading_dots(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    return dots(g, ink, 0.48 * np.clip(1 - grid(g)[1] * scale_of(g) / g.size * 1.15, 0, 1))


def dotted_landscape(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    return mix(print_, dots(g, ink, 0.40), 0.45)


def rays_in_arch(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    return mix(print_, rays(g, ink), 0.35)


def halo_on_rays(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    return np.where((g.label == Label.HALO)[..., None], rgb(0.99, 0.86, 0.22), rays(g, ink))


def starry(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    return np.where((g.label == Label.GROUND_PART_2)[..., None], rgb(0.99, 0.93, 0.5), flat(g, ink) * 0.8)


def stripes(g: GBuffer, ink: Colour, print_: Colour) -> Colour:
    x, y = grid(g)
    return blend(flat(g, ink), ink * 0.72, smooth(-0.2, 0.2, np.sin((x + y) * 0.35)))


GROUNDS: dict[str, Callable[[GBuffer, Colour, Colour], Colour]] = {
    "plain": fading_dots,
    "landscape": dotted_landscape,
    "arch": rays_in_arch,
    "halo": halo_on_rays,
    "drapery": stripes,
    "stars": starry,
}
