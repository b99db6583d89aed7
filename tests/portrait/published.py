"""Where the published implementations' numbers lie, and the sizes of the tiny network that they are of."""

from dataclasses import replace
from pathlib import Path

from narcis.portrait.photomaker import Encoding

GOLDEN = Path(__file__).parents[1] / "golden"
TINY_ENCODING = Encoding(
    vision_width=64,
    vision_mlp=128,
    vision_heads=4,
    vision_layers=3,
    projection=96,
    projection_2=160,
    id_dim=64,
    width=256,
)
# V1 of the same sizes: one token a photo, as wide as its two projections together.
TINY_ENCODING_V1 = replace(TINY_ENCODING, tokens=1, id_dim=0, depth=0)
