"""A papermill engine whose kernel lives on: `papermill.execute_notebook(..., engine_name="narcis", kernel=warm)`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.log import logger

from narcis.errors import Interrupted
from narcis.jobs import kernel as kernels
from narcis.jobs.executed import Executed
from narcis.jobs.kernel import WarmKernel
from narcis.jobs.outcome import CellTimedOut, KernelDied, NoProgress, RunTimedOut, TimedOut

NAME = "narcis"
OUTPUTS = 60  # seconds that a cell's last output may take to arrive, on a machine that is busy


@dataclass(frozen=True)
class Limits:
    """Seconds, None without end: of the whole run, of one cell, and without a line of progress or a finished cell."""

    run: float | None = None
    cell: float | None = None
    progress: float | None = None


@dataclass
class Clock:
    """The limits of one run, by a clock that nobody sets.  The first that is reached is told."""

    limits: Limits
    progress: Path | None  # the file whose growth is progress
    size: int = -1

    def __post_init__(self) -> None:
        self.began = self.cell_began = self.moved = time.monotonic()

    def next_cell(self) -> None:
        self.cell_began = self.moved = time.monotonic()

    def reached(self, cell: int) -> TimedOut | None:
        now = time.monotonic()
        if self.limits.progress and (size := self.told()) != self.size:
            self.size, self.moved = size, now
        for kind, since, allowed in (
            (RunTimedOut, self.began, self.limits.run),
            (CellTimedOut, self.cell_began, self.limits.cell),
            (NoProgress, self.moved, self.limits.progress),
        ):
            if allowed and now - since >= allowed:
                return kind(cell, now - since, allowed)
        return None

    def told(self) -> int:
        try:
            return self.progress.stat().st_size if self.progress else 0
        except FileNotFoundError:
            return 0


class Client(PapermillNotebookClient):
    """Executes a notebook in a kernel that is not its own, and stops a cell when it is asked or late."""

    def __init__(self, executed: Executed, clock: Clock, **kwargs: Any):
        super().__init__(executed, km=None, iopub_timeout=OUTPUTS, log=logger, **kwargs)
        self.clock, self.number = clock, 0  # of the present cell among those with code

    async def run(self, kernel: WarmKernel) -> None:
        """All cells in order, up to the first that fails."""
        self.kernel, self.km, self.kc = kernel, kernel.manager, kernel.client
        self.reset_execution_trackers()
        try:
            for index, cell in enumerate(self.nb.cells):
                if not await self.turn(cell, index):
                    break
        finally:
            self.nb.metadata["language_info"] = kernel.language
            self.set_widgets_metadata()
            self.km = self.kc = None

    async def turn(self, cell: NotebookNode, index: int) -> bool:
        """One cell with its record; whether the next may follow."""
        self.clock.next_cell()
        self.nb_man.cell_start(cell, index)
        try:
            await self.watched(cell, index)
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, index, exception=error)
            return False
        except DeadKernelError as error:
            died = KernelDied(self.number)
            self.nb_man.ended(cell, died)
            raise died from error
        except (Interrupted, TimedOut) as error:
            self.nb_man.ended(cell, error)
            raise
        finally:
            self.nb_man.cell_complete(cell, index)
        return True

    async def watched(self, cell: NotebookNode, index: int) -> None:
        """Executes a cell; raises why it was stopped, if it was."""
        if cell.cell_type != "code":
            return
        self.number += 1
        if stop := self.reason():
            raise stop
        task = asyncio.ensure_future(self.async_execute_cell(cell, index))
        try:
            while not (stop or task.done()):
                await asyncio.wait({task}, timeout=kernels.GLANCE)
                stop = None if task.done() else self.reason()
            if stop:
                await self.stop(cell, task)
                raise stop
            await task
        finally:
            task.cancel()

    def reason(self) -> Interrupted | TimedOut | None:
        if self.kernel.asked is not None:
            return Interrupted(self.kernel.asked, cell=self.number)
        return self.clock.reached(self.number)

    async def stop(self, cell: NotebookNode, task: asyncio.Task[Any]) -> None:
        """Interrupts a cell until it has ended, and kills the kernel when it does not.

        What arrives before the kernel has told of its input is lost, so that is waited for.
        """
        killing = time.monotonic() + kernels.PATIENCE
        again = 0.0
        while not task.done():
            now = time.monotonic()
            if now >= killing:
                await self.kernel.signal(signal.SIGKILL)
            elif now >= again and "iopub.execute_input" in cell.metadata.get("execution", {}):
                await self.kernel.signal(signal.SIGINT)
                again = now + kernels.AGAIN
            await asyncio.wait({task}, timeout=kernels.GLANCE)
        task.exception()  # is known: it is the interrupt's, or that of the kernel's death


class NarcisEngine(Engine):
    """Takes a `kernel`, or has one for the run; `copy` is where the notebook is written, instead of papermill."""

    @classmethod
    def execute_notebook(  # type: ignore[override]
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = True,
        log_output: bool = False,
        kernel: WarmKernel | None = None,
        copy: Path | None = None,
        limits: Limits | None = None,
        progress: Path | None = None,
        **given: Any,
    ) -> NotebookNode:
        executed = Executed(nb, copy or output_path, progress_bar, log_output)
        executed.notebook_start()
        files = {name: given.get(name) for name in ("stdout_file", "stderr_file")}
        client = Client(executed, Clock(limits or Limits(), progress), log_output=log_output, **files)
        with lent(kernel) as warm:
            try:
                warm.perform(client.run, *([executed.path.parent] if executed.path else []))
                error = None
            except Exception as raised:
                error = raised
            if error := executed.close(error):
                raise error
        return executed.nb


@contextmanager
def lent(kernel: WarmKernel | None) -> Iterator[WarmKernel]:
    """The kernel that is given, or one for this once."""
    if kernel:
        yield kernel
    else:
        with WarmKernel(runs=1) as once:
            yield once


papermill_engines.register(NAME, NarcisEngine)


def perform(
    notebook: Path,
    values: dict[str, Any],
    copy: Path,
    kernel: WarmKernel | None = None,
    limits: Limits | None = None,
    progress: Path | None = None,
) -> None:
    """Executes a notebook with these values, whose executed copy is written to `copy`.

    Raises PapermillExecutionError where a cell failed, Interrupted, a TimedOut or KernelDied.
    """
    papermill.execute_notebook(
        literal(notebook),
        None,  # papermill would write a file that a reader sees half
        values,
        engine_name=NAME,
        kernel_name="python3",
        progress_bar=False,
        kernel=kernel,
        copy=copy,
        limits=limits,
        progress=progress,
    )


def literal(path: Path) -> str:
    """Papermill fills in braces, even those of a folder's name."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")
