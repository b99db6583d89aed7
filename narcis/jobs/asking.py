"""Asking for a run, as the command line, the web, the bot and a schedule do: checked at the door, then queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine

from narcis import settings, store
from narcis.jobs import files, queue
from narcis.jobs.catalog import Job
from narcis.jobs.orders import batch_key


def submit(
    engine: Engine,
    job: Job,
    given: Mapping[str, Any],
    *,
    by: str,
    priority: int = 0,
    key: str | None = None,
    also: Callable[[Connection, str], object] | None = None,
) -> str:
    """The id of the run.  Raises BadInput for what the job does not take, before anything is written.

    `also` is done in the transaction of `queue.submit`.
    """
    job.values(given)
    values = files.handed_in(job, dict(given), the_store())
    return queue.submit(
        engine, job.name, values, by=by, needs=job.terms.needs, priority=priority, key=key,
        batch_key=batch_key(job, values), most_tries=job.terms.retries + 1, also=also,
    )  # fmt: skip


def the_store() -> store.Store:
    """That of NARCIS_STORE."""
    chosen = settings.read()
    return store.open_store(chosen.store, chosen.store_endpoint)
