"""How a run ended, in words for people: said here once, quoted everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from narcis.errors import Interrupted, NarcisError
from narcis.folder import State

# What ended a run that did not end by itself: a limit of the run, of a cell, of time without progress; its kernel; us.
Cause = Literal["", "run", "cell", "progress", "kernel", "memory", "store", "failed", "interrupted"]
OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "CUDAOutOfMemoryError")


# ------------------------------------------------------------------------------------------ ends from outside
class TimedOut(NarcisError):
    """A limit was reached: which, in which cell (counted from 1, None before the first), after how many seconds."""

    limit: ClassVar[Cause]
    words: ClassVar[str]

    def __init__(self, cell: int | None, after: float, allowed: float):
        where = f"in cell {cell}" if cell else "before the first cell"
        super().__init__(self.words.format(where=where, allowed=span(allowed)), cell=cell, after=after)
        self.cell, self.after, self.allowed = cell, after, allowed


class RunTimedOut(TimedOut):
    limit, words = "run", "the run took longer than its {allowed}; it was {where}"


class CellTimedOut(TimedOut):
    limit, words = "cell", "it took longer than a cell's {allowed} {where}"


class NoProgress(TimedOut):
    limit, words = "progress", "nothing moved for {allowed} {where}"


class KernelDied(NarcisError):
    """The process is gone, or does not answer; `cell` as above."""

    def __init__(self, cell: int | None = None, said: str = ""):
        where = f" in cell {cell}" if cell else ""
        why = f" ({one_line(said)})" if said else ", most often for want of memory; try a smaller run"
        super().__init__(f"the kernel died{where}{why}", cell=cell)
        self.cell = cell


def one_line(text: str) -> str:
    """The first line of a message that says something, at most 500 characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no message")
    return line if len(line) <= 500 else line[:499] + "…"


def span(seconds: float) -> str:
    """A length of time, in the unit that people would use."""
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


# ------------------------------------------------------------------------------------------ what they mean
@dataclass(frozen=True)
class Outcome:
    """The run's last state, one line about it, the exit code of who ran it, and what ended it from outside."""

    state: State
    said: str
    exit_code: int = 0
    cause: Cause = ""


SUCCEEDED = Outcome("succeeded", "succeeded")
FINISHED_ONES = "the pictures that were finished are in the folder"


def interrupted(reason: str = "interrupted") -> Outcome:
    return Outcome("interrupted", f"{one_line(reason)}; {FINISHED_ONES}", Interrupted.exit_code, "interrupted")


INTERRUPTED = interrupted()


def of(error: Exception) -> Outcome:
    """What an exception means for the run that it ended."""
    if isinstance(error, PapermillExecutionError):
        return in_cell(error)
    if isinstance(error, Interrupted):
        return interrupted(str(error))
    if isinstance(error, TimedOut):
        return Outcome("failed", f"failed: {error}", 1, error.limit)
    if isinstance(error, KernelDied | DeadKernelError):
        died = error if isinstance(error, KernelDied) else KernelDied()
        return Outcome("failed", f"failed: {died}", 1, "kernel")
    if isinstance(error, CellTimeoutError):
        return Outcome("failed", "failed: what a cell printed did not arrive", 1, "kernel")
    return Outcome("failed", f"failed: {type(error).__name__}: {one_line(str(error))}", 1)


def cause_of(ended: Outcome) -> str:
    """Why a run failed, in the queue's word: `memory` and `store` can pass, what a notebook says cannot."""
    if ended.cause in ("memory", "kernel"):
        return "memory"  # a kernel that dies has most often been killed for it
    if ended.cause == "store":
        return "store"
    return "timeout" if ended.cause in ("run", "cell", "progress") else "failed"


def in_cell(error: PapermillExecutionError) -> Outcome:
    """Our own errors say all by themselves; of others, where they were."""
    if error.ename == "KeyboardInterrupt":
        return INTERRUPTED
    said = one_line(error.evalue)
    if error.ename in OUT_OF_MEMORY:
        return Outcome("failed", f"failed in cell {error.exec_count}: out of memory: {said}", 1, "memory")
    if kind := our_errors().get(error.ename):
        return Outcome("failed", said, kind.exit_code)
    return Outcome("failed", f"failed in cell {error.exec_count}: {error.ename}: {said}", 1)


def our_errors() -> dict[str, type[NarcisError]]:
    """All children of NarcisError that are known here, by name."""

    def family(kind: type[NarcisError]) -> Iterator[type[NarcisError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from family(child)

    return {kind.__name__: kind for kind in family(NarcisError)}
