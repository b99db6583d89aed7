"""A run as people see it: in a line, as a page, as a bar that moves, as a history."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine

from narcis import settings
from narcis.errors import NotFound, Unavailable
from narcis.folder import Event, RunFolder, told
from narcis.jobs.asking import the_store
from narcis.jobs.run import shower
from narcis.records import queries
from narcis.records.tables import OVER, Run

GLANCE = 0.3  # seconds between two looks
SHOWN = ("id", "job", "values", "state", "by", "key", "parent", "needs", "priority", "created", "started", "finished")
ALSO = ("attempt", "tries", "most_tries", "worker", "cancel_by", "stage", "step", "of", "preview", "said", "cause")


def facts(run: Run) -> dict[str, Any]:
    """A run for a program; times in ISO 8601."""
    values = {name: getattr(run, name) for name in (*SHOWN, *ALSO, "prefix")}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


def line(run: Run) -> str:
    """A run in one line."""
    what = run.values.get("words") or ", ".join(f"{k}={v}" for k, v in run.values.items())
    told = plain(f"{run.by:<16} {str(what)[:40]}").rstrip()
    return f"{run.id}  {state(run):<22} {run.job:<12} {age(run.created):>8}  {told}"


def plain(text: object) -> str:
    """On one line, and nothing that a terminal would obey: whoever asked may have written anything."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text))


def state(run: Run) -> str:
    """succeeded; running, compose 12/20; queued."""
    if run.state == "running" and run.stage:
        return f"running, {run.stage} {run.step}/{run.of}"
    return run.state


def age(then: datetime) -> str:
    seconds = (datetime.now(UTC) - then).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def described(engine: Engine, run: Run) -> list[str]:
    """All that is known of a run, a line each."""
    lines = [f"run        {run.id}", f"job        {run.job}", f"state      {state(run)}"]
    lines += [f"asked by   {plain(run.by)}, {age(run.created)} ago"]
    lines += [f"value      {name} = {plain(value)}" for name, value in run.values.items()]
    if run.attempt:
        lines += [f"attempt    {run.attempt}, on {run.worker}" if run.worker else f"attempt    {run.attempt} so far"]
    if run.started and run.finished:
        lines += [f"took       {(run.finished - run.started).total_seconds():.1f} s"]
    if run.state == "queued":
        lines += [f"place      {place(engine, run)}"]
    if run.state == "running" and run.cancel_by:
        lines += [f"stopping   as {plain(run.cancel_by)} has asked for"]
    if run.said:
        lines += [f"said       {plain(run.said)}"]
    return lines + [f"kept       {where}" for where in kept(run)]


def place(engine: Engine, run: Run) -> str:
    """Where it stands in the queue, and when it may start as far as anybody knows."""
    position, seconds = queries.position(engine, run.id), queries.start_in(engine, run.id)
    if position is None:
        return "none: it waits no more"
    if seconds is None:
        return f"{position}; nobody knows when it starts: no worker takes it now, or none of its kind has run yet"
    return f"{position}; it starts in about {max(1, round(seconds))} s"


def result(run: Run) -> list[str]:
    """What a finished run is to whoever waited for it: how it ended, and its pictures."""
    return [f"{run.state}: {plain(run.said)}" if run.said and run.said != run.state else run.state, *kept(run)]


def kept(run: Run) -> list[str]:
    """Where its pictures and its notebook lie."""
    if run.state not in OVER:
        return []
    store = the_store()
    try:
        pictures = [key for key in store.keys(f"{run.prefix}/") if key.endswith(".png") and "/previews/" not in key]
        notebook = f"notebooks/{run.id}.ipynb"
        return [store.where(key) for key in [*pictures, *([notebook] if store.has(notebook) else [])]]
    except Unavailable as error:
        return [str(error)]


# ------------------------------------------------------------------------------------------ following
def watch(engine: Engine, id: str, console: Console | None = None) -> Run:
    """Waits for a run's end, with a bar and the last preview's place where somebody looks; the run as it ended.

    Ctrl-C ends the watching and not the run.
    """
    console, store = console or Console(stderr=True), the_store()
    columns = [TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TextColumn("{task.fields[shown]}", style="dim")]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        show = shower(bars, bars.add_task("waiting", total=None, shown=""))
        while (run := queries.run(engine, id)).state not in OVER:
            if run.stage and run.step is not None and run.of is not None:
                show(Event(run.stage, run.step, run.of, store.where(run.preview) if run.preview else None))
            time.sleep(GLANCE)
    return run


def history(engine: Engine, id: str, follow: bool = False) -> Iterator[dict[str, Any]]:
    """What happened, in order: submitted, started, each step that was told, and how it ended."""
    run = queries.run(engine, id)
    yield event(run.created, "submitted", by=run.by)
    attempt, steps = 0, []
    while True:
        run = queries.run(engine, id)
        if run.attempt > attempt and run.started:
            attempt, steps = run.attempt, []
            yield event(run.started, "started", attempt=run.attempt, worker=run.worker)
        before, steps = steps, told_steps(run)
        for step in steps[told_of(before, steps) :]:
            yield event(datetime.fromtimestamp(step.at, UTC), "step", stage=step.stage, step=step.step, of=step.of)
        if run.state in OVER and run.finished:
            yield event(run.finished, run.state, said=run.said)
            return
        if not follow:
            return
        time.sleep(GLANCE)


def told_of(before: list[Event], steps: list[Event]) -> int:
    """How many of the steps have been told, when those `before` have: of a run elsewhere only the last is seen."""
    last = [(step.stage, step.step, step.of) for step in before[-1:]]
    for i in range(max(0, len(before) - 1), len(steps)):
        if [(steps[i].stage, steps[i].step, steps[i].of)] == last:
            return i + 1
    return 0


def told_steps(run: Run) -> list[Event]:
    """From the run's folder while it runs here, from the store once it has ended; else the last that the queue knows.

    What the store has of a run that runs again is of the attempt before.
    """
    last = Event(run.stage or "", run.step or 0, run.of or 0, run.preview, time.time())
    if run.state == "running":
        here = RunFolder(settings.read().runs / f"{run.id}.{run.attempt}")
        return here.events() if here.progress.is_file() else [last] if run.stage else []
    try:
        return list(told(the_store().get(f"{run.prefix}/progress.jsonl").decode().splitlines(keepends=True)))
    except (NotFound, Unavailable):
        return [last] if run.stage else []


def event(at: datetime, what: str, **facts: Any) -> dict[str, Any]:
    return {"at": at.isoformat(timespec="milliseconds"), "what": what, **facts}


def said(event: dict[str, Any]) -> str:
    """An event in a line."""
    facts = " ".join(f"{name}={value}" for name, value in event.items() if name not in ("at", "what"))
    return f"{event['at']}  {event['what']:<10} {plain(facts)}".rstrip()
