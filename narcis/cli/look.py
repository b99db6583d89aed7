"""Looking at what is here: `narcis jobs`, `narcis doctor`, `narcis lab`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from narcis.cli.common import Json
from narcis.errors import NotFound

if TYPE_CHECKING:
    from narcis.jobs.catalog import Job

jobs_app = typer.Typer(help="What can be run: notebooks, and what they take.")


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


@contextmanager
def ignored_interrupt() -> Iterator[None]:
    """JupyterLab hears Ctrl-C itself, asks, and may go on."""
    from signal import SIG_IGN, SIGINT, signal

    before = signal(SIGINT, SIG_IGN)
    try:
        yield
    finally:
        signal(SIGINT, before)
