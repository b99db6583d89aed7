"""The numbers of a mask as knobs: what each means, how far it goes, and how much the result depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from narcis.lab.easel import Easel, Result
from narcis.portrait import measure
from narcis.recipe import MaskRecipe


@dataclass(frozen=True)
class Knob:
    """One number of a MaskRecipe; lengths are in heights of the face."""

    name: str
    group: str
    label: str
    help: str
    least: float = 0.0
    most: float = 1.0
    step: float = 0.01
    nudge: float = 0.5  # a change that a person would try

    def nudged(self, mask: MaskRecipe) -> MaskRecipe:
        """The mask with this knob moved, towards where there is more room."""
        value = getattr(mask, self.name)
        lowest = mask.floor if self.name == "ceiling" else self.least
        highest = mask.ceiling if self.name == "floor" else self.most
        moved = value - self.nudge if value - lowest >= highest - value else value + self.nudge
        return mask.model_copy(update={self.name: round(min(max(moved, lowest), highest), 6)})


REGION = "how far it is repainted: 0 is kept, 1 is new from the first step on"
KNOBS = (
    Knob("face", "Regions", "Face", f"The face from jaw to brows: {REGION}"),
    Knob("brows", "Regions", "Brows", f"The brows: {REGION}"),
    Knob("eyes", "Regions", "Eyes", f"The eyes: {REGION}"),
    Knob("nose", "Regions", "Nose", f"The nose: {REGION}"),
    Knob("mouth", "Regions", "Mouth", f"The mouth: {REGION}"),
    Knob("forehead", "Regions", "Forehead", f"Between brows and hairline: {REGION}"),
    Knob("hair", "Regions", "Hair", f"The hair, or what is worn there: {REGION}"),
    Knob("neck", "Regions", "Neck", f"The neck: {REGION}"),
    Knob("grow", "Edge", "Growth", "How far the map reaches beyond the regions, in heights of the face", nudge=0.1),
    Knob("feather", "Edge", "Feather", "Over what length it fades to nothing, in heights of the face", nudge=0.15),
    Knob("curve", "Levels", "Curve", "Above 1 keeps more of what is half covered, below 1 less", 0.1, 10, nudge=1.0),
    Knob("floor", "Levels", "Floor", "The map's value where it begins", nudge=0.3),
    Knob(
        "ceiling",
        "Levels",
        "Ceiling",
        "The map's highest value: below 1 nothing is new from the first step on",
        nudge=0.3,
    ),
)


@dataclass(frozen=True)
class Felt:
    """What moving one knob did."""

    knob: Knob
    before: float
    after: float
    map: float  # mean change of the crop's map
    picture: float  # mean change of the crop's pixels, as a fraction of full scale
    likeness: float | None  # what the likeness gained

    def facts(self) -> dict[str, Any]:
        """For a manifest."""
        return {k: v for k, v in asdict(self).items() if k != "knob"} | {"knob": self.knob.name}


def sensitivity(easel: Easel, mask: MaskRecipe, plain: Result) -> Iterator[Felt]:
    """Each knob moved alone, and the face painted anew; `plain` is what the mask itself gave.

    The seed is the same throughout, so that what moves is the knob's doing.
    """
    change = easel.change(mask)
    for knob in KNOBS:
        moved = knob.nudged(mask)
        painted = easel.paint(moved)
        yield Felt(
            knob,
            getattr(mask, knob.name),
            getattr(moved, knob.name),
            float((easel.change(moved) - change).abs().mean()),
            apart(easel.close(painted.portrait), easel.close(plain.portrait)),
            gained(painted.likeness, plain.likeness),
        )


def gained(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def apart(a: Any, b: Any) -> float:
    """The mean difference of two pictures' channels, as a fraction of full scale."""
    return float(abs(measure.in_units(a) - measure.in_units(b)).mean())
