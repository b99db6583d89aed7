"""A run as people see it: in a line, on a page, and as what happened to it."""

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from rich.console import Console
from sqlalchemy import Engine, update

from narcis.folder import Event, RunFolder
from narcis.jobs import asking, queue, watching
from narcis.jobs.queue import Claim, Progress
from narcis.records import db, queries
from narcis.records.db import writing
from narcis.records.tables import Run
from narcis.settings import read

CELL = 'words: str = "none"  # any\nout: str = ""  # the folder'


@pytest.fixture
def engine(job_file) -> Engine:
    engine = db.connect()
    db.upgrade(engine)
    return engine


def submit(engine: Engine, **values: object) -> str:
    return queue.submit(engine, "small", values, by="cli:anna")


def claimed(engine: Engine, worker: str = "w1") -> Claim:
    (claim,) = queue.claim(engine, worker)
    return claim


def line(engine: Engine, id: str) -> str:
    return watching.line(queries.run(engine, id))


def page(engine: Engine, id: str) -> dict[str, str]:
    """What a run's page says, by the first word of each line."""
    said = watching.described(engine, queries.run(engine, id))
    return {text.split()[0]: text.partition(" ")[2].strip() for text in said}


def happened(engine: Engine, id: str) -> list[str]:
    return [event["what"] for event in watching.history(engine, id)]


# ------------------------------------------------------------------------------------------ a line
def test_a_line_tells_id_state_job_age_requester_and_words(engine):
    id = submit(engine, words="byzantine emperor", seed=3)
    told = line(engine, id).split()
    assert told[:3] == [id, "queued", "small"] and told[4:] == ["s", "cli:anna", "byzantine", "emperor"]


def test_a_line_tells_the_stage_of_a_running_run_and_all_values_where_there_are_no_words(engine):
    id = submit(engine, steps=3, seed=7)
    assert line(engine, id).endswith("steps=3, seed=7")
    claim = claimed(engine)
    assert "  running  " in line(engine, id)
    queue.heartbeat(engine, [claim], {id: Progress("compose", 12, 20)})
    assert "running, compose 12/20" in line(engine, id)
    queue.finish(engine, claim, "succeeded", "succeeded")
    assert "  succeeded  " in line(engine, id)


def test_whatever_was_asked_for_a_line_is_a_line_and_no_order_to_a_terminal(engine):
    id = submit(engine, words="one\ntwo \x1b[2J\a" + "x" * 100)
    told = "\n".join([line(engine, id), *watching.described(engine, queries.run(engine, id))])
    assert all(sign.isprintable() or sign == "\n" for sign in told) and "\n" not in line(engine, id)
    assert len(line(engine, id)) < 160


@pytest.mark.parametrize("seconds, said", [(3, "3 s"), (100, "2 min"), (3 * 3600, "3 h"), (90000, "1 d"), (-5, "0 s")])
def test_an_age_is_told_in_the_unit_that_people_would_use(seconds, said):
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False):
        assert watching.age(datetime.now(UTC) - timedelta(seconds=seconds)) == said


def test_a_program_gets_times_in_iso_8601_and_values_as_they_are(engine):
    facts = json.loads(json.dumps(watching.facts(queries.run(engine, submit(engine, words="007")))))
    assert facts["values"] == {"words": "007"} and facts["started"] is None
    assert datetime.fromisoformat(facts["created"]).tzinfo is not None


# ------------------------------------------------------------------------------------------ a page
def test_a_waiting_run_is_told_its_place_and_honestly_that_nobody_knows_when_it_starts(engine):
    first, second = submit(engine), submit(engine)
    assert page(engine, first)["place"].startswith("1; nobody knows when it starts: no worker takes it now")
    assert page(engine, second)["place"].startswith("2; nobody knows")


def test_a_waiting_run_is_told_when_it_starts_as_far_as_that_is_known(engine):
    done, first, second = (submit(engine) for _ in range(3))
    queue.present(engine, "w1")
    queue.finish(engine, claimed(engine), "succeeded", "succeeded")
    with writing(engine) as connection:
        end = datetime.now(UTC)
        connection.execute(update(Run).where(Run.id == done).values(started=end - timedelta(seconds=40), finished=end))
    assert page(engine, first)["place"] == "1; it starts in about 1 s"  # a worker is free
    assert page(engine, second)["place"] == "2; it starts in about 40 s"


def test_a_run_that_was_taken_at_this_moment_has_no_place(engine):
    id = submit(engine)
    waiting = queries.run(engine, id)
    claimed(engine)
    assert watching.place(engine, waiting) == "none: it waits no more"


def test_a_page_tells_who_asked_for_a_stop_that_is_not_done_yet(engine):
    id = submit(engine)
    claimed(engine)
    assert "stopping" not in page(engine, id)
    queue.cancel(engine, id, "cli:bert")
    assert page(engine, id)["stopping"] == "as cli:bert has asked for"


def test_a_page_of_a_finished_run_tells_attempts_duration_end_and_where_it_is_kept(engine):
    id = submit(engine, words="one")
    claim = claimed(engine)
    place = asking.the_store()
    for key in (f"productions/{id}/1.png", f"productions/{id}/previews/paint-001.png", f"notebooks/{id}.ipynb"):
        place.put(key, b"x")
    assert watching.kept(queries.run(engine, id)) == []  # what lies there may still change
    queue.finish(engine, claim, "failed", "no face", "failed")
    said = watching.described(engine, queries.run(engine, id))
    assert {"state      failed", "value      words = one", "attempt    1, on w1", "said       no face"} <= set(said)
    kept = [place.where(f"productions/{id}/1.png"), place.where(f"notebooks/{id}.ipynb")]
    assert said[-2:] == [f"kept       {where}" for where in kept]
    assert watching.result(queries.run(engine, id)) == ["failed: no face", *kept]


