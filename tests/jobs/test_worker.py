"""A worker with real kernels, a real queue and a real store, on notebooks that need no model."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from PIL import Image
from sqlalchemy import Engine, update

from narcis.errors import Unavailable
from narcis.folder import RunFolder
from narcis.jobs import asking, catalog, queue
from narcis.jobs import worker as workers
from narcis.jobs.kernel import WarmKernel
from narcis.records import db, queries
from narcis.records.db import writing
from narcis.records.tables import Run
from narcis.settings import read
from narcis.store import Directory

CELL = (
    'words: str = "none"  # any\npause: float = 0.0  # seconds\norders: str = ""  # several at once\n'
    'out: str = ""  # the folder'
)
PAINT = """
import json, time
from PIL import Image
from narcis.folder import RunFolder
for order in json.loads(orders) if orders else [{"words": words, "out": out}]:
    run = RunFolder.open(order["out"])
    for step in range(5):
        run.tell("paint", step + 1, 5)
        time.sleep(pause / 5)
    if order["words"] == "bad":
        run.finish("failed", error="bad has no face")
        continue
    run.save(Image.new("RGB", (8, 4), "red"), caption=order["words"], recipe={"words": order["words"]})
    run.finish("succeeded")
"""
OPEN = "open: {words: {length: 20}, pause: {least: 0, most: 60}}\n"


@pytest.fixture
def engine(job_file) -> Engine:
    engine = db.connect()
    db.upgrade(engine)
    return engine


@pytest.fixture
def worker(engine: Engine, kernel: WarmKernel) -> workers.Worker:
    return workers.Worker(engine, asking.the_store(), name="one", kernel=kernel)


def submit(engine: Engine, by: str = "cli:anna", **values: object) -> str:
    return asking.submit(engine, catalog.find("small"), values, by=by)


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def in_background(worker: workers.Worker) -> threading.Thread:
    thread = threading.Thread(target=worker.work, kwargs={"once": True})
    thread.start()
    return thread


def test_a_run_ends_with_its_pictures_in_store_and_records(engine, worker, job_file):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine, words="byzantine emperor")
    worker.work(once=True)
    run, store = queries.run(engine, id), asking.the_store()
    assert (run.state, run.attempt, run.tries, run.said) == ("succeeded", 1, 0, "succeeded")
    assert (run.stage, run.step, run.of) == ("paint", 5, 5) or run.stage is None
    kept = {"1.png", "1.avif", "1.json", "manifest.json", "progress.jsonl"}
    assert {key.split("/")[-1] for key in store.keys(f"productions/{id}/")} == kept
    assert json.loads(store.get(f"productions/{id}/1.json"))["caption"] == "byzantine emperor"
    assert json.loads(store.get(f"notebooks/{id}.ipynb"))["nbformat"] == 4
    (picture,) = queries.pictures(engine, id)
    assert (picture.words, picture.width, picture.height) == ("byzantine emperor", 8, 4)


def test_a_failing_cell_fails_the_run_once_and_leaves_its_notebook(engine, worker, job_file):
    job_file("small", OPEN, CELL, "assert words == 'other', 'these words cannot be'")
    id = submit(engine, words="none")
    worker.work(once=True)
    run = queries.run(engine, id)
    assert (run.state, run.attempt, run.cause) == ("failed", 1, "failed")
    assert run.said == "failed in cell 3: AssertionError: these words cannot be"
    assert b"papermill-error-cell" in asking.the_store().get(f"notebooks/{id}.ipynb")


def test_what_was_submitted_under_other_rules_is_refused(engine, worker, job_file):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine, words="a long word")
    job_file("small", "open: {words: {length: 3}}\n", CELL, PAINT)
    gone = queue.submit(engine, "nowhere", {}, by="cli:anna")
    worker.work(once=True)
    assert (queries.run(engine, id).cause, queries.run(engine, gone).cause) == ("refused", "refused")
    assert "at most 3 characters" in (queries.run(engine, id).said or "")
    assert "there is no job nowhere" in (queries.run(engine, gone).said or "")


def test_a_cancelled_run_stops_and_the_kernel_goes_on(engine, worker, job_file):
    job_file("small", OPEN, CELL, PAINT)
    long, short = submit(engine, words="long", pause=60.0), submit(engine, words="short")
    thread = in_background(worker)
    until(lambda: queries.run(engine, long).stage == "paint")
    starts = worker.kernel.starts
    queue.cancel(engine, long, "cli:bert")
    thread.join(60)
    assert (queries.run(engine, long).state, queries.run(engine, long).said) == ("cancelled", "cancelled by cli:bert")
    assert queries.run(engine, short).state == "succeeded"
    assert worker.kernel.starts == starts


def test_a_store_that_is_away_for_a_while_costs_no_run(engine, worker, job_file, monkeypatch):
    job_file("small", OPEN, CELL, PAINT)
    left = [1] * 4
    put = Directory.put

    def sometimes(self: Directory, key: str, content: bytes) -> None:
        if left:
            left.pop()
            raise Unavailable("the store is away")
        put(self, key, content)

    monkeypatch.setattr(Directory, "put", sometimes)
    id = submit(engine)
    worker.work(once=True)
    assert (queries.run(engine, id).state, queries.run(engine, id).attempt, left) == ("succeeded", 1, [])


def test_a_store_that_stays_away_sends_the_run_back_and_another_try_may_come(engine, worker, job_file, monkeypatch):
    job_file("small", OPEN, CELL, PAINT)

    def never(*_: object) -> None:
        raise Unavailable("the store is away")

    monkeypatch.setattr(Directory, "put", never)
    monkeypatch.setattr(workers, "AWAY", 0.5)
    id = submit(engine)
    worker.work(once=True)
    run = queries.run(engine, id)
    assert (run.state, run.tries, run.cause, run.said) == ("queued", 1, "store", "the store is away")


def test_a_run_that_was_given_to_another_is_left_alone(engine, worker, job_file):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine, pause=60.0)
    thread = in_background(worker)
    until(lambda: queries.run(engine, id).stage == "paint")
    worker.stopping.set()  # takes no further run
    lapse(engine, id)
    assert queue.rescue(engine) == {id: "queued"}
    thread.join(60)
    run = queries.run(engine, id)
    assert (run.state, run.attempt, run.tries, run.said) == ("queued", 1, 1, "lost its worker")
    assert list(asking.the_store().keys()) == []


def lapse(engine: Engine, id: str) -> None:
    """As if its lease had run out."""
    with writing(engine) as connection:
        connection.execute(update(Run).where(Run.id == id).values(lease_until=datetime.now(UTC) - timedelta(1)))


BATCH = "batch: {size: 4, wait: 0.5, by: [pause]}\n"


def test_runs_of_one_batch_share_a_notebook_and_one_bad_order_fails_alone(engine, worker, job_file):
    job_file("small", OPEN + BATCH, CELL, PAINT)
    ids = [submit(engine, by=by, words=words) for by, words in (("a", "one"), ("b", "bad"), ("c", "two"))]
    other = submit(engine, by="a", words="other", pause=0.5)
    done = worker.kernel.done
    worker.work(once=True)
    assert worker.kernel.done == done + 2  # one notebook for three runs, one for the run that differs in `pause`
    found = [queries.run(engine, id) for id in ids]
    assert [(run.state, run.said) for run in found] == [
        ("succeeded", "succeeded"),
        ("failed", "bad has no face"),
        ("succeeded", "succeeded"),
    ]
    store = asking.the_store()
    for id, words in zip(ids, ("one", "", "two"), strict=True):
        assert store.has(f"notebooks/{id}.ipynb")
        assert [p.words for p in queries.pictures(engine, id)] == ([words] if words else [])
    assert queries.run(engine, other).state == "succeeded"


def test_stages_that_were_painted_by_one_run_are_there_for_the_next(engine, worker, job_file):
    job_file("small", OPEN, CELL, "from narcis.folder import RunFolder\nRunFolder.open(out).keep(words, b'latents')")
    submit(engine, words="c0ffee")
    id = submit(engine, words="decade")
    worker.work(once=True)
    assert {path.name for path in (read().runs / "stages").iterdir()} == {"c0ffee", "decade"}
    assert list(read().runs.glob(f"{id}*")) == []  # what the store has need not lie about


def test_the_stages_used_longest_ago_are_forgotten_first(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "STAGES", 20)
    (tmp_path / "stages").mkdir()
    for n in range(4):
        file = tmp_path / "stages" / f"{n}.safetensors"
        file.write_bytes(b"0" * 10)
        os.utime(file, (n, n))
    killed, alive = (tmp_path / f"01a20d78-0b93-72ad-9e12-9d4d3eab81f{n}.1" for n in (1, 2))
    for folder in (killed, alive):
        folder.mkdir()
    half = tmp_path / "stages" / ".9.safetensors.77.part"
    half.touch()
    for left in (killed, half):
        os.utime(left, (1, 1))
    workers.tidy(tmp_path)
    assert {path.name for path in (tmp_path / "stages").iterdir()} == {"2.safetensors", "3.safetensors"}
    assert alive.is_dir() and not killed.exists()


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_run(engine, worker, job_file, monkeypatch):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine)
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(RunFolder, "put", lambda *_: (_ for _ in ()).throw(full))
    worker.work(once=True)
    run = queries.run(engine, id)
    assert (run.state, run.tries, run.cause) == ("queued", 1, "store")
    assert "No space left" in (run.said or "")


def test_a_photo_that_is_gone_fails_its_own_run_and_its_batch_goes_on(engine, worker, job_file, tmp_path):
    cell = 'face: str = ""  # a photo\n' + CELL
    job_file("small", "open: {words: {}, pause: {}, face: {file: true}}\n" + BATCH, cell, PAINT)
    (tmp_path / "me.png").write_bytes(b"pixels")
    gone, good = submit(engine, face=str(tmp_path / "me.png")), submit(engine, words="good")
    asking.the_store().remove(queries.run(engine, gone).values["face"].removeprefix("store:"))
    worker.work(once=True)
    run = queries.run(engine, gone)
    assert (run.state, run.attempt, run.cause) == ("failed", 1, "failed") and "has no faces/_/" in (run.said or "")
    assert (queries.run(engine, good).state, queries.run(engine, good).attempt) == ("succeeded", 1)


SPOILT = """
from narcis.folder import RunFolder
run = RunFolder.open(out)
if words == "no json":
    run.manifest_path.write_text("{")
