"""The rules of the queue, each on both databases."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.jobs import queue
from narcis.jobs.queue import Beat, Claim, Progress
from narcis.records import queries
from narcis.records.db import connect, reading
from narcis.records.tables import Run

pytest_plugins = ["databases"]


def submit(engine, by: str = "cli:anna", job: str = "portrait", **facts) -> str:
    return queue.submit(engine, job, {"seed": 1}, by=by, **facts)


def claim(engine, worker: str = "w1", **facts) -> Claim:
    """The one run that there is."""
    (claimed,) = queue.claim(engine, worker, **facts)
    return claimed


def served(engine, number: int = 10) -> list[str]:
    """Ids in the order in which one worker after the other claims them."""
    return [one.id for _ in range(number) for one in queue.claim(engine, "w1")]


def state(engine, id: str) -> str:
    return queries.run(engine, id).state


# ------------------------------------------------------------------------------------------ submit
def test_a_run_that_was_submitted_waits_with_all_that_was_said(engine, clock):
    id = submit(engine, needs="gpu", priority=3, batch_key="sdxl", most_tries=5)
    run = queries.run(engine, id)
    assert (run.job, run.values, run.by, run.state) == ("portrait", {"seed": 1}, "cli:anna", "queued")
    assert (run.needs, run.priority, run.batch_key, run.most_tries) == ("gpu", 3, "sdxl", 5)
    assert run.created == run.not_before == clock.now and run.prefix == f"productions/{id}"
    assert (run.attempt, run.tries, run.worker, run.started, run.finished) == (0, 0, None, None, None)


def test_a_key_that_was_used_before_returns_the_first_run(engine):
    first = submit(engine, key="today")
    assert submit(engine, key="today", priority=9) == first and queries.run(engine, first).priority == 0
    assert submit(engine, by="cli:bob", key="today") != first
    assert len({first, submit(engine, key="tomorrow"), submit(engine), submit(engine)}) == 4


def test_two_submits_with_one_key_at_once_are_one_run(engine):
    ids, together = [], threading.Barrier(4)

    def ask() -> None:
        together.wait()
        ids.append(submit(engine, key="today"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4 and len(set(ids)) == 1 and len(queries.page(engine)) == 1


# ------------------------------------------------------------------------------------------ claim
def test_a_claim_holds_the_run_under_a_lease(engine, clock):
    id = submit(engine, needs="gpu", batch_key="k")
    held = claim(engine, "w1", lease=30)
    assert held == Claim(id, 1, "portrait", {"seed": 1}, "cli:anna", "gpu", "k", f"productions/{id}")
    run = queries.run(engine, id)
    assert (run.state, run.worker, run.attempt, run.tries) == ("running", "w1", 1, 0)
    assert run.started == clock.now and run.lease_until == clock.now + timedelta(seconds=30)
    assert queue.claim(engine, "w2") == []


def test_the_lower_priority_number_goes_first_then_age(engine):
    ids = [submit(engine, priority=priority) for priority in (1, 0, 1, -1, 0)]
    assert served(engine) == [ids[3], ids[1], ids[4], ids[0], ids[2]]


def test_a_run_waits_for_its_hour(engine, clock):
    later = submit(engine, not_before=clock.now + timedelta(seconds=30), priority=-1)
    now = submit(engine)
    assert served(engine) == [now]
    clock.advance(29)
    assert served(engine) == []
    clock.advance(1)
    assert served(engine) == [later]


def test_a_worker_takes_what_it_can_run_and_may_limit_itself(engine):
    gpu, cpu, mask = submit(engine, needs="gpu"), submit(engine), submit(engine, job="mask", needs="gpu")
    assert queue.claim(engine, "w1", needs=["gpu"], jobs=["nightly"]) == []
    assert claim(engine, needs=["gpu"], jobs=["mask", "nightly"]).id == mask
    assert claim(engine, needs=["gpu"]).id == gpu and queue.claim(engine, "w1", needs=["gpu"]) == []
    assert claim(engine, needs=["cpu", "gpu"]).id == cpu


def test_whoever_has_the_fewest_running_runs_goes_first(engine):
    """Anna's hundred runs do not make Bob wait, nor does she get a second one before he has one."""
    anna = [submit(engine) for _ in range(100)]
    bob = [submit(engine, by="cli:bob") for _ in range(2)]
    carl = submit(engine, by="cli:carl", job="mask")
    assert served(engine, 7) == [anna[0], bob[0], carl, anna[1], bob[1], anna[2], anna[3]]


