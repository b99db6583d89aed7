"""`narcis work`: claims runs, executes each in a kernel that stays warm, keeps what it leaves, says how it ended.

Three threads.  The hands take one batch after the other.  The pulse extends the leases, tells progress, and stops the
kernel when a run is cancelled or was given to somebody else.  Duties are what any living worker does for all: rescue
and schedules.  None waits for another, and none ends because a database or a store is away for a while.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import stamina
import structlog
from rich.console import Console
from sqlalchemy import Engine

from narcis import settings
from narcis.errors import BadInput, NarcisError, NotFound, Unavailable
from narcis.folder import RunFolder
from narcis.jobs import catalog, keep, metrics, orders, outcome, queue, schedule
from narcis.jobs.catalog import Job
from narcis.jobs.engine import Limits
from narcis.jobs.kernel import WarmKernel
from narcis.jobs.outcome import Outcome
from narcis.jobs.queue import Claim, Progress
from narcis.jobs.run import execute, prepare
from narcis.records import queries
from narcis.records.tables import NEEDS
from narcis.store import Store

PULSE = 1.0  # seconds between two heartbeats, and until a cancel is heard
DUTIES = 10.0  # seconds between two rounds of what any worker does for all
IDLE = 30.0  # seconds of waiting before a worker looks around again
AWAY = 300.0  # seconds that database or store may be away while a run is ended; the leases are held meanwhile
GRACE = 8.0  # seconds, when the worker is to end: what is not said by then, the lease's end says
STAGES = 8 << 30  # bytes of painted stages that a machine keeps for later runs
FORGOTTEN = 7 * 86400.0  # seconds after which the folder of a run that was killed is nobody's any more

T = TypeVar("T")
log = structlog.get_logger("narcis.worker")
SILENT = Console(file=io.StringIO(), force_terminal=False)  # a worker's own lines are its log


@dataclass
class Held:
    """A run in this worker's hands."""

    claim: Claim
    folder: RunFolder
    seen: int = 0  # events told
    told: Progress | None = None
    since: float = field(default_factory=time.monotonic)

    def news(self, store: Store) -> Progress | None:
        """The last line of its progress, with the preview in the store; None where nothing is new."""
        events = self.folder.events()
        if len(events) == self.seen:
            return None
        last, shown = events[-1], next((e.preview for e in reversed(events) if e.preview), None)
        self.seen = len(events)
        key = self.told.preview if self.told else None
        if shown and not (key or "").endswith(shown):
            key = keep.preview(self.folder, self.claim.id, shown, store)
        self.told = Progress(last.stage, last.step, last.of, key)
        return self.told


