"""Parameters that are files: handed in through the store, so that a worker on another machine finds them.

A file's value is its path; in a queued run it is `store:faces/_/<sha256>.jpg`, whose bytes the worker puts into the
run's folder, as inputs/<sha256>.jpg.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.jobs.catalog import Job
from narcis.store import Store

MARK = "store:"
GUESTS = "faces/_"  # those that belong to nobody's record
MOST = 64 << 20  # bytes


def handed_in(job: Job, values: dict[str, Any], store: Store) -> dict[str, Any]:
    """The values, with every file in the store."""
    return {name: taken_in(name, value, store) if job.is_file(name) else value for name, value in values.items()}


def taken_in(name: str, value: str, store: Store) -> str:
    if not value:
        return value
    if value.startswith(MARK):
        if not store.has(value.removeprefix(MARK)):
            raise NotFound(f"{name} is {value}, which is not in the store {store.name}; hand the file in again")
        return value
    path = Path(value).expanduser()
    if not path.is_file():
        raise NotFound(f"{name} is {value}, which is no file here; check the name")
    if (size := path.stat().st_size) > MOST:
        raise BadInput(f"{name} is {value}, of {size >> 20} MiB; at most {MOST >> 20} MiB are taken")
    content = path.read_bytes()
    suffix = path.suffix.lower() if path.suffix[1:].isalnum() and path.suffix.isascii() else ""
    key = f"{GUESTS}/{hashlib.sha256(content).hexdigest()}{suffix}"
    if not store.has(key):
        store.put(key, content)
    return MARK + key


def handed_out(job: Job, values: dict[str, Any], run: RunFolder, store: Store) -> dict[str, Any]:
    """The values, with every file in the run's folder.  Raises NotFound for one that was removed meanwhile."""
    return {name: put_down(value, run, store) if job.is_file(name) else value for name, value in values.items()}


def put_down(value: str, run: RunFolder, store: Store) -> str:
    if not value.startswith(MARK):
        return value
    key = value.removeprefix(MARK)
    path = run.path / "inputs" / Path(key).name
    path.parent.mkdir(exist_ok=True)
    content = store.get(key)
    run.put(path, lambda file: file.write(content))
    return str(path.resolve())
