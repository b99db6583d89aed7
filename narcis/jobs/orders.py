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
from narcis.jobs import outcome
from narcis.jobs.catalog import ORDERS, OUT, Job
from narcis.jobs.executed import FIGURES
from narcis.jobs.outcome import Outcome


class Held(Protocol):
    @property
    def folder(self) -> RunFolder: ...

    @property
    def values(self) -> Mapping[str, Any]:
        """Those of `Job.values`, files being in the folder."""
        ...


def batch_key(job: Job, values: Mapping[str, Any]) -> str | None:
    """Equal for runs that may be painted together; None for a job that paints one at a time."""
    if job.terms.batch is None:
        return None
    takes = {name: job.takes[name] for name in job.terms.batch.by}
    agreed = {name: taken.type(values.get(name, taken.default)) for name, taken in takes.items()}  # 1 is 1.0
    return hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()[:16]


def together(job: Job, held: Sequence[Held]) -> tuple[RunFolder, dict[str, Any]]:
    """The folder in which the notebook is executed, and its values."""
    first = held[0]
    if len(held) == 1:
        return first.folder, dict(first.values)
    shared = {name: value for name, value in first.values.items() if name in agreed(job)}
    listed = [
        {**{k: v for k, v in one.values.items() if k not in shared}, OUT: str(one.folder.path.resolve())}
        for one in held
    ]
    return first.folder, {**shared, ORDERS: json.dumps(listed)}


def agreed(job: Job) -> set[str]:
    """What runs of one batch have in common: what the job says, and what nobody may change."""
    return {*(job.terms.batch.by if job.terms.batch else ()), *job.fixed}


def outcome_of(one: Held, ended: Outcome, notebook: RunFolder, several: bool) -> Outcome:
    """How an order ended: as its folder says, else as the notebook did.  The executed notebook is every order's.

    One of several that was finished before the notebook failed is finished; a run alone fails with its notebook.
    """
    if one.folder.path != notebook.path:
        share_notebook(notebook, one.folder)
    if one.folder.state not in OVER:
        one.folder.finish(ended.state, **({} if ended.state == "succeeded" else {"error": ended.said}))
        return ended
    said = one.folder.manifest().get("error")
    if said == ended.said or not (several or ended.state == "succeeded"):  # the first: whoever executed it wrote that
        return ended
    return outcome.SUCCEEDED if one.folder.state == "succeeded" else Outcome(one.folder.state, said or ended.said, 2)


def share_notebook(source: RunFolder, target: RunFolder) -> None:
    """A copy beside the order's pictures, with the figures that it links to."""
    if source.notebook.is_file():
        shutil.copyfile(source.notebook, target.notebook)
    if (source.path / FIGURES).is_dir():
        shutil.copytree(source.path / FIGURES, target.path / FIGURES, dirs_exist_ok=True)
