from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from narcis.records import db
from narcis.records.tables import MaskPreset, Person, Run, Session, Tick, User, new_id

pytest_plugins = ["databases"]

LATER = datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)


def row(**facts) -> dict:
    now = datetime.now(UTC)
    usual = {"id": new_id(), "job": "portrait", "values": {}, "by": "cli:anna", "needs": "gpu", "prefix": "p"}
    return {**usual, "created": now, "not_before": now, **facts}


def test_ids_are_sorted_by_age():
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids) and len(set(ids)) == 1000 and {len(id) for id in ids} == {36}


def test_times_come_back_aware_and_in_utc_whatever_the_zones(engine):
    with db.writing(engine) as connection:
        connection.execute(insert(Person).values(id="p", name="Ada", created=LATER))
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL TIME ZONE 'Asia/Tokyo'"))
        read = connection.execute(select(Person.created)).scalar_one()
    assert read == LATER and (read.tzinfo, read.hour) == (UTC, 12)


def test_a_time_without_a_zone_is_refused(engine):
    with pytest.raises(StatementError, match="has no time zone"), db.writing(engine) as connection:
        connection.execute(insert(Person).values(id="p", name="Ada", created=datetime(2026, 7, 1)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_values_come_back_as_they_were(engine, values):
    """Quotes, control characters and lone surrogates too."""
    with db.writing(engine) as connection:
        connection.execute(insert(Run).values(row(id="r", values=values)))
        assert connection.scalar(select(Run.__table__.c["values"])) == values
        connection.execute(text("DELETE FROM runs"))


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "lost"},
        {"needs": "tpu"},
        {"state": "running"},  # without a lease
        {"lease_until": LATER},  # waiting with one
        {"state": "failed"},  # without an end
        {"finished": LATER},  # waiting with one
        {"tries": 4},
        {"most_tries": 0},
        {"parent": "nobody"},
    ],
    ids=str,
)
def test_the_database_refuses_what_no_run_can_be(engine, facts):
    with pytest.raises(IntegrityError), db.writing(engine) as connection:
        connection.execute(insert(Run).values(row(**facts)))


@pytest.mark.parametrize(
    "table, facts",
    [
        (Person, {"name": "Ada"}),
        (User, {"login": "discord:1", "name": "Ada"}),
        (MaskPreset, {"by": "cli:anna", "name": "soft", "recipe": {}}),
        (Tick, {"job": "nightly", "tick": LATER}),
        (Run, row(key="once")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_unique_is_there_once(engine, table, facts):
    with db.writing(engine) as connection:
        connection.execute(insert(table).values(facts))
    with pytest.raises(IntegrityError), db.writing(engine) as connection:
        connection.execute(insert(table).values({**facts, "id": new_id()} if "id" in table.__table__.c else facts))


def test_nobody_spends_tokens_that_they_do_not_have(engine):
    with db.writing(engine) as connection:
        connection.execute(insert(Session).values(digest="0" * 64, tokens=1, expires=LATER))
    spend = update(Session).values(tokens=Session.tokens - 1)
    with db.writing(engine) as connection:
        connection.execute(spend)
    with pytest.raises(IntegrityError), db.writing(engine) as connection:
        connection.execute(spend)
