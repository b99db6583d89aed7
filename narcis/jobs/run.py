"""Running a job here and now: its notebook in a kernel, followed through its folder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from narcis import settings
from narcis.folder import Event, RunFolder, named
from narcis.jobs import engine, outcome
from narcis.jobs.catalog import OUT, Job
from narcis.jobs.engine import Limits
from narcis.jobs.executed import FIGURES
from narcis.jobs.kernel import WarmKernel, stoppable
from narcis.jobs.outcome import Outcome

GLANCE = 0.1  # seconds between two looks at the folder

# Papermill warns of parameters that it cannot find by its own regular expressions, and ours were checked with ast;
# its errors, such as a kernel that was interrupted while it started, are told by the outcome.
logging.getLogger("papermill").setLevel(logging.CRITICAL)


def prepare(job: Job, out: Path | str | None = None) -> RunFolder:
    """The run's folder, refused here where it cannot be written."""
    where = Path(out) if out else settings.read().runs / named(job.name).name
    run = RunFolder.create(where.expanduser(), job.name)
    for left in (run.notebook, *(run.path / FIGURES).glob("*")):
        left.unlink(missing_ok=True)
    return run


def execute(
    job: Job,
    values: dict[str, Any],
    run: RunFolder,
    console: Console | None = None,
    kernel: WarmKernel | None = None,
    limits: Limits | None = None,
) -> Outcome:
    """Runs a job's notebook to its end, whatever that is, and writes the end into the folder.

    `values` are those of `Job.values`.  The executed notebook stays in the folder, with the error where it failed.
    A `kernel` is used and stays warm; without one, there is one for this run.
    """
    given = {**values, OUT: str(run.path.resolve())}
    with engine.lent(kernel) as warm, stoppable(warm) as stop:
        try:
            with followed(run, console or Console(stderr=True)):
                engine.perform(job.notebook, given, run.notebook.resolve(), warm, limits, run.progress)
            ended = outcome.SUCCEEDED
        except Exception as error:  # the one place that must record every end
            ended = outcome.INTERRUPTED if stop.is_set() else outcome.of(error)
        run.sweep()
        run.finish(ended.state, **({} if ended is outcome.SUCCEEDED else {"error": ended.said}))
        run.update(job=job.name, parameters=values, notebook=run.notebook.name)
    return ended


@contextmanager
def followed(run: RunFolder, console: Console) -> Iterator[None]:
    """A bar for each stage while the block runs; nothing where nobody looks."""
    over = threading.Event()
    if not console.is_terminal:
        yield
        return
    columns = [TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console, transient=True) as bars:
        waking = bars.add_task("waking", total=None)
        thread = threading.Thread(target=follow, args=(run, shower(bars, waking), over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def follow(run: RunFolder, show: Callable[[Event], None], over: threading.Event) -> None:
    """Shows each event of progress.jsonl once, until the run is over."""
    seen = 0
    while True:
        last_look = over.wait(GLANCE)
        events = run.events()
        seen = min(seen, len(events))  # a notebook that makes its folder anew starts a new file
        for event in events[seen:]:
            show(event)
        seen = len(events)
        if last_look:
            return


def shower(bars: Progress, waking: TaskID) -> Callable[[Event], None]:
    """Puts an event on the bar of its stage."""
    tasks: dict[str, TaskID] = {}

    def show(event: Event) -> None:
        if event.stage not in tasks:
            bars.update(waking, visible=False)
            tasks[event.stage] = bars.add_task(event.stage, total=event.of, shown="")
        bars.update(tasks[event.stage], completed=event.step, total=event.of, shown=event.preview or "")

    return show
