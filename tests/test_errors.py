"""Every error has an exit code and an HTTP status that say the same."""

import pytest

from narcis import errors


@pytest.mark.parametrize(
    "kind, code, status",
    [
        (errors.NarcisError, 1, 500),
        (errors.BadInput, 2, 422),
        (errors.NotFound, 4, 404),
        (errors.Unavailable, 5, 503),
        (errors.Interrupted, 130, 499),
    ],
)
def test_an_error_says_how_it_ends(kind, code, status):
    error = kind("steps is 0; it must be 1 to 150", value=0)
    assert (error.exit_code, error.status, error.data) == (code, status, {"value": 0})
    assert str(error) == "steps is 0; it must be 1 to 150" and isinstance(error, errors.NarcisError)
