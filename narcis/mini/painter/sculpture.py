"""Puts a sitter into a scene: everything before the medium."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narcis.mini.painter.backdrop import draw_backdrop
from narcis.mini.painter.beard import draw_beard
from narcis.mini.painter.body import bust, draw_neck
from narcis.mini.painter.collar import draw_collar
from narcis.mini.painter.costume import draw_costume
from narcis.mini.painter.ears import draw_ears
from narcis.mini.painter.eyes import draw_eyes
from narcis.mini.painter.face import Canvas
from narcis.mini.painter.features import EXPRESSIONS, Features
from narcis.mini.painter.gbuffer import GBuffer
from narcis.mini.painter.glasses import draw_glasses
from narcis.mini.painter.hair import draw_back_hair, draw_hair
from narcis.mini.painter.head import Head
from narcis.mini.painter.headwear import draw_headwear
from narcis.mini.painter.landmarks import landmarks
from narcis.mini.painter.mouth import draw_mouth
from narcis.mini.painter.scene import Scene
from narcis.mini.painter.sitter import Sitter
from narcis.mini.painter.skin import draw_skin, skin_ink


class Sculpture(NamedTuple):
    """A G-buffer, its exact landmarks [106, 2] in its pixels, and the random numbers that a medium goes on with."""

    gbuffer: GBuffer
    landmarks: np.ndarray
    rng: np.random.Generator


def sculpt(sitter: Sitter, scene: Scene, size: int) -> Sculpture:
    """`size` px square. Hair has random numbers of its own, so that it does not change with the scene."""
    rng = np.random.default_rng(scene.seed)
    head, features = Head(sitter, scene, size), Features(sitter, EXPRESSIONS[scene.emotion])
    g = GBuffer(head, exposure(sitter))
    draw_backdrop(g, scene, rng)
    shoulders = bust(head, sitter, scene.colours, rng)
    draw_costume(g, shoulders, scene.costume)
    draw_back_hair(g, head, sitter, hair_rng(sitter, 1))
    draw_neck(g, head, sitter)
    draw_collar(g, shoulders, scene.costume)
    window = head.window()
    draw_head(g.crop(window), head.crop(window), features, scene)
    draw_headwear(g, head, sitter, scene, rng)
    return Sculpture(g, landmarks(head, features), rng)


def draw_head(g: GBuffer, head: Head, features: Features, scene: Scene) -> None:
    """Within the head's window; the mouth comes after the beard, the hair over all but glasses."""
    sitter, surface = features.sitter, head.surface()
    canvas = Canvas(head, scene, features, surface)
    draw_ears(g, head, sitter)
    draw_skin(g, canvas)
    draw_eyes(g, canvas)
    g.add_ink(skin_ink(canvas))
    draw_beard(g, head, features, surface, hair_rng(sitter, 2))
    draw_mouth(g, canvas)
    draw_hair(g, head, sitter, surface, hair_rng(sitter, 3))
    draw_glasses(g, sitter, surface)


def exposure(sitter: Sitter) -> float:
    """Dark skin is lit more, as painters and photographers do."""
    luma = sitter.skin_colour @ [0.3, 0.59, 0.11]
    return float(np.clip((0.42 / luma) ** 0.28, 0.95, 1.45))


def hair_rng(sitter: Sitter, part: int) -> np.random.Generator:
    return np.random.default_rng([sitter.seed, part])
