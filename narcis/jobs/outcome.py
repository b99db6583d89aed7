"""How a run ended, in words for people: said here once, quoted everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from narcis.errors import NarcisError
from narcis.folder import State


@dataclass(frozen=True)
class Outcome:
    """The run's last state, one line about it, and the exit code of who ran it."""

    state: State
    said: str
    exit_code: int = 0


SUCCEEDED = Outcome("succeeded", "succeeded")
INTERRUPTED = Outcome("interrupted", "interrupted; the pictures that were finished are in the folder", 130)


def of(error: Exception) -> Outcome:
    """What an exception means for the run that it ended."""
    if isinstance(error, PapermillExecutionError):
        return in_cell(error)
    if isinstance(error, DeadKernelError):
        return Outcome("failed", "failed: the kernel died, most often for want of memory; try a smaller run", 1)
    if isinstance(error, CellTimeoutError):
        return Outcome("failed", "failed: a cell took longer than it may", 1)
    return Outcome("failed", f"failed: {type(error).__name__}: {one_line(str(error))}", 1)


def in_cell(error: PapermillExecutionError) -> Outcome:
    """Our own errors say all by themselves; of others, where they were."""
    if error.ename == "KeyboardInterrupt":
        return INTERRUPTED
    said = one_line(error.evalue)
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


def one_line(text: str) -> str:
    """The first line of a message that says something, at most 500 characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no message")
    return line if len(line) <= 500 else line[:499] + "…"
