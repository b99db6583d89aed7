"""What stays running: `narcis work`, `narcis up`; and `narcis db upgrade`, without which neither starts."""

from __future__ import annotations

from typing import Annotated

import typer

from narcis.errors import BadInput

db_app = typer.Typer(no_args_is_help=True, help="The database: where runs are kept.")


@db_app.callback()
def db() -> None:
    """The database: where runs are kept."""


@db_app.command()
def upgrade() -> None:
    """Bring the database's schema up to this narcis."""
    from narcis.records import db

    engine = db.connect()
    db.upgrade(engine)
    typer.echo(f"{db.shown(engine.url)} is up to date")


def work(
    needs: Annotated[str, typer.Option(help="take runs that need this: cpu, gpu or cpu,gpu")] = "cpu,gpu",
    jobs: Annotated[str | None, typer.Option(help="take only these jobs, names with commas between")] = None,
    once: Annotated[bool, typer.Option("--once", help="end when nothing waits")] = False,
    metrics_port: Annotated[int | None, typer.Option(help="serve /metrics here", min=1, max=65535)] = None,
    metrics_host: Annotated[str, typer.Option(help="on this address")] = "127.0.0.1",
) -> None:
    """Take runs from the queue until SIGTERM or Ctrl-C; a second one ends at once."""
    from narcis.jobs import catalog, working
    from narcis.records.tables import NEEDS

    asked = [word.strip() for word in needs.split(",")]
    if wrong := [word for word in asked if word not in NEEDS]:
        raise BadInput(f"needs is {wrong[0]!r}; a worker takes {' and '.join(NEEDS)}")
    chosen = [catalog.find(word.strip()).name for word in jobs.split(",")] if jobs else None
    working.work(asked, chosen, once, metrics_port, metrics_host)


def up(
    workers: Annotated[int, typer.Option(help="how many processes take runs", min=1, max=16)] = 1,
    host: Annotated[str, typer.Option(help="the web is on this address; 0.0.0.0 is all of them")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the web's; 0 takes a free one", min=0, max=65535)] = 8080,
) -> None:
    """Start all that a single machine needs: database up to date, a worker, the web. Ctrl-C ends all of it."""
    from narcis.jobs import working
    from narcis.web.serving import free

    raise typer.Exit(working.up(workers, host, free(host, port)))
