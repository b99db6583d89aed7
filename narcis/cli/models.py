"""Weights: `narcis models list`, `pull`, `check`, `where`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from narcis.cli.common import Json, for_scripts
from narcis.errors import NotFound

if TYPE_CHECKING:
    from narcis.supply.holdings import Holding
    from narcis.supply.pull import Tell

app = typer.Typer(no_args_is_help=True, help="Weights: what can be loaded, where it lies, on what terms.")

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="models or weights, see `narcis models list`")]
AnyNames = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="only these models or weights")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List models, what each is put together from, and what of it is here."""
    with for_scripts(as_json):
        from narcis.portrait.catalogue import MODELS

        held = look([])
        if as_json:
            models = {name: list(parts) for name, parts in MODELS.items()}
            typer.echo(json.dumps({"models": models, "weights": [one.facts for one in held]}, ensure_ascii=False))
            return
        here = {one.one.name for one in held if one.folder}
        for name, parts in MODELS.items():
            lacking = [part for part in parts if part not in here]
            typer.echo(f"{name:<18} {'lacks ' + ', '.join(lacking) if lacking else 'is here'}")
        typer.echo()
        for one in held:
            typer.echo(line("here" if one.folder else "–", one, one.one.title))


@app.command()
def pull(names: Names, as_json: Json = False) -> None:
    """Fetch what models or weights lack; what broke off is gone on from."""
    with for_scripts(as_json):
        from narcis import settings
        from narcis.supply.pull import pull as fetch
        from narcis.supply.sources import sources

        decided = settings.read()
        with resumable(), bar() as tell:
            fetch(names, sources(decided), decided.models, tell)
        tell_where(look(names), as_json)


@app.command()
def check(names: AnyNames = None, as_json: Json = False) -> None:
    """Read every file that is here, and name each licence; exit 1 for what is damaged or refused."""
    with for_scripts(as_json):
        from narcis.portrait import weights

        held = look(names or [], read=True)
        refused = [one for one in held if one.folder and not one.accepted and weights.house().production]
        if as_json:
            typer.echo(json.dumps([one.facts for one in held], ensure_ascii=False))
        else:
            for one in held:
                say(one, one in refused)
        raise typer.Exit(1 if refused or any(one.damaged for one in held) else 0)


@app.command()
def where(names: Names, as_json: Json = False) -> None:
    """Print the folders of models or weights, one a line."""
    with for_scripts(as_json):
        held = look(names)
        if away := [one.one.name for one in held if not one.folder]:
            raise NotFound(f"not here: {', '.join(away)}; `narcis models pull {' '.join(away)}` fetches that")
        tell_where(held, as_json)


# ------------------------------------------------------------------------------------------- shared
def look(names: Sequence[str], read: bool = False) -> list[Holding]:
    from narcis.portrait import weights
    from narcis.supply.holdings import holdings

    return holdings(names, weights.house(), read)


def tell_where(held: Sequence[Holding], as_json: bool) -> None:
    """Folders on stdout; on stderr what production would refuse of them."""
    if as_json:
        typer.echo(json.dumps({one.one.name: str(one.folder) for one in held}))
        return
    for one in held:
        typer.echo(one.folder)
        if not one.accepted:
            typer.echo(f"narcis: {one.one.name}: {one.one.licence.terms}; {one.verdict}", err=True)


def say(one: Holding, refused: bool) -> None:
    """An entry's line of the check, and one more for each file that is not well."""
    state = "–" if not one.folder else "MISS" if one.damaged or refused else "ok"
    licence = one.one.licence
    typer.echo(line(state, one, f"{licence.name}: {licence.terms}; {one.verdict}"))
    for finding in one.damaged:
        typer.echo(f"     {finding.name} {finding.said}; `narcis models pull {one.one.name}` fetches it again")
    if unknown := [finding.name for finding in one.findings if finding.state == "unknown"]:
        typer.echo(f"     {', '.join(unknown)}: the hash is not recorded, so nothing can be said of it")


def line(state: str, one: Holding, said: str) -> str:
    shown = size(one.bytes) if one.bytes is not None else f"~{size(one.one.about or 0)}"
    return f"{state:<4} {one.one.name:<18} {shown:>8}  {said}"


def size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C leaves what has come."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("narcis: interrupted; pull again to go on from there", err=True)
        raise typer.Exit(130) from None


@contextmanager
def bar() -> Iterator[Tell]:
    """A bar for each file, where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(file: str, done: int, of: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=of)
            bars.update(tasks[file], completed=done)

        yield tell
