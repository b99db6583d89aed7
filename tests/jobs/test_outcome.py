import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from narcis.errors import BadInput, NotFound
from narcis.jobs import outcome


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
        (DeadKernelError("Kernel died"), "failed", "the kernel died", 1),
        (OSError(28, "No space left on device"), "failed", "No space left on device", 1),
    ],
)
def test_every_end_has_a_state_a_line_and_a_code(error: Exception, state: str, said: str, code: int):
    ended = outcome.of(error)
    assert (ended.state, ended.exit_code) == (state, code)
    assert said in ended.said and "\n" not in ended.said
