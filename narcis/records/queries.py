"""What is read: runs in pages, one run, how many wait, and when a waiting one may start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, String, Text, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from narcis.errors import BadInput, NotFound
from narcis.records.db import clock, dialect, reading
from narcis.records.tables import Moment, Picture, Run, Worker, in_state

ALIVE = 60.0  # seconds after which a worker that says nothing counts as gone
RECENT = 20  # runs that tell how long the next one takes


def run(engine: Engine, id: str) -> Run:
    """Raises NotFound."""
    with reading(engine) as db:
        return one(db, id)


def one(db: Session, id: str) -> Run:
    found = db.get(Run, id)
    if found is None:
        raise NotFound(f"there is no run {id}", id=id)
    return found


def run_like(engine: Engine, id: str) -> Run:
    """The run of an id or of its end, of which six characters will do.  Raises NotFound, BadInput for several."""
    with reading(engine) as db:
        if found := db.get(Run, id):
            return found
        if len(id) < 6 or not set(id) <= set("0123456789abcdef-"):
            raise NotFound(f"there is no run {id}; `narcis runs` lists them", id=id)
        alike = list(db.scalars(select(Run).where(Run.id.like(f"%{id}")).limit(2)))
    if len(alike) > 1:
        raise BadInput(f"several runs end in {id}; give more of the id", id=id)
    if not alike:
        raise NotFound(f"there is no run {id}; `narcis runs` lists them", id=id)
    return alike[0]


def retries(engine: Engine, ids: Iterable[str]) -> list[Run]:
    """The runs that retry one of these, whoever asked for them."""
    with reading(engine) as db:
        return list(db.scalars(select(Run).where(Run.parent.in_(list(ids)))))


def last_success(engine: Engine, job: str) -> Run | None:
    """The job's last run that succeeded."""
    chosen = select(Run).where(Run.job == job, in_state(Run, "succeeded")).order_by(Run.finished.desc()).limit(1)
    with reading(engine) as db:
        return db.scalar(chosen)


def pictures(engine: Engine, id: str) -> list[Picture]:
    """A run's pictures, in their order."""
    with reading(engine) as db:
        return list(db.scalars(select(Picture).where(Picture.run == id).order_by(Picture.n)))


def pictures_of(engine: Engine, ids: Iterable[str]) -> dict[str, list[Picture]]:
    """The pictures of several runs, by run."""
    found: dict[str, list[Picture]] = {}
    with reading(engine) as db:
        for one in db.scalars(select(Picture).where(Picture.run.in_(list(ids))).order_by(Picture.run, Picture.n)):
            found.setdefault(one.run, []).append(one)
    return found


def page(
    engine: Engine,
    *,
    job: str | None = None,
    by: str | None = None,
    state: str | None = None,
    before: str | None = None,
    most: int = 50,
) -> list[Run]:
    """Runs, the newest first; the next page comes `before` the id of this one's last."""
    chosen = select(Run).order_by(Run.id.desc()).limit(most)
    if job is not None:
        chosen = chosen.where(Run.job == job)
    if by is not None:
        chosen = chosen.where(Run.by == by)
    if state is not None:
        chosen = chosen.where(in_state(Run, state))
    if before is not None:
        chosen = chosen.where(Run.id < before)
    with reading(engine) as db:
        return list(db.scalars(chosen))


def depth(engine: Engine) -> dict[tuple[str, str], int]:
    """How many runs are queued and running, by (job, state); finished ones are not counted, as they may be millions."""
    live = or_(in_state(Run, "queued"), in_state(Run, "running"))
    with reading(engine) as db:
        rows = db.execute(select(Run.job, Run.state, func.count()).where(live).group_by(Run.job, Run.state))
        return {(job, state): number for job, state, number in rows}


def workers(engine: Engine) -> list[Worker]:
    """Those that live, by name."""
    with reading(engine) as db:
        return living(db)


def living(db: Session) -> list[Worker]:
    seen = Worker.seen > clock(dialect(db.connection()), -ALIVE)
    return list(db.scalars(select(Worker).where(seen).order_by(Worker.name)))


# ------------------------------------------------------------------------------------------ when it is their turn
def position(engine: Engine, id: str) -> int | None:
    """1 for the waiting run that is claimed next, among those with its needs; None for one that waits no more.

    As things stand: somebody who has fewer runs under way and asks later may still go first.
    """
    with reading(engine) as db:
        found = one(db, id)
        return db.scalar(place(db, found))


def place(db: Session, found: Run) -> Select[int]:
    """A requester's turn is the number of runs that were started for them before; equal turns go by age."""
    ready = and_(in_state(Run, "queued"), Run.needs == found.needs, or_(Run.id == found.id, due(db)))
    busy = select(Run.by, func.count().label("runs")).where(in_state(Run, "running")).group_by(Run.by).subquery()
    nth = func.row_number().over(partition_by=(Run.by, Run.priority), order_by=Run.id)
    turn = (nth + func.coalesce(busy.c.runs, 0)).label("turn")
    turns = select(Run.id, Run.priority, turn).outerjoin(busy, busy.c.by == Run.by).where(ready).subquery()
    order = func.row_number().over(order_by=(turns.c.priority, turns.c.turn, turns.c.id))
    places = select(turns.c.id, order.label("place")).subquery()
    return select(places.c.place).where(places.c.id == found.id)


