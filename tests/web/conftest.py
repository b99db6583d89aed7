"""A house with a few pictures, on both databases; and the same on a real port for browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from visiting import image

from narcis.jobs import queue
from narcis.records import pictures, queries
from narcis.records.queries import Hung
from narcis.store import Directory
from narcis.web import ops, studio
from narcis.web.app import create
from narcis.web.limits import Limit

KEY = "the key of the desk"
Paints = Callable[..., Hung]


class Counted(Directory):
    """A store that counts what is read of it."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.reads: list[str] = []

    def get(self, key: str) -> bytes:
        self.reads.append(key)
        return super().get(key)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setenv("NARCIS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "runs"))
    return Counted(tmp_path / "store")


@pytest.fixture
def app(engine: Engine, store: Counted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio, "orders", Limit(1000, 60))
    monkeypatch.setattr(ops, "attempts", Limit(10, 60))
    return create(engine, store, operator_key=KEY)


@pytest.fixture
def visitor(app) -> Iterator[TestClient]:
    """A browser that follows no redirects, so that a test sees them."""
    with TestClient(app, "http://narcis.test", raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def stranger(app, visitor: TestClient) -> TestClient:
    """Another browser in the same house."""
    return TestClient(app, "http://narcis.test", raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def operator(app, visitor: TestClient) -> TestClient:
    client = TestClient(app, "http://narcis.test", raise_server_exceptions=False, follow_redirects=False)
    assert client.post("/ops/enter", data={"key": KEY}).headers["location"] == "/ops"
    return client


@pytest.fixture
def paint(engine: Engine, store: Counted) -> Paints:
    """A finished run with one picture, hung or not."""

    def paint(words: str = "quiet poet", place: str = "wall", by: str = "cli:anna", run: str | None = None) -> Hung:
        run = run or queue.submit(engine, "portrait", {"words": words}, by=by)
        (claim,) = [one for one in queue.claim(engine, "w", most=1) if one.id == run]
        store.put(f"{claim.prefix}/1.png", image(colour="red"))
        store.put(f"{claim.prefix}/1.avif", image("AVIF", colour="red"))
        recipe = {"words": words, "idea": f"An idea of a {words}"}
        queue.finish(engine, claim, "succeeded", "succeeded", None, [{"recipe": recipe, "width": 128, "height": 128}])
        (painted,) = queries.pictures(engine, run)
        if place != "production":
            pictures.put(engine, painted.id, place, by)
        return next(one for one in queries.productions(engine, place) if one.id == painted.id)

    return paint


@pytest.fixture
def address(app) -> Iterator[str]:
    """The house on a real port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.02)
    yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
