"""A form for any job, made from its notebook's parameters and its bounds; and what comes back from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile

from narcis.errors import BadInput
from narcis.jobs import files
from narcis.jobs.catalog import Job
from narcis.store import Store
from narcis.web import photos


@dataclass(frozen=True)
class Field:
    """One parameter as a form asks for it."""

    name: str
    kind: str  # text, number, truth, choice, file
    help: str
    default: Any
    least: float | None
    most: float | None
    length: int | None
    among: tuple[Any, ...]
    whole: bool


def fields(job: Job) -> Iterator[Field]:
    for name, parameter in job.open.items():
        bounds = job.bounds[name]
        kind = {str: "text", bool: "truth"}.get(parameter.type, "number")
        kind = "file" if bounds.file else "choice" if bounds.among else kind
        yield Field(
            name, kind, parameter.help, parameter.default, bounds.least, bounds.most, bounds.length,
            bounds.among or (), parameter.type is int,
        )  # fmt: skip


def given(job: Job, form: FormData, store: Store, by: str) -> dict[str, Any]:
    """The values that differ from the defaults.  Files are taken as uploads only: a path would be one of this machine.

    Raises BadInput.
    """
    values: dict[str, Any] = {}
    for field in fields(job):
        sent = form.get(field.name)
        if field.kind == "file":
            if isinstance(sent, UploadFile) and sent.size:
                clean = photos.received(sent.file.read(photos.MOST + 1))
                values[field.name] = files.MARK + photos.kept(store, by, clean).key
            elif isinstance(sent, str) and sent:
                raise BadInput(f"{field.name} is a file; send the file itself")
            continue
        text = "no" if field.kind == "truth" and sent is None else sent
        if not isinstance(text, str) or (text == "" and field.kind != "text"):
            continue
        if (value := job.takes[field.name].read(text)) != field.default:
            values[field.name] = value
    return values
