"""Whatever happens in whatever order, the queue does what its rules say: a model of them, checked after every step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, select

from narcis.jobs import queue
from narcis.jobs.queue import Claim, Progress
from narcis.records.db import reading
from narcis.records.tables import OVER, Run

pytest_plugins = ["databases"]

WORKERS, REQUESTERS, JOBS, NEEDS = ("w1", "w2", "w3"), ("anna", "bob", "carl"), ("mask", "portrait"), ("cpu", "gpu")
CAUSES = ("store", "memory", "lost", "refused")


@dataclass
class Modelled:
    """What must be true of one run."""

    id: str
    by: str
    job: str
    needs: str
    priority: int
    batch_key: str | None
    not_before: datetime
    most_tries: int
    key: str | None = None
    parent: str | None = None
    state: str = "queued"
    attempt: int = 0
    tries: int = 0
    ran_out: bool = False
    lease_until: datetime | None = None
    cancel_by: str | None = None
    endings: int = 0

    def end(self, state: str) -> None:
        self.state, self.lease_until = state, None
        self.endings += 1

    def wait_again(self, not_before: datetime) -> None:
        self.state, self.lease_until, self.not_before = "queued", None, not_before


def pick(items: list, n: int) -> Any:
    """One of those that there are by now."""
    return items[n % len(items)]


class Queue(RuleBasedStateMachine):
    engine: Engine
    clock: Any

    def __init__(self) -> None:
        super().__init__()
        self.clock.empty()
        self.runs: dict[str, Modelled] = {}
        self.claims: list[Claim] = []  # all that ever were; most of them are zombies after a while
        self.served: dict[str, datetime] = {}

    @property
    def now(self) -> datetime:
        return self.clock.now

    def holds(self, claim: Claim) -> Modelled | None:
        run = self.runs[claim.id]
        return run if run.state == "running" and run.attempt == claim.attempt else None

    def in_order(self, runs: list[Modelled]) -> list[Modelled]:
        def turn(run: Modelled) -> tuple:
            busy = sum(other.state == "running" and other.by == run.by for other in self.runs.values())
            served = self.served.get(run.by)
            return run.priority, busy, served is not None, served, run.id

        return sorted(runs, key=turn)

    def failed(self, run: Modelled, cause: str) -> None:
        delay = min(queue.BACKOFF * 2**run.tries, queue.LONGEST)
        passes = cause in ("store", "lost") or (cause == "memory" and not run.ran_out)
        run.tries += 1
        run.ran_out |= cause == "memory"
        if run.cancel_by:
            run.end("cancelled")
        elif passes and run.tries < run.most_tries:
            run.wait_again(self.now + timedelta(seconds=delay))
        else:
            run.end("failed")

    # -------------------------------------------------------------------------------------- requesters
    @rule(
        by=st.sampled_from(REQUESTERS),
        job=st.sampled_from(JOBS),
        needs=st.sampled_from(NEEDS),
        priority=st.integers(0, 1),
        batch_key=st.sampled_from([None, "k"]),
        delay=st.sampled_from([0, 0, 0, 30]),
        most_tries=st.integers(1, 3),
        key=st.sampled_from([None, None, "x"]),
    )
    def submit(self, by, job, needs, priority, batch_key, delay, most_tries, key):
        when = self.now + timedelta(seconds=delay)
        id = queue.submit(
            self.engine, job, {}, by=by, needs=needs, priority=priority, not_before=when, batch_key=batch_key, key=key,
            most_tries=most_tries,
        )  # fmt: skip
        first = [run.id for run in self.runs.values() if key and (run.by, run.key) == (by, key)]
        if first:
            assert [id] == first
        else:
            assert id not in self.runs
            self.runs[id] = Modelled(id, by, job, needs, priority, batch_key, when, most_tries, key)

    @precondition(lambda self: self.runs)
    @rule(n=st.integers(0, 99), by=st.sampled_from(REQUESTERS))
    def cancel(self, n, by):
        run = pick(list(self.runs.values()), n)
        if run.state == "queued":
            run.end("cancelled")
            run.cancel_by = by
        elif run.state == "running":
            run.cancel_by = run.cancel_by or by
        assert queue.cancel(self.engine, run.id, by) == run.state

    @precondition(lambda self: any(run.state in OVER for run in self.runs.values()))
    @rule(n=st.integers(0, 99), by=st.sampled_from(REQUESTERS))
    def retry(self, n, by):
        old = pick([run for run in self.runs.values() if run.state in OVER], n)
        ended = sum(run.parent == old.id and run.state in OVER for run in self.runs.values())
        key = f"retry {ended} of {old.id}"
        id = queue.retry(self.engine, old.id, by)
        first = [run.id for run in self.runs.values() if (run.by, run.key) == (by, key)]
        if first:
            assert [id] == first
        else:
            self.runs[id] = Modelled(
                id, by, old.job, old.needs, old.priority, old.batch_key, self.now, old.most_tries, key, old.id
            )

    # -------------------------------------------------------------------------------------- workers
    @rule(
        worker=st.sampled_from(WORKERS),
        needs=st.sampled_from([("cpu",), ("gpu",), NEEDS]),
        jobs=st.sampled_from([None, None, ("mask",)]),
        most=st.integers(1, 3),
    )
    def claim(self, worker, needs, jobs, most):
        ready = [run for run in self.runs.values() if run.state == "queued" and run.not_before <= self.now]
        fitting = self.in_order([run for run in ready if run.needs in needs and (not jobs or run.job in jobs)])
        expected = fitting[:1]
        for head in fitting[:1]:
            like = (head.job, head.needs, head.batch_key)
            mates = [run for run in ready if run is not head and (run.job, run.needs, run.batch_key) == like]
            if head.batch_key:
                expected += sorted(mates, key=lambda run: (run.priority, run.id))[: most - 1]
        claims = queue.claim(self.engine, worker, needs=needs, jobs=jobs, most=most)
        assert [claim.id for claim in claims] == [run.id for run in expected]
        for run, claim in zip(expected, claims, strict=True):
            run.state, run.attempt = "running", run.attempt + 1
            run.lease_until = self.now + timedelta(seconds=queue.LEASE)
            self.served[run.by] = self.now
            assert claim.attempt == run.attempt
        self.claims += claims

    @precondition(lambda self: self.claims)
    @rule(n=st.integers(0, 99))
    def heartbeat(self, n):
        claim = pick(self.claims, n)
        beat = queue.heartbeat(self.engine, [claim], {claim.id: Progress("refine", n, 99)})
        if run := self.holds(claim):
            run.lease_until = self.now + timedelta(seconds=queue.LEASE)
            assert not beat.lost and beat.cancelled == ({run.id: run.cancel_by} if run.cancel_by else {})
        else:
            assert beat.lost == {claim.id} and not beat.cancelled

    @precondition(lambda self: self.claims)
    @rule(n=st.integers(0, 99), ending=st.sampled_from(OVER))
    def finish(self, n, ending):
        claim = pick(self.claims, n)
        run = self.holds(claim)
        assert queue.finish(self.engine, claim, ending, "in words") == bool(run)
        if run:
            run.end(ending)

    @precondition(lambda self: self.claims)
    @rule(n=st.integers(0, 99), cause=st.sampled_from(CAUSES))
    def fail(self, n, cause):
        claim = pick(self.claims, n)
        if run := self.holds(claim):
            self.failed(run, cause)
        assert queue.fail(self.engine, claim, "in words", cause) == (run.state if run else None)

    @precondition(lambda self: self.claims)
    @rule(n=st.integers(0, 99))
    def release(self, n):
        claim = pick(self.claims, n)
        if run := self.holds(claim):
            run.end("cancelled") if run.cancel_by else run.wait_again(self.now)
        assert queue.release(self.engine, claim) == (run.state if run else None)

    # -------------------------------------------------------------------------------------- time
    @rule(seconds=st.sampled_from([1, 10, 25, 61]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def rescue(self):
        lapsed = [run for run in self.runs.values() if run.lease_until is not None and run.lease_until < self.now]
        for run in lapsed:
            self.failed(run, "lost")
        assert queue.rescue(self.engine) == {run.id: run.state for run in lapsed}

    # -------------------------------------------------------------------------------------- always
    @invariant()
    def the_database_holds_the_same(self):
        """So no run is lost, none is made up, and no zombie's write took effect."""
        facts = ("state", "attempt", "tries", "ran_out", "lease_until", "not_before", "cancel_by", "parent")
        with reading(self.engine) as db:
            read = {run.id: [getattr(run, fact) for fact in facts] for run in db.scalars(select(Run))}
        assert read == {id: [getattr(run, fact) for fact in facts] for id, run in self.runs.items()}

    @invariant()
    def none_ends_twice_and_none_has_two_holders(self):
        assert all(run.endings <= 1 for run in self.runs.values())
        held = [claim.id for claim in self.claims if self.holds(claim)]
        assert len(held) == len(set(held)) == sum(run.state == "running" for run in self.runs.values())


def test_the_queue_keeps_its_rules_whatever_happens(engine, clock):
    bound = type("Bound", (Queue,), {"engine": engine, "clock": clock})
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    few = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(bound, settings=few)
