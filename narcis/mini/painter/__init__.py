"""The painter: seeded sitters and scenes become pictures in many media, with exact landmarks and captions.

It is the only teacher of narcis-mini. A sitter (who) and a scene (how) give a sculpture, a buffer of what is seen at
each pixel; a medium renders it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from narcis.mini.painter.caption import caption
from narcis.mini.painter.gbuffer import GBuffer
from narcis.mini.painter.media import MEDIA
from narcis.mini.painter.scene import Scene, id_photo_scene, scene
from narcis.mini.painter.sculpture import Sculpture, sculpt
from narcis.mini.painter.sitter import Sitter, sitter

__all__ = [
    "MEDIA", "Painting", "Scene", "Sculpture", "Sitter",
    "caption", "id_photo_scene", "paint", "render", "scene", "sculpt", "sitter",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Painting:
    pixels: np.ndarray  # uint8 RGB [size, size, 3]
    landmarks: np.ndarray  # [106, 2] px, in the order of narcis.portrait.faces
    caption: str


def paint(sitter: Sitter, scene: Scene, size: int = 256, supersample: float = 1.25) -> Painting:
    """Drawn at `supersample` times its size and then reduced, which softens what a pen of one pixel leaves jagged."""
    sculpture = sculpt(sitter, scene, round(size * supersample))
    pixels = render(sculpture.gbuffer, scene, np.random.default_rng(scene.seed), size)
    return Painting(pixels, sculpture.landmarks * (size / sculpture.gbuffer.size), caption(sitter, scene))


def render(gbuffer: GBuffer, scene: Scene, rng: np.random.Generator, size: int) -> np.ndarray:
    """The scene's medium over what was sculpted: uint8 RGB [size, size, 3]. One sculpture serves several media."""
    picture = np.clip(MEDIA[scene.medium](gbuffer, scene, rng), 0, 1)
    if gbuffer.size != size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return (picture * 255 + 0.5).astype(np.uint8)
