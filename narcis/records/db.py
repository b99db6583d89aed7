"""The database of NARCIS_DATABASE: a file of SQLite, or PostgreSQL 15 and later; and whether its schema is ours."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from select import POLLIN, poll
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Interval,
    Table,
    create_engine,
    event,
    func,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from narcis import settings
from narcis.errors import BadInput, Unavailable
from narcis.records.tables import Moment

BUSY = 15.0  # seconds that a writer waits for another one, on SQLite
FRESH = 1.0  # seconds after its use in which a connection needs no sign of life
OLDEST = 15  # PostgreSQL
MIGRATIONS = Path(__file__).parent / "migrations"
RING = text("SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, '')")
UPGRADING = 0x6E6172636973  # "narcis": the advisory lock that upgrades hold


def connect(url: str | None = None) -> Engine:
    """The engine of a URL, or of NARCIS_DATABASE.  Nothing is asked of the database yet.

    Raises BadInput for a URL that is none of ours, and for a file whose folder cannot be made.
    """
    where = address(settings.read().database if url is None else url)
    if where.get_backend_name() == "sqlite":
        return file(where)
    engine = create_engine(where)
    event.listen(engine, "checkin", put_away)
    event.listen(engine, "checkout", look_at)
    return engine


def put_away(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def look_at(connection: psycopg.Connection, record: ConnectionPoolEntry, _: Any) -> None:
    """A connection that died with its server is replaced before anything is asked of it.

    Asking it for a sign of life each time would be a fourth of what the queue says to the database.  One that was used
    a moment ago is only listened to: a server that goes says so, or at least hangs up.
    """
    idle = time.monotonic() - record.info.get("used", time.monotonic())
    if idle > FRESH or has_word(connection):
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.OperationalError as error:
            raise InvalidatePoolError(str(error)) from error  # the others that it had are tried no more


def has_word(connection: psycopg.Connection) -> bool:
    """Whether something lies in its socket that nobody asked for."""
    (socket := poll()).register(connection.fileno(), POLLIN)
    return bool(socket.poll(0))


def address(url: str) -> URL:
    """The URL with the driver that we use."""
    usage = "it must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        where = make_url(url)
    except (ArgumentError, ValueError):
        raise BadInput(f"NARCIS_DATABASE is no URL of a database; {usage}") from None  # it may hold a password
    if where.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return where.set(drivername="postgresql+psycopg")
    if where.drivername != "sqlite":
        raise BadInput(f"NARCIS_DATABASE is {shown(where)}; {usage}")
    if where.database in (None, "", ":memory:"):
        raise BadInput(f"NARCIS_DATABASE is {shown(where)}, which no other process could see; {usage}")
    return where


def shown(where: URL) -> str:
    """For messages: without the password."""
    return where.render_as_string(hide_password=True)


def file(where: URL) -> Engine:
    """Readers and one writer at a time, each connection with its foreign keys on."""
    folder = Path(where.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made for the database: {error.strerror}") from None
    engine = create_engine(where, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def prepare(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `begin` does
    switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may undo the last commits, and corrupts nothing
    connection.execute("PRAGMA foreign_keys = ON")
    connection.create_function("narcis_clock", 1, hosts_clock)


def switch_to_wal(connection: sqlite3.Connection) -> None:
    """A new file is switched by whoever has it for itself, for which SQLite does not wait as it does for all else."""
    until = time.monotonic() + BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def begin(connection: Connection) -> None:
    """A writer takes the lock at once: one that takes it later fails, without waiting, when another came between."""
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


# ------------------------------------------------------------------------------------------ transactions
@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write.  Raises Unavailable where the database does not answer."""
    with answering(engine), engine.begin() as db:
        yield db


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads; what was read may be used after it."""
    with answering(engine), Session(engine.execution_options(reads=True), expire_on_commit=False) as db:
        yield db


@contextmanager
def answering(engine: Engine) -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:  # of the driver itself, while it listens
        raise silent(engine, error) from error
    except DatabaseError as error:
        if type(error) not in (OperationalError, DatabaseError):  # the second: a file that is none of SQLite's
            raise
        raise silent(engine, error.orig) from error


def silent(engine: Engine, error: BaseException | None) -> Unavailable:
    said = str(error).strip().partition("\n")[0]
    return Unavailable(f"the database {shown(engine.url)} does not answer: {said}")


def dialect(db: Connection) -> str:
    """postgresql or sqlite."""
    return db.dialect.name


def clock(dialect: str, plus: Any = None) -> ColumnElement[datetime]:
    """The time that all workers agree on, `plus` seconds: the server's, or the host's of a SQLite file.

    Not the time of this call but of the statement's, which may be made once and carried out often.
    """
    if dialect == "sqlite":
        return func.narcis_clock(0.0 if plus is None else plus, type_=Moment)
    now = func.now(type_=DateTime)
    return now if plus is None else now + func.make_interval(0, 0, 0, 0, 0, 0, plus, type_=Interval)


def hosts_clock(plus: float) -> str:
    """As SQLAlchemy writes times into SQLite."""
    return f"{datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=plus):%Y-%m-%d %H:%M:%S.%f}"


def insert_or_not(dialect: str, into: Table) -> Any:
    """INSERT … ON CONFLICT DO NOTHING, in the words of the database."""
    words = postgresql if dialect == "postgresql" else sqlite
    return words.insert(into).on_conflict_do_nothing()


# ------------------------------------------------------------------------------------------ being told
def ring(engine: Engine, channel: str) -> None:
    """Wakes whoever is listening to what has been committed.  SQLite has no such thing.

    A transaction that notifies lets no other one commit until it has itself, so this one writes nothing and waits for
    no disk.  Where it is lost, with its process, listeners find what came by looking.
    """
    if engine.dialect.name == "postgresql":
        with answering(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.execute(RING, {"channel": channel})


@contextmanager
def listening(engine: Engine, channel: str) -> Iterator[Callable[[float], None]]:
    """From now on PostgreSQL's `channel` is heard; yields a function that rests until it rings, or some seconds."""
    with answering(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        driver: Any = db.connection.driver_connection
        driver.execute(f"LISTEN {channel}")

        def rest(seconds: float) -> None:
            for _ in driver.notifies(timeout=seconds, stop_after=1):
                pass

        try:
            yield rest
        finally:
            if not driver.broken:
                driver.execute("UNLISTEN *")


# ------------------------------------------------------------------------------------------ schema
def upgrade(engine: Engine) -> None:
    """Brings the schema up to this narcis.  Of several at once one does it, and the others wait for it."""
    with writing(engine) as db:  # on SQLite this is the lock
        if db.dialect.name == "postgresql":
            db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADING})
        config = alembic()
        config.attributes["connection"] = db
        command.upgrade(config, "head")


def check(engine: Engine) -> None:
    """Raises Unavailable for a database that does not answer, is too old, or has another schema than this narcis."""
    with answering(engine), engine.execution_options(reads=True).connect() as db:
        has = MigrationContext.configure(db).get_current_revision()
        version = int((db.dialect.server_version_info or (0,))[0])
    if engine.dialect.name == "postgresql" and version < OLDEST:
        raise Unavailable(f"{shown(engine.url)} is PostgreSQL {version}; narcis needs {OLDEST} or later")
    script = ScriptDirectory.from_config(alembic())
    if has == script.get_current_head():
        return
    if has is None or has in {known.revision for known in script.walk_revisions()}:
        is_at = f"is at schema {has}" if has else "has no tables yet"
        raise Unavailable(f"the database {shown(engine.url)} {is_at}; run `narcis db upgrade`", has=has)
    raise Unavailable(f"the database {shown(engine.url)} is at schema {has}, of a newer narcis; update narcis", has=has)


def alembic() -> Config:
    """Alembic without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
