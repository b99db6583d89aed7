"""A kernel of this very Python that lives on between runs, and the ways to stop what it does."""

from __future__ import annotations

import ast
import asyncio
import fcntl
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from subprocess import DEVNULL
from typing import IO, Any, Self

import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from narcis.errors import Interrupted
from narcis.jobs.outcome import KernelDied

# Stops the debugger from warning, on stderr, that it cannot debug Python's own frozen modules.
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
NO_HISTORY = ["--HistoryManager.enabled=False"]  # In and Out stay; what past runs were asked is kept nowhere
GLANCE = 0.05  # seconds between two looks at whether to stop
AGAIN = 2.0  # seconds until a cell is interrupted once more: libraries swallow what comes while they call back
PATIENCE = 10.0  # seconds until one that will not stop is killed
START = 120.0  # seconds that a kernel has to start
ANSWER = 30.0  # seconds that it has to be made ready or be wiped
PREFIX = "narcis-kernel-"  # of folders
FRESH = 60.0  # seconds in which a lock may be there and not yet be taken
LONGEST = 90  # bytes of a folder's path: those of a socket end at 107, 103 on macOS


class Kernel(AsyncKernelManager):
    """Starts and stops the process; its sockets are files in a folder that only this user may enter."""

    @default("kernel_spec_manager")
    def native_only(self) -> KernelSpecManager:
        """Kernels that a user has installed under the same name may belong to another Python."""
        return KernelSpecManager(kernel_dirs=[], parent=self)

    @classmethod
    def within(cls, folder: Path) -> Self:
        return cls(transport="ipc", ip=str(folder / "k"), connection_file=str(folder / "k.json"))

    @property
    def pid(self) -> int:
        """0 where none runs."""
        return getattr(self.provisioner, "pid", 0) or 0 if self.has_kernel else 0

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
        """What cells print comes through its sockets, stderr too; its real stderr would only tell of interrupts."""
        env = {**os.environ, **kwargs.get("env", {}), **QUIET}
        await super().start_kernel(**{"stderr": DEVNULL, **kwargs, "env": env})


