"""`narcis up` and `narcis work` as what they are: processes that live, die and are replaced."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest

from narcis.errors import BadInput, Unavailable
from narcis.jobs import asking, catalog, metrics, queue, working
from narcis.records import db, queries
from narcis.records.db import writing

CELL = 'pause: float = 0.0  # seconds\nout: str = ""  # the folder'
PAINT = """
import time
from PIL import Image
from narcis.folder import RunFolder
run = RunFolder.open(out)
for step in range(10):
    run.tell("paint", step + 1, 10)
    time.sleep(pause / 10)
run.save(Image.new("RGB", (4, 4)))
run.finish("succeeded")
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@pytest.fixture
def up(job_file) -> Iterator[psutil.Popen]:
    """All that a single machine needs, on a database that is not there yet."""
    job_file("small", "open: {pause: {least: 0, most: 60}}\n", CELL, PAINT)
    arguments = [sys.executable, "-m", "narcis", "up", "--port", "0"]
    process = psutil.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    )
    assert "narcis is up: 1 worker" in process.stdout.readline()
    yield process
    if process.is_running():
        process.send_signal(signal.SIGINT)
        process.wait(30)
    process.stdout.close()


def test_up_makes_the_database_runs_what_is_submitted_and_ends_with_all_its_processes(up):
    engine = db.connect()
    db.check(engine)
    id = asking.submit(engine, catalog.find("small"), {}, by="cli:anna")
    until(lambda: queries.run(engine, id).state == "succeeded")
    (worker,) = queries.workers(engine)
    assert worker.jobs is None
    family = up.children(recursive=True)
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert queries.workers(engine) == []


def test_up_that_is_ended_while_all_still_starts_ends_well(up):
    until(lambda: len(up.children()) == 2)
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0


def test_a_worker_that_is_killed_is_replaced_and_its_run_ends_once_with_attempt_2(up):
    engine = db.connect()
    id = asking.submit(engine, catalog.find("small"), {"pause": 4.0}, by="cli:anna")
    until(lambda: (queries.run(engine, id).step or 0) > 2)
    for child in up.children(recursive=True):
        child.kill()
    with writing(engine) as connection:  # a minute later
        connection.exec_driver_sql("UPDATE runs SET lease_until = '2026-01-01 00:00:00.000000'")
    until(lambda: queries.run(engine, id).state == "succeeded")
    run = queries.run(engine, id)
    assert (run.attempt, run.tries, len(queries.pictures(engine, id))) == (2, 1, 1)


def test_a_worker_that_breaks_does_not_end_as_if_it_were_well(job_file, monkeypatch):
    db.upgrade(db.connect())
    monkeypatch.setattr(working, "log_as_json", lambda: None)
    monkeypatch.setattr(working.Worker, "turn", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        working.work(["cpu"], None, True, None, "127.0.0.1")


def test_metrics_outlive_the_database(monkeypatch):
    def away(_: object) -> dict:
        raise Unavailable("the database is away")

    monkeypatch.setattr(queries, "depth", away)
    (family,) = metrics.Depth(db.connect()).collect()
    assert family.samples == []


def test_metrics_tell_the_depth_of_the_queue_as_it_is_now(job_file):
    job_file("small", "", CELL)
    engine = db.connect()
    db.upgrade(engine)
    end = metrics.serve(engine, port := free_port())
    try:
        queue.submit(engine, "small", {}, by="cli:anna")
        metrics.ENDED.labels("small", "succeeded").inc()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        with pytest.raises(BadInput, match="choose another port"):
            metrics.serve(engine, port)
    finally:
        end()
    assert 'narcis_queue_depth{job="small",state="queued"} 1.0' in text
    assert 'narcis_runs_total{job="small",state="succeeded"}' in text
    for name in ("narcis_wait_seconds", "narcis_run_seconds", "narcis_kernel_starts", "narcis_rescues"):
        assert f"# TYPE {name}" in text