elif words == "no list":
    run.update(images=[{"caption": "without a file"}])
elif words == "no step":
    run.progress.write_text('{"stage": "paint", "step": "x", "of": null, "preview": "../../x"}\\n')
    time.sleep(pause)
"""


@pytest.mark.parametrize("words, state", [("no json", "failed"), ("no list", "failed"), ("no step", "succeeded")])
def test_whatever_a_notebook_leaves_the_worker_goes_on(engine, worker, job_file, words, state):
    job_file("small", OPEN, CELL, "import time" + SPOILT)
    spoilt, next_one = submit(engine, words=words, pause=2.5), submit(engine, words="well")
    worker.work(once=True)
    assert (queries.run(engine, spoilt).state, queries.run(engine, spoilt).attempt) == (state, 1)
    assert queries.run(engine, next_one).state == "succeeded"


def test_a_notebook_that_interrupts_itself_fails_and_is_not_given_back_for_ever(engine, worker, job_file):
    job_file("small", OPEN, CELL, "raise KeyboardInterrupt")
    id = submit(engine)
    worker.work(once=True)
    assert (queries.run(engine, id).state, queries.run(engine, id).attempt) == ("failed", 1)


def test_a_previous_run_whose_files_are_gone_is_none(engine, worker, job_file):
    job_file("small", OPEN + "previous: before\n", 'before: str = ""  # its folder\n' + CELL, "assert not before")
    for _ in range(2):
        id = submit(engine)
        worker.turn()
        assert queries.run(engine, id).state == "succeeded", queries.run(engine, id).said
        asking.the_store().remove(f"productions/{id}/manifest.json")


def test_every_line_of_a_run_tells_run_attempt_and_tier_and_a_kernel_that_ends_why(
    engine, worker, job_file, monkeypatch
):
    monkeypatch.setenv("NARCIS_TIER", "g6")
    job_file("small", OPEN, CELL, "import os\nif words == 'die': os._exit(1)")
    ids = {submit(engine, words="live"), submit(engine, words="die")}
    with structlog.testing.capture_logs() as lines:
        worker.work(once=True)
    of_runs = [line for line in lines if "run" in line]
    assert {line["run"] for line in of_runs} == ids
    assert all((line["attempt"], line["tier"], line["job"]) == (1, "g6", "small") for line in of_runs)
    (why,) = [line["why"] for line in lines if line["event"] == "kernel ended"]
    assert "the kernel died in cell" in why


# ------------------------------------------------------------------------------------------ one beat
@pytest.fixture
def asked(worker: workers.Worker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why the kernel was interrupted, each time."""
    reasons: list[str] = []
    monkeypatch.setattr(worker.kernel, "interrupt", reasons.append)
    return reasons


