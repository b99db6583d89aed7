"""Real processes on a real database: many at once, and killed where it hurts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from narcis.jobs import queue
from narcis.records import queries

pytest_plugins = ["databases"]

WORKERS = Path(__file__).with_name("workers.py")


def workers(what: str, url: str, number: int) -> subprocess.Popen[str]:
    """In a process group of their own, so that all can be killed at once."""
    command = [sys.executable, str(WORKERS), what, url, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def killed(what: str, url: str) -> list[str]:
    """What a worker said before it was killed with -9."""
    with workers(what, url, 1) as process:
        said = (process.stdout or sys.stdin).readline().split()
        os.killpg(process.pid, signal.SIGKILL)
    return said


def test_eight_processes_finish_each_run_once(engine, url):
    asked = {
        queue.submit(engine, f"job{i % 2}", {}, by=f"cli:{i % 5}", batch_key=("k", None)[i % 3 == 0])
        for i in range(120)
    }
    with workers("finish_all", url, 8) as process:
        said, _ = process.communicate(timeout=120)
    finished = [line.split()[1] for line in said.splitlines()]
    assert process.returncode == 0 and len(finished) == len(asked) and set(finished) == asked
    assert {run.state for run in queries.page(engine, most=200)} == {"succeeded"}
    for run in queries.page(engine, most=200):
        assert run.tries == 0 and run.attempt == (2 if int(run.id[-1], 16) % 5 == 0 else 1)


def test_the_run_of_a_killed_worker_is_done_by_another(engine, url, monkeypatch):
    monkeypatch.setattr(queue, "BACKOFF", 0.0)
    id = queue.submit(engine, "portrait", {}, by="cli:anna")
    assert killed("hold", url) == ["claimed", id, "1"] and queries.run(engine, id).state == "running"
    time.sleep(0.6)
    assert queue.rescue(engine) == {id: "queued"}
    (heir,) = queue.claim(engine, "heir")
    assert (heir.id, heir.attempt) == (id, 2) and queue.finish(engine, heir, "succeeded", "succeeded")


def test_a_claim_whose_process_was_killed_before_its_commit_never_was(engine, url):
    id = queue.submit(engine, "portrait", {}, by="cli:anna")
    assert killed("stop_inside", url) == ["claimed", id, "1"]
    deadline = time.monotonic() + 20  # PostgreSQL notices at its next word to the dead process
    while not (claims := queue.claim(engine, "w1")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(claim.id, claim.attempt) for claim in claims] == [(id, 1)]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_connections_that_are_cut_lose_nothing(engine, server):
    """As when the server is started anew: what was not committed never was, what comes next is answered."""
    id = queue.submit(engine, "portrait", {}, by="cli:anna")
    (held,) = queue.claim(engine, "w1")
    with server.engine("postgres").connect() as other:
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"
        other.execute(text(cut), {"name": engine.url.database})
    assert queue.heartbeat(engine, [held]).lost == frozenset()
    assert queue.finish(engine, held, "succeeded", "succeeded") and queries.run(engine, id).attempt == 1
