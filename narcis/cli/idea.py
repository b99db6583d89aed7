"""What Mécène makes of words: `narcis idea`."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from narcis.cli.common import Json, for_scripts

if TYPE_CHECKING:
    from narcis.mecene import Idea
    from narcis.mecene.shelf import Shelf
    from narcis.settings import Settings
    from narcis.store import Store

WIDTH = 96  # columns


def idea(
    words: Annotated[list[str], typer.Argument(help='one to four words, such as "corporate confidence"')],
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=100, help="how many ideas")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="of the first idea; the next has the next seed")] = 0,
    who: Annotated[str, typer.Option(help="who sits: man, woman or person")] = "person",
    writer: Annotated[str | None, typer.Option(help="lexicon, transformers:MODEL or bedrock:MODEL")] = None,
    free: Annotated[bool, typer.Option("--free", help="for a model that knows all words, such as sdxl")] = False,
    as_json: Json = False,
) -> None:
    """Think of ideas for one to four words, with their keywords and prompts."""
    with for_scripts(as_json):
        from narcis import mecene, settings

        decided = settings.read()
        by = mecene.named(
            writer or decided.writer, "" if writer else decided.writer_model, decided.writer_region, decided.offline
        )
        asking = mecene.Tags() if free else None
        how = {"asking": asking, "writer": by, "shelf": None if by.name == "lexicon" else shelf(decided)}
        ideas = mecene.several(" ".join(words), number, seed, who, **how)  # type: ignore[arg-type]
        if as_json:
            told = [{"seed": seed + n, **asdict(one)} for n, one in enumerate(ideas)]
            typer.echo(json.dumps({"words": ideas[0].words, "ideas": told}, ensure_ascii=False))
            return
        typer.echo("\n\n".join(shown(one, seed + n) for n, one in enumerate(ideas)))
        for one in ideas:
            if one.fell_back:
                typer.echo(f"narcis: the lexicon stood in for {one.fell_back}", err=True)


def shown(idea: Idea, seed: int) -> str:
    """An idea for people: the label, its keywords, what is asked for."""
    rows = {name: ", ".join(values) for name, values in asdict(idea.meta).items()}
    rows |= {"prompt": idea.prompt} | ({"negative": idea.negative} if idea.negative else {})
    rows["seed"] = f"{seed}, by the {idea.writer}" + (f" {idea.model}" if idea.model else "")
    lines = [wrapped(f"  {name:<9} ", text) for name, text in rows.items()]
    return "\n".join([textwrap.fill(idea.idea, WIDTH), *lines])


def wrapped(start: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def shelf(decided: Settings) -> Shelf:
    """What language models have thought of before, in the store."""
    from narcis.mecene.shelf import Shelf
    from narcis.store import open_store

    return Shelf(Kept(open_store(decided.store, decided.store_endpoint)))


class Kept:
    """The store's ideas/.  One that is away is no reason not to think."""

    def __init__(self, store: Store):
        self.store = store

    def get(self, name: str) -> bytes | None:
        from narcis.errors import NotFound, Unavailable

        try:
            return self.store.get(f"ideas/{name}")
        except (NotFound, Unavailable):
            return None

    def put(self, name: str, content: bytes) -> None:
        from contextlib import suppress

        from narcis.errors import Unavailable

        with suppress(Unavailable):
            self.store.put(f"ideas/{name}", content)
