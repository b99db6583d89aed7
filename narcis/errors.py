"""What can go wrong for a person, each with the exit code and the HTTP status that say so."""

from __future__ import annotations

from typing import Any


class NarcisError(Exception):
    """One line that names the thing, the value and the way out; `data` holds the same for programs."""

    exit_code = 1
    status = 500

    def __init__(self, message: str, **data: Any):
        super().__init__(message)
        self.data = data


class BadInput(NarcisError):
    exit_code, status = 2, 422


class NotFound(NarcisError):
    exit_code, status = 4, 404


class Unavailable(NarcisError):
    exit_code, status = 5, 503


class Interrupted(NarcisError):
    exit_code, status = 130, 499
