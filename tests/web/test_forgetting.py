"""Deleting somebody leaves no byte of them: looked for in the whole database, store and memory."""

import io

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from narcis.jobs import queue
from narcis.records import queries
from narcis.records.tables import Base
from narcis.web import forgetting, house

pytest_plugins = ["databases"]

WORDS = "canary quetzal"


@pytest.fixture
def here(app) -> house.House:
    return app.state.house


def photo() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def ordered(client) -> str:
    files = {"photo": ("me.png", photo(), "image/png")}
    answer = client.post("/studio", data={"words": WORDS, "consent": "yes"}, files=files)
    return answer.headers["location"].rpartition("/")[2]


def everything(engine, store) -> str:
    """All rows and all objects, as text."""
    with engine.connect() as connection:
        rows = [str(row) for table in Base.metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(rows + [f"{key} {store.get(key)!r}" for key in store.keys("")])


def painted(store, paint, run: str) -> str:
    """The run, finished and hung; with a notebook that shows the photo."""
    one = paint(WORDS, run=run)
    figure = f"figures/{'ab' * 32}.png"
    store.put(f"notebooks/{figure}", b"CANARY FIGURE")
    store.put(f"notebooks/{run}.ipynb", f'{{"cells": ["{WORDS}", "<img src={figure}>"]}}'.encode())
    return one.id


def test_everything_of_a_visitor_goes_and_nothing_of_others(visitor, stranger, engine, store, paint, here):
    other = paint("quiet poet")
    run = ordered(visitor)
    picture = painted(store, paint, run)
    by = queries.run(engine, run).by
    for path in (f"/i/{picture}.png", f"/i/{picture}.avif", "/"):
        assert stranger.get(path).status_code == 200
    assert WORDS in everything(engine, store) and run in "".join(here.shelf.keys())

    receipt = visitor.post("/me/forget")
    assert "1 order and" in receipt.text and "stranger" in receipt.text
    left = everything(engine, store)
    for canary in (WORDS, "CANARY", run, picture, by, by.partition(":")[2]):
        assert canary not in left, canary
    assert run not in "".join(here.shelf.keys())
    assert [stranger.get(f"/i/{picture}.{kind}").status_code for kind in ("png", "avif")] == [404, 404]
    assert WORDS not in stranger.get("/").text
    assert "set-cookie" in receipt.headers and "Nothing of yours yet" in visitor.get("/me").text
    assert stranger.get(f"/i/{other.id}.avif").status_code == 200


def test_what_an_operator_has_painted_again_of_them_goes_too(visitor, operator, engine, store, paint):
    picture = painted(store, paint, ordered(visitor))
    again = operator.post(f"/p/{picture}/again").headers["location"].rpartition("/")[2]
    queue.cancel(engine, again, "me")
    twice = operator.post(f"/ops/runs/{again}/retry").headers["location"].rpartition("/")[2]
    painted(store, paint, twice)
    visitor.post("/me/forget")
    left = everything(engine, store)
    assert [canary for canary in (WORDS, "CANARY", again, twice) if canary in left] == []


def test_what_is_painted_again_at_this_moment_is_found_later(visitor, stranger, operator, engine, store, paint, here):
    picture = painted(store, paint, ordered(visitor))
    again = operator.post(f"/p/{picture}/again").headers["location"].rpartition("/")[2]
    (claim,) = queue.claim(engine, "w")
    visitor.post("/me/forget")
    assert stranger.get(f"/i/{picture}.avif").status_code == 404 and picture not in stranger.get("/").text
    queue.finish(engine, claim, "cancelled", "cancelled")
    (lapsed,) = forgetting.visitors.lapsed(engine)
    forgetting.forget(here, lapsed)
    left = everything(engine, store)
    assert [canary for canary in (WORDS, "CANARY", again, picture) if canary in left] == []


def test_what_is_being_painted_is_stopped_and_deleted_when_it_has_ended(visitor, engine, store, here):
    run = ordered(visitor)
    (claim,) = queue.claim(engine, "w")
    receipt = visitor.post("/me/forget")
    assert "1 that was being painted is stopped now" in receipt.text
    assert queries.run(engine, run).cancel_by and list(store.keys("faces/")) == []
    assert visitor.get("/me").status_code == 200
    store.put(f"{claim.prefix}/1.png", b"painted too late")
    queue.finish(engine, claim, "cancelled", "cancelled")
    (lapsed,) = forgetting.visitors.lapsed(engine)
    forgetting.forget(here, lapsed)
    assert WORDS not in everything(engine, store) and run not in everything(engine, store)
    assert forgetting.visitors.lapsed(engine) == []


def test_a_guest_whose_time_is_over_is_forgotten_too(visitor, engine, store, here, clock):
    run = ordered(visitor)
    queue.cancel(engine, run, "me")
    clock.advance(8 * 86400)
    for one in forgetting.visitors.lapsed(engine):
        forgetting.forget(here, one)
    assert WORDS not in everything(engine, store) and list(store.keys()) == []


def test_bytes_of_what_another_process_deleted_leave_memory(visitor, engine, paint, here):
    one, other = paint(), paint()
    for picture in (one, other):
        visitor.get(f"/i/{picture.id}.avif")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM runs WHERE id = '{one.run}'")
    assert queries.gone(engine, here.shelf.keys()) == {f"productions/{one.run}/1.avif"}
