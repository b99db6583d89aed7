"""The command line.  Whatever is heavy is imported by the command that needs it, so that help comes at once."""

from __future__ import annotations

import sys
from functools import cache

import typer

from narcis.cli import idea, look, models, paint, queue, remake, serve, web
from narcis.errors import NarcisError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Two words and a face become a portrait.",
)
app.add_typer(look.jobs_app, name="jobs")
app.add_typer(serve.db_app, name="db")
app.add_typer(models.app, name="models")
for command in (
    *(paint.portrait, paint.run, remake.remake, idea.idea),
    *(queue.submit, queue.runs, queue.show, queue.cancel, queue.retry, queue.logs),
    *(serve.work, web.web, serve.up, look.lab, look.doctor),
):
    app.command()(command)


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
