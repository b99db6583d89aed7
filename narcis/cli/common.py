"""What the commands share: options, how values are read, and how refusals are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from narcis.errors import BadInput, NarcisError, NotFound

Out = Annotated[Path | None, typer.Option(help="the run's folder; else a new one below runs/")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object, for a script")]
Values = Annotated[list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="a parameter")]


def pairs(texts: list[str] | None) -> dict[str, str]:
    """KEY=VALUE, split at the first sign of equality; the value may hold more of them."""
    found: dict[str, str] = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise BadInput(f"{text!r} is no KEY=VALUE; write for example steps=30")
        if name in found:
            raise BadInput(f"{name} is given twice; give it once")
        found[name] = value
    return found


def door(photo: Path | None) -> str | None:
    """The photo's full path, once it is sure that there is an image in it; the rest is found out by who opens it."""
    if photo is None:
        return None
    from PIL import Image

    path = photo.expanduser().resolve()
    if path.is_dir():
        raise BadInput(f"{photo} is a folder; name a photo in it")
    if not path.is_file():
        raise NotFound(f"there is no photo {photo}; check the name")
    try:
        Image.open(path, formats=("JPEG", "PNG", "WEBP")).close()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"{photo.name} has far more than 40 megapixels; make it smaller") from None
    except OSError:
        raise BadInput(f"{photo.name} cannot be read as JPEG, PNG or WebP; save it as one of these") from None
    return str(path)


@contextmanager
def followed(id: str) -> Iterator[None]:
    """Ctrl-C ends the watching and not the run."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"narcis: the run goes on; `narcis cancel {id}` ends it", err=True)
        raise typer.Exit(130) from None


@contextmanager
def for_scripts(as_json: bool) -> Iterator[None]:
    """Refusals also as JSON, where that was asked for; Ctrl-C before anything runs has its usual code."""
    try:
        yield
    except NarcisError as error:
        if as_json:
            typer.echo(json.dumps({"state": "refused", "error": str(error)}, ensure_ascii=False))
        raise
    except KeyboardInterrupt:
        typer.echo("narcis: interrupted before the start", err=True)
        raise typer.Exit(130) from None
