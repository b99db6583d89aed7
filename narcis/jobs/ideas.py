"""Ideas that language models had for earlier runs: out of the store before a run, into it afterwards, and counted.

The notebook keeps an idea as stages/idea-<words>-<cause>.json; all of the same words begin alike.  A store that is away
costs another question, never a run.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from narcis import settings
from narcis.errors import NarcisError
from narcis.folder import RunFolder
from narcis.jobs import metrics
from narcis.store import Store


def bring(values: dict[str, Any], run: RunFolder, store: Store) -> None:
    """What the store has for a run's words, into its folder; nothing where the lexicon writes, which is faster."""
    if settings.read().writer == "lexicon" or not values.get("words"):
        return
    with suppress(NarcisError, OSError):
        for key in store.keys(f"ideas/{beginning(values['words'])}"):
            name = key.rpartition("/")[2]
            if not (run.stages / name).is_file():
                run.keep(name, store.get(key))


def take(values: dict[str, Any], run: RunFolder, store: Store) -> None:
    """What the run has kept for its words, into the store."""
    if settings.read().writer == "lexicon" or not values.get("words"):
        return
    with suppress(NarcisError, OSError):
        for path in run.stages.glob(f"{beginning(values['words'])}*.json"):
            if not store.has(f"ideas/{path.name}"):
                store.put(f"ideas/{path.name}", path.read_bytes())


def beginning(words: str) -> str:
    """As `narcis.mecene.shelf` names them, which jobs do not import."""
    return f"idea-{hashlib.sha256(' '.join(words.casefold().split()).encode()).hexdigest()[:16]}-"


def count(run: RunFolder) -> None:
    """The ideas that a manifest tells of, by who wrote them and how they came."""
    with suppress(ValueError, TypeError, AttributeError, OSError):  # of a notebook that was killed, or wrote its own
        for idea in run.manifest().get("ideas", []):
            how = "kept" if idea.get("kept") else "fell_back" if idea.get("fell_back") else "written"
            metrics.IDEAS.labels(str(idea.get("writer", "")), how).inc()
