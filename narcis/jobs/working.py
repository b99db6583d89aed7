"""Workers as processes: their log, their signals, and several of them beside the web as `narcis up`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import count

import structlog

from narcis.jobs import metrics
from narcis.jobs.asking import the_store
from narcis.jobs.worker import Worker
from narcis.records import db

END = 20.0  # seconds that workers have to end, once they were told to
AGAIN = 1.0  # seconds until a worker that died is started anew


def work(
    needs: Iterable[str], jobs: Iterable[str] | None, once: bool, metrics_port: int | None, metrics_host: str
) -> None:
    """One worker in this process, until SIGTERM or Ctrl-C; the second of these ends it at once."""
    log_as_json()
    engine = db.connect()
    db.check(engine)
    if metrics_port:
        metrics.serve(engine, metrics_port, metrics_host)
    worker = Worker(engine, the_store(), needs=needs, jobs=jobs)
    with heard(worker), ThreadPoolExecutor(1, "hands") as hands:
        ending = hands.submit(worker.work, once)
        while not wait([ending], 0.2).done:  # in spells: a signal is heard between two of them
            pass
    ending.result()  # a worker that broke does not end with 0


@contextmanager
def heard(worker: Worker) -> Iterator[None]:
    """While the block runs, the first signal stops the worker and the second ends the process."""
    times = count(1)

    def hear(number: int, _: object) -> None:
        if next(times) > 1:
            os._exit(128 + number)  # the lease runs out, and another worker takes the run
        threading.Thread(target=worker.stop, name="stop").start()  # it takes locks, which a handler must not

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def log_as_json() -> None:
    """One line of JSON an event, on stderr."""
    logging.getLogger("stamina").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


# ------------------------------------------------------------------------------------------ all at once
def up(workers: int, host: str, port: int) -> int:
    """The database is brought up to date; workers and the web live until Ctrl-C or SIGTERM; the exit code.

    They are processes of this one's group.  One that dies is started anew, and what it held is rescued.
    """
    engine = db.connect()
    db.upgrade(engine)
    print(f"narcis is up: {workers} worker{'s' * (workers > 1)} on {db.shown(engine.url)}; Ctrl-C ends it", flush=True)
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGTERM, signal.SIGINT)}
    children = [start("web", f"--host={host}", f"--port={port}"), *(start("work") for _ in range(workers))]
    try:
        while not stop.wait(AGAIN):
            children = [child if child.poll() is None else replaced(child) for child in children]
    finally:
        ended = end(children)
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if ended else 1


def start(*command: str) -> subprocess.Popen:
    """A command of narcis that does not hear the terminal's Ctrl-C itself, but from us."""
    return subprocess.Popen([sys.executable, "-m", "narcis", *command], start_new_session=True)


def replaced(child: subprocess.Popen) -> subprocess.Popen:
    command = [str(word) for word in list(child.args)[3:]]  # type: ignore[arg-type]
    name = {"work": "a worker", "web": "the web"}[command[0]]
    print(f"{name} ended with {child.returncode}; another one starts", file=sys.stderr, flush=True)
    return start(*command)


def end(children: list[subprocess.Popen]) -> bool:
    """Whether all ended at our word.  What has only just started hears it without handlers, and has nothing to lose."""
    for child in children:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
    until = time.monotonic() + END
    for child in children:
        try:
            child.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return all(child.returncode in (0, -signal.SIGTERM) for child in children)