def test_of_equals_the_one_served_longest_ago_goes_first(engine, clock):
    ids = {by: [submit(engine, by=by) for _ in range(3)] for by in ("cli:anna", "cli:bob")}
    order = []
    for _ in range(4):  # one worker: nobody has a running run when it asks
        held = claim(engine)
        order.append(held.by)
        clock.advance(1)
        queue.finish(engine, held, "succeeded", "succeeded")
    assert order == ["cli:anna", "cli:bob", "cli:anna", "cli:bob"]
    assert state(engine, ids["cli:bob"][1]) == "succeeded"


def test_priority_goes_before_fairness(engine):
    first, second = submit(engine, priority=-1), submit(engine, priority=-1)
    bob = submit(engine, by="cli:bob")
    assert served(engine) == [first, second, bob]


def test_a_batch_is_one_job_with_one_key(engine, clock):
    head = submit(engine, batch_key="k")
    mates = [submit(engine, by=f"cli:{i}", batch_key="k") for i in range(4)]
    others = [
        submit(engine, batch_key="other"),
        submit(engine),
        submit(engine, job="mask", batch_key="k"),
        submit(engine, batch_key="k", needs="gpu"),
        submit(engine, batch_key="k", not_before=clock.now + timedelta(seconds=9)),
    ]
    assert [one.id for one in queue.claim(engine, "w1", most=4, needs=["cpu"])] == [head, *mates[:3]]
    assert {state(engine, id) for id in [*others, mates[3]]} == {"queued"}


def test_a_run_without_a_batch_key_goes_alone(engine):
    ids = [submit(engine) for _ in range(3)]
    assert [one.id for one in queue.claim(engine, "w1", most=4)] == ids[:1]


def test_a_batch_that_waited_is_joined_by_those_that_came(engine):
    submit(engine, batch_key="k")
    head = claim(engine, most=4)
    mates = [submit(engine, by=f"cli:{i}", batch_key="k") for i in range(4)]
    assert [one.id for one in queue.join(engine, "w1", head, 3)] == mates[:3]
    assert queue.join(engine, "w1", head, 0) == [] and state(engine, mates[3]) == "queued"


# ------------------------------------------------------------------------------------------ heartbeat
def test_a_heartbeat_extends_the_lease_and_keeps_progress(engine, clock):
    id = submit(engine)
    held = claim(engine, lease=30)
    clock.advance(20)
    assert queue.heartbeat(engine, [held], {id: Progress("refine", 3, 20, "p/3.png")}, lease=30) == Beat()
    clock.advance(20)
    assert queue.rescue(engine) == {}
    run = queries.run(engine, id)
    assert (run.stage, run.step, run.of, run.preview) == ("refine", 3, 20, "p/3.png")
    assert queue.heartbeat(engine, [held]) == Beat() and queries.run(engine, id).step == 3


def test_a_heartbeat_tells_who_wants_the_run_cancelled_and_which_is_lost(engine, clock):
    ids = [submit(engine) for _ in range(3)]
    held = [claim(engine) for _ in ids]
    queue.cancel(engine, ids[1], "discord:7")
    queue.finish(engine, held[2], "succeeded", "succeeded")
    assert queue.heartbeat(engine, held) == Beat({ids[1]: "discord:7"}, frozenset({ids[2]}))


# ------------------------------------------------------------------------------------------ ends
@pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled"])
def test_a_run_ends_once(engine, clock, ending):
    id = submit(engine)
    held = claim(engine)
    clock.advance(5)
    assert queue.finish(engine, held, ending, "in words", "cause")
    run = queries.run(engine, id)
    assert (run.state, run.said, run.cause, run.worker) == (ending, "in words", "cause", "w1")
    assert (run.started, run.finished) == (clock.now - timedelta(seconds=5), clock.now) and run.lease_until is None
    assert not queue.finish(engine, held, "succeeded", "again") and state(engine, id) == ending


def test_a_run_that_was_given_back_waits_again_and_no_try_is_spent(engine):
    id = submit(engine)
    for attempt in range(1, 6):
        held = claim(engine)
        assert held.attempt == attempt and queue.release(engine, held) == "queued"
    run = queries.run(engine, id)
    assert (run.tries, run.worker, run.started, run.lease_until, run.cause) == (0, None, None, None, "released")


