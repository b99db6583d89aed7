"""Glasses: a wire or horn frame, a trace of a lens."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from narcis.mini.painter.fields import F, Field, linear, rgb, smooth
from narcis.mini.painter.gbuffer import GBuffer, Label
from narcis.mini.painter.head import Surface
from narcis.mini.painter.sitter import Sitter

WIRE = 0.017
FRAME_COLOURS = {"round": linear((0.70, 0.54, 0.22)), "square": linear((0.10, 0.07, 0.05))}


def round_lens(x: Field, y: Field) -> Field:
    return np.hypot(x, y * 1.05)


def square_lens(x: Field, y: Field) -> Field:
    return (np.abs(x * 0.92) ** 4 + np.abs(y * 1.25) ** 4) ** 0.25


LENSES: dict[str, Callable[[Field, Field], Field]] = {"round": round_lens, "square": square_lens}


def draw_glasses(g: GBuffer, sitter: Sitter, surface: Surface) -> None:
    if sitter.glasses not in LENSES:
        return
    frame, lens = rims(sitter, surface)
    frame = np.maximum.reduce([frame, *bridge_and_arms(sitter, surface)])
    g.occlusion *= 1 - 0.10 * cv2.GaussianBlur(frame.astype(F), (0, 0), 3)
    g.paint(lens * 0.06, rgb(0.9, 0.9, 0.9))
    colour = FRAME_COLOURS[sitter.glasses]
    g.layer(frame, colour, gloss=0.6, label=Label.GLASSES, shadow=0.25, spread=2, ink=0.0)
    g.add_ink(frame)


def rims(sitter: Sitter, surface: Surface) -> tuple[Field, Field]:
    radius = sitter.eye_w * 1.42
    rim, lens = np.zeros_like(surface.x), np.zeros_like(surface.x)
    for side in (-1, 1):
        x, y = surface.x - side * (sitter.eye_x + 0.01), surface.y - sitter.eye_y - 0.01
        d = LENSES[sitter.glasses](x, y)
        rim = np.maximum(rim, wire(d - radius))
        lens = np.maximum(lens, smooth(radius, radius - 0.02, d))
    return rim, lens


def bridge_and_arms(sitter: Sitter, surface: Surface) -> tuple[Field, Field]:
    radius, across = sitter.eye_w * 1.42, np.abs(surface.x)
    bow = surface.y - sitter.eye_y + 0.03 + 0.15 * (surface.x**2) * -1
    bridge = wire(bow) * (across < sitter.eye_x - radius + 0.02)
    arms = wire(surface.y - sitter.eye_y + 0.02) * (across > sitter.eye_x + radius - 0.02) * (surface.rho < 1.02)
    return bridge, arms


def wire(d: Field) -> Field:
    return smooth(WIRE * 1.2, WIRE * 0.6, np.abs(d))
