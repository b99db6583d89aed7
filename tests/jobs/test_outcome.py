import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from narcis.errors import BadInput, Interrupted, NotFound
from narcis.jobs import outcome
from narcis.jobs.outcome import CellTimedOut, KernelDied, NoProgress, RunTimedOut


def in_cell(ename: str, evalue: str) -> PapermillExecutionError:
    return PapermillExecutionError(3, 2, "source", ename, evalue, ["Traceback"])


@pytest.mark.parametrize(
    "error, state, said, code",
    [
        (in_cell("BadInput", "no face is found"), "failed", "no face is found", BadInput.exit_code),
        (in_cell("NotFound", "no model x"), "failed", "no model x", NotFound.exit_code),
        (in_cell("ZeroDivisionError", "division by zero"), "failed", "in cell 2: ZeroDivisionError: division", 1),
        (in_cell("ValueError", "one\ntwo"), "failed", "ValueError: one", 1),
        (in_cell("AssertionError", ""), "failed", "AssertionError: no message", 1),
        (in_cell("KeyboardInterrupt", ""), "interrupted", "interrupted", 130),
        (DeadKernelError("Kernel died"), "failed", "the kernel died, most often", 1),
        (KernelDied(3), "failed", "the kernel died in cell 3, most often for want of memory", 1),
        (RunTimedOut(3, 601.0, 600), "failed", "the run took longer than its 10 min; it was in cell 3", 1),
        (CellTimedOut(3, 91.0, 90), "failed", "it took longer than a cell's 1.5 min in cell 3", 1),
        (NoProgress(None, 5.1, 5), "failed", "nothing moved for 5 s before the first cell", 1),
        (Interrupted("cancelled by ada"), "interrupted", "cancelled by ada; the pictures that were", 130),
        (OSError(28, "No space left on device"), "failed", "No space left on device", 1),
    ],
)
def test_every_end_has_a_state_a_line_and_a_code(error: Exception, state: str, said: str, code: int):
    ended = outcome.of(error)
    assert (ended.state, ended.exit_code) == (state, code)
    assert said in ended.said and "\n" not in ended.said


@pytest.mark.parametrize(
    "error, cause",
    [
        (RunTimedOut(1, 2, 1), "run"),
        (CellTimedOut(1, 2, 1), "cell"),
        (NoProgress(1, 2, 1), "progress"),
        (KernelDied(), "kernel"),
        (Interrupted("stop"), "interrupted"),
        (in_cell("KeyboardInterrupt", ""), "interrupted"),
        (in_cell("ValueError", ""), ""),
    ],
)
def test_what_came_from_outside_the_notebook_is_told_from_what_it_did_itself(error: Exception, cause: str):
    assert outcome.of(error).cause == cause
