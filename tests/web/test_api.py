"""The house for programs."""

import json
import re
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visiting import image

from narcis.jobs import queue
from narcis.records import queries, visitors
from narcis.web import wall

pytest_plugins = ["databases"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def key(operator) -> dict[str, str]:
    """The headers of a program, whose key was made at the desk."""
    (key,) = re.findall(r'<code class="mono">([\w-]{43})</code>', operator.post("/ops/keys").text)
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def guest(engine) -> dict[str, str]:
    return {"authorization": f"Bearer {visitors.begin(engine)}"}


def order(client, headers, **asked):
    return client.post("/api/v1/runs", json={"job": "portrait", **asked}, headers=headers)


def test_a_run_is_submitted_followed_and_cancelled(visitor, engine, key):
    answer = order(visitor, key, values={"words": "iron queen", "steps": 12}, key="mine")
    assert answer.status_code == 202
    run = answer.json()
    assert (run["state"], run["place"], run["values"]) == ("queued", 1, {"words": "iron queen", "steps": 12})
    assert order(visitor, key, values={"words": "iron queen"}, key="mine").json()["id"] == run["id"]
    assert visitor.get(f"/api/v1/runs/{run['id']}", headers=key).json() == run
    assert visitor.post(f"/api/v1/runs/{run['id']}/cancel", headers=key).json()["state"] == "cancelled"
    assert [one["id"] for one in visitor.get("/api/v1/runs", headers=key).json()] == [run["id"]]


def test_events_are_whole_and_end_with_the_run(address, engine, key, store):
    with httpx2.Client(base_url=address) as client:
        run = order(client, key, values={"words": "iron queen"}).json()["id"]
    (claim,) = queue.claim(engine, "w")
    queue.finish(engine, claim, "succeeded", "succeeded", None, [{"recipe": {"words": "iron queen"}}])
    answer = httpx2.get(f"{address}/api/v1/runs/{run}/events", headers=key, timeout=20)
    (data,) = re.findall(r"^data: (.*)$", answer.text, re.MULTILINE)
    told = json.loads(data)
    assert told["state"] == "succeeded" and told["pictures"][0]["words"] == "iron queen"
    assert told["pictures"][0]["page"].startswith(f"{address}/p/iron-queen-")


@pytest.mark.parametrize("path", ["/jobs", "/runs", "/runs/x", "/runs/x/events"])
def test_without_a_key_it_is_said_how_to_get_one(visitor, operator, path):
    for client in (visitor, operator):  # a cookie is no key
        answer = client.get(f"/api/v1{path}")
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert visitor.get(f"/api/v1{path}", headers={"authorization": "Bearer none"}).status_code == 401
    assert "Authorization: Bearer KEY" in answer.json()["error"]


def test_the_wall_is_everybodys_in_pages(visitor, paint, monkeypatch):
    from narcis.web import api

    monkeypatch.setattr(api, "PAGE", 2)
    hung = [paint().id for _ in range(3)]
    paint(place="production")
    first = visitor.get("/api/v1/pictures").json()
    second = visitor.get("/api/v1/pictures", params={"before": first["before"]}).json()
    assert [one["id"] for one in first["pictures"] + second["pictures"]] == hung[::-1] and second["before"] is None
    assert visitor.get(first["pictures"][0]["thumb"]).status_code == 200
    assert wall.spot(first["before"]).id == hung[1]


def test_a_guests_program_spends_tokens_and_sees_its_own(visitor, engine, guest, key):
    for _ in range(5):
        assert order(visitor, guest, values={"words": "quiet poet"}).status_code == 202
    refused = order(visitor, guest, values={"words": "quiet poet"})
    assert refused.status_code == 402 and "none is left" in refused.json()["error"]
    other = order(visitor, key, values={"words": "iron queen"}).json()["id"]
    assert visitor.get(f"/api/v1/runs/{other}", headers=guest).status_code == 404
    assert visitor.post(f"/api/v1/runs/{other}/cancel", headers=guest).status_code == 404
    assert queries.run(engine, other).state == "queued"


def test_a_photo_is_sent_first_and_nobody_elses_is_taken(visitor, engine, store, guest, key):
    kept = visitor.post("/api/v1/photos", content=image("JPEG"), headers=guest).json()
    assert store.get(kept["value"].removeprefix("store:"))[:4] == b"\x89PNG"
    assert order(visitor, guest, values={"words": "quiet poet", "face": kept["value"]}).status_code == 202
    for face in (kept["value"], "/etc/passwd", "store:faces/_/x.png", kept["value"] + "/../../x"):
        answer = order(visitor, key if face == kept["value"] else guest, values={"words": "quiet poet", "face": face})
        assert answer.status_code in (404, 422), face
    assert visitor.post("/api/v1/photos", content=b"no photo", headers=guest).status_code == 422


def test_what_can_be_asked_is_described(visitor, key):
    jobs = {job["name"]: job for job in visitor.get("/api/v1/jobs", headers=key).json()}
    portrait = jobs["portrait"]
    assert portrait["tokens"] == 1 and "face" in portrait["files"]
    assert portrait["values"]["properties"]["steps"]["maximum"] == 150
    described = visitor.get("/api/v1/openapi.json").json()
    assert {"/pictures", "/jobs", "/photos", "/runs", "/runs/{id}", "/runs/{id}/cancel", "/runs/{id}/events"} == set(
        described["paths"]
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=JSON | st.fixed_dictionaries({"job": st.just("portrait") | st.text(), "values": JSON}, optional={"key": JSON})
)
def test_whatever_is_sent_is_refused_or_queued_and_nothing_breaks(visitor, key, body):
    answer = visitor.post("/api/v1/runs", content=json.dumps(body), headers={**key, "content-type": "application/json"})
    assert answer.status_code in (202, 400, 404, 422), answer.text
    if answer.status_code != 202:
        assert answer.json()["error"]


@pytest.mark.parametrize("sign", ["\x00", "\ud800"])
def test_signs_that_no_database_keeps_are_refused(visitor, key, sign):
    for body in ({"key": sign}, {"job": f"portrait{sign}"}, {"values": {"words": sign}}, {"values": {sign: 1}}):
        text = json.dumps({"job": "portrait", **body})
        answer = visitor.post("/api/v1/runs", content=text, headers={**key, "content-type": "application/json"})
        assert answer.status_code in (202, 404, 422), (body, answer.text)
    if sign == "\x00":
        for path in ("/api/v1/runs/%00", "/studio/%00", "/p/%00", "/ops?by=%00", "/wall?before=1.%00"):
            assert visitor.get(path, headers=key).status_code in (404, 422), path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40))
def test_whatever_an_address_holds_nothing_breaks(visitor, key, text):
    for path in ("/api/v1/runs/", "/studio/", "/p/", "/i/", "/ops/runs/", "/static/"):
        assert visitor.get(path + quote(text, safe=""), headers=key).status_code < 500
    for path, name in (("/", "before"), ("/wall", "before"), ("/api/v1/runs", "before"), ("/studio", "words")):
        assert visitor.get(path, params={name: text}, headers=key).status_code < 500
