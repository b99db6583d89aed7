"""Running a job here and now: `narcis portrait`, `narcis run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narcis.cli.common import Json, Out, Values, door, for_scripts, pairs

if TYPE_CHECKING:
    from narcis.folder import RunFolder
    from narcis.jobs.catalog import Job
    from narcis.jobs.outcome import Outcome


def portrait(
    words: Annotated[list[str], typer.Argument(help='one to four words, such as "byzantine emperor"')],
    face: Annotated[Path | None, typer.Option(help="a photo with one face")] = None,
    sitter: Annotated[str | None, typer.Option(help="a bundled sitter instead, such as ada or hugo")] = None,
    seed: Annotated[int | None, typer.Option(help="the same seed paints the same picture")] = None,
    count: Annotated[int | None, typer.Option(help="how many pictures")] = None,
    size: Annotated[int | None, typer.Option(help="side of the picture in pixels; the model's own without it")] = None,
    model: Annotated[str | None, typer.Option(help="a model's name, its folder or its file")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="any other parameter")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Paint a portrait from words and a face."""
    with for_scripts(as_json):
        from narcis.jobs import catalog
        from narcis.mecene import checked

        job = catalog.find("portrait")
        given = {"words": checked(" ".join(words)), "face": door(face), "sitter": sitter, "seed": seed, "count": count}
        given |= {"size": size, "model": model}
        values = {name: value for name, value in given.items() if value is not None}
        go(job, {**job.read(pairs(set_)), **values}, out, as_json)


def run(
    name: Annotated[str, typer.Argument(metavar="JOB", help="see `narcis jobs`")],
    parameters: Values = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run a job here and now."""
    with for_scripts(as_json):
        from narcis.jobs import catalog

        job = catalog.find(name)
        go(job, job.read(pairs(parameters)), out, as_json)


def go(job: Job, given: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """Checks, runs, and says where the pictures are."""
    values = job.values(given)
    from narcis.jobs.run import execute, prepare

    folder = prepare(job, out)
    ended = execute(job, values, folder)
    report(folder, ended, as_json)
    raise typer.Exit(ended.exit_code)


def report(folder: RunFolder, ended: Outcome, as_json: bool) -> None:
    """The folder and its pictures on stdout; what went wrong on stderr."""
    pictures = [str(path) for path in folder.pictures]
    if as_json:
        manifest = folder.manifest()
        facts = {"folder": str(folder.path), "pictures": pictures, **{k: manifest.get(k) for k in ("state", "error")}}
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    if ended.exit_code:
        typer.echo(f"narcis: {ended.said} (see {folder.notebook})", err=True)
    for line in (folder.path, *pictures):
        typer.echo(line)
