"""Asking a model that knows the whole world's words, as SDXL does: a class word, then keywords, within 77 tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from narcis.mecene.captions import Scene
from narcis.mecene.keywords import Chosen, MetaKeywords
from narcis.mecene.words import ClassWord

# What a portrait is not: 43 of CLIP's tokens; nothing in it is about anybody's looks.
NEGATIVE = (
    "lowres, blurry, jpeg artifacts, watermark, signature, caption, frame, cropped head, out of frame, extra fingers, "
    "extra limbs, deformed hands, duplicate, two heads, crossed eyes"
)
# Of a prompt's 77 places, what is left between start and end where one photo's two tokens stand for the class word.
# With CLIP's own vocabulary all fifteen keywords fit into that, or fourteen.
ROOM = 74


def about(text: str) -> int:
    """Tokens of a text where no tokenizer is at hand: a rough number, rather too large than too small."""
    return sum(1 + len(word) // 6 for word in text.split()) + text.count(",") + text.count("-") * 2


@dataclass(frozen=True)
class Tags:
    """Keywords with commas between, as many as there is room for.

    `count` gives the tokens of a text without start and end: of a model with two tokenizers, the larger number.
    """

    count: Callable[[str], int] = about
    room: int = ROOM
    avoided: str = NEGATIVE

    @property
    def vocabulary(self) -> Mapping[str, tuple[str, ...]]:
        """Nothing that it must be asked by."""
        return {}

    def scene(self, brought: Sequence[Sequence[str]], who: ClassWord, rng: Random) -> Scene:
        return {}

    def keywords(self, found: MetaKeywords, scene: Scene) -> MetaKeywords:
        return found

    def prompt(self, scene: Scene, chosen: Iterable[Chosen], who: ClassWord) -> str:
        """The class word stands early, so that the identity's tokens have room behind it."""
        return self.fitting([f"portrait of a {who}", *(one.keyword for one in chosen)])

    @property
    def negative(self) -> str:
        """What the picture must not show, as far as there is room."""
        return self.fitting(self.avoided.split(", "))

    def fitting(self, words: Sequence[str]) -> str:
        """The first, and after it every one that still fits."""
        text, *rest = words
        for word in rest:
            longer = f"{text}, {word}"
            text = longer if self.count(longer) <= self.room else text
        return text