def test_a_cause_that_can_pass_is_tried_again_ever_later(engine, clock):
    id = submit(engine, most_tries=4)
    for wait in (5, 10, 20):
        assert queue.fail(engine, claim(engine), "the store is away", "store") == "queued"
        assert queries.run(engine, id).said == "the store is away"
        clock.advance(wait - 1)
        assert queue.claim(engine, "w1") == []
        clock.advance(1)
    assert queue.fail(engine, claim(engine), "the store is away", "store") == "failed"
    run = queries.run(engine, id)
    assert (run.attempt, run.tries, run.cause, run.worker) == (4, 4, "store", "w1") and run.finished == clock.now


def test_the_wait_between_tries_has_an_end(engine, clock):
    submit(engine, most_tries=99)
    for _ in range(12):
        queue.fail(engine, claim(engine), "away", "store")
        clock.advance(queue.LONGEST)


@pytest.mark.parametrize("cause", ["refused", "failed", "timeout", "assertion"])
def test_a_cause_that_stays_is_not_tried_again(engine, cause):
    submit(engine, most_tries=9)
    assert queue.fail(engine, claim(engine), "seed must be at least 0", cause) == "failed"


def test_memory_may_run_out_once(engine, clock):
    submit(engine, most_tries=9)
    for cause, after in (("memory", "queued"), ("store", "queued"), ("memory", "failed")):
        assert queue.fail(engine, claim(engine), "out of memory", cause) == after
        clock.advance(queue.LONGEST)


# ------------------------------------------------------------------------------------------ rescue
def test_a_run_whose_worker_is_lost_is_tried_again_until_its_tries_are_spent(engine, clock):
    id = submit(engine, most_tries=2)
    for after in ("queued", "failed"):
        claim(engine)
        clock.advance(queue.LEASE)
        assert queue.rescue(engine) == {}
        clock.advance(1)
        assert queue.rescue(engine) == {id: after} and queue.rescue(engine) == {}
        clock.advance(queue.BACKOFF)
    run = queries.run(engine, id)
    assert (run.cause, run.said, run.tries, run.attempt) == ("lost", "lost its worker", 2, 2)


def test_rescue_takes_only_what_is_lost(engine, clock):
    lost, kept, ended = (submit(engine) for _ in range(3))
    held = {one.id: one for one in [claim(engine), claim(engine), claim(engine)]}
    queue.finish(engine, held[ended], "succeeded", "succeeded")
    clock.advance(queue.LEASE - 1)
    queue.heartbeat(engine, [held[kept]])
    clock.advance(2)
    assert queue.rescue(engine) == {lost: "queued"}
    assert (state(engine, kept), state(engine, ended)) == ("running", "succeeded")


def test_a_lease_that_ran_out_unnoticed_still_holds(engine, clock):
    """Nobody has taken the run over; what was painted is not thrown away."""
    id = submit(engine)
    held = claim(engine)
    clock.advance(10 * queue.LEASE)
    assert queue.finish(engine, held, "succeeded", "succeeded") and state(engine, id) == "succeeded"


@pytest.mark.parametrize("moment", ["waiting", "running", "ended"])
def test_a_worker_that_was_thought_dead_changes_nothing(engine, clock, moment):
    id = submit(engine)
    zombie = claim(engine, "zombie")
    clock.advance(queue.LEASE + 1)
    queue.rescue(engine)
    if moment != "waiting":
        clock.advance(queue.BACKOFF)
        heir = claim(engine, "heir")
    if moment == "ended":
        queue.finish(engine, heir, "succeeded", "by the heir")
    before = vars(queries.run(engine, id)).copy()
    assert not queue.finish(engine, zombie, "failed", "by the zombie")
    assert queue.fail(engine, zombie, "by the zombie", "store") is None
    assert queue.release(engine, zombie) is None
    assert queue.heartbeat(engine, [zombie], {id: Progress("late", 1, 1)}).lost == {id}
    after = vars(queries.run(engine, id))
    assert {name: value for name, value in after.items() if value != before[name]}.keys() <= {"_sa_instance_state"}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_rescue_waits_for_nobody(engine):
    """A row that another transaction is writing is passed over, and met by the next call."""
    ids = [submit(engine), submit(engine)]
    for _ in ids:
        claim(engine, lease=-1)
    with engine.begin() as other:
        other.execute(select(Run.id).where(Run.id == ids[0]).with_for_update())
        assert queue.rescue(engine) == {ids[1]: "queued"}
    assert queue.rescue(engine) == {ids[0]: "queued"}


