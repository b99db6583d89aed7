"""Runs in the queue: `narcis submit`, `runs`, `show`, `cancel`, `retry`, `logs`."""

from __future__ import annotations

import getpass
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from narcis.cli.common import Json, Values, followed, for_scripts, pairs
from narcis.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from narcis.records.tables import Run

Id = Annotated[str, typer.Argument(metavar="RUN", help="a run's id, or enough of its end to tell it")]
Wait = Annotated[bool, typer.Option("--wait", help="follow it to its end; the exit code is then the run's")]


def submit(
    name: Annotated[str, typer.Argument(metavar="JOB", help="see `narcis jobs`")],
    parameters: Values = None,
    wait: Wait = False,
    priority: Annotated[int, typer.Option(help="lower goes first, as with nice", min=-100, max=100)] = 0,
    key: Annotated[str | None, typer.Option(help="the same key submits only once")] = None,
    as_json: Json = False,
) -> None:
    """Put a run of a job into the queue."""
    with for_scripts(as_json):
        from narcis.jobs import asking, catalog

        job = catalog.find(name)
        engine = ready()
        values = job.read(pairs(parameters))
        run = asking.submit(engine, job, values, by=whoami(), priority=priority, key=key)
        follow_or_tell(engine, run, wait, as_json)


def runs(
    job: Annotated[str | None, typer.Option(help="only of this job")] = None,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled")] = None,
    by: Annotated[str | None, typer.Option(help="only of this requester, such as cli:anna")] = None,
    most: Annotated[int, typer.Option(help="how many", min=1, max=1000)] = 20,
    before: Annotated[str | None, typer.Option(help="the page that comes after this run")] = None,
    as_json: Json = False,
) -> None:
    """List runs, the newest first."""
    with for_scripts(as_json):
        from narcis.jobs import watching
        from narcis.records import queries
        from narcis.records.tables import STATES

        if state is not None and state not in STATES:
            raise BadInput(f"state is {state!r}; a run is one of {', '.join(STATES)}")
        engine = ready()
        after = found(engine, before).id if before else None
        listed = queries.page(engine, job=job, by=by, state=state, before=after, most=most)
        if as_json:
            typer.echo(json.dumps([watching.facts(run) for run in listed], ensure_ascii=False))
            return
        for run in listed:
            typer.echo(watching.line(run))
        if not listed:
            typer.echo("no runs")


def show(run: Id, as_json: Json = False) -> None:
    """Show all that is known of a run."""
    with for_scripts(as_json):
        engine = ready()
        tell(engine, found(engine, run), as_json)


def cancel(run: Id, as_json: Json = False) -> None:
    """Cancel a run: a waiting one at once, a running one within one denoising step."""
    with for_scripts(as_json):
        from narcis.jobs import queue

        engine = ready()
        id = found(engine, run).id
        if (state := queue.cancel(engine, id, whoami())) in ("succeeded", "failed"):
            raise BadInput(f"run {id} has {state}; only a run that waits or runs can be cancelled")
        tell(engine, found(engine, id), as_json)


def retry(run: Id, wait: Wait = False, as_json: Json = False) -> None:
    """Submit a run that has ended once more, with the same values."""
    with for_scripts(as_json):
        from narcis.jobs import queue

        engine = ready()
        again = queue.retry(engine, found(engine, run).id, whoami())
        follow_or_tell(engine, again, wait, as_json)


def logs(
    run: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="until the run has ended")] = False,
    as_json: Json = False,
) -> None:
    """Print what happened in a run, a line an event."""
    with for_scripts(as_json):
        from narcis.jobs import watching

        engine = ready()
        id = found(engine, run).id
        with followed(id):
            for event in watching.history(engine, id, follow):
                typer.echo(json.dumps(event, ensure_ascii=False) if as_json else watching.said(event))


# ------------------------------------------------------------------------------------------- shared
def ready() -> Engine:
    """The database, whose schema is that of this narcis."""
    from narcis.records import db

    engine = db.connect()
    db.check(engine)
    return engine


def whoami() -> str:
    """cli:anna; a container may have no name for its user."""
    with suppress(OSError, KeyError):
        return f"cli:{getpass.getuser()}"
    return "cli"


def found(engine: Engine, id: str) -> Run:
    """The run of an id, or of the end of one."""
    from narcis.records import queries

    return queries.run_like(engine, id)


def follow_or_tell(engine: Engine, id: str, wait: bool, as_json: bool) -> None:
    """The run as it is, or its bar until it has ended."""
    if not wait:
        tell(engine, found(engine, id), as_json)
        return
    from narcis.jobs import watching

    if not as_json:
        typer.echo(id, err=True)
    with followed(id):
        ended = watching.watch(engine, id)
    tell(engine, ended, as_json, as_state=not as_json)
    raise typer.Exit({"succeeded": 0, "cancelled": 130}.get(ended.state, 1))


def tell(engine: Engine, run: Run, as_json: bool, as_state: bool = False) -> None:
    from narcis.jobs import watching

    if as_json:
        typer.echo(json.dumps(watching.facts(run), ensure_ascii=False))
    elif as_state:
        typer.echo("\n".join(watching.result(run)))
    else:
        typer.echo("\n".join(watching.described(engine, run)))
