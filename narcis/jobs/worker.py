"""`narcis work`: claims runs, executes each in a kernel that stays warm, keeps what it leaves, says how it ended.

Four threads.  The hands take one batch after the other.  The pulse extends the leases, tells progress, and stops the
kernel when a run is cancelled or was given to somebody else; previews go into the store beside it.  Duties are what any
living worker does for all: rescue and schedules.  None waits for another, and none ends because a database or a store
is away for a while.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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
from narcis.jobs import catalog, files, ideas, keep, metrics, orders, outcome, queue, schedule
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
    values: dict[str, Any]  # of the notebook
    shown: str | None = None  # the last preview, as the folder calls it
    preview: str | None = None  # the last one that is in the store
    unwanted: bool = False  # it was cancelled, or is another worker's
    since: float = field(default_factory=time.monotonic)

    def told(self) -> Progress | None:
        """The last line of its progress; None where there is none yet."""
        if not (events := self.folder.events()):
            return None
        last = events[-1]
        return Progress(str(last.stage), int(last.step), int(last.of), self.preview)

    def show(self, store: Store) -> None:
        """Puts its last preview into the store, once."""
        last = next((event.preview for event in reversed(self.folder.events()) if event.preview), None)
        if last and last != self.shown:
            self.shown = last
            self.preview = keep.preview(self.folder, self.claim.id, last, store)


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
        self.guard = threading.Lock()  # of what is held

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
            until = time.monotonic() + GRACE
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))  # one that waits for a store ends with the process
            self.kernel.close()
            with suppress(Unavailable):
                patiently(lambda: queue.leave(self.engine, self.name), lambda: GRACE)
            log.info("left", worker=self.name)

    def stop(self) -> None:
        """The present run is interrupted, by the pulse, and given back; no other is taken."""
        self.stopping.set()

    def beside(self) -> list[tuple[Callable[[], None], float]]:
        return [(self.pulse, PULSE), (self.previews, PULSE), (self.duties, DUTIES)]

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
        claims = [head, *self.companions(job, head)]
        held = [one for one in (self.hold(job, claim) for claim in claims) if one]
        try:
            if held := [one for one in held if self.supplied(job, one)]:
                self.perform(job, held)
        except Exception as error:  # what a notebook leaves may be anything: it ends its runs, and not the worker
            self.give_up(error)

    def companions(self, job: Job, head: Claim) -> list[Claim]:
        """Runs of the same batch: those that wait, and those that come within the job's wait."""
        if not job.terms.batch or head.batch_key is None:
            return []
        found: list[Claim] = []
        until = time.monotonic() + job.terms.batch.wait
        while len(found) < job.terms.batch.size - 1 and not self.stopping.is_set():
            with suppress(Unavailable):  # then it goes alone
                found += queue.join(self.engine, self.name, head, job.terms.batch.size - 1 - len(found))
            if time.monotonic() >= until:
                break
            self.stopping.wait(0.05)
        return found

    def hold(self, job: Job, claim: Claim) -> Held | None:
        """The claim with a folder of this attempt; None where the run is refused, or no folder can be written."""
        try:
            values = job.values(claim.values)
        except BadInput as error:
            return self.refuse(claim, error)
        try:
            folder = prepare(job, folder_of(claim.id, claim.attempt))
            share_stages(folder)
            ideas.bring(values, folder, self.store)
        except (BadInput, OSError) as error:
            said = str(error)
            log.warning("no folder", **said_of(claim), error=said)
            self.say(lambda: queue.fail(self.engine, claim, said, "store"))
            return None
        held = Held(claim, folder, values)
        with self.guard:
            self.held[claim.id] = held
        log.info("started", **said_of(claim), by=claim.by)
        return held

    def refuse(self, claim: Claim, error: NarcisError) -> None:
        """What was submitted under other rules than today's."""
        log.warning("refused", **said_of(claim), error=str(error))
        self.say(lambda: queue.finish(self.engine, claim, "failed", str(error), "refused"))

    def supplied(self, job: Job, one: Held) -> bool:
        """Whether its files are in its folder; a run that lacks one ends alone, and its batch goes on."""
        try:
            one.values = self.when_there(lambda: files.handed_out(job, one.values, one.folder, self.store))
            return True
        except (BadInput, NotFound) as error:
            ended = Outcome("failed", str(error), error.exit_code, "failed")
        except (Unavailable, OSError) as error:
            ended = Outcome("failed", f"failed: {error}", 1, "store")
        with suppress(OSError):
            one.folder.finish("failed", error=ended.said)
        self.end(one, ended)
        return False

    def perform(self, job: Job, held: list[Held]) -> None:
        """The notebook for all of them, then the end of each."""
        starts, pid, now = self.kernel.starts, self.kernel.pid, time.time()
        for one in held:
            metrics.WAIT.labels(job.name).observe(max(0.0, now - asked(one.claim.id)))
        try:
            run, values = self.prepared(job, held)
            ended = execute(job, values, run, SILENT, self.kernel, limits(job))
        except (Unavailable, OSError) as error:  # a store that is away, a full disk
            run, ended = held[0].folder, Outcome("failed", f"failed: {error}", 1, "store")
        metrics.KERNELS.inc(self.kernel.starts - starts)
        if self.kernel.starts - starts + bool(pid) > bool(self.kernel.pid):
            log.info("kernel ended", worker=self.name, tier=self.tier, why=self.kernel.ended)
        several = len(held) > 1
        ends = [orders.outcome_of(one, ended, run, several) for one in held]  # all, before the first folder goes
        for one, own in zip(held, ends, strict=True):
            self.end(one, own)

    def prepared(self, job: Job, held: list[Held]) -> tuple[RunFolder, dict[str, Any]]:
        """The folder to execute in, and the notebook's values."""
        run, values = orders.together(job, held)
        if job.terms.previous and (before := queries.last_success(self.engine, job.name)):
            try:
                values[job.terms.previous] = str(keep.restore(before.prefix, run.path / "previous", self.store))
            except NotFound as error:  # as good as none: else no later run could ever succeed
                log.warning("no previous run", **said_of(held[0].claim), error=str(error))
        return run, values

    # ------------------------------------------------------------------------------------------ ends
    def end(self, held: Held, ended: Outcome) -> None:
        """Keeps what the run left, and writes its end; a run that is no longer ours is left alone."""
        try:
            state = self.when_there(lambda: self.record(held, ended))
        except Unavailable as error:
            state = self.say(partial(self.unkept, held.claim, str(error)))
        self.let_go(held, state, ended.said)

    def unkept(self, claim: Claim, said: str) -> str | None:
        """For want of a store the run fails; or is given back, where it was not waited for because of a stop."""
        if self.stopping.is_set():
            return queue.release(self.engine, claim, said)
        return queue.fail(self.engine, claim, said, "store")

    def give_up(self, error: Exception) -> None:
        """All that is still held fails for something that nobody foresaw, such as a manifest that is no JSON."""
        log.exception("failed", what="perform", worker=self.name, tier=self.tier, error=str(error))
        said = f"failed: {type(error).__name__}: {outcome.one_line(str(error))}"
        cause = "store" if isinstance(error, Unavailable | OSError) else "failed"
        for held in list(self.held.values()):
            self.let_go(held, self.say(partial(queue.fail, self.engine, held.claim, said, cause)), said)

    def let_go(self, held: Held, state: str | None, said: str) -> None:
        """What has ended is no longer held, and its folder goes: the store has what is worth keeping."""
        claim, seconds = held.claim, time.monotonic() - held.since
        with self.guard:
            self.held.pop(claim.id, None)
        ideas.take(held.values, held.folder, self.store)
        ideas.count(held.folder)
        shutil.rmtree(held.folder.path, ignore_errors=True)
        metrics.ENDED.labels(claim.job, state or "lost").inc()
        metrics.TIME.labels(claim.job, self.tier or "").observe(seconds)
        log.info("ended", **said_of(claim), state=state or "lost", said=said, seconds=round(seconds, 2))

    def record(self, held: Held, ended: Outcome) -> str | None:
        """The run's state in the queue afterwards; None where another worker has it, whose pictures are not touched."""
        claim = held.claim
        beat = queue.heartbeat(self.engine, [claim])
        if claim.id in beat.lost:
            return None
        try:
            if not keep.keep(held.folder, claim.id, self.store, lambda: self.holds(claim)):
                return None
        except OSError as error:
            return queue.fail(self.engine, claim, f"what it left cannot be read: {error}", "store")
        if by := beat.cancelled.get(claim.id):
            return self.finish(held, "cancelled", f"cancelled by {by}", "cancelled")
        if ended.cause == "interrupted" and self.stopping.is_set():  # else it was the notebook that interrupted itself
            return queue.release(self.engine, claim, "given back: its worker was stopped")
        if ended.state == "succeeded":
            return self.finish(held, "succeeded", ended.said, "succeeded")
        return queue.fail(self.engine, claim, ended.said, outcome.cause_of(ended))

    def holds(self, claim: Claim) -> bool:
        """Asked anew before each write that no attempt number fences."""
        return claim.id not in queue.heartbeat(self.engine, [claim]).lost

    def finish(self, held: Held, state: queue.Ending, said: str, cause: str) -> str | None:
        images = keep.images(held.folder)
        return state if queue.finish(self.engine, held.claim, state, said, cause, images) else None

    def patience(self) -> float:
        return GRACE if self.stopping.is_set() else AWAY

    def when_there(self, what: Callable[[], T]) -> T:
        """Does it as soon as database and store are there; raises Unavailable where they stay away."""
        return patiently(what, self.patience)

    def say(self, what: Callable[[], T]) -> T | None:
        """The same; None where they stay away, and the lease's end must do."""
        try:
            return self.when_there(what)
        except Unavailable as error:
            log.error("not said", error=str(error))
            return None

    # ------------------------------------------------------------------------------------------ pulse and duties
    def pulse(self) -> None:
        """Leases and progress; whoever is to stop is stopped."""
        if self.stopping.is_set():  # whether or not there is a database
            self.kernel.interrupt("the worker was stopped")
        with self.guard:
            held = list(self.held.values())
        queue.present(self.engine, self.name, self.needs, self.jobs, self.tier)
        if not held:
            return
        news = {one.claim.id: told for one in held if (told := self.told_by(one))}
        beat = queue.heartbeat(self.engine, [one.claim for one in held], news)
        for one in held:
            one.unwanted = one.claim.id in beat.lost or one.claim.id in beat.cancelled
        with self.guard:  # nothing is taken meanwhile, so what is stopped is none of the next runs
            if self.held and all(one.unwanted for one in self.held.values()):
                self.kernel.interrupt("cancelled")

    def told_by(self, held: Held) -> Progress | None:
        """None for what nobody can read: a lease does not wait for a notebook's words."""
        try:
            return held.told()
        except (OSError, ValueError, TypeError) as error:
            log.warning("failed", what="progress", **said_of(held.claim), error=str(error))
            return None

    def previews(self) -> None:
        """Apart from the pulse, as a lease does not wait for a store either."""
        with self.guard:
            held = list(self.held.values())
        for one in held:
            try:
                one.show(self.store)
            except (NarcisError, OSError, ValueError, TypeError) as error:
                log.warning("failed", what="preview", **said_of(one.claim), error=str(error))

    def duties(self) -> None:
        for id, state in queue.rescue(self.engine).items():
            metrics.RESCUED.labels(state).inc()
            log.warning("rescued", run=id, state=state)
        schedule.submit_due(self.engine)
        tidy(settings.read().runs)


