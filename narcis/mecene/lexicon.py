"""The lexicon: what words bring to mind, as `lexicon.txt` has it.

A motif is a handful of words that bring the same to mind.  A word is found by its form, by its stem, or by its nearest
spelling; one that nobody knows has a motif and a direction of its own, always the same.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from narcis.mecene.captions import LEARNT
from narcis.mecene.words import folded

TEXT = Path(__file__).with_name("lexicon.txt")
PARTS = ("themes", "colours", "styles", "mediums", "garments", "worn", "props", "emotions", "ages", "moments", "places")
# Short names that the text uses.
SHORT = {"oil": "oil painting", "woodcut": "ukiyo-e woodcut", "pop": "pop art", "bare": "none"}
ENDINGS = ("'s", "s", "es", "ed", "d", "ing", "ly", "ness", "ful", "ish", "al", "ic", "y")
# Words that say who sits or join others, and bring nothing along.
SILENT = frozenset(
    (
        *("a", "an", "the", "of", "and", "or", "in", "on", "at", "to", "with", "for", "from", "by", "as", "like", "is"),
        *("my", "your", "his", "her", "their", "our", "no", "not", "very", "always", "never", "every", "all"),
        *("last", "first", "next", "new", "final", "one", "two"),
        *("man", "woman", "person", "men", "women", "portrait", "picture", "photo", "image"),
        *("de", "la", "le", "les", "du", "des", "et", "der", "die", "das", "und", "el", "los", "y", "il", "di"),
    )
)
NEAR = 0.86  # how alike two spellings are that mean one word, and from how many letters on
LONG = 6


@dataclass(frozen=True)
class Motif:
    """One paragraph of the lexicon: phrases by part, and the words of captions that go with them."""

    words: tuple[str, ...]
    paints: tuple[str, ...]
    phrases: Mapping[str, tuple[str, ...]] = field(hash=False, repr=False)

    def __getitem__(self, part: str) -> tuple[str, ...]:
        return self.phrases[part]


@cache
def motifs() -> tuple[Motif, ...]:
    """The whole lexicon, in its order."""
    text = "\n".join(line for line in TEXT.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(motif(paragraph) for paragraph in text.strip().split("\n\n"))


def motif(paragraph: str) -> Motif:
    said: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, _, value = line.partition(": ")
        said[name] = f"{said[name]} {value}" if name in said else value
    said["garments"], _, said["worn"] = said.pop("wears").partition(" / ")
    said["ages"], _, said["moments"] = said.pop("time").partition("; ")
    words = (*said["words"].split(), *said.get("also", "").split())
    paints = tuple(SHORT.get(value, value) for value in said["paints"].split())
    return Motif(words, paints, {part: tuple(said[part].split("; ")) for part in PARTS})


@cache
def table() -> dict[str, tuple[Motif, ...]]:
    """word -> the motifs that have it."""
    known: dict[str, tuple[Motif, ...]] = {}
    for one in motifs():
        for word in one.words:
            known[word] = (*known.get(word, ()), one)
    return known


# ------------------------------------------------------------------------------------------ looking words up
@cache
def entry(word: str) -> tuple[Motif, ...]:
    """The motifs of a word, of its stem, or of the word that is spelled most like it; none for a stranger."""
    if folded(word) in SILENT:
        return ()
    for form in forms(folded(word)):
        if form in table():
            return table()[form]
    return table().get(nearest(folded(word)), ())


def nearest(word: str) -> str:
    """The known word that is spelled most like a long one, from the same first letter on; empty where none is near."""
    alike = [known for known in table() if known[0] == word[0] and abs(len(known) - len(word)) <= 2]
    near = difflib.get_close_matches(word, alike, 1, NEAR) if len(word) >= LONG else []
    return near[0] if near else ""


def called(words: str) -> list[Motif]:
    """The motifs that words call up, in the words' order; a stranger calls one by its letters."""
    told = [word for word in words.split() if folded(word) not in SILENT] or words.split()
    found = [one for word in told for one in entry(word) or (guessed(folded(word)),)]
    return list(dict.fromkeys(found))


def guessed(word: str) -> Motif:
    return random.Random(f"motif/{word}").choice(motifs())


def associations(word: str) -> list[str]:
    """Words of captions that a word brings to mind; an unknown word has its own, always the same."""
    if folded(word) in SILENT:
        return []
    return [value for one in entry(word) for value in one.paints] or strange(folded(word))


def strange(word: str) -> list[str]:
    """Three values that the word's letters decide: no art history, but a direction that the word keeps."""
    rng = random.Random(f"word/{word}")
    categories = [category for category in LEARNT if category != "headwear"]  # this goes with the rest
    return [rng.choice(LEARNT[category]) for category in rng.sample(categories, 3)]


def forms(word: str) -> Iterator[str]:
    """The word, then what may be its stem: cities, city; dreaming, dream; icy, ice."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            yield from (stem, stem + "e", stem + "y")
            if stem[-1] == stem[-2]:
                yield stem[:-1]
    yield from (part for part in word.split("-") if part != word)
