"""Asking a model that was trained on captions of one grammar, as narcis-mini was: a scene of words that it has learnt.

The scene is chosen from what the words bring to mind, else from what goes with that, else by the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from narcis.mecene.keywords import Chosen, MetaKeywords
from narcis.mecene.words import ClassWord

Scene = Mapping[str, str]

# What mini can paint, in the words of its captions, in the order of its captions.
LEARNT: dict[str, tuple[str, ...]] = {
    "medium": ("oil painting", "watercolour", "ukiyo-e woodcut", "pop art"),
    "emotion": ("calm", "smiling", "stern"),
    "headwear": ("none", "crown", "laurel", "turban", "hat", "helmet"),
    "costume": ("robe", "armour", "suit", "ruff", "gown"),
    "palette": ("crimson", "azure", "emerald", "violet", "amber", "umber", "ivory"),
    "backdrop": ("plain", "landscape", "arch", "halo"),
}
# Where a scene's values stand among the eight categories.
CATEGORY = {"medium": "mediums", "emotion": "emotions", "palette": "colours", "backdrop": "places"}

# What else goes with a thing that the words asked for, where they leave it open.
GOES_WITH = {
    "crown": ("robe", "gown"),
    "laurel": ("robe", "gown"),
    "turban": ("robe",),
    "hat": ("suit", "gown"),
    "helmet": ("armour",),
    "armour": ("none", "helmet"),
    "suit": ("none", "none", "hat"),
    "ruff": ("none", "hat"),
    "gown": ("none", "none", "laurel", "crown"),
    "robe": ("none", "laurel", "turban", "crown"),
}


@dataclass(frozen=True)
class Captions:
    """The grammar of captions, with the vocabulary that a model has learnt of it."""

    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LEARNT, hash=False)
    negative: str = ""  # such a model was never told what to leave out

    def scene(self, brought: Sequence[Sequence[str]], who: ClassWord, rng: random.Random) -> Scene:
        """One value a category for the values that each of the words brings."""
        chosen = choose(brought, rng, self.vocabulary)
        if who == "man" and chosen["costume"] == "gown":
            chosen["costume"] = "robe"
        return chosen

    def keywords(self, found: MetaKeywords, scene: Scene) -> MetaKeywords:
        """The same with the scene's values first in their categories."""
        return found.led_by((CATEGORY.get(name, "subjects"), value) for name, value in scene.items() if value != "none")

    def prompt(self, scene: Scene, chosen: Iterable[Chosen], who: ClassWord) -> str:
        """The caption of the scene; the other keywords are for people."""
        parts = [
            f"{scene['medium']} of a {scene['emotion']} {who}",
            *([scene["headwear"]] if scene["headwear"] != "none" else []),
            scene["costume"],
            f"{scene['palette']} palette",
            f"{scene['backdrop']} background",
            "portrait",
        ]
        return ", ".join(parts)


def choose(
    brought: Sequence[Sequence[str]], rng: random.Random, vocabulary: Mapping[str, Sequence[str]] = LEARNT
) -> dict[str, str]:
    """One value a category: of what the words bring to mind, else of what goes with that, else any."""
    chosen: dict[str, str] = {}
    for category, values in vocabulary.items():
        wanted = [value for bundle in brought for value in bundle if value in values]
        chosen[category] = weighted(wanted, rng) if wanted else ""
    for category, values in vocabulary.items():
        chosen[category] = chosen[category] or rng.choice(fitting(values, chosen) or values)
    return chosen


def weighted(wanted: list[str], rng: random.Random) -> str:
    """Values that several words bring weigh by their square: "samurai knight" agrees on the helmet."""
    each = list(dict.fromkeys(wanted))
    return rng.choices(each, [wanted.count(value) ** 2 for value in each])[0]


def fitting(values: Sequence[str], chosen: Mapping[str, str]) -> Sequence[str]:
    others = [other for value in chosen.values() for other in GOES_WITH.get(value, ())]
    return [other for other in others if other in values]