def said_of(claim: Claim) -> dict[str, object]:
    """What every line of the log says of a run."""
    return {"run": claim.id, "attempt": claim.attempt, "job": claim.job, "tier": settings.read().tier}


def asked(id: str) -> float:
    """When a run was submitted, in seconds since 1970: uuid7 begins with it."""
    return UUID(id).int / 2**80 / 1000


def limits(job: Job) -> Limits:
    terms = job.terms
    return Limits(60 * terms.minutes, seconds(terms.cell_minutes), seconds(terms.quiet_minutes))


def seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes


def patiently(what: Callable[[], T], patience: Callable[[], float]) -> T:
    """Until the database or the store is there again; raises Unavailable when that takes longer than `patience` s.

    It is asked anew each time: a worker that is stopped meanwhile has less.
    """
    began = time.monotonic()

    def worth_waiting(error: Exception) -> bool:
        return isinstance(error, Unavailable) and time.monotonic() - began < patience()

    for attempt in stamina.retry_context(
        on=worth_waiting, attempts=None, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.5
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
    """Forgets the stages that were used longest ago, and the folders and halves of files that killed workers left."""
    painted = sorted((stat.st_atime, stat.st_size, file) for file, stat in found(runs / "stages", "*.safetensors"))
    total = sum(size for _, size, _ in painted)
    for _, size, file in painted:
        if total > STAGES:
            file.unlink(missing_ok=True)
            total -= size
    for part, stat in found(runs / "stages", ".*.part"):
        if time.time() - stat.st_mtime > FORGOTTEN:
            part.unlink(missing_ok=True)
    for folder, stat in found(runs, "????????-????-7???-????-????????????.*"):
        if time.time() - stat.st_mtime > FORGOTTEN:
            shutil.rmtree(folder, ignore_errors=True)


def found(where: Path, names: str) -> Iterator[tuple[Path, os.stat_result]]:
    """What is there, but for what another worker takes away at this moment."""
    for path in where.glob(names):
        with suppress(FileNotFoundError):
            yield path, path.stat()
