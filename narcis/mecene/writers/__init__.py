"""Writers: who turns words into an idea, and an idea into keywords.

`lexicon` is always there; `transformers` is any chat model on this machine, `bedrock` one of Amazon's.  Those two
import what they need when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol

from narcis.errors import BadInput, Unavailable
from narcis.mecene.captions import Scene
from narcis.mecene.keywords import MetaKeywords
from narcis.mecene.words import ClassWord

NAMES = ("lexicon", "transformers", "bedrock")
# Who knows which writer this installation has decided for: a function that gives an object with `writer`,
# `writer_model`, `writer_region` and `offline`, as `narcis.settings` does.  So Mécène reads no environment.
HOUSES = "narcis.house"


@dataclass(frozen=True)
class Brief:
    """For whom is written: who sits, and what the painting model has learnt, where it has not learnt all words."""

    who: ClassWord
    vocabulary: Mapping[str, tuple[str, ...]]
    scene: Scene  # what the lexicon would have it paint, out of that vocabulary


class Found(NamedTuple):
    """Keywords of an idea, and where the model has a vocabulary, the scene that the writer wants of it."""

    keywords: MetaKeywords
    scene: Scene


class Writer(Protocol):
    """The first two steps."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str:
        """Which one of its kind; empty where there is only one."""
        ...

    def idea(self, words: str, seed: int, brief: Brief) -> str:
        """About fifty words.  Raises OffSchema, Unavailable; Declined where the words are not to be painted by."""
        ...

    def keywords(self, words: str, idea: str, seed: int, brief: Brief) -> Found:
        """Raises OffSchema, Unavailable."""
        ...


class OffSchema(Unavailable):
    """An answer that is not what was asked for, twice."""


def named(name: str, model: str = "", region: str = "", offline: bool = False) -> Writer:
    """The writer of a name; `NAME:MODEL` names its model too; offline, none is fetched from the hub.

    Raises BadInput where there is none such.
    """
    kind, _, of = name.partition(":")
    model = of or model
    if kind == "lexicon":
        from narcis.mecene.writers.lexicon import Lexicon

        return Lexicon()
    if kind == "transformers":
        from narcis.mecene.writers.local import Local

        return Local(model, offline)
    if kind == "bedrock":
        from narcis.mecene.writers.bedrock import Bedrock

        return Bedrock(model, region)
    raise BadInput(f"there is no writer {name!r}; there are {', '.join(NAMES)}, as in transformers:FOLDER", known=NAMES)


def of_house() -> Writer:
    """The writer that the installation has decided for, else the lexicon."""
    for point in entry_points(group=HOUSES):
        said: Any = point.load()()
        return named(said.writer, said.writer_model, said.writer_region, said.offline)
    return named("lexicon")