class WarmKernel:
    """One kernel for one run after the other, started by the first.  What a run leaves is wiped, see `slate`.

    The process is replaced after `runs` runs, when it died, timed out or cannot be wiped, and when after a wipe it
    holds `growth` bytes more than after its first run.  All methods may be called from any thread and wait for their
    end; runs wait for each other.
    """

    def __init__(self, runs: int = 50, growth: int = 2 << 30):
        self.runs, self.growth = runs, growth
        self.manager: Kernel | None = None
        self.client: AsyncKernelClient | None = None
        self.language: dict[str, Any] = {}  # what notebooks say of it
        self.starts = 0  # processes up to now
        self.ended = ""  # why the last one was ended
        self.done = 0  # runs of this process
        self.memory = 0  # bytes after its first run
        self.folder, self.lock = private_folder()
        self.asked: str | None = None  # why the present run is to stop
        self.running = False
        self.guard = threading.Lock()  # of the two above
        self.turn = asyncio.Lock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="kernel", daemon=True)
        self.thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------ for all threads
    @property
    def pid(self) -> int:
        """The process, 0 where there is none now."""
        return self.manager.pid if self.manager else 0

    def start(self) -> None:
        """Starts the process if there is none, so that the next run need not wait for it."""
        self.wait(self.locked(self.ready))

    def perform(self, run: Callable[[WarmKernel], Awaitable[None]], *folders: Path) -> None:
        """Awaits `run` with this kernel, ready and wiped; modules it loads from `folders` are forgotten after it."""
        self.wait(self.locked(lambda: self.perform_here(run, folders)))

    def interrupt(self, reason: str = "interrupted") -> bool:
        """Stops the run that is under way; False where none is.  The kernel stays, unless it has to be killed."""
        with self.guard:
            if self.running and self.asked is None:
                self.asked = reason
            return self.running

    def close(self) -> None:
        """Ends process, thread and folder; a second call does nothing."""
        if not self.thread.is_alive():
            return
        self.interrupt("closed")
        self.wait(self.locked(lambda: self.end("closed")))
        self.wait(cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()

    def wait(self, what: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(what, self.loop)
        try:
            return future.result()
        except BaseException:  # such as Ctrl-C in the thread that waits
            future.cancel()
            raise

    # ------------------------------------------------------------------------------------------ in the loop
    async def locked(self, what: Callable[[], Awaitable[None]]) -> None:
        async with self.turn:
            await what()

    async def perform_here(self, run: Callable[[WarmKernel], Awaitable[None]], folders: tuple[Path, ...]) -> None:
        with self.guard:
            self.asked, self.running = None, True
        temporary = Path(tempfile.mkdtemp(prefix="t", dir=self.folder))
        why = "a run was abandoned"
        try:
            await self.begin(temporary)
            await run(self)
            why = ""
        except Interrupted:
            why = ""  # the cell has ended; whether it had to be killed, the wipe will find
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise
        finally:
            with self.guard:
                self.running = False
            self.done += 1
            await self.after(why, [temporary, *folders])
            shutil.rmtree(temporary, ignore_errors=True)

    async def ready(self) -> None:
        """Whatever happened to an idle process, there is one."""
        if self.manager and not await self.manager.is_alive():
            await self.end("died between two runs")
        if not self.manager:
            await self.launch()

    async def launch(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="k", dir=self.folder))
        self.manager = Kernel.within(folder)
        self.starts, self.done, self.memory = self.starts + 1, 0, 0
        try:
            await self.manager.start_kernel(extra_arguments=NO_HISTORY)
            self.client = self.manager.client(context=self.manager.context)
            self.client.start_channels(stdin=False, hb=False)
            await self.unless_asked(self.client.wait_for_ready(timeout=START))
            self.language = (await self.answer(self.client.kernel_info()))["language_info"]
        except RuntimeError as error:
            await self.end(f"did not start: {error}")
            raise KernelDied(said=str(error)) from error
        except BaseException:
            await self.end("was not to start any more")
            raise

    async def begin(self, temporary: Path) -> None:
        """A process that has just died, or cannot say that it is ready, is replaced once."""
        await self.ready()
        try:
            await self.ask("begin", temporary)
        except KernelDied:
            await self.end("did not answer")
            await self.ready()
            await self.ask("begin", temporary)

    async def after(self, why: str, folders: list[Path]) -> None:
        if not self.manager:
            return
        if not why and self.done >= self.runs:
            why = f"{self.done} runs"
        if why := why or await self.unfit(folders):
            await self.end(why)

    async def unfit(self, folders: list[Path]) -> str:
        """Wipes; what speaks against a further run, empty where nothing does."""
        try:
            left = await self.ask("wipe", *folders)
            process = psutil.Process(self.pid)
            left += [f"process {child.name()}" for child in process.children() if not tracker(child)]
            memory = process.memory_info().rss
        except (KernelDied, psutil.NoSuchProcess) as error:
            return f"it could not be wiped: {error}"
        self.memory = self.memory or memory
        if left:
            return "a notebook left " + ", ".join(left)
        return f"it grew by {memory - self.memory} bytes" if memory - self.memory > self.growth else ""

    async def end(self, why: str) -> None:
        """Kills the process: all that a notebook leaves is written by then; a polite end takes one with torch 2.5 s."""
        manager, self.manager, client, self.client = self.manager, None, self.client, None
        if client:
            client.stop_channels()
        if manager:
            self.ended = why
            await manager.shutdown_kernel(now=True)
            shutil.rmtree(Path(manager.connection_file).parent, ignore_errors=True)

    # ------------------------------------------------------------------------------------------ talking to it
    async def ask(self, verb: str, *paths: Path) -> Any:
        """Calls a function of `slate` in the kernel, as an expression of which nothing stays there."""
        given = ", ".join(repr(str(path)) for path in paths)
        expression = f"__import__('narcis.jobs.slate', fromlist=['slate']).{verb}({given})"
        assert self.client
        while True:
            request = self.client.execute("", silent=True, user_expressions={"it": expression}, allow_stdin=False)
            content = await self.answer(request)
            if content["status"] != "aborted":  # as all that is asked in the moment after an error is
                break
            await asyncio.sleep(0.01)
        said = content.get("user_expressions", {}).get("it", {})
        try:
            return ast.literal_eval(said["data"]["text/plain"])
        except (KeyError, ValueError, SyntaxError):
            raise KernelDied(said=f"{verb}: {said.get('ename')}: {said.get('evalue')}") from None

    async def answer(self, request: str) -> dict[str, Any]:
        """The content of its reply; KernelDied without one."""
        until = time.monotonic() + ANSWER
        assert self.client and self.manager
        while time.monotonic() < until and await self.manager.is_alive():
            with suppress(Empty):
                message = await self.client.get_shell_msg(timeout=0.5)
                if message["parent_header"].get("msg_id") == request:
                    return message["content"]
        raise KernelDied()

    async def signal(self, number: int) -> None:
        """To the process and all that it started."""
        if self.manager and self.manager.has_kernel:
            with suppress(ProcessLookupError):
                await self.manager.signal_kernel(number)

    async def unless_asked(self, what: Awaitable[None]) -> None:
        """Awaits, but not for a run that is to stop: interrupting a process that starts would end it anyhow."""
        task = asyncio.ensure_future(what)
        try:
            while not task.done() and self.asked is None:
                await asyncio.wait({task}, timeout=GLANCE)
            if not task.done():
                raise Interrupted(self.asked or "interrupted")
            await task
        finally:
            task.cancel()


def tracker(child: psutil.Process) -> bool:
    """Python's own, which counts the names of semaphores and shared memory for as long as its parent lives."""
    return any("multiprocessing.resource_tracker" in word for word in child.cmdline())


async def cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def private_folder() -> tuple[Path, IO[str]]:
    """A new folder for this user alone, with a path that is short enough for sockets, and the lock that keeps it."""
    roots = [root for root in (tempfile.gettempdir(), "/tmp") if len(os.fsencode(root)) < LONGEST - 40]
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=roots[0] if roots else None))
    sweep(folder.parent)
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def sweep(root: Path) -> None:
    """Takes away what owners left that were killed; a lock outlives nobody, whichever container it was taken in."""
    for path in root.glob(f"{PREFIX}*/lock"):
        with suppress(OSError), path.open("a") as lock:  # another user's cannot be opened, a living one's not locked
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - path.stat().st_mtime > FRESH:
                shutil.rmtree(path.parent, ignore_errors=True)


@contextmanager
def stoppable(kernel: WarmKernel) -> Iterator[threading.Event]:
    """While the block runs, Ctrl-C and SIGTERM interrupt the kernel's run, and set the event that is yielded.

    So the cell ends with its own KeyboardInterrupt, its `finally` clauses run, and the notebook is saved with it.
    Only a main thread can hear of signals; in another one nothing happens.
    """
    stop, over = threading.Event(), threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(*_: object) -> None:
        if not stop.is_set():
            stop.set()
            threading.Thread(target=insist, args=(kernel, over), daemon=True).start()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def insist(kernel: WarmKernel, over: threading.Event) -> None:
    """Interrupts the run, be it one that has not begun yet."""
    while not kernel.interrupt() and not over.wait(GLANCE):
        pass
