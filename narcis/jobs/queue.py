"""The queue: runs wait, are claimed under a lease, and end once.

A worker holds a run by three things: its id, the attempt number that its claim counted, and the state running.  Every
write of a worker carries all three in its WHERE and says whether it took effect, so one that was thought dead cannot
overwrite its successor.  Leases are measured by one clock (`records.db.clock`), never by the workers' own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count, repeat
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Float,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)

from narcis.errors import BadInput
from narcis.records import pictures, queries
from narcis.records.db import clock, dialect, insert_or_not, listening, reading, ring, writing
from narcis.records.tables import NEEDS, OVER, Requester, Run, Worker, in_state, new_id, table

LEASE = 60.0  # seconds that a claim lasts without a heartbeat; a dead worker's run waits no longer than this
BACKOFF = 5.0  # seconds until a run whose first try failed is tried again; each further try doubles it
LONGEST = 600.0  # seconds, at most
GLANCE = 5.0  # seconds between two looks of a worker that is told of new runs
BELL = "narcis_runs"  # PostgreSQL's channel
PASSING = ("lost", "memory", "store")  # causes that another try may not meet; memory is forgiven once

runs, requesters, workers = table(Run), table(Requester), table(Worker)

# What tells of one attempt, and goes when the run waits again.
OF_ATTEMPT = ("worker", "started", "stage", "step", "of", "preview")

Ending = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Claim:
    """A run in the hands of one worker."""

    id: str
    attempt: int  # its token
    job: str
    values: dict[str, Any]
    by: str
    needs: str
    batch_key: str | None
    prefix: str


CLAIMED = [runs.c[name] for name in Claim.__dataclass_fields__]


@dataclass(frozen=True)
class Progress:
    """Step `step` of `of` in a stage is done; preview is a key in the store."""

    stage: str
    step: int
    of: int
    preview: str | None = None


@dataclass(frozen=True)
class Beat:
    """What a worker learns of the runs it holds, by id."""

    cancelled: dict[str, str] = field(default_factory=dict)  # who wants each cancelled
    lost: frozenset[str] = frozenset()  # no longer this worker's: stop, and write nothing


# ------------------------------------------------------------------------------------------ requesters
def submit(
    engine: Engine,
    job: str,
    values: Mapping[str, Any],
    *,
    by: str,
    needs: str = "cpu",
    priority: int = 0,
    not_before: datetime | None = None,
    batch_key: str | None = None,
    key: str | None = None,
    most_tries: int = 3,
    parent: str | None = None,
    also: Callable[[Connection, str], object] | None = None,
) -> str:
    """A run waits; its id.  Values are those of `Job.values`.

    A key that the requester has used before submits nothing and returns the run of that time.  What is to be written
    `also` is done in the same transaction, with the run's id; where it raises, there is no run.
    """
    id = new_id()
    row = {
        "id": id, "job": job, "values": dict(values), "state": "queued", "by": by, "key": key, "parent": parent,
        "needs": needs, "priority": priority, "batch_key": batch_key, "most_tries": most_tries,
        "prefix": f"productions/{id}",
    } | ({"not_before": not_before} if not_before else {})  # fmt: skip
    with writing(engine) as db:
        if not db.scalar(entering(dialect(db), not_before is None), row):
            return db.scalars(select(runs.c.id).where(runs.c.by == by, runs.c.key == key)).one()
        if also:
            also(db, id)
    ring(engine, BELL)
    return id


@cache
def entering(dialect: str, now: bool) -> Executable:
    """Enters a run that may start `now` or has its `not_before`, and returns its id; nothing where its key is taken."""
    times = {"created": clock(dialect)} | ({"not_before": clock(dialect)} if now else {})
    return insert_or_not(dialect, runs).values(times).returning(runs.c.id)


def cancel(engine: Engine, id: str, by: str) -> str:
    """Ends a waiting run at once, asks the worker of a running one to stop, and leaves a finished one; its state.

    One statement, so that a run that is claimed or given back at this moment is met in either state.
    """
    waits = in_state(runs, "queued")
    with writing(engine) as db:
        state = db.scalar(
            update(runs)
            .where(runs.c.id == id, or_(waits, in_state(runs, "running")))
            .values(
                state=case((waits, "cancelled"), else_=runs.c.state),
                finished=case((waits, clock(dialect(db))), else_=null()),
                said=case((waits, f"cancelled by {by}"), else_=runs.c.said),
                cause=case((waits, "cancelled"), else_=runs.c.cause),
                cancel_by=func.coalesce(runs.c.cancel_by, by),
                cancel_at=func.coalesce(runs.c.cancel_at, clock(dialect(db))),
            )
            .returning(runs.c.state)
        )
    return state or queries.run(engine, id).state


def retry(engine: Engine, id: str, by: str) -> str:
    """A finished run again, as a new run whose parent it is; the new one's id.

    The old run stays what it was: how it ended, its notebook and its pictures are under its id.  Stages that succeeded
    are found by the hash of what made them, so nothing is lost by the new id.  Asking twice is asking once, until that
    retry has ended too.
    """
    old = queries.run(engine, id)
    if old.state not in OVER:
        raise BadInput(f"run {id} is {old.state}; it can be retried when it has ended", state=old.state)
    with reading(engine) as db:
        ended = or_(*(in_state(runs, state) for state in OVER))
        before = db.scalar(select(func.count()).where(runs.c.parent == id, ended))
    return submit(
        engine, old.job, old.values, by=by, needs=old.needs, priority=old.priority, batch_key=old.batch_key,
        key=f"retry {before} of {id}", most_tries=old.most_tries, parent=id,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ workers: claiming
def claim(
    engine: Engine,
    worker: str,
    *,
    needs: Iterable[str] = NEEDS,
    jobs: Iterable[str] | None = None,
    most: int = 1,
    lease: float = LEASE,
) -> list[Claim]:
    """The run whose turn it is, with at most `most - 1` others that may share its batch; nothing where nothing waits.

    The lowest number of priority goes first; within it the requester with the fewest running runs, then the one served
    longest ago, then the oldest run.  Workers pass over what another one is claiming at this moment: nothing may also
    mean that.
    """
    with writing(engine) as db:
        for line in lines(db, needs, jobs):
            if head := start(db, worker, first_of, lease, vars(line)):
                return served(db, head + beside(db, worker, head[0], most - 1, lease))
        return []


def join(engine: Engine, worker: str, head: Claim, most: int, *, lease: float = LEASE) -> list[Claim]:
    """At most `most` further runs of a claim's batch, for a worker that has waited for some."""
    with writing(engine) as db:
        return served(db, beside(db, worker, head, most, lease))


