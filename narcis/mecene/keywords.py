"""Keywords of an idea, in eight categories, and the fifteen of them that tell most."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace

MOST = 15
Keywords = tuple[str, ...]


@dataclass(frozen=True)
class MetaKeywords:
    """What an idea holds; in each category the most telling first."""

    themes: Keywords = ()
    colours: Keywords = ()
    styles: Keywords = ()
    mediums: Keywords = ()
    subjects: Keywords = ()
    emotions: Keywords = ()
    time: Keywords = ()
    places: Keywords = ()

    def led_by(self, first: Iterable[tuple[str, str]]) -> MetaKeywords:
        """The same, with these keywords (category, keyword) before the others of their category."""
        leading: dict[str, list[str]] = {}
        for category, keyword in first:
            leading.setdefault(category, []).append(keyword)
        both = {name: (*lead, *getattr(self, name)) for name, lead in leading.items()}
        return replace(self, **{name: tuple(dict.fromkeys(words)) for name, words in both.items()})


CATEGORIES = tuple(one.name for one in fields(MetaKeywords))
# Who is told by what they wear, then by how it is painted; a theme tells a painter least.
SEEN = ("subjects", "mediums", "colours", "places")  # the rest is how, when and why
TELLING = ("subjects", "emotions", "mediums", "styles", "colours", "places", "time", "themes")


@dataclass(frozen=True)
class Chosen:
    """A keyword, and why it is among those that are told to the model."""

    keyword: str
    category: str
    why: str


def choose(
    found: MetaKeywords, words: str = "", idea: str = "", learnt: Collection[str] = (), most: int = MOST
) -> list[Chosen]:
    """The most telling keywords: round after round the next one of every category, and none that says another again.

    What the model has learnt by name goes before all, in the order of `learnt`; then what the idea says, then what the
    words themselves name, then the rest.  Where a scene has been learnt, nothing joins that would be seen beside it.
    """
    tests: dict[str, Callable[[str], bool]] = {
        "the model has learnt it": lambda keyword: keyword in learnt,
        "the idea says it": lambda keyword: content(keyword) <= content(idea),
        "the words name it": lambda keyword: bool(content(keyword) & content(words)),
        "it goes with the words": lambda keyword: True,
    }
    candidates = []
    for category, keyword in rounds(found):
        why = next(why for why, holds in tests.items() if holds(keyword))
        if not (learnt and category in SEEN and why in list(tests)[2:]):
            candidates.append(Chosen(keyword, category, why))
    order, places = list(tests), {keyword: place for place, keyword in enumerate(learnt)}
    candidates.sort(key=lambda one: (order.index(one.why), places.get(one.keyword, 0)))  # stable: rounds stay in order
    chosen: list[Chosen] = []
    for one in candidates:
        if len(chosen) < most and not any(again(one.keyword, other.keyword) for other in chosen):
            chosen.append(one)
    return chosen


def rounds(found: MetaKeywords) -> Iterator[tuple[str, str]]:
    """The first of each category, then the second of each, and so on."""
    for n in range(max(len(getattr(found, name)) for name in TELLING)):
        yield from ((name, getattr(found, name)[n]) for name in TELLING if n < len(getattr(found, name)))


def again(one: str, other: str) -> bool:
    """Whether one of two keywords says no more than the other: "crown", "a heavy crown"."""
    a, b = content(one), content(other)
    return a <= b or b <= a


def content(text: str) -> set[str]:
    """The words that mean something, without their endings: enough to see that two keywords are one."""
    return {word.removesuffix("s") for word in re.findall(r"[\w'-]+", text.casefold())} - EMPTY


EMPTY = frozenset(("a", "an", "the", "of", "and", "in", "on", "at", "with", "to", "from", "by", "or", "it"))

JOINING = {"time": "at|in|on|under|by|through", "places": "at|in|on|under|by|before|beside|beneath|against|among|above"}


def keyword(phrase: str, category: str = "") -> str:
    """A phrase of the lexicon without what joins it to a sentence: "beneath a golden apse" is "golden apse"."""
    joined = rf"(?:(?:{JOINING[category]})\s+)?" if category in JOINING else ""
    return re.sub(rf"^{joined}(?:(?:a|an|the)\s+)?", "", phrase) or phrase