@pytest.fixture
def held(engine: Engine, worker: workers.Worker, job_file) -> workers.Held:
    """A run in the worker's hands."""
    job_file("small", OPEN, CELL, PAINT)
    submit(engine)
    (claim,) = queue.claim(engine, worker.name)
    one = worker.hold(catalog.find("small"), claim)
    assert one
    return one


def test_a_beat_tells_progress_and_asks_for_a_stop_only_when_one_was_wanted(engine, worker, held, asked):
    held.folder.tell("paint", 2, 5)
    worker.pulse()
    assert (queries.run(engine, held.claim.id).step, asked) == (2, [])
    held.folder.progress.unlink()  # by a notebook that begins its folder anew
    queue.cancel(engine, held.claim.id, "cli:bert")
    worker.pulse()
    assert (queries.run(engine, held.claim.id).step, asked) == (2, ["cancelled"])


def test_a_late_answer_about_a_run_that_has_ended_does_not_stop_the_next_one(worker, held, asked, monkeypatch):
    (ended,) = worker.held.values()
    later = workers.Held(held.claim, held.folder, {})

    def slow(*_: object) -> queue.Beat:
        worker.held = {"later": later}
        return queue.Beat(lost=frozenset([ended.claim.id]))

    monkeypatch.setattr(queue, "heartbeat", slow)
    worker.pulse()
    assert asked == [] and ended.unwanted and not later.unwanted


