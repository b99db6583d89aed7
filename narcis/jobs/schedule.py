"""Crons: whichever worker is alive submits what is due, once for each tick however many of them look.

The run's key is the job and its tick, so the queue itself refuses a second one; `ticks` remembers which was the last.
After a time in which no worker lived, only the last tick that was missed is made up for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim
from sqlalchemy import Engine, func, select

from narcis.errors import BadInput, NotFound
from narcis.jobs import catalog, queue
from narcis.jobs.catalog import Job, Terms
from narcis.jobs.orders import batch_key
from narcis.records.db import dialect, insert_or_not, reading, writing
from narcis.records.tables import Tick, table

BY = "schedule"
ticks = table(Tick)
log = structlog.get_logger("narcis.schedule")


def submit_due(engine: Engine, now: datetime | None = None) -> dict[str, str]:
    """Submits every job whose last tick nobody has submitted yet; the runs' ids by job."""
    submitted = {}
    for path in catalog.paths():
        try:
            job = catalog.load(path)
        except (BadInput, NotFound) as error:  # one broken job does not stop the others
            log.warning("no schedule", job=path.stem, error=str(error))
            continue
        if run := submit(engine, job, now or datetime.now(UTC)):
            submitted[job.name] = run
    return submitted


def submit(engine: Engine, job: Job, now: datetime) -> str | None:
    """The run of the job's last tick, if it is this call that submits it."""
    if job.terms.cron is None:
        return None
    tick, known = last_tick(job.terms, now), last_known(engine, job.name)
    if known is None:  # a job that is new is not late
        remember(engine, job.name, tick, None)
        return None
    if tick <= known:
        return None
    run = queue.submit(
        engine, job.name, {}, by=BY, needs=job.terms.needs, key=f"{job.name} {tick.isoformat()}",
        batch_key=batch_key(job, {}), most_tries=job.terms.retries + 1,
    )  # fmt: skip
    return run if remember(engine, job.name, tick, run) else None


def last_tick(terms: Terms, now: datetime) -> datetime:
    """The cron's last moment up to now, in UTC; its hours are those of the job's time zone, summer time included."""
    here = now.astimezone(ZoneInfo(terms.timezone)).replace(microsecond=0)
    before = CronSim(terms.cron or "", here + timedelta(seconds=1), reverse=True)  # which is up to, not including
    return next(before).astimezone(UTC)


def last_known(engine: Engine, job: str) -> datetime | None:
    with reading(engine) as db:
        return db.scalar(select(func.max(Tick.tick)).where(Tick.job == job))


def remember(engine: Engine, job: str, tick: datetime, run: str | None) -> bool:
    """Whether nobody had remembered this tick before."""
    with writing(engine) as db:
        row = insert_or_not(dialect(db), ticks).values(job=job, tick=tick, run=run).returning(ticks.c.job)
        return db.scalar(row) is not None
