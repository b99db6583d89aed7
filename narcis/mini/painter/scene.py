"""How a sitter is painted: everything that the caption says and the sitter does not, and the pose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from narcis.mini import domain
from narcis.mini.painter.palette import PALETTES, Palette
from narcis.mini.painter.sitter import pick


@dataclass(frozen=True)
class Scene:
    """Words of the vocabularies; angles in radians, shifts as parts of the picture's side."""

    medium: str
    costume: str
    headwear: str
    palette: str
    backdrop: str
    emotion: str
    frame: str = "portrait"
    light: str = "left"  # where it comes from
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    zoom: float = 1.0
    seed: int = 7  # of the textures, which the caption cannot say: one seed for all paintings

    @property
    def colours(self) -> Palette:
        return PALETTES[self.palette]

    @property
    def lit(self) -> int:
        """Where shadows fall: +1 to the right of the picture, -1 to the left."""
        return 1 if self.light == "left" else -1


def scene(rng: np.random.Generator, **fixed) -> Scene:
    """A painting in mini's domain; `fixed` overrules what was drawn, and changes no other draw."""
    drawn = Scene(
        medium=any_of(rng, domain.MEDIA),
        costume=any_of(rng, domain.COSTUMES),
        headwear=pick(rng, domain.HEADWEAR),
        palette=any_of(rng, domain.PALETTES),
        backdrop=any_of(rng, domain.BACKDROPS),
        emotion=pick(rng, domain.EMOTIONS),
        yaw=float(np.clip(rng.normal(0, 0.10), -0.2, 0.2)),
        roll=float(rng.normal(0, 0.015)),
        dx=float(rng.normal(0, 0.008)),
        dy=float(rng.normal(0, 0.006)),
    )
    return replace(drawn, **fixed)


def id_photo_scene(rng: np.random.Generator, **fixed) -> Scene:
    """A reference photo: bare-headed, close, on a plain ground; pose, light and mood vary more than in paintings."""
    taken = dict(
        medium="photo",
        headwear="none",
        frame="close-up",
        backdrop="plain",
        light=any_of(rng, ("left", "right")),
        costume=any_of(rng, ("suit", "gown", "robe")),
        emotion=pick(rng, {"calm": 0.55, "smiling": 0.3, "stern": 0.15}),
        yaw=float(np.clip(rng.normal(0, 0.16), -0.35, 0.35)),
        pitch=float(rng.normal(0, 0.04)),
        roll=float(rng.normal(0, 0.06)),
        dx=float(rng.normal(0, 0.03)),
        dy=float(rng.normal(0, 0.015)),
        zoom=float(rng.uniform(0.85, 1.05)),
        seed=int(rng.integers(1 << 31)),
    )
    return scene(rng, **{**taken, **fixed})


def any_of(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return str(rng.choice(list(words)))
