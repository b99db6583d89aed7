"""The tables.  Ids are uuid7 strings: sorted by id is sorted by age.  Times are aware and in UTC, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    FromClause,
    Index,
    MetaData,
    String,
    Table,
    Text,
    literal,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator
from uuid_utils import uuid7

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
OVER = ("succeeded", "failed", "cancelled")
NEEDS = ("cpu", "gpu")
PLACES = ("production", "wall", "curated", "discarded")


class Moment(TypeDecorator[datetime]):
    """An aware datetime.  SQLite keeps text without a zone, PostgreSQL answers in the zone of the session."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Constraints have names, so that a migration can drop them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: Moment,
        str: Text,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


def new_id() -> str:
    return str(uuid7())


def now() -> datetime:
    return datetime.now(UTC)


def among(column: str, words: tuple[str, ...]) -> CheckConstraint:
    """The column holds one of a few words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def only(condition: str) -> dict[str, Any]:
    """Makes an index partial."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def id_column() -> Mapped[str]:
    return mapped_column(String(36), primary_key=True, default=new_id)


def id_of(target: str, *, on_delete: str | None = None, nullable: bool = False) -> Any:
    """A foreign key; SQLAlchemy makes no index for it, and neither do the databases."""
    return mapped_column(String(36), ForeignKey(target, ondelete=on_delete), nullable=nullable)


def table(model: type[Base]) -> Table:
    """For statements that need no objects."""
    return cast(Table, model.__table__)


def in_state(of: Any, state: str) -> ColumnElement[bool]:
    """Written into the statement, not passed to it: only so do both databases see that a partial index fits."""
    return (of.c if isinstance(of, FromClause) else of).state == literal(state, Text, literal_execute=True)


# ------------------------------------------------------------------------------------------ the queue
class Run(Base):
    """One run of a job.  Only jobs.queue writes here, and a worker only what carries its attempt number."""

    __tablename__ = "runs"

    id: Mapped[str] = id_column()
    job: Mapped[str]
    values: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="queued")
    by: Mapped[str]  # "cli:anna", "discord:123", "schedule"
    key: Mapped[str | None]  # idempotency: the requester's own name for this request
    parent: Mapped[str | None] = id_of("runs.id", on_delete="SET NULL", nullable=True)  # the run that this one retries
    needs: Mapped[str]
    priority: Mapped[int] = mapped_column(default=0)  # lower goes first, as with nice(1)
    batch_key: Mapped[str | None]  # waiting runs of one job with an equal key may be claimed together

    created: Mapped[datetime]
    not_before: Mapped[datetime]
    started: Mapped[datetime | None]  # of the last attempt
    finished: Mapped[datetime | None]

    attempt: Mapped[int] = mapped_column(default=0)  # how often it was claimed; the token of whoever works on it
    tries: Mapped[int] = mapped_column(default=0)  # attempts that failed; one that was given back is none
    most_tries: Mapped[int] = mapped_column(default=3)
    ran_out: Mapped[bool] = mapped_column(default=False)  # of memory; that is forgiven once
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    cancel_by: Mapped[str | None]
    cancel_at: Mapped[datetime | None]

    stage: Mapped[str | None]  # the last line of progress.jsonl
    step: Mapped[int | None]
    of: Mapped[int | None]
    preview: Mapped[str | None]

    said: Mapped[str | None]  # how it ended, or why it waits again: one line for people
    cause: Mapped[str | None]  # the same in a word, for programs
    prefix: Mapped[str]  # where its files lie in the store

    __table_args__ = (
        among("state", STATES),
        among("needs", NEEDS),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(state IN ('queued', 'running')) = (finished IS NULL)", name="finished"),
        CheckConstraint("most_tries >= 1 AND tries <= most_tries", name="tries"),
        # Claiming reads these three and nothing else: finished runs cost it nothing, however many there are.
        Index("runs_waiting", "needs", "job", "by", "priority", "id", **only("state = 'queued'")),
        Index("runs_companions", "job", "batch_key", "priority", "id",
              **only("state = 'queued' AND batch_key IS NOT NULL")),
        # Without lease_until: a heartbeat that changes no indexed column is a cheap one on PostgreSQL (HOT).
        Index("runs_running", "by", **only("state = 'running'")),
        Index("runs_key", "by", "key", unique=True, **only("key IS NOT NULL")),
        Index("runs_ended", "job", "finished", **only("state = 'succeeded'")),
        Index("runs_by", "by", "id"),
        Index("runs_job", "job", "id"),
        Index("runs_parent", "parent", **only("parent IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 80}},  # room for heartbeats beside the row
    )  # fmt: skip


class Requester(Base):
    """Who asks for runs, and when one was last started for them."""

    __tablename__ = "requesters"

    by: Mapped[str] = mapped_column(primary_key=True)
    served: Mapped[datetime]


class Worker(Base):
    """A process that claims runs, while it lives."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    needs: Mapped[list[str]]  # which of NEEDS it can run
    jobs: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # the jobs that it limits itself to
    tier: Mapped[str | None]
    started: Mapped[datetime]
    seen: Mapped[datetime]


class Tick(Base):
    """One moment of a job's cron; whoever inserts it first starts the run."""

    __tablename__ = "ticks"

    job: Mapped[str] = mapped_column(primary_key=True)
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    run: Mapped[str | None] = id_of("runs.id", on_delete="SET NULL", nullable=True)

    __table_args__ = (Index("ticks_run", "run"),)


# ------------------------------------------------------------------------------------------ people and visitors
class Person(Base):
    """Somebody whose face may be painted."""

    __tablename__ = "people"

    id: Mapped[str] = id_column()
    name: Mapped[str] = mapped_column(unique=True)
    created: Mapped[datetime] = mapped_column(default=now)


class Photo(Base):
    """A photo of a person; forgetting the person forgets it."""

    __tablename__ = "photos"

    id: Mapped[str] = id_column()
    person: Mapped[str] = id_of("people.id", on_delete="CASCADE")
    sha256: Mapped[str] = mapped_column(String(64))
    key: Mapped[str]  # faces/<sitter>/<sha256>.png
    width: Mapped[int]
    height: Mapped[int]
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("photos_person", "person", "sha256", unique=True),)


class Consent(Base):
    """Somebody agreed that their face be painted: to which words, and when."""

    __tablename__ = "consents"

    id: Mapped[str] = id_column()
    person: Mapped[str] = id_of("people.id", on_delete="CASCADE")
    words: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("consents_person", "person", "id"),)