def test_a_stop_is_heard_without_a_database(worker, held, asked, monkeypatch):
    monkeypatch.setattr(queue, "present", lambda *_: (_ for _ in ()).throw(Unavailable("the database is away")))
    worker.stop()
    with pytest.raises(Unavailable):
        worker.pulse()
    assert asked == ["the worker was stopped"]


def test_a_preview_goes_into_the_store_once_and_a_lease_does_not_wait_for_it(engine, worker, held, monkeypatch):
    held.folder.tell("paint", 1, 5, held.folder.preview(Image.new("RGB", (4, 4)), "paint", 1))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Directory, "put", lambda *_: (_ for _ in ()).throw(Unavailable("the store is away")))
        worker.previews()
    worker.pulse()
    assert (queries.run(engine, held.claim.id).step, queries.run(engine, held.claim.id).preview) == (1, None)
    held.folder.tell("paint", 2, 5, held.folder.preview(Image.new("RGB", (4, 4)), "paint", 2))
    worker.previews()
    worker.pulse()
    key = f"productions/{held.claim.id}/previews/paint-002.png"
    assert queries.run(engine, held.claim.id).preview == key


def test_whoever_is_stopped_waits_no_longer_for_what_is_away():
    patience = iter([60.0, 60.0, 0.0])
    tried = []

    def away() -> None:
        tried.append(1)
        raise Unavailable("the store is away")

    with pytest.raises(Unavailable):
        workers.patiently(away, lambda: next(patience))
    assert len(tried) == 3


# ------------------------------------------------------------------------------------------ as a process
def process() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "narcis", "work", "--once"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_sigterm_gives_the_run_back_and_a_second_worker_ends_it(engine, job_file, worker):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine, pause=6.0)
    first = process()
    until(lambda: queries.run(engine, id).stage == "paint")
    began = time.monotonic()
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=30)
    assert first.returncode == 0 and time.monotonic() - began < 20
    assert all(json.loads(line)["level"] for line in said.splitlines())
    run = queries.run(engine, id)
    assert (run.state, run.attempt, run.tries) == ("queued", 1, 0)
    cells = json.loads(asking.the_store().get(f"notebooks/{id}.ipynb"))["cells"]
    assert "interrupted" in {cell["metadata"].get("papermill", {}).get("status") for cell in cells}
    worker.work(once=True)
    run = queries.run(engine, id)
    assert (run.state, run.attempt, run.tries) == ("succeeded", 2, 0)


def test_a_worker_killed_with_9_loses_nothing(engine, job_file, worker):
    job_file("small", OPEN, CELL, PAINT)
    id = submit(engine, pause=6.0)
    first = process()
    until(lambda: queries.run(engine, id).stage == "paint")
    first.kill()
    first.communicate()
    lapse(engine, id)
    worker.duties()
    assert queries.run(engine, id).state == "queued"
    with writing(engine) as connection:  # the pause after a failure is the queue's own test
        connection.execute(update(Run).where(Run.id == id).values(not_before=datetime.now(UTC)))
    worker.work(once=True)
    run = queries.run(engine, id)
    assert (run.state, run.attempt, run.tries) == ("succeeded", 2, 1)
    assert len(queries.pictures(engine, id)) == 1