class Worker:
    """One process that takes runs.  `work` returns when `stop` was called and all runs are ended or given back."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        needs: Iterable[str] = NEEDS,
        jobs: Iterable[str] | None = None,
        name: str | None = None,
        kernel: WarmKernel | None = None,
    ):
        self.engine, self.store = engine, store
        self.needs, self.jobs = tuple(needs), None if jobs is None else tuple(jobs)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.tier = settings.read().tier
        self.kernel = kernel or WarmKernel()
        self.stopping = threading.Event()
        self.held: dict[str, Held] = {}
        self.why: dict[str, str] = {}  # of the runs that are to stop: who cancelled each; empty, it was lost
        self.guard = threading.Lock()

    # ------------------------------------------------------------------------------------------ the whole
    def work(self, once: bool = False) -> None:
        """Takes runs until it is told to stop; `once`: until nothing waits."""
        threads = [threading.Thread(target=self.keep_doing, args=given, daemon=True) for given in self.beside()]
        for thread in threads:
            thread.start()
        log.info("working", worker=self.name, tier=self.tier, needs=list(self.needs), jobs=self.jobs)
        try:
            while not self.stopping.is_set():
                if self.turn():
                    continue
                if once:
                    break
                self.idle()
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()
            self.kernel.close()
            with suppress(Unavailable):
                patiently(lambda: queue.leave(self.engine, self.name), GRACE)
            log.info("left", worker=self.name)

    def stop(self) -> None:
        """The present run is interrupted, by the pulse, and given back; no other is taken."""
        self.stopping.set()

    def beside(self) -> list[tuple[Callable[[], None], float]]:
        return [(self.pulse, PULSE), (self.duties, DUTIES)]

    def keep_doing(self, what: Callable[[], None], pause: float) -> None:
        """Does it until the worker is at its end and holds nothing; an error is told and never the last."""
        while not self.stopping.is_set() or self.held:
            try:
                what()
            except Exception as error:
                log.warning("failed", what=what.__name__, error=str(error))
            self.rest(pause)

    def rest(self, pause: float) -> None:
        """Between two beats; while a stopped worker still holds runs, beats go on."""
        if self.stopping.is_set():
            time.sleep(min(pause, 0.2))
        else:
            self.stopping.wait(pause)

    # ------------------------------------------------------------------------------------------ hands
    def turn(self) -> bool:
        """Takes and ends one batch; False where nothing waits."""
        try:
            claims = queue.claim(self.engine, self.name, needs=self.needs, jobs=self.jobs)
        except Unavailable as error:
            log.warning("failed", what="claim", error=str(error))
            self.stopping.wait(PULSE)
            return True
        if claims:
            self.take(claims[0])
        return bool(claims)

    def idle(self) -> None:
        """Waits until something may be there, in short spells so that a stop is heard."""
        until = time.monotonic() + IDLE
        while not self.stopping.is_set() and time.monotonic() < until:
            try:
                if queue.wait(self.engine, 1.0, needs=self.needs, jobs=self.jobs):
                    return
            except Unavailable as error:
                log.warning("failed", what="wait", error=str(error))
                self.stopping.wait(PULSE)

    def take(self, head: Claim) -> None:
        """One claim with those that share its batch, from its folder to its end."""
        try:
            job = catalog.find(head.job)
        except (BadInput, NotFound) as error:
            return self.refuse(head, error)
        with self.guard:
            self.why.clear()
        claims = [head, *self.companions(job, head)]
        held = [one for one in (self.hold(job, claim) for claim in claims) if one]
        try:
            if held:
                self.perform(job, held)
        finally:
            with self.guard:
                self.held.clear()

    def companions(self, job: Job, head: Claim) -> list[Claim]:
        """Runs of the same batch: those that wait, and those that come within the job's wait."""
        if not job.terms.batch or head.batch_key is None:
            return []
        found: list[Claim] = []
        until = time.monotonic() + job.terms.batch.wait
        while len(found) < job.terms.batch.size - 1 and not self.stopping.is_set():
            found += queue.join(self.engine, self.name, head, job.terms.batch.size - 1 - len(found))
            if time.monotonic() >= until:
                break
            self.stopping.wait(0.05)
        return found

    def hold(self, job: Job, claim: Claim) -> Held | None:
        """The claim with a folder of this attempt; None where the run is refused, or no folder can be written."""
        try:
            job.values(claim.values)
        except BadInput as error:
            return self.refuse(claim, error)
        try:
            folder = prepare(job, folder_of(claim.id, claim.attempt))
            share_stages(folder)
        except (BadInput, OSError) as error:
            said = str(error)
            log.warning("no folder", **said_of(claim), error=said)
            self.say(lambda: queue.fail(self.engine, claim, said, "store"))
            return None
        held = Held(claim, folder)
        with self.guard:
            self.held[claim.id] = held
        log.info("started", **said_of(claim), by=claim.by)
        return held

    def refuse(self, claim: Claim, error: NarcisError) -> None:
        """What was submitted under other rules than today's."""
        log.warning("refused", **said_of(claim), error=str(error))
        self.say(lambda: queue.finish(self.engine, claim, "failed", str(error), "refused"))

    def perform(self, job: Job, held: list[Held]) -> None:
        """The notebook for all of them, then the end of each."""
        starts, now = self.kernel.starts, time.time()
        for one in held:
            metrics.WAIT.labels(job.name).observe(max(0.0, now - asked(one.claim.id)))
        try:
            run, values = self.prepared(job, held)
            ended = execute(job, values, run, SILENT, self.kernel, limits(job))
        except (NotFound, Unavailable, OSError) as error:  # a file that is gone, a store that is away, a full disk
            cause = "failed" if isinstance(error, NotFound) else "store"
            run, ended = held[0].folder, Outcome("failed", f"failed: {error}", 1, cause)
        metrics.KERNELS.inc(self.kernel.starts - starts)
        ends = [orders.outcome_of(one, ended, run) for one in held]  # all, before the first folder goes
        for one, own in zip(held, ends, strict=True):
            self.end(one, own)

    def prepared(self, job: Job, held: list[Held]) -> tuple[RunFolder, dict[str, Any]]:
        """The folder to execute in, and the notebook's values."""
        run, values = orders.together(job, held, self.store)
        if job.terms.previous and (before := queries.last_success(self.engine, job.name)):
            values[job.terms.previous] = str(keep.restore(before.prefix, run.path / "previous", self.store))
        return run, values

    # ------------------------------------------------------------------------------------------ ends
    def end(self, held: Held, ended: Outcome) -> None:
        """Keeps what the run left, and writes its end; a run that is no longer ours is left alone."""
        claim, seconds = held.claim, time.monotonic() - held.since
        try:
            state = patiently(lambda: self.record(held, ended), self.patience)
        except Unavailable as error:
            said = str(error)
            state = self.say(lambda: queue.fail(self.engine, claim, said, "store"))
        with self.guard:
            self.held.pop(claim.id, None)
        shutil.rmtree(held.folder.path, ignore_errors=True)
        metrics.ENDED.labels(claim.job, state or "lost").inc()
        metrics.TIME.labels(claim.job, self.tier or "").observe(seconds)
        log.info("ended", **said_of(claim), state=state or "lost", said=ended.said, seconds=round(seconds, 2))

    def record(self, held: Held, ended: Outcome) -> str | None:
        """The run's state in the queue afterwards; None where another worker has it, whose pictures are not touched."""
        claim = held.claim
        if claim.id in queue.heartbeat(self.engine, [claim]).lost:
            return None
        try:
            keep.keep(held.folder, claim.id, self.store)
        except OSError as error:
            return queue.fail(self.engine, claim, f"what it left cannot be read: {error}", "store")
        if (by := self.why.get(claim.id)) is not None:
            return self.finish(held, "cancelled", f"cancelled by {by}", "cancelled")
        if ended.cause == "interrupted":
            return queue.release(self.engine, claim, "given back: its worker was stopped")
        if ended.state == "succeeded":
            return self.finish(held, "succeeded", ended.said, "succeeded")
        return queue.fail(self.engine, claim, ended.said, outcome.cause_of(ended))

    def finish(self, held: Held, state: queue.Ending, said: str, cause: str) -> str | None:
        images = keep.images(held.folder)
        return state if queue.finish(self.engine, held.claim, state, said, cause, images) else None

    @property
    def patience(self) -> float:
        return GRACE if self.stopping.is_set() else AWAY

    def say(self, what: Callable[[], T]) -> T | None:
        """Does it as soon as database and store are there; None where they stay away, and the lease's end must do."""
        try:
            return patiently(what, self.patience)
        except Unavailable as error:
            log.error("not said", error=str(error))
            return None

    # ------------------------------------------------------------------------------------------ pulse and duties
    def pulse(self) -> None:
        """Leases and progress; whoever is to stop is stopped."""
        with self.guard:
            held = list(self.held.values())
        queue.present(self.engine, self.name, self.needs, self.jobs, self.tier)
        if not held:
            return
        news = {one.claim.id: told for one in held if (told := self.news_of(one))}
        beat = queue.heartbeat(self.engine, [one.claim for one in held], news)
        with self.guard:
            self.why |= {**beat.cancelled, **dict.fromkeys(beat.lost, "")}
            all_stop = all(one.claim.id in self.why for one in held)
        if all_stop or self.stopping.is_set():
            self.kernel.interrupt("the worker was stopped" if self.stopping.is_set() else "cancelled")

    def news_of(self, held: Held) -> Progress | None:
        """Without the preview where the store is away: a lease does not wait for a picture."""
        try:
            return held.news(self.store)
        except (Unavailable, OSError) as error:
            log.warning("failed", what="preview", **said_of(held.claim), error=str(error))
            return held.told

    def duties(self) -> None:
        for id, state in queue.rescue(self.engine).items():
            metrics.RESCUED.labels(state).inc()
            log.warning("rescued", run=id, state=state)
        schedule.submit_due(self.engine)
        tidy(settings.read().runs)