def beside(db: Connection, worker: str, head: Claim, most: int, lease: float) -> list[Claim]:
    """The runs that join a claim."""
    if head.batch_key is None or most < 1:
        return []
    shared = {"job": head.job, "batch_key": head.batch_key, "needs": head.needs, "most": most}
    return start(db, worker, companions, lease, shared)


@dataclass(frozen=True)
class Line:
    """Runs of one job and one requester; they wait in the order of priority and age."""

    needs: str
    job: str
    by: str
    priority: int  # of its first run


def lines(db: Connection, needs: Iterable[str], jobs: Iterable[str] | None) -> list[Line]:
    """The lines in which a run may start now, the next to be served first."""
    given = {"needs": list(needs)} if jobs is None else {"needs": list(needs), "jobs": list(jobs)}
    return [Line(*row) for row in db.execute(all_lines(dialect(db), jobs is not None), given)]


# Statements are made once: making one takes longer than carrying it out.  What varies is bound by names in `of_`, as
# those of columns would be taken for values to be written.
@cache
def all_lines(dialect: str, chosen_jobs: bool) -> Select[str, str, str, int]:
    """The lines, in the order in which they are served.

    The recursion jumps along the index from one line to the next, so its cost is the number of lines and not of runs.
    Subqueries by index, and no joins: with old statistics a planner could join by reading the whole table.
    """
    later, first = runs.alias("later"), runs.alias("first")
    front = in_order(later).subquery("front")
    found = select(front.c.needs, front.c.job, front.c.by).cte("found", recursive=True)
    beyond = in_order(later).where(line_of(later) > line_of(found)).correlate(found)
    step = [beyond.with_only_columns(later.c[name]).scalar_subquery() for name in ("needs", "job", "by")]
    found = found.union_all(select(*step).where(found.c.needs.is_not(None)))
    ready = (
        in_order(first).where(line_of(first) == line_of(found), first.c.not_before <= clock(dialect)).correlate(found)
    )
    head = [ready.with_only_columns(first.c[name]).scalar_subquery().label(name) for name in ("priority", "id")]
    busy = select(func.count()).where(in_state(runs, "running"), runs.c.by == found.c.by).scalar_subquery()
    served = select(requesters.c.served).where(requesters.c.by == found.c.by).scalar_subquery()
    fitting = select(found, *head, busy.label("busy"), served.label("served"))
    fitting = fitting.where(found.c.needs.in_(bindparam("needs", expanding=True)))
    if chosen_jobs:
        fitting = fitting.where(found.c.job.in_(bindparam("jobs", expanding=True)))
    at = fitting.subquery("at").c
    order = at.priority, at.busy, at.served.nulls_first(), at.id
    return select(at.needs, at.job, at.by, at.priority).where(at.id.is_not(None)).order_by(*order)


