import pytest

from narcis.errors import NotFound
from narcis.jobs import queue
from narcis.records import queries

pytest_plugins = ["databases"]


@pytest.fixture
def ids(engine) -> list[str]:
    """Runs of two jobs and two requesters, the oldest first; the first is running, the second cancelled."""
    made = [queue.submit(engine, ("portrait", "mask")[i % 2], {}, by=f"cli:{'ab'[i // 4]}") for i in range(8)]
    queue.claim(engine, "w1")
    queue.cancel(engine, made[1], "cli:b")
    return made


def listed(engine, **chosen) -> list[str]:
    return [run.id for run in queries.page(engine, **chosen)]


def test_one_run_is_found_or_missed_by_name(engine, ids):
    assert queries.run(engine, ids[3]).id == ids[3]
    with pytest.raises(NotFound, match="there is no run 007"):
        queries.run(engine, "007")


def test_pages_follow_each_other_from_the_newest(engine, ids):
    newest = ids[::-1]
    first = listed(engine, most=3)
    assert first == newest[:3]
    queue.submit(engine, "portrait", {}, by="cli:a")  # what comes in between does not move the next page
    assert listed(engine, most=3, before=first[-1]) == newest[3:6]
    assert listed(engine, most=3, before=ids[0]) == []


def test_a_page_is_chosen_by_job_requester_and_state(engine, ids):
    waiting = queries.page(engine, state="queued")
    (running,) = queries.page(engine, state="running")
    assert len(waiting) == 6 and running.worker == "w1"
    assert listed(engine, job="mask") == ids[1::2][::-1] and listed(engine, by="cli:b") == ids[4:][::-1]
    assert listed(engine, job="mask", by="cli:a", state="cancelled") == [ids[1]]
    assert listed(engine, by="'; DROP TABLE runs; --") == []


def test_the_depth_counts_what_waits_and_runs(engine, ids):
    (running,) = queries.page(engine, state="running")
    other = {"portrait": "mask", "mask": "portrait"}[running.job]
    depth = queries.depth(engine)
    assert depth[running.job, "running"] == 1 and (other, "running") not in depth
    assert sum(depth.values()) == 7 and not any(state == "cancelled" for _, state in depth)