class User(Base):
    """Somebody who signed in."""

    __tablename__ = "users"

    id: Mapped[str] = id_column()
    login: Mapped[str] = mapped_column(unique=True)  # as the identity provider names them: "discord:123"
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default="visitor")
    tokens: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        among("role", ("visitor", "operator", "admin")),
        CheckConstraint("tokens >= 0", name="tokens"),
    )


class Session(Base):
    """A browser.  The cookie holds a random secret, this table its SHA-256; a guest's tokens live here."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str | None] = id_of("users.id", on_delete="CASCADE", nullable=True)
    tokens: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("tokens >= 0", name="tokens"),
        Index("sessions_user", "user", **only('"user" IS NOT NULL')),
    )


class Order(Base):
    """What a visitor asked for and paid in tokens; the run paints it, and one that fails gives the tokens back."""

    __tablename__ = "orders"

    id: Mapped[str] = id_column()
    run: Mapped[str] = id_of("runs.id", on_delete="CASCADE")
    by: Mapped[str]
    words: Mapped[str]
    person: Mapped[str | None] = id_of("people.id", on_delete="SET NULL", nullable=True)
    tokens: Mapped[int] = mapped_column(default=0)
    refunded: Mapped[datetime | None]
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        CheckConstraint("tokens >= 0", name="tokens"),
        Index("orders_run", "run", unique=True),
        Index("orders_by", "by", "id"),
        Index("orders_person", "person", **only("person IS NOT NULL")),
    )


# ------------------------------------------------------------------------------------------ pictures
class Picture(Base):
    """A finished picture, and where it hangs."""

    __tablename__ = "pictures"

    id: Mapped[str] = id_column()
    run: Mapped[str] = id_of("runs.id", on_delete="CASCADE")
    n: Mapped[int]  # productions/<run>/<n>.png
    key: Mapped[str]
    person: Mapped[str | None] = id_of("people.id", on_delete="SET NULL", nullable=True)
    words: Mapped[str]  # the two words: its caption for ever
    width: Mapped[int]
    height: Mapped[int]
    recipe: Mapped[dict[str, Any]]
    recipe_hash: Mapped[str] = mapped_column(String(64))
    measures: Mapped[dict[str, Any]]
    place: Mapped[str] = mapped_column(default="production")
    placed_by: Mapped[str | None]
    placed_at: Mapped[datetime | None]
    message: Mapped[str | None]  # the message that it was kept from
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        among("place", PLACES),
        Index("pictures_run", "run", "n", unique=True),
        Index("pictures_wall", "placed_at", "id", **only("place IN ('wall', 'curated')")),
        Index("pictures_person", "person", "id", **only("person IS NOT NULL")),
        Index("pictures_recipe_hash", "recipe_hash"),
    )


class MaskPreset(Base):
    """A mask recipe under a name."""

    __tablename__ = "mask_presets"

    id: Mapped[str] = id_column()
    by: Mapped[str]
    name: Mapped[str]
    recipe: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (Index("mask_presets_name", "by", "name", unique=True),)
