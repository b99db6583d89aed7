import re
import threading

import httpx2
import pytest
from sqlalchemy import select, text
from visiting import image

from narcis.jobs import queue
from narcis.jobs.queue import Progress
from narcis.records import queries
from narcis.records.tables import Consent, Photo
from narcis.web import studio
from narcis.web.limits import Limit

pytest_plugins = ["databases"]

PHOTO = {"photo": ("me.jpg", image("JPEG"), "image/jpeg")}


def order(client, **given):
    files = given.pop("files", None)
    return client.post("/studio", data={"words": "quiet poet", "sitter": "ada", **given}, files=files)


def ordered(engine, answer):
    assert answer.status_code == 303, answer.text
    return queries.run(engine, answer.headers["location"].rpartition("/")[2])


def runs(engine) -> int:
    return len(queries.page(engine))


def test_words_and_a_borrowed_face_become_a_run(visitor, engine):
    run = ordered(engine, order(visitor, words="  quiet   poet "))
    assert run.job == "portrait" and run.by.startswith("guest:")
    assert run.values.keys() == {"words", "sitter", "seed"} and run.values["words"] == "quiet poet"


def test_a_photo_is_kept_clean_under_its_owner_with_their_consent(visitor, engine, store):
    run = ordered(engine, order(visitor, sitter="", consent="yes", files=PHOTO))
    key = run.values["face"].removeprefix("store:")
    assert key.startswith(f"faces/{run.by.replace(':', '-')}/") and store.get(key)[:4] == b"\x89PNG"
    with engine.connect() as connection:
        (photo,) = connection.execute(select(Photo.__table__)).all()
        (consent,) = connection.execute(select(Consent.__table__)).all()
    assert photo.key == key and consent.person == photo.person and consent.words == studio.CONSENT
    shown = visitor.get(f"/studio/{run.id}/photo")
    assert shown.content == store.get(key) and shown.headers["cache-control"].startswith("private")


def test_without_consent_no_photo_is_kept(visitor, engine, store):
    answer = order(visitor, sitter="", files=PHOTO)
    assert answer.status_code == 422 and "has not been kept" in answer.text
    assert list(store.keys()) == [] and runs(engine) == 0 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("words", ["", "!", "a b c d e", "<b>x</b>", "x" * 81, "a\x00b", "../etc", "'; DROP"])
def test_what_is_no_two_words_is_refused_and_the_form_keeps_it(visitor, engine, words):
    answer = order(visitor, words=words)
    assert answer.status_code == 422 and "two words, please" in answer.text.lower() and runs(engine) == 0


@pytest.mark.parametrize("words", ["Élan vital", "静かな 詩人", "l'heure bleue", "rock-n-roll king", "007 agent"])
def test_words_of_any_language_are_words(visitor, engine, words):
    assert ordered(engine, order(visitor, words=words)).values["words"] == words


def test_a_face_is_a_photo_or_a_sitter_and_never_a_path(visitor, engine):
    assert order(visitor, sitter="").status_code == 422
    assert order(visitor, sitter="mona").status_code == 422
    run = ordered(engine, order(visitor, face="/etc/passwd", model="/somewhere", steps="150"))
    assert run.values.keys() == {"words", "sitter", "seed"}


def test_a_form_that_is_sent_twice_is_one_order(visitor, engine):
    first = ordered(engine, order(visitor, key="k" * 16))
    assert ordered(engine, order(visitor, key="k" * 16)).id == first.id and runs(engine) == 1


def test_five_tokens_are_five_portraits_and_one_that_failed_is_given_back(visitor, engine):
    for _ in range(5):
        ordered(engine, order(visitor))
    refused = order(visitor)
    assert refused.status_code == 402 and "none is left" in refused.text and runs(engine) == 5
    (claim,) = queue.claim(engine, "w")
    queue.fail(engine, claim, "there is no face in the photo", "failed")
    assert "there is no face in the photo" in visitor.get(f"/studio/{claim.id}").text.lower()
    assert order(visitor).status_code == 303


