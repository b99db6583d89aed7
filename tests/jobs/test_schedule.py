"""Crons: once for each tick, whoever looks, and late rather than never."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narcis.jobs import schedule
from narcis.jobs.catalog import Terms
from narcis.records import db, queries

CELL = 'words: str = "none"  # any\nout: str = ""  # the folder'
NIGHTLY = "open: {words: {}}\ncron: '30 3 * * *'\ntimezone: Europe/Berlin\n"
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def engine(job_file):
    engine = db.connect()
    db.upgrade(engine)
    return engine


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "cron, timezone, now, tick",
    [
        ("30 3 * * *", "UTC", "2026-11-24 03:30:00", "2026-11-24 03:30"),
        ("30 3 * * *", "UTC", "2026-11-24 03:29:59", "2026-11-23 03:30"),
        ("30 3 * * *", "Europe/Berlin", "2026-11-24 02:30:00", "2026-11-24 02:30"),
        ("30 3 * * *", "Europe/Berlin", "2026-07-01 01:30:00", "2026-07-01 01:30"),  # summer time
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 12:00:00", "2026-03-29 01:00"),  # half past two is skipped that day
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 12:00:00", "2026-10-25 00:30"),  # and comes twice on this one
        ("0 0 1 1 *", "UTC", "2026-11-24 00:00:00", "2026-01-01 00:00"),
    ],
)
def test_a_tick_is_an_hour_of_its_time_zone(cron, timezone, now, tick):
    assert schedule.last_tick(Terms(cron=cron, timezone=timezone), at(now)) == at(tick)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))
def test_the_last_tick_is_never_ahead_and_the_same_until_the_next(now):
    terms = Terms(cron="*/7 2-5 * * *", timezone="America/New_York")
    tick = schedule.last_tick(terms, now)
    assert tick <= now and schedule.last_tick(terms, tick) == tick


def test_a_new_job_is_not_late(engine, job_file):
    job_file("night", NIGHTLY, CELL)
    assert schedule.submit_due(engine, MONDAY) == {}
    assert queries.page(engine) == []


def test_every_tick_is_submitted_once(engine, job_file):
    job_file("night", NIGHTLY, CELL)
    schedule.submit_due(engine, MONDAY)
    (id,) = schedule.submit_due(engine, at("2026-11-24 02:30:05")).values()
    assert schedule.submit_due(engine, at("2026-11-24 02:30:15")) == {}
    run = queries.run(engine, id)
    assert (run.by, run.key, run.values) == ("schedule", "night 2026-11-24T02:30:00+00:00", {})


def test_of_the_ticks_that_nobody_saw_the_last_is_made_up_for(engine, job_file):
    job_file("night", NIGHTLY, CELL)
    schedule.submit_due(engine, MONDAY)
    assert len(schedule.submit_due(engine, at("2026-12-24 09:00"))) == 1
    (run,) = queries.page(engine)
    assert run.key == "night 2026-12-24T02:30:00+00:00"


def test_workers_that_look_at_once_submit_one_run(engine, job_file):
    job_file("night", NIGHTLY, CELL)
    schedule.submit_due(engine, MONDAY)
    found, start = [], threading.Barrier(8)

    def look() -> None:
        start.wait()
        found.append(schedule.submit_due(engine, at("2026-11-24 02:31")))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(queries.page(engine)) == 1 and sum(bool(one) for one in found) == 1


def test_a_broken_job_does_not_stop_the_others(engine, job_file):
    job_file("a", "minuets: 3\n", CELL)
    job_file("night", NIGHTLY, CELL)
    schedule.submit_due(engine, MONDAY)
    assert len(schedule.submit_due(engine, at("2026-11-24 02:31"))) == 1
