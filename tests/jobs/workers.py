"""Worker processes for test_queue_processes.py: `python workers.py WHAT URL PROCESSES`; each says what it did.

One interpreter imports, then forks; so eight workers are there at once.
"""

from __future__ import annotations

import os
import sys
import time

from narcis.jobs import queue
from narcis.records import db, queries


def say(*words: object) -> None:
    """Whole lines, whoever else is writing."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def finish_all(url: str, name: str) -> None:
    """Claims and finishes until nothing is left; each fifth claim is given back first."""
    engine = db.connect(url)
    while any(state in ("queued", "running") for _, state in queries.depth(engine)):
        for claim in queue.claim(engine, name, most=2):
            if claim.attempt == 1 and int(claim.id[-1], 16) % 5 == 0:
                assert queue.release(engine, claim) == "queued"
            elif queue.finish(engine, claim, "succeeded", name):
                say("finished", claim.id, name)


def hold(url: str, name: str) -> None:
    """Claims a run, and is then killed."""
    (claim,) = queue.claim(db.connect(url), name, lease=0.5)
    say("claimed", claim.id, claim.attempt)
    time.sleep(600)


def stop_inside(url: str, name: str) -> None:
    """Is killed between a claim and its commit."""
    engine = db.connect(url)
    with db.writing(engine) as connection:
        (line,) = queue.lines(connection, ["cpu"], None)
        (claim,) = queue.start(connection, name, queue.first_of, 60, vars(line))
        say("claimed", claim.id, claim.attempt)
        time.sleep(600)


def main() -> None:
    what, url, number = sys.argv[1:]
    children = []
    for i in range(int(number)):
        if not (child := os.fork()):
            globals()[what](url, f"w{i}")
            os._exit(0)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main()