def test_an_address_that_orders_too_often_waits(visitor, engine, monkeypatch):
    monkeypatch.setattr(studio, "orders", Limit(2, 3600))
    assert [order(visitor).status_code for _ in range(3)] == [303, 303, 429] and runs(engine) == 2


def test_the_cookie_is_for_this_browser_and_no_script(app, visitor):
    from fastapi.testclient import TestClient

    said = order(visitor).headers["set-cookie"]
    assert re.match(r"narcis=[\w-]{43}; HttpOnly; Max-Age=604800; Path=/; SameSite=lax$", said)
    safe = TestClient(app, "https://narcis.test", follow_redirects=False)
    said = order(safe).headers["set-cookie"]
    assert said.startswith("__Host-narcis=") and "Secure" in said and "Domain" not in said


def test_an_order_is_seen_by_whoever_made_it(visitor, stranger, operator, engine):
    run = ordered(engine, order(visitor, sitter="", consent="yes", files=PHOTO))
    for path in ("", "/photo", "/events", "/preview/compose-001.png"):
        assert stranger.get(f"/studio/{run.id}{path}").status_code == 404
    for path in ("cancel", "again"):
        assert stranger.post(f"/studio/{run.id}/{path}").status_code == 404
    assert operator.get(f"/studio/{run.id}").status_code == 200
    assert queries.run(engine, run.id).state == "queued"


def test_an_order_is_called_off_and_made_again(visitor, engine):
    run = ordered(engine, order(visitor))
    visitor.post(f"/studio/{run.id}/cancel")
    assert "called it off" in visitor.get(f"/studio/{run.id}").text
    again = ordered(engine, visitor.post(f"/studio/{run.id}/again"))
    assert again.values["words"] == run.values["words"] and again.values["seed"] != run.values["seed"]
    assert "4 tokens left" in visitor.get("/me").text


def test_without_script_the_page_comes_again_until_it_is_over(visitor, engine):
    run = ordered(engine, order(visitor))
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in visitor.get(f"/studio/{run.id}").text and "You are next" in visitor.get(f"/studio/{run.id}").text
    queue.cancel(engine, run.id, "me")
    assert refresh not in visitor.get(f"/studio/{run.id}").text


def test_the_stream_tells_each_change_and_ends_with_the_run(address, visitor, engine, store):
    run = ordered(engine, order(visitor))
    told: list[str] = []

    def listen() -> None:
        cookies = {"narcis": visitor.cookies["narcis"]}
        with httpx2.stream("GET", f"{address}/studio/{run.id}/events", cookies=cookies, timeout=30) as stream:
            for line in stream.iter_lines():
                told.extend(re.findall(r'data-state="(\w+)"|(step \d+ of \d+)|event: (over)', line))

    thread = threading.Thread(target=listen)
    thread.start()
    wait_until(lambda: told)
    (claim,) = queue.claim(engine, "w")
    queue.heartbeat(engine, [claim], {run.id: Progress("compose", 3, 20)})
    wait_until(lambda: ("", "step 3 of 20", "") in told)
    queue.finish(engine, claim, "succeeded", "succeeded")
    thread.join(20)
    assert [next(filter(None, one)) for one in told] == ["queued", "running", "step 3 of 20", "succeeded", "over"]


def wait_until(true) -> None:
    import time

    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_preview_is_found_by_its_name_alone(visitor, engine, store):
    run = ordered(engine, order(visitor))
    store.put(f"{run.prefix}/previews/compose-003.png", image())
    assert visitor.get(f"/studio/{run.id}/preview/compose-003.png").content == image()
    for name in ("..%2F1.png", "manifest.json", "compose-003.avif"):
        assert visitor.get(f"/studio/{run.id}/preview/{name}").status_code == 404


def test_orders_are_counted_in_the_database(visitor, engine):
    ordered(engine, order(visitor))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT tokens, words FROM orders")).all() == [(1, "quiet poet")]