# ------------------------------------------------------------------------------------------ cancel
def test_a_waiting_run_is_cancelled_at_once(engine, clock):
    id = submit(engine)
    assert queue.cancel(engine, id, "discord:7") == "cancelled" and queue.claim(engine, "w1") == []
    run = queries.run(engine, id)
    assert (run.said, run.cause, run.cancel_by) == ("cancelled by discord:7", "cancelled", "discord:7")
    assert run.finished == run.cancel_at == clock.now


def test_a_running_run_is_asked_to_stop_by_the_first_who_asks(engine):
    id = submit(engine)
    held = claim(engine)
    assert queue.cancel(engine, id, "discord:7") == "running" == queue.cancel(engine, id, "cli:bob")
    assert queue.heartbeat(engine, [held]).cancelled == {id: "discord:7"}
    assert queue.finish(engine, held, "cancelled", "cancelled by discord:7")


def test_an_ended_run_stays_as_it_ended(engine):
    id = submit(engine)
    queue.finish(engine, claim(engine), "succeeded", "succeeded")
    assert queue.cancel(engine, id, "discord:7") == "succeeded" and queries.run(engine, id).cancel_by is None


def test_a_run_that_was_to_be_cancelled_does_not_come_back(engine, clock):
    """Whichever way its worker let go of it."""
    for let_go in (
        lambda held: queue.release(engine, held),
        lambda held: queue.fail(engine, held, "away", "store"),
        lambda held: clock.advance(queue.LEASE + 1) or queue.rescue(engine)[held.id],
    ):
        id = submit(engine)
        held = claim(engine)
        queue.cancel(engine, id, "discord:7")
        assert let_go(held) == "cancelled"
        run = queries.run(engine, id)
        assert (run.state, run.said, run.worker) == ("cancelled", "cancelled by discord:7", "w1") and run.finished


def test_nobody_cancels_what_is_not_there(engine):
    with pytest.raises(NotFound, match="there is no run 007"):
        queue.cancel(engine, "007", "cli:anna")


# ------------------------------------------------------------------------------------------ retry
def test_a_retry_is_a_new_run_whose_parent_is_the_old_one(engine):
    old = submit(engine, needs="gpu", priority=2, batch_key="k", most_tries=5, key="mine")
    queue.fail(engine, claim(engine), "wrong", "refused")
    new = queue.retry(engine, old, "cli:bob")
    run = queries.run(engine, new)
    assert new != old and (run.parent, run.by, run.state, run.attempt) == (old, "cli:bob", "queued", 0)
    assert (run.needs, run.priority, run.batch_key, run.most_tries) == ("gpu", 2, "k", 5)
    assert run.values == {"seed": 1} and (state(engine, old), queries.run(engine, old).said) == ("failed", "wrong")


def test_asking_twice_for_a_retry_is_asking_once_until_it_has_ended(engine):
    old = submit(engine)
    queue.cancel(engine, old, "cli:anna")
    first = queue.retry(engine, old, "cli:anna")
    assert queue.retry(engine, old, "cli:anna") == first
    queue.cancel(engine, first, "cli:anna")
    assert queue.retry(engine, old, "cli:anna") != first


def test_only_an_ended_run_can_be_retried(engine):
    id = submit(engine)
    with pytest.raises(BadInput, match=f"run {id} is queued; it can be retried when it has ended"):
        queue.retry(engine, id, "cli:anna")
    with pytest.raises(NotFound):
        queue.retry(engine, "007", "cli:anna")


# ------------------------------------------------------------------------------------------ waiting for work
def test_a_worker_that_waits_is_woken_by_a_submit(engine):
    late = threading.Timer(0.3, submit, (engine,))
    late.start()
    began = time.monotonic()
    assert queue.wait(engine, 20)
    assert 0.2 < time.monotonic() - began < 4  # before PostgreSQL is asked anew
    late.join()


def test_a_worker_does_not_wait_where_something_is(engine):
    submit(engine)
    began = time.monotonic()
    assert queue.wait(engine, 20) and time.monotonic() - began < 4


def test_what_a_worker_cannot_run_does_not_wake_it(engine, clock):
    submit(engine, needs="gpu")
    submit(engine, not_before=clock.now + timedelta(seconds=60))
    assert not queue.anything(engine, ["cpu"], None) and queue.anything(engine, ["gpu"], ["portrait"])
    assert not queue.anything(engine, ["gpu"], ["mask"])
    clock.advance(60)
    assert queue.anything(engine, ["cpu"], None)


