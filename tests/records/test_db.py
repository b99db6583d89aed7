import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, inspect, text
from sqlalchemy.exc import IntegrityError

from narcis import settings
from narcis.errors import BadInput, Unavailable
from narcis.records import db
from narcis.records.tables import Base, Person, Photo

pytest_plugins = ["databases"]

# What the databases themselves say that they hold.
SHAPE = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND sql IS NOT NULL",
    "postgresql": """
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
        UNION ALL SELECT relname, reloptions::text FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL""",
}


def shape(engine) -> dict[str, list[str]]:
    """By name; the order of a table's constraints means nothing."""
    with engine.connect() as connection:
        rows = connection.execute(text(SHAPE[engine.dialect.name])).all()
    return {name: sorted(line.strip(" ,\t") for line in definition.splitlines()) for name, definition in rows}


@pytest.mark.parametrize(
    "url, driver",
    [
        ("postgresql://anna:secret@host/narcis", "psycopg"),
        ("postgres://host/narcis", "psycopg"),
        ("postgresql+psycopg://host/narcis", "psycopg"),
    ],
)
def test_postgresql_is_spoken_to_by_psycopg(url, driver):
    engine = db.connect(url)
    assert engine.driver == driver and "secret" not in str(engine.url)


@pytest.mark.parametrize(
    "url, said",
    [
        ("runs/narcis.sqlite", "is no URL"),
        ("", "is no URL"),
        ("postgresql://host:port/narcis", "is no URL"),
        ("mysql://anna:secret@host/narcis", r"is mysql://anna:\*\*\*@host/narcis"),
        ("postgresql+asyncpg://host/narcis", "is postgresql\\+asyncpg"),
        ("sqlite://", "no other process"),
        ("sqlite:///:memory:", "no other process"),
    ],
)
def test_a_bad_url_is_refused_in_one_line_without_its_password(url, said):
    with pytest.raises(BadInput, match=said) as refused:
        db.connect(url)
    assert "sqlite:///FILE or postgresql://" in str(refused.value)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)


def test_a_file_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be made for the database"):
        db.connect(f"sqlite:///{tmp_path}/file/narcis.sqlite")


def test_by_default_the_database_is_a_file_beside_the_runs(monkeypatch, tmp_path):
    monkeypatch.delenv("NARCIS_DATABASE", raising=False)
    monkeypatch.delenv("NARCIS_RUNS", raising=False)
    assert settings.read().database == "sqlite:///runs/narcis.sqlite"
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "runs"))
    engine = db.connect()
    db.upgrade(engine)
    assert (tmp_path / "runs" / "narcis.sqlite").is_file()
    engine.dispose()


def test_a_connection_to_sqlite_is_in_wal_with_foreign_keys(tmp_path):
    with db.reading(db.connect(f"sqlite:///{tmp_path}/a.sqlite")) as session:
        read = {name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys")}
        assert read == {"journal_mode": "wal", "foreign_keys": 1}
        assert session.scalar(text("PRAGMA busy_timeout")) == 1000 * db.BUSY
        session.connection().engine.dispose()


def test_migrations_and_tables_agree(empty_url):
    """To the letter: alembic alone does not compare the conditions of indexes and checks."""
    engine = db.connect(empty_url)
    db.upgrade(engine)
    db.check(engine)
    migrated = shape(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    Base.metadata.drop_all(engine)
    assert shape(engine) == {}
    Base.metadata.create_all(engine)
    assert shape(engine) == migrated and len(migrated) > 20
    engine.dispose()


def test_several_upgrades_at_once_are_one(empty_url):
    engines, failed = [db.connect(empty_url) for _ in range(4)], []

    def upgrade(engine) -> None:
        try:
            db.upgrade(engine)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=upgrade, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    db.check(engines[0])
    for engine in engines:
        engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing(empty_url, monkeypatch):
    """The whole upgrade is one transaction, on SQLite too."""
    engine = db.connect(empty_url)

    def fails(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fails)
    with pytest.raises(KeyboardInterrupt):
        db.upgrade(engine)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_another_schema_is_refused_with_the_way_out(empty_url):
    engine = db.connect(empty_url)
    with pytest.raises(Unavailable, match=r"has no tables yet; run `narcis db upgrade`"):
        db.check(engine)
    db.upgrade(engine)
    with db.writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match=r"is at schema 9999, of a newer narcis; update narcis"):
        db.check(engine)
    engine.dispose()


def test_a_schema_that_is_behind_is_refused(empty_url, monkeypatch):
    engine = db.connect(empty_url)
    db.upgrade(engine)
    monkeypatch.setattr("alembic.script.ScriptDirectory.get_current_head", lambda _: "9999")
    with pytest.raises(Unavailable, match=r"is at schema \d{4}; run `narcis db upgrade`"):
        db.check(engine)
    engine.dispose()


def test_an_old_postgresql_is_refused(server, monkeypatch):
    monkeypatch.setattr(db, "OLDEST", 99)
    with pytest.raises(Unavailable, match="is PostgreSQL 18; narcis needs 99 or later"):
        db.check(server.engine("postgres"))


@pytest.mark.parametrize("url", ["postgresql://anna:secret@127.0.0.1:1/narcis", "sqlite:///{}/text"])
def test_a_database_that_does_not_answer_is_said_in_one_line(url, tmp_path):
    (tmp_path / "text").write_text("this is a text of some length, and no database whatever" * 20)
    engine = db.connect(url.format(tmp_path))
    with pytest.raises(Unavailable, match="does not answer") as refused:
        db.check(engine)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)
    engine.dispose()


def test_a_writer_that_cannot_write_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(db, "BUSY", 0.1)
    engine = db.connect(f"sqlite:///{tmp_path}/a.sqlite")
    db.upgrade(engine)
    other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="database is locked"), db.writing(engine):
        pass
    with db.reading(engine) as session:  # readers are not disturbed
        assert session.query(Person).all() == []
    other.close()
    engine.dispose()


def test_connections_that_died_are_replaced(server, postgresql_url):
    engine = db.connect(postgresql_url)
    with db.reading(engine) as session:
        session.execute(text("SELECT 1"))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :name"
    with server.engine("postgres").connect() as other:
        other.execute(text(others), {"name": engine.url.database})
    db.check(engine)
    engine.dispose()


def test_forgetting_a_person_forgets_the_photos(engine):
    with db.writing(engine) as connection:
        connection.execute(insert(Person).values(id="p", name="Ada"))
        photo = {"id": "f", "person": "p", "sha256": "0" * 64, "key": "faces/ada/0.png", "width": 8, "height": 8}
        connection.execute(insert(Photo).values(photo))
        connection.execute(delete(Person))
    with db.reading(engine) as session:
        assert session.query(Photo).all() == []


def test_a_photo_belongs_to_somebody(engine):
    photo = {"person": "nobody", "sha256": "0" * 64, "key": "k", "width": 8, "height": 8}
    with pytest.raises(IntegrityError), db.writing(engine) as connection:
        connection.execute(insert(Photo).values(photo))