def said_of(claim: Claim) -> dict[str, object]:
    """What every line of the log says of a run."""
    return {"run": claim.id, "attempt": claim.attempt, "job": claim.job}


def asked(id: str) -> float:
    """When a run was submitted, in seconds since 1970: uuid7 begins with it."""
    return UUID(id).int / 2**80 / 1000


def limits(job: Job) -> Limits:
    terms = job.terms
    return Limits(60 * terms.minutes, seconds(terms.cell_minutes), seconds(terms.quiet_minutes))


def seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes


def patiently(what: Callable[[], T], timeout: float) -> T:
    """Until the database or the store is there again; raises Unavailable when that takes longer than `timeout` s."""
    for attempt in stamina.retry_context(
        on=Unavailable, attempts=None, timeout=timeout, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5
    ):
        with attempt:
            return what()
    raise AssertionError("stamina tries at least once")


def folder_of(id: str, attempt: int) -> Path:
    """Each attempt has its own, so that a worker that was thought dead writes into nobody else's."""
    return settings.read().runs / f"{id}.{attempt}"


def share_stages(folder: RunFolder) -> None:
    """Stages that any run on this machine has painted are this run's too: their names say what made them."""
    shared = (settings.read().runs / "stages").resolve()
    shared.mkdir(parents=True, exist_ok=True)
    if not folder.stages.exists():
        folder.stages.symlink_to(shared, target_is_directory=True)


def tidy(runs: Path) -> None:
    """Forgets the stages that were used longest ago, and the folders that killed workers left."""
    files = [(f.stat().st_atime, f.stat().st_size, f) for f in (runs / "stages").glob("*.safetensors")]
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total > STAGES:
            file.unlink(missing_ok=True)
            total -= size
    for folder in runs.glob("????????-????-7???-????-????????????.*"):
        if time.time() - folder.stat().st_mtime > FORGOTTEN:
            shutil.rmtree(folder, ignore_errors=True)