def in_order(table: Any) -> Select[str, str, str, int, str]:
    """The first waiting run, in the order of the index runs_waiting."""
    c = table.c
    order = c.needs, c.job, c.by, c.priority, c.id
    return select(*order).where(in_state(table, "queued")).order_by(*order).limit(1)


def line_of(table: Any) -> Any:
    return tuple_(table.c.needs, table.c.job, table.c.by)


def first_of(dialect: str) -> Select[str]:
    """A line's first run that may start and that nobody else is claiming; locked.

    One of lower priority must wait until the other lines have been looked at, so it is none.
    """
    line = (runs.c[name] == bindparam(f"of_{name}") for name in ("needs", "job", "by", "priority"))
    first = select(runs.c.id).where(in_state(runs, "queued"), *line, runs.c.not_before <= clock(dialect))
    return first.order_by(runs.c.id).limit(1).with_for_update(skip_locked=True)


def companions(dialect: str) -> Select[str]:
    """Waiting runs that may share a claim's batch, locked; whose they are does not matter, as all gain."""
    batch = (runs.c[name] == bindparam(f"of_{name}") for name in ("job", "batch_key", "needs"))
    those = select(runs.c.id).where(in_state(runs, "queued"), *batch, runs.c.not_before <= clock(dialect))
    return those.order_by(runs.c.priority, runs.c.id).limit(bindparam("of_most")).with_for_update(skip_locked=True)


def start(
    db: Connection, worker: str, chosen: Callable[[str], Select[str]], lease: float, given: Mapping[str, Any]
) -> list[Claim]:
    """Runs that are chosen, and locked by that, are this worker's; those of lower priority and older ones first."""
    facts = {"of_lease": lease, "worker": worker, **{f"of_{name}": value for name, value in given.items()}}
    rows = db.execute(starting(dialect(db), chosen), facts)
    return [Claim(*row[1:]) for row in sorted(rows, key=lambda row: row[:2])]


@cache
def starting(dialect: str, chosen: Callable[[str], Select[str]]) -> Executable:
    ids = chosen(dialect).cte("chosen")  # carried out once: as a subquery, a planner may choose anew for each row
    taken = update(runs).where(runs.c.id.in_(select(ids.c.id)))
    lease_until = clock(dialect, bindparam("of_lease", type_=Float))
    attempt = {"state": "running", "attempt": runs.c.attempt + 1, "started": clock(dialect), "lease_until": lease_until}
    return taken.values(**attempt, worker=bindparam("worker"), said=None, cause=None).returning(
        runs.c.priority, *CLAIMED
    )


def served(db: Connection, claims: list[Claim]) -> list[Claim]:
    """The claims, whose requesters have been served now.

    A row that is locked is being told the same by another worker.  Once in a transaction and in one order for all, so
    that no two wait for each other's new requesters in a circle.
    """
    by = sorted({claim.by for claim in claims})
    told, new = serving(dialect(db))
    if by and db.execute(told, {"of_by": by}).rowcount < len(by):
        db.execute(new, [{"by": one} for one in by])
    return claims


