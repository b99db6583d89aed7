"""Thoughts that a language model had once, kept by what led to them: asking again costs money, and gives another one.

Where they are kept is the caller's: anything with `get` and `put` of bytes by name, such as a run's folder or a store.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Protocol

from narcis.mecene.keywords import MetaKeywords
from narcis.mecene.writers import Brief, Writer


@dataclass(frozen=True)
class Thought:
    """What a writer made of words, before anything is asked of a painter."""

    idea: str
    keywords: MetaKeywords
    scene: dict[str, str] = field(default_factory=dict, hash=False)
    writer: str = "lexicon"
    model: str = ""
    fell_back: str = ""
    kept: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Thought:
        """Raises ValueError, KeyError or TypeError for bytes that are none."""
        facts = json.loads(content)
        words = {name: tuple(values) for name, values in facts.pop("keywords").items()}
        return cls(keywords=MetaKeywords(**words), **facts)


class Place(Protocol):
    """Where bytes are kept by name."""

    def get(self, name: str, /) -> bytes | None: ...

    def put(self, name: str, content: bytes, /) -> None: ...


@dataclass(frozen=True)
class Shelf:
    """Thoughts in a place, by words, seed, writer and its model, and by what the brief asks for besides."""

    place: Place

    def find(self, words: str, seed: int, brief: Brief, writer: Writer) -> Thought | None:
        content = self.place.get(name_of(words, seed, brief, writer))
        try:
            return Thought.from_json(content) if content else None
        except (ValueError, KeyError, TypeError):  # half of one from a full disk, or one of an older narcis
            return None

    def keep(self, words: str, seed: int, brief: Brief, writer: Writer, thought: Thought) -> None:
        self.place.put(name_of(words, seed, brief, writer), thought.to_json())


def name_of(words: str, seed: int, brief: Brief, writer: Writer) -> str:
    """idea-<words>-<cause>.json, both as hashes: those of the same words share their beginning."""
    vocabulary = {name: list(values) for name, values in brief.vocabulary.items()}
    cause = [words.casefold(), seed, writer.name, writer.model, brief.who, vocabulary]
    return f"{beginning(words)}{digest(json.dumps(cause, sort_keys=True))}.json"


def beginning(words: str) -> str:
    """How the names of all thoughts of these words begin."""
    return f"idea-{digest(' '.join(words.casefold().split()))[:16]}-"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
