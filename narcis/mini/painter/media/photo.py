"""A photograph: soft light, a colour cast, sensor noise."""

from __future__ import annotations

import numpy as np

from narcis.mini.painter.fields import Colour
from narcis.mini.painter.gbuffer import GBuffer
from narcis.mini.painter.media.filters import blur
from narcis.mini.painter.scene import Scene


def photo(g: GBuffer, scene: Scene, rng: np.random.Generator) -> Colour:
    picture = blur(g.shade(scene.light, key=1.15, ambient=0.38), 0.7 * g.size / 384)
    cast = picture * rng.uniform(0.88, 1.08) * (1 + rng.normal(0, 0.03, 3))
    return cast + rng.normal(0, 0.012, picture.shape)
