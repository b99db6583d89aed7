"""The command line.  Whatever is heavy is imported by the command that needs it, so that help comes at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narcis.errors import BadInput, NarcisError, NotFound

if TYPE_CHECKING:
    from narcis.folder import RunFolder
    from narcis.jobs.catalog import Job
    from narcis.jobs.outcome import Outcome

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Two words and a face become a portrait.",
)
jobs_app = typer.Typer(help="What can be run: notebooks, and what they take.")
app.add_typer(jobs_app, name="jobs")

Out = Annotated[Path | None, typer.Option(help="the run's folder; else a new one below runs/")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object, for a script")]


# -------------------------------------------------------------------------------------------- running
@app.command()
def portrait(
    words: Annotated[list[str], typer.Argument(help='one to four words, such as "byzantine emperor"')],
    face: Annotated[Path | None, typer.Option(help="a photo with one face")] = None,
    sitter: Annotated[str | None, typer.Option(help="a bundled sitter instead, such as ada or hugo")] = None,
    seed: Annotated[int | None, typer.Option(help="the same seed paints the same picture")] = None,
    count: Annotated[int | None, typer.Option(help="how many pictures")] = None,
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
        values = {name: value for name, value in given.items() if value is not None}
        go(job, {**job.read(pairs(set_)), **values}, out, as_json)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="JOB", help="see `narcis jobs`")],
    parameters: Annotated[list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="a parameter")] = None,
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


# ------------------------------------------------------------------------------------------- looking
@jobs_app.callback(invoke_without_command=True)
def jobs(context: typer.Context, as_json: Json = False) -> None:
    """Print the catalogue: every job, and what may be set."""
    if context.invoked_subcommand:
        return
    from narcis.jobs import catalog

    found = catalog.jobs()
    if as_json:
        typer.echo(json.dumps({name: job.model.model_json_schema() for name, job in found.items()}))
        return
    typer.echo("\n\n".join(described(job) for job in found.values()))


def described(job: Job) -> str:
    """A job's page of the catalogue."""
    lines = [f"{job.name}: {job.title}"]
    for name, taken in job.open.items():
        default = f"{taken.type.__name__} = {json.dumps(taken.default, ensure_ascii=False)}"
        limits = f" ({said})" if (said := job.bounds[name].in_words()) else ""
        lines.append(f"  {name:<16} {default:<28} {taken.help}{limits}")
    return "\n".join(lines)


@jobs_app.command()
def check() -> None:
    """Hold all notebooks and YAML files against each other; exit 1 if something is wrong."""
    from narcis.jobs import catalog

    wrong = catalog.problems()
    for line in wrong:
        typer.echo(line, err=True)
    if not wrong:
        typer.echo(f"{len(catalog.paths())} jobs are well")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at what this installation needs; exit 1 if something is amiss."""
    from dataclasses import asdict

    from narcis.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'ok  ' if finding.well else 'MISS'} {finding.what:<13} {finding.said}")
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    raise typer.Exit(0 if all(finding.well for finding in findings) else 1)


@app.command()
def lab(port: Annotated[int, typer.Option(help="where JupyterLab listens", min=1, max=65535)] = 8888) -> None:
    """Open JupyterLab on the notebooks."""
    from subprocess import call

    from narcis import settings

    notebooks = settings.read().notebooks
    if not notebooks.is_dir():
        raise NotFound(f"there are no notebooks in {notebooks}; set NARCIS_NOTEBOOKS to their folder")
    with ignored_interrupt():
        code = call([sys.executable, "-m", "jupyter", "lab", f"--port={port}", str(notebooks)])
    raise typer.Exit(code)


# -------------------------------------------------------------------------------------------- ending
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


@contextmanager
def ignored_interrupt() -> Iterator[None]:
    """JupyterLab hears Ctrl-C itself, asks, and may go on."""
    from signal import SIG_IGN, SIGINT, signal

    before = signal(SIGINT, SIG_IGN)
    try:
        yield
    finally:
        signal(SIGINT, before)


@cache
def complete() -> typer.Typer:
    """All commands, with those of the embedded model."""
    from narcis.mini.commands import app as mini

    app.add_typer(mini, name="mini")
    return app


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits with its code; an error of ours is one line on stderr."""
    try:
        complete()(arguments)
    except NarcisError as error:
        typer.echo(f"narcis: {error}", err=True)
        sys.exit(error.exit_code)
