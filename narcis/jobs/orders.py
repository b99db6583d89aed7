"""Several runs as one: a notebook with a parameter `orders` paints them together, each into its own folder.

`orders` is a JSON list; each entry holds the values in which its order differs from the others, and its `out`.  An
order that cannot be painted is finished as failed in its own folder, and the others go on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from narcis.folder import OVER, RunFolder
from narcis.jobs import files, outcome
from narcis.jobs.catalog import OUT, Job
from narcis.jobs.executed import FIGURES
from narcis.jobs.outcome import Outcome
from narcis.jobs.queue import Claim
from narcis.store import Store

ORDERS = "orders"


class Held(Protocol):
    @property
    def claim(self) -> Claim: ...

    @property
    def folder(self) -> RunFolder: ...


def batch_key(job: Job, values: Mapping[str, Any]) -> str | None:
    """Equal for runs that may be painted together; None for a job that paints one at a time."""
    if job.terms.batch is None:
        return None
    agreed = {name: values.get(name, job.takes[name].default) for name in job.terms.batch.by}
    return hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()[:16]


def together(job: Job, held: Sequence[Held], store: Store) -> tuple[RunFolder, dict[str, Any]]:
    """The folder in which the notebook is executed, and its values; files are in their run's folder."""
    first = held[0]
    values = [files.handed_out(job, job.values(one.claim.values), one.folder, store) for one in held]
    if len(held) == 1:
        return first.folder, values[0]
    shared = {name: value for name, value in values[0].items() if name in agreed(job)}
    listed = [
        {**{k: v for k, v in own.items() if k not in shared}, OUT: str(one.folder.path.resolve())}
        for own, one in zip(values, held, strict=True)
    ]
    return first.folder, {**shared, ORDERS: json.dumps(listed)}


def agreed(job: Job) -> set[str]:
    """What runs of one batch have in common: what the job says, and what nobody may change."""
    return {*(job.terms.batch.by if job.terms.batch else ()), *job.fixed}


def outcome_of(one: Held, ended: Outcome, notebook: RunFolder) -> Outcome:
    """How an order ended: as its folder says, else as the notebook did.  The executed notebook is every order's."""
    if one.folder.path != notebook.path:
        share_notebook(notebook, one.folder)
    elif ended.state != "succeeded":
        return ended
    if one.folder.state not in OVER:
        one.folder.finish(ended.state, error=ended.said)
        return ended
    said = one.folder.manifest().get("error")
    return outcome.SUCCEEDED if one.folder.state == "succeeded" else Outcome(one.folder.state, said or ended.said, 2)


def share_notebook(source: RunFolder, target: RunFolder) -> None:
    """A copy beside the order's pictures, with the figures that it links to."""
    if source.notebook.is_file():
        shutil.copyfile(source.notebook, target.notebook)
    if (source.path / FIGURES).is_dir():
        shutil.copytree(source.path / FIGURES, target.path / FIGURES, dirs_exist_ok=True)