# ------------------------------------------------------------------------------------------ what happened
def folder(claim: Claim) -> RunFolder:
    """Where a worker of this machine has a run."""
    return RunFolder.create(read().runs / f"{claim.id}.{claim.attempt}", "small")


def keep_progress(claim: Claim, run: RunFolder) -> None:
    asking.the_store().put(f"productions/{claim.id}/progress.jsonl", run.progress.read_bytes())


def test_steps_are_read_from_the_folder_while_the_run_is_here_and_from_the_store_afterwards(engine):
    id = submit(engine)
    claim = claimed(engine)
    assert watching.told_steps(queries.run(engine, id)) == []
    run = folder(claim)
    told = [run.tell("paint", step, 2) for step in (1, 2)]
    assert watching.told_steps(queries.run(engine, id)) == told
    keep_progress(claim, run)
    queue.finish(engine, claim, "succeeded", "succeeded")
    run.progress.unlink()
    assert watching.told_steps(queries.run(engine, id)) == told


def test_of_a_run_elsewhere_the_last_step_is_known_and_nothing_of_the_attempt_before(engine):
    id = submit(engine)
    first = claimed(engine)
    run = folder(first)
    run.tell("paint", 1, 9)
    keep_progress(first, run)
    queue.release(engine, first)
    second = claimed(engine, "w2")
    assert watching.told_steps(queries.run(engine, id)) == []
    queue.heartbeat(engine, [second], {id: Progress("paint", 4, 9)})
    (step,) = watching.told_steps(queries.run(engine, id))
    assert (step.stage, step.step, step.of) == ("paint", 4, 9)


def test_without_a_store_the_last_step_is_what_the_queue_knows(engine):
    id = submit(engine)
    claim = claimed(engine)
    queue.heartbeat(engine, [claim], {id: Progress("paint", 4, 9)})
    queue.finish(engine, claim, "failed", "no face")
    assert [step.step for step in watching.told_steps(queries.run(engine, id))] == [4]


def test_the_history_of_a_run_of_two_attempts_tells_each_start_its_own_steps_and_one_end(engine, monkeypatch):
    """Followed while it happens: each pause between two looks, something happens."""
    id = submit(engine)
    acts = iter(two_attempts(engine))
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(acts))
    events = list(watching.history(engine, id, follow=True))
    assert [(event["what"], event.get("attempt") or event.get("step")) for event in events] == [
        ("submitted", None),
        ("started", 1),
        ("step", 1),
        ("step", 2),
        ("started", 2),
        ("step", 1),
        ("step", 2),
        ("step", 3),
        ("succeeded", None),
    ]
    assert [event["worker"] for event in events if event["what"] == "started"] == ["w1", "w2"]
    assert all(one["at"] <= other["at"] for one, other in pairwise(events) if other["what"] != "step")
    assert happened(engine, id) == ["submitted", "started", "step", "step", "step", "succeeded"]


def two_attempts(engine: Engine):
    """The first is given back after two steps, the second paints three."""
    for worker, steps in (("w1", 2), ("w2", 3)):
        claim = claimed(engine, worker)
        run = folder(claim)
        yield
        for step in range(steps):
            run.tell("paint", step + 1, 3)
            yield
        keep_progress(claim, run)
        if worker == "w1":
            queue.release(engine, claim)
        else:
            queue.finish(engine, claim, "succeeded", "succeeded")
        yield


def test_the_steps_of_a_run_elsewhere_are_followed_too_and_those_nobody_saw_are_told_at_its_end(engine, monkeypatch):
    id = submit(engine)

    def acts():
        claim = claimed(engine)
        for step in (1, 3):
            queue.heartbeat(engine, [claim], {id: Progress("paint", step, 5)})
            yield
        lines = [json.dumps({"stage": "paint", "step": n, "of": 5, "at": 1.8e9}) + "\n" for n in range(1, 6)]
        asking.the_store().put(f"productions/{id}/progress.jsonl", "".join(lines).encode())
        queue.finish(engine, claim, "succeeded", "succeeded")
        yield

    going = acts()
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(going))
    told = [event["step"] for event in watching.history(engine, id, follow=True) if event["what"] == "step"]
    assert told == [1, 3, 4, 5]


def test_whoever_watches_in_a_terminal_sees_the_stage_and_where_its_last_preview_lies(engine, monkeypatch):
    id, screen = submit(engine), io.StringIO()
    key = f"productions/{id}/previews/paint-002.png"

    def acts():
        claim = claimed(engine)
        queue.heartbeat(engine, [claim], {id: Progress("paint", 2, 5, key)})
        yield
        yield
        queue.finish(engine, claim, "succeeded", "succeeded")
        yield

    going = acts()
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(going))
    console = Console(file=screen, force_terminal=True, width=300)
    assert watching.watch(engine, id, console).state == "succeeded"
    assert "paint" in screen.getvalue() and "2/5" in screen.getvalue()
    assert asking.the_store().where(key) in screen.getvalue()


def test_a_history_that_is_not_followed_ends_at_once(engine):
    id = submit(engine)
    assert happened(engine, id) == ["submitted"]
    queue.cancel(engine, id, "cli:bert")
    assert happened(engine, id) == ["submitted", "cancelled"]


def test_steps_are_told_from_after_the_one_that_was_told_last():
    steps = [Event("paint", n, 5) for n in (1, 2, 3)]
    assert watching.told_of([], steps) == 0
    assert watching.told_of(steps[:2], steps) == 2 and watching.told_of(steps, steps) == 3
    assert watching.told_of([Event("paint", 2, 5)], steps) == 2  # the only one that was seen
    assert watching.told_of(steps, [Event("paint", 1, 9)]) == 0  # a notebook that began its folder anew
