"""Browsers and tokens, on both databases, also when several tabs spend at once."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select, text

from narcis.jobs import queue
from narcis.records import db, visitors
from narcis.records.tables import Base
from narcis.records.visitors import Spent, Visitor

pytest_plugins = ["databases"]


@pytest.fixture
def visitor(engine: Engine) -> Visitor:
    return known(engine, visitors.begin(engine))


def known(engine: Engine, secret: str) -> Visitor:
    found = visitors.find(engine, secret)
    assert found
    return found


def order(engine: Engine, visitor: Visitor, key: str | None = None, tokens: int = 1) -> str:
    """A run, paid for."""

    def pay(connection, run: str) -> None:
        visitors.pay(connection, run, visitor, "quiet poet", tokens, None)

    return queue.submit(engine, "portrait", {}, by=visitor.by, key=key, also=pay)


def everything(engine: Engine) -> str:
    with engine.connect() as connection:
        return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in connection.execute(select(table)))


def test_the_secret_is_known_to_the_browser_alone(engine):
    secret = visitors.begin(engine)
    assert len(secret) >= 43 and secret not in everything(engine)
    assert known(engine, secret).digest in everything(engine)
    assert visitors.find(engine, known(engine, secret).digest) is None
    assert visitors.find(engine, secret[:-1]) is None and visitors.find(engine, "") is None


def test_a_browser_is_forgotten_after_seven_days(engine, clock):
    secret = visitors.begin(engine)
    clock.advance(7 * 86400 - 1)
    assert visitors.find(engine, secret) and visitors.lapsed(engine) == []
    clock.advance(2)
    assert visitors.find(engine, secret) is None
    (over,) = visitors.lapsed(engine)
    assert over.digest == visitors.digest(secret)


def test_five_portraits_are_painted_and_a_sixth_is_not(engine, visitor):
    for left in (4, 3, 2, 1, 0):
        order(engine, visitor)
        assert visitors.left(engine, visitor) == left
    with pytest.raises(Spent, match="a portrait costs 1 token, and none is left"):
        order(engine, visitor)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 5


def test_what_was_asked_for_twice_is_paid_once(engine, visitor):
    assert order(engine, visitor, "same") == order(engine, visitor, "same")
    assert visitors.left(engine, visitor) == 4


def fails(engine: Engine, id: str) -> None:
    (claim,) = queue.claim(engine, "w")
    queue.fail(engine, claim, "no face", "failed")


def lapses(engine: Engine, id: str) -> None:
    for _ in range(3):
        queue.claim(engine, "w", lease=-1)
        queue.rescue(engine)
        with db.writing(engine) as connection:
            connection.execute(text("UPDATE runs SET not_before = created"))


def cancelled_while_running(engine: Engine, id: str) -> None:
    (claim,) = queue.claim(engine, "w")
    queue.cancel(engine, id, "me")
    queue.release(engine, claim)


ENDS: list[Callable[[Engine, str], object]] = [
    fails,
    lapses,
    cancelled_while_running,
    lambda engine, id: queue.cancel(engine, id, "me"),
]


@pytest.mark.parametrize("end", ENDS, ids=["fails", "is lost", "is stopped", "is called off"])
def test_a_run_that_ends_without_a_picture_costs_nothing(engine, visitor, end):
    id = order(engine, visitor)
    assert visitors.left(engine, visitor) == 4
    end(engine, id)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM runs")).scalar() in visitors.GIVEN_BACK
    assert visitors.left(engine, visitor) == 5


def test_a_run_that_is_tried_again_is_paid_for_all_the_while(engine, visitor):
    order(engine, visitor)
    (claim,) = queue.claim(engine, "w")
    queue.fail(engine, claim, "the store is away", "store")
    assert visitors.left(engine, visitor) == 4
    queue.finish(engine, claim, "succeeded", "too late")
    assert visitors.left(engine, visitor) == 4


def test_however_many_tabs_order_at_once_five_portraits_are_paid(engine, visitor):
    """Twelve threads, a connection each; none may see what another has not yet committed as free."""
    ready, paid, refused, broke = threading.Barrier(12), [], [], []

    def tab() -> None:
        ready.wait()
        try:
            paid.append(order(engine, visitor))
        except Spent as error:
            refused.append(error)
        except Exception as error:
            broke.append(error)

    threads = [threading.Thread(target=tab) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(paid), len(refused), broke) == (5, 7, [])
    assert visitors.left(engine, visitor) == 0
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == 5
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 5


def test_others_tokens_are_their_own(engine, visitor):
    other = known(engine, visitors.begin(engine))
    order(engine, visitor)
    assert visitors.left(engine, other) == 5


def test_one_person_agrees_twice_with_one_photo(engine, visitor):
    photo = {"sha256": "a" * 64, "key": "faces/x/a.png", "width": 10, "height": 10}
    first = visitors.agree(engine, visitor, "I agree", photo)
    assert visitors.agree(engine, visitor, "I agree", photo) == first == visitors.person(engine, visitor)
    with engine.connect() as connection:
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {t}")).scalar() for t in ("people", "photos", "consents")
        ]
    assert counts == [1, 1, 2]


def test_an_operator_is_one_user_however_often_they_come(engine):
    first = visitors.operator(engine, "desk:operator", "Operator")
    assert visitors.operator(engine, "desk:operator", "Operator") == first
    found = known(engine, visitors.begin(engine, first))
    assert found.operates and found.by == "desk:operator"
