"""A kernel of this very Python, and the way by which Ctrl-C and SIGTERM reach the cell that it runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import DEVNULL
from typing import Any, ClassVar

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

# Stops the debugger from warning, on stderr, that it cannot debug Python's own frozen modules.
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
AGAIN = 0.5  # seconds until a kernel is interrupted once more: between two cells it does not listen
PATIENCE = 10.0  # seconds until one that will not stop is killed


class Kernel(AsyncKernelManager):
    """What nbclient starts and stops."""

    running: ClassVar[dict[str, int]] = {}  # kernel id -> process

    @default("kernel_spec_manager")
    def native_only(self) -> KernelSpecManager:
        """Kernels that a user has installed under the same name may belong to another Python."""
        return KernelSpecManager(kernel_dirs=[], parent=self)

    @default("transport_encryption")
    def encrypted(self) -> str:
        """Other users of the machine could read its ports."""
        return "auto" if zmq.has("curve") else "disabled"

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
        """What cells print comes through its sockets, stderr too; its real stderr would only tell of interrupts."""
        env = {**os.environ, **kwargs.get("env", {}), **QUIET}
        await super().start_kernel(**{"stderr": DEVNULL, **kwargs, "env": env})
        self.running[self.kernel_id] = getattr(self.provisioner, "pid", 0)

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        self.running.pop(self.kernel_id, None)
        await super().cleanup_resources(restart=restart)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """While the block runs, Ctrl-C and SIGTERM interrupt the kernel, and set the event that is yielded.

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
            threading.Thread(target=insist, args=(over,), daemon=True).start()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def insist(over: threading.Event) -> None:
    """Interrupts the kernel until the run is over, and kills it when it does not stop."""
    for _ in range(round(PATIENCE / AGAIN)):
        send(signal.SIGINT)
        if over.wait(AGAIN):
            return
    send(signal.SIGKILL)


def send(number: signal.Signals) -> None:
    for process in [pid for pid in Kernel.running.values() if pid]:
        with suppress(ProcessLookupError):
            os.kill(process, number)