@cache
def serving(dialect: str) -> tuple[Update, Insert]:
    """For requesters that are known, and for others."""
    free = select(requesters.c.by).where(requesters.c.by.in_(bindparam("of_by", expanding=True)))
    free = free.with_for_update(skip_locked=True)
    told = update(requesters).where(requesters.c.by.in_(free)).values(served=clock(dialect))
    return told, insert_or_not(dialect, requesters).values(served=clock(dialect))


# ------------------------------------------------------------------------------------------ workers: holding
def heartbeat(
    engine: Engine, claims: Iterable[Claim], progress: Mapping[str, Progress] | None = None, *, lease: float = LEASE
) -> Beat:
    """The leases last `lease` seconds from now, progress (by run id) is kept; what has become of the runs meanwhile."""
    cancelled, lost = {}, set()
    with writing(engine) as db:
        for claim in sorted(claims, key=lambda claim: claim.id):  # one order for all, so that none waits in a circle
            told = (progress or {}).get(claim.id)
            facts = {} if told is None else vars(told)
            row = db.execute(holding(dialect(db)), facts | fence(claim) | {"of_lease": lease}).first()
            if row is None:
                lost.add(claim.id)
            elif row.cancel_by is not None:
                cancelled[claim.id] = row.cancel_by
    return Beat(cancelled, frozenset(lost))


@cache
def holding(dialect: str) -> Executable:
    until = clock(dialect, bindparam("of_lease", type_=Float))
    return update(runs).where(MINE).values(lease_until=until).returning(runs.c.cancel_by)


def finish(
    engine: Engine,
    claim: Claim,
    state: Ending,
    said: str,
    cause: str | None = None,
    images: Sequence[dict[str, Any]] = (),
) -> bool:
    """The run has ended; whether the claim still held.  `said` is one line for people, `cause` a word.

    `images` are those of the run's manifest; they become its pictures in the same transaction.
    """
    with writing(engine) as db:
        facts = {"state": state, "said": said, "cause": cause or state}
        if db.execute(finishing(dialect(db)), facts | fence(claim)).rowcount != 1:
            return False
        pictures.record(db, claim.id, claim.prefix, images)
        return True


@cache
def finishing(dialect: str) -> Update:
    return update(runs).where(MINE).values(finished=clock(dialect), lease_until=None)


def release(engine: Engine, claim: Claim, said: str = "given back by its worker") -> str | None:
    """The run waits again and no try is spent, or is cancelled where that was wanted; its state, None if not ours."""
    with writing(engine) as db:
        back = update(runs).where(MINE).values(sent_back(dialect(db), true(), clock(dialect(db)), said, "released"))
        state = db.scalar(back.returning(runs.c.state), fence(claim))
    if state == "queued":
        ring(engine, BELL)
    return state


def fail(engine: Engine, claim: Claim, said: str, cause: str) -> str | None:
    """The run failed: it ends, or waits to be tried again where the cause can pass; its state, None if not ours.

    Causes that can pass: lost, store, and once in a run memory.  Another try of anything else (a wrong parameter, an
    assertion in the notebook) would end the same way.
    """
    with writing(engine) as db:
        failed = update(runs).where(MINE).values(failing(dialect(db), said, cause))
        return db.scalar(failed.returning(runs.c.state), fence(claim))


def rescue(engine: Engine) -> dict[str, str]:
    """Runs whose lease ran out fail by the cause lost; their new states by id.

    One statement that waits for nobody: whatever another worker is writing at this moment, be it the run's own late
    heartbeat or another rescue, is passed over and met again by the next call.
    """
    with writing(engine) as db:
        lapsed = select(runs.c.id).where(in_state(runs, "running"), runs.c.lease_until < clock(dialect(db)))
        lapsed = lapsed.with_for_update(skip_locked=True)
        lost = update(runs).where(runs.c.id.in_(lapsed), in_state(runs, "running"))
        lost = lost.values(failing(dialect(db), "lost its worker", "lost")).returning(runs.c.id, runs.c.state)
        return {id: state for id, state in db.execute(lost)}


# The fence: true as long as a claim holds its run.
MINE = and_(runs.c.id == bindparam("of_id"), runs.c.attempt == bindparam("of_attempt"), in_state(runs, "running"))


def fence(claim: Claim) -> dict[str, Any]:
    return {"of_id": claim.id, "of_attempt": claim.attempt}