def test_a_wait_ends(engine):
    began = time.monotonic()
    assert not queue.wait(engine, 0.2) and 0.2 <= time.monotonic() - began < 4
    assert not queue.wait(engine, 0)


# ------------------------------------------------------------------------------------------ what people ask
def test_places_follow_the_order_of_claiming(engine):
    for by in ("cli:anna", "cli:anna", "cli:anna", "cli:bob", "cli:bob", "cli:carl"):
        submit(engine, by=by)
    first = submit(engine, by="cli:anna", priority=-1)
    claim(engine)
    waiting = [run.id for run in queries.page(engine, state="queued")]
    foreseen = sorted(waiting, key=lambda id: queries.position(engine, id) or 0)
    assert [queries.position(engine, id) for id in foreseen] == [1, 2, 3, 4, 5, 6]
    assert served(engine) == foreseen and queries.position(engine, first) is None


def test_runs_of_other_needs_and_later_hours_are_not_ahead(engine, clock):
    submit(engine, needs="gpu")
    later = submit(engine, not_before=clock.now + timedelta(seconds=60))
    mine = submit(engine)
    assert queries.position(engine, mine) == 1 and queries.position(engine, later) == 1


def test_the_time_to_start_comes_from_what_is_known(engine, clock):
    def took(seconds: float) -> None:
        submit(engine)
        held = claim(engine)
        clock.advance(seconds)
        queue.finish(engine, held, "succeeded", "succeeded")

    id = submit(engine)
    assert queries.start_in(engine, id) is None  # nobody lives
    queue.present(engine, "w1", ["cpu"])
    assert queries.start_in(engine, id) == 0.0  # somebody is free
    held = claim(engine)
    second = submit(engine)
    assert queries.start_in(engine, second) is None  # nothing is known of how long it takes
    assert queries.start_in(engine, id) is None  # it has started
    queue.finish(engine, held, "failed", "soon")
    queue.cancel(engine, second, "cli:anna")
    for seconds in (9, 10, 50):
        took(seconds)
    queue.present(engine, "w1", ["cpu"])
    claimed = submit(engine)
    claim(engine)
    waiting = [submit(engine) for _ in range(3)]
    assert state(engine, claimed) == "running"
    assert [queries.start_in(engine, id) for id in waiting] == [10.0, 20.0, 30.0]
    queue.present(engine, "w2", ["cpu", "gpu"])
    queue.present(engine, "w3", ["gpu"])
    queue.present(engine, "w4", ["cpu"], jobs=["nightly"])
    assert [queries.start_in(engine, id) for id in waiting] == [0.0, 5.0, 10.0]
    clock.advance(queries.ALIVE + 1)
    assert queries.start_in(engine, waiting[0]) is None  # nobody lives any more


def test_a_run_does_not_start_before_its_hour(engine, clock):
    queue.present(engine, "w1")
    later = submit(engine, not_before=clock.now + timedelta(seconds=90))
    assert queries.start_in(engine, later) == 90.0


def test_workers_are_seen_until_they_leave(engine, clock):
    queue.present(engine, "w2", ["gpu"], ["portrait"], tier="g6")
    queue.present(engine, "w1")
    clock.advance(30)
    queue.present(engine, "w2", ["gpu"], ["portrait"], tier="g6")
    one, two = queries.workers(engine)
    assert (two.name, two.needs, two.jobs, two.tier) == ("w2", ["gpu"], ["portrait"], "g6")
    assert (one.name, one.jobs, two.seen - two.started) == ("w1", None, timedelta(seconds=30))
    queue.leave(engine, "w1")
    assert [worker.name for worker in queries.workers(engine)] == ["w2"]


# ------------------------------------------------------------------------------------------ what it costs
def test_many_waiting_requesters_are_all_served(engine):
    ids = {submit(engine, by=f"web:{i}", job=f"job{i % 3}", needs=("cpu", "gpu")[i % 2]) for i in range(60)}
    assert {one.id for _ in ids for one in queue.claim(engine, "w")} == ids
    with reading(engine) as db:
        assert db.scalar(select(func.count()).where(Run.attempt == 1)) == 60


def test_a_database_that_went_away_is_unavailable():
    engine = connect("postgresql://127.0.0.1:1/narcis")
    for call in (lambda: submit(engine), lambda: queue.claim(engine, "w1"), lambda: queue.wait(engine, 1)):
        with pytest.raises(Unavailable, match="does not answer"):
            call()
