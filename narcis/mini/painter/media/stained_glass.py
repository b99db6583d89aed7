"""Stained glass: panes in lead, the head painted on pale glass, light from behind."""

from __future__ import annotations

import cv2
import numpy as np

from narcis.mini.painter.fields import Colour, F, blend, mix, noise, rgb
from narcis.mini.painter.gbuffer import BEHIND, GBuffer, Label
from narcis.mini.painter.media.cells import cell_means, voronoi
from narcis.mini.painter.media.filters import blur, borders, curve, emboss, luma, saturate, scale_of
from narcis.mini.painter.scene import Scene

RINGS = ((1.35, 12), (1.75, 16), (2.3, 20), (3.0, 24), (3.8, 30))  # head units from the head; panes
LEAD, TRACE = rgb(0.055, 0.055, 0.065), rgb(0.13, 0.06, 0.03)
PARTS = 4096  # above the number of panes of one part


def stained_glass(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    k = scale_of(g)
    picture = g.shade(scene.light, key=1.1, ambient=0.55, contrast=0.9)
    picture = saturate(curve(picture * 1.12, 1.12, 0.5), 1.75)
    head = g.face | g.throat | (g.label == Label.GLASSES)
    panes = panes_of(g, head, k, rng)
    flat = tinted_panes(picture, panes, rng)
    glow = 0.80 + 0.30 * noise(rng, g.size, 50 * k, 2) * 0.5 + 0.035 * noise(rng, g.size, 5 * k, 1)
    painted = blur(head.astype(F), 1.0)
    glass = blend(mix(flat, picture, 0.38), grisaille(picture, flat, k), painted)
    glass = saturate(glass, 1.25) * np.clip(glow, 0.5, 1.35)[..., None]
    trace = np.clip(blur(g.ink, 0.75 * k) * 1.25, 0, 1) * mix(0.55, 0.92, painted)
    return leaded(blend(glass, TRACE, trace), np.where(head, Label.SKIN * PARTS, panes), k)


def panes_of(g: GBuffer, head: np.ndarray, k: float, rng: np.random.Generator) -> np.ndarray:
    """A number for each pane [h, w]: radiating behind, irregular in costume and hair, one for the head."""
    rays = voronoi(np.concatenate([ring(g, radius, n, rng) for radius, n in RINGS]), g.size)
    step = 44 * k
    x, y = np.meshgrid(np.arange(step / 2, g.size, step), np.arange(step / 2, g.size, step))
    shaken = np.stack([x.ravel(), y.ravel()], 1) + rng.normal(0, step * 0.22, (x.size, 2))
    part = np.where(head, int(Label.SKIN), g.label.astype(np.int32))
    pane = np.where(g.label < BEHIND, rays, np.where(head, 0, voronoi(shaken, g.size)))
    return part * PARTS + pane


def ring(g: GBuffer, radius: float, n: int, rng: np.random.Generator) -> np.ndarray:
    angle = np.arange(n) / n * 2 * np.pi + rng.uniform(0, 0.5)
    r = radius * g.head.scale * (1 + rng.normal(0, 0.05, n))
    return np.stack([g.head.cx + r * np.cos(angle), g.head.cy + r * np.sin(angle)], 1)


def tinted_panes(picture: Colour, panes: np.ndarray, rng: np.random.Generator) -> Colour:
    numbers, cells = np.unique(panes, return_inverse=True)
    cells, n = cells.reshape(panes.shape), len(numbers)
    colours, _ = cell_means(picture, cells)
    lighter = 1 + rng.normal(0, 0.16, (n, 1))
    return np.clip(colours * lighter + rng.normal(0, 0.05, (n, 3)), 0, 1).astype(F)[cells]


def grisaille(picture: Colour, flat: Colour, k: float) -> Colour:
    """Pale flesh modelled in seven greys."""
    flesh = np.clip(mix(picture, flat, 0.28) * 1.10 + 0.03, 0, 1)
    tone = blur(luma(picture), 0.8 * k)
    step = np.clip(np.floor(tone * 7 + 0.5) / 7, 0, 1)
    return flesh * (0.72 + 0.34 * (step / np.maximum(tone, 0.05)).clip(0.6, 1.4))[..., None]


def leaded(glass: Colour, panes: np.ndarray, k: float) -> Colour:
    """Lead between the panes, and the halo of light about the glass."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    lead = cv2.dilate(borders(panes), disc, iterations=max(1, round(k)))
    lead = np.clip(blur(lead, 0.9 * k) * 1.25, 0, 1)
    metal = LEAD + np.clip(-emboss(blur(lead, 1.2 * k), 0.25), 0, 0.25)[..., None]
    return blend(np.clip(glass + 0.16 * blur(glass, 6 * k), 0, 1), metal, lead)