def failing(dialect: str, said: str, cause: str) -> dict[str, Any]:
    """A try is spent; the run waits for the next one where that may help and is left."""
    passes = runs.c.ran_out.is_(False) if cause == "memory" else true() if cause in PASSING else false()
    again = and_(passes, runs.c.tries + 1 < runs.c.most_tries)
    spent = {"tries": runs.c.tries + 1, "ran_out": true() if cause == "memory" else runs.c.ran_out}
    return sent_back(dialect, again, delayed(dialect), said, cause) | spent


def sent_back(
    dialect: str, again: ColumnElement[bool], not_before: ColumnElement[datetime], said: str, cause: str
) -> dict[str, Any]:
    """A held run waits `again` or has failed; where somebody wants it cancelled, it is cancelled."""
    wanted = runs.c.cancel_by.is_not(None)
    ends = or_(wanted, not_(again))
    return {
        **{name: case((ends, runs.c[name]), else_=null()) for name in OF_ATTEMPT},
        "state": case((wanted, "cancelled"), (again, "queued"), else_="failed"),
        "not_before": case((ends, runs.c.not_before), else_=not_before),
        "lease_until": None,
        "finished": case((ends, clock(dialect)), else_=null()),
        "said": case((wanted, "cancelled by " + runs.c.cancel_by), else_=said),
        "cause": case((wanted, "cancelled"), else_=cause),
    }


def delayed(dialect: str) -> ColumnElement[datetime]:
    """When a run that has failed once more may be tried again.

    Without jitter: what a burst of retries could overrun is behind the workers, and they are few.
    """
    steps = {tries: min(BACKOFF * 2**tries, LONGEST) for tries in range(8)}
    waits = {tries: clock(dialect, wait) for tries, wait in steps.items()}
    return case(waits, value=runs.c.tries, else_=clock(dialect, LONGEST))


# ------------------------------------------------------------------------------------------ workers: presence
def present(
    engine: Engine,
    worker: str,
    needs: Iterable[str] = NEEDS,
    jobs: Iterable[str] | None = None,
    tier: str | None = None,
) -> None:
    """This worker lives and takes runs; to be said again within queries.ALIVE seconds."""
    with writing(engine) as db:
        facts = {
            "needs": list(needs),
            "jobs": None if jobs is None else list(jobs),
            "tier": tier,
            "seen": clock(dialect(db)),
        }
        if not db.execute(update(workers).where(workers.c.name == worker).values(facts)).rowcount:
            db.execute(insert_or_not(dialect(db), workers).values(name=worker, started=clock(dialect(db)), **facts))


def leave(engine: Engine, worker: str) -> None:
    """This worker takes no more runs; those that died without a word for a day are forgotten too."""
    with writing(engine) as db:
        long_gone = workers.c.seen < clock(dialect(db), -86400)
        db.execute(delete(workers).where(or_(workers.c.name == worker, long_gone)))


def wait(engine: Engine, timeout: float, *, needs: Iterable[str] = NEEDS, jobs: Iterable[str] | None = None) -> bool:
    """Returns when a run may be there to claim (True), at the latest after `timeout` seconds (False).

    PostgreSQL tells of new runs at once, and those whose hour has come are seen within GLANCE seconds; a file of SQLite
    is looked at ever less often, down to twice a second.
    """
    if engine.dialect.name != "postgresql":
        pauses = (min(0.02 * 2**n, 0.5) for n in count())
        return look(lambda: anything(engine, needs, jobs), timeout, time.sleep, pauses)
    with listening(engine, BELL) as rest:  # before the first look: what comes after it rings
        return look(lambda: anything(engine, needs, jobs), timeout, rest, repeat(GLANCE))


def look(there: Callable[[], bool], timeout: float, rest: Callable[[float], object], pauses: Iterator[float]) -> bool:
    """Looks until something is there, and rests between two looks."""
    until = time.monotonic() + timeout
    while not there():
        left = until - time.monotonic()
        if left <= 0:
            return False
        rest(min(left, next(pauses)))
    return True


def anything(engine: Engine, needs: Iterable[str], jobs: Iterable[str] | None) -> bool:
    """Whether a run may start now."""
    with reading(engine) as db:
        return bool(lines(db.connection(), needs, jobs))
