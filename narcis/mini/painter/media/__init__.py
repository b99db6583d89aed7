"""Media: each turns a G-buffer into display values [h, w, 3], about 0 to 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from narcis.mini.painter.gbuffer import GBuffer
from narcis.mini.painter.media.charcoal import charcoal
from narcis.mini.painter.media.fresco import fresco
from narcis.mini.painter.media.mosaic import mosaic
from narcis.mini.painter.media.oil import oil
from narcis.mini.painter.media.photo import photo
from narcis.mini.painter.media.pop_art import pop_art
from narcis.mini.painter.media.stained_glass import stained_glass
from narcis.mini.painter.media.watercolour import watercolour
from narcis.mini.painter.media.woodcut import woodcut
from narcis.mini.painter.scene import Scene

Medium = Callable[[GBuffer, Scene, np.random.Generator], np.ndarray]

MEDIA: dict[str, Medium] = {
    "photo": photo,
    "oil": oil,
    "watercolour": watercolour,
    "woodcut": woodcut,
    "pop-art": pop_art,
    "charcoal": charcoal,
    "mosaic": mosaic,
    "stained-glass": stained_glass,
    "fresco": fresco,
}
