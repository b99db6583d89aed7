"""Where the published implementations' numbers lie, and the sizes of the tiny network that they are of."""

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
