"""Mécène, who commissions portraits: one to four words become a picture's idea and its prompt.

Three steps: an idea of about fifty words, its keywords in eight categories, the fifteen that tell most.  A writer takes
the first two; what the painting model has learnt decides how it is asked.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from narcis.errors import BadInput, NarcisError
from narcis.mecene.captions import Captions, Scene
from narcis.mecene.keywords import CATEGORIES, Chosen, MetaKeywords, choose
from narcis.mecene.shelf import Shelf, Thought
from narcis.mecene.tags import Tags
from narcis.mecene.words import CLASS_WORDS, ClassWord, Declined, checked
from narcis.mecene.writers import Brief, Writer, named

__all__ = [
    "CATEGORIES",
    "CLASS_WORDS",
    "Asking",
    "Captions",
    "Chosen",
    "ClassWord",
    "Declined",
    "Idea",
    "MetaKeywords",
    "Tags",
    "checked",
    "choose",
    "imagine",
    "named",
    "several",
]


class Asking(Protocol):
    """How a painting model is asked: `Captions` of one that learnt a vocabulary, `Tags` of one that knows all words."""

    @property
    def vocabulary(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    def negative(self) -> str: ...

    def scene(self, brought: list[list[str]], who: ClassWord, rng: random.Random) -> Scene: ...

    def keywords(self, found: MetaKeywords, scene: Scene) -> MetaKeywords: ...

    def prompt(self, scene: Scene, chosen: list[Chosen], who: ClassWord) -> str: ...


@dataclass(frozen=True)
class Idea:
    """What the words led to; the keywords are ordered, the negative prompt may be empty."""

    words: str
    idea: str
    keywords: tuple[str, ...]
    prompt: str
    negative: str = ""
    meta: MetaKeywords = field(default_factory=MetaKeywords)
    chosen: tuple[Chosen, ...] = ()
    writer: str = "lexicon"
    model: str = ""  # of the writer
    fell_back: str = ""  # why it was not the writer that was asked for
    kept: bool = False  # whether it was thought of before

    @property
    def made_by(self) -> dict[str, Any]:
        """For a manifest: who wrote it, and what went otherwise than was asked."""
        return {"writer": self.writer, "model": self.model, "fell_back": self.fell_back, "kept": self.kept}


def imagine(
    words: str,
    seed: int = 0,
    class_word: ClassWord = "person",
    *,
    asking: Asking | None = None,
    writer: Writer | None = None,
    shelf: Shelf | None = None,
) -> Idea:
    """The idea of words: the same words and seed have the same one, from the lexicon and from a shelf.

    Without `asking`, the embedded model's captions.  A writer that cannot, or does not answer as it should, is stood in
    for by the lexicon.  Raises BadInput for words that are none, Declined for those that nobody is painted by.
    """
    if class_word not in CLASS_WORDS:
        raise BadInput(f"class word is {class_word!r}; it must be one of {', '.join(CLASS_WORDS)}", known=CLASS_WORDS)
    words, asking = checked(words), asking or Captions()
    brief = briefed(words, seed, class_word, asking)
    thought = think(words, seed, brief, writer or named("lexicon"), shelf)
    scene = {name: thought.scene.get(name, value) for name, value in brief.scene.items()}
    meta = asking.keywords(thought.keywords, scene)
    learnt = tuple(value for value in scene.values() if value != "none")
    chosen = choose(meta, words, thought.idea, learnt)
    return Idea(
        words,
        thought.idea,
        keywords=tuple(one.keyword for one in chosen),
        prompt=asking.prompt(scene, chosen, class_word),
        negative=asking.negative,
        meta=meta,
        chosen=tuple(chosen),
        writer=thought.writer,
        model=thought.model,
        fell_back=thought.fell_back,
        kept=thought.kept,
    )


def several(words: str, number: int, seed: int = 0, class_word: ClassWord = "person", **how: Any) -> list[Idea]:
    """Ideas of neighbouring seeds, which differ in what the words leave open."""
    return [imagine(words, seed + n, class_word, **how) for n in range(number)]


def briefed(words: str, seed: int, class_word: ClassWord, asking: Asking) -> Brief:
    """Who sits, and what the lexicon would have a model with a vocabulary paint."""
    from narcis.mecene import lexicon

    rng = random.Random(f"{seed}/{words.casefold()}")  # a text seeds the same everywhere
    scene = asking.scene([lexicon.associations(word) for word in words.split()], class_word, rng)
    return Brief(class_word, asking.vocabulary, scene)


def think(words: str, seed: int, brief: Brief, writer: Writer, shelf: Shelf | None) -> Thought:
    """A writer's thought, from the shelf where it is there; the lexicon's where the writer has none."""
    if writer.name == "lexicon":
        return thought_of(words, seed, brief, writer)
    if shelf is not None and (known := shelf.find(words, seed, brief, writer)):
        return replace(known, kept=True)
    try:
        fresh = thought_of(words, seed, brief, writer)
    except Declined:
        raise
    except NarcisError as error:
        return replace(thought_of(words, seed, brief, named("lexicon")), fell_back=f"{writer.name}: {error}")
    if shelf is not None:
        shelf.keep(words, seed, brief, writer, fresh)
    return fresh


def thought_of(words: str, seed: int, brief: Brief, writer: Writer) -> Thought:
    idea = writer.idea(words, seed, brief)
    found = writer.keywords(words, idea, seed, brief)
    return Thought(idea, found.keywords, dict(found.scene), writer.name, writer.model)