def due(db: Session) -> ColumnElement[bool]:
    return Run.not_before <= clock(dialect(db.connection()))


def start_in(engine: Engine, id: str) -> float | None:
    """Seconds until a waiting run will probably start, 0 where a worker is free; None where nothing is known.

    What is known: the live workers that take it, and how long the last runs of its job took.  Every run ahead is taken
    to last their median; batches, which make it shorter, are not foreseen.
    """
    with reading(engine) as db:
        found = one(db, id)
        ahead = (db.scalar(place(db, found)) or 0) - 1
        takers = [w.name for w in living(db) if found.needs in w.needs and (w.jobs is None or found.job in w.jobs)]
        if ahead < 0 or not takers:
            return None
        busy = select(func.count(Run.worker.distinct())).where(in_state(Run, "running"), Run.worker.in_(takers))
        rounds = ahead - (len(takers) - (db.scalar(busy) or 0)) + 1
        now = db.scalar(select(clock(dialect(db.connection())))) or found.created
        delay = max(0.0, (found.not_before - now).total_seconds())
        if rounds <= 0:
            return delay
        typical = took(db, found.job)
        return None if typical is None else max(delay, rounds * typical / len(takers))


def took(db: Session, job: str) -> float | None:
    """Seconds, the median of the job's last successful runs."""
    recent = select(Run.started, Run.finished).where(Run.job == job, in_state(Run, "succeeded"))
    rows = db.execute(recent.order_by(Run.finished.desc()).limit(RECENT)).all()
    return median((end - start).total_seconds() for start, end in rows if start and end) if rows else None


# ------------------------------------------------------------------------------------------ pictures on the wall
@dataclass(frozen=True)
class Hung:
    """What pages show of a picture; its recipe is left in the table."""

    id: str
    run: str
    key: str
    words: str
    width: int
    height: int
    place: str
    placed_at: datetime | None

    @property
    def at(self) -> Spot:
        """Where the next page goes on; of pictures that hang."""
        return Spot(self.placed_at or datetime.max, self.id)


@dataclass(frozen=True)
class Spot:
    """A place in the order in which pictures came to the wall."""

    placed_at: datetime
    id: str


HUNG = [getattr(Picture, name) for name in Hung.__dataclass_fields__]
# As the index pictures_wall says it, so that both databases see that it fits.
HANGS = Picture.place.in_([literal("wall", Text, literal_execute=True), literal("curated", Text, literal_execute=True)])


def wall(engine: Engine, before: Spot | None = None, most: int = 48) -> list[Hung]:
    """A page of what hangs, the last hung first; the next page comes `before` this one's last."""
    chosen = select(*HUNG).where(HANGS).order_by(Picture.placed_at.desc(), Picture.id.desc()).limit(most)
    return hung(engine, chosen if before is None else chosen.where(order() < spot(before)))


def wall_since(engine: Engine, after: Spot, most: int = 48) -> list[Hung]:
    """What was hung after another one, the earliest first."""
    chosen = select(*HUNG).where(HANGS, order() > spot(after)).order_by(Picture.placed_at, Picture.id).limit(most)
    return hung(engine, chosen)


def productions(engine: Engine, place: str, before: str | None = None, most: int = 48) -> list[Hung]:
    """Pictures of a place, the newest first, for whoever judges them."""
    chosen = select(*HUNG).where(Picture.place == place).order_by(Picture.id.desc()).limit(most)
    return hung(engine, chosen if before is None else chosen.where(Picture.id < before))


def order() -> Any:
    return tuple_(Picture.placed_at, Picture.id)


def spot(place: Spot) -> Any:
    return tuple_(literal(place.placed_at, Moment), literal(place.id, String))


def hung(engine: Engine, chosen: Any) -> list[Hung]:
    with reading(engine) as db:
        return [Hung(*row) for row in db.execute(chosen)]


def picture(engine: Engine, id: str) -> Picture:
    """Raises NotFound."""
    with reading(engine) as db:
        found = db.get(Picture, id)
    if found is None:
        raise NotFound(f"there is no picture {id}", id=id)
    return found


def requester(engine: Engine, run: str) -> str:
    """Who asked for a run.  Raises NotFound."""
    with reading(engine) as db:
        by = db.scalar(select(Run.by).where(Run.id == run))
    if by is None:
        raise NotFound(f"there is no run {run}", id=run)
    return by


def gone(engine: Engine, keys: Iterable[str]) -> set[str]:
    """Those of the store's keys, productions/<run>/…, whose run is no more."""
    of = {key: key.split("/")[1] for key in keys if key.count("/") > 1}
    with reading(engine) as db:
        left = set(db.scalars(select(Run.id).where(Run.id.in_(set(of.values())))))
    return {key for key, run in of.items() if run not in left}
