"""Runs inside a kernel: what a kernel is before its first run, and the way back to that after each run.

This keeps notebooks from meeting each other's values by accident; it is no wall against one that means harm, for which
there are processes.  What libraries keep stays, and is meant to: imported modules, and caches in them, such as the
weights of `portrait.models`.  So does what a notebook changes inside a library, but for what is put back here.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import linecache
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from types import ModuleType
from typing import Any

from IPython.core.getipython import get_ipython

EVERY = 10
GRACE = 1.0  # seconds that a notebook's threads have to end after its last cell
TORCH_SEED = 67280421310721  # c10's default_rng_seed_val: what torch has in a process where nobody has set a seed


@dataclass(frozen=True)
class Slate:
    """A kernel's state before its first run."""

    space: dict[str, Any] = field(default_factory=lambda: dict(shell().user_ns))
    hidden: dict[str, Any] = field(default_factory=lambda: dict(shell().user_ns_hidden))
    main: ModuleType = field(default_factory=lambda: sys.modules["__main__"])
    builtins: dict[str, Any] = field(default_factory=lambda: dict(vars(builtins)))
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: str = field(default_factory=os.getcwd)
    path: list[str] = field(default_factory=lambda: list(sys.path))
    argv: list[str] = field(default_factory=lambda: list(sys.argv))
    hooks: dict[str, Any] = field(default_factory=lambda: {name: getattr(sys, name) for name in HOOKS})
    filters: list[Any] = field(default_factory=lambda: list(warnings.filters))
    handlers: list[Any] = field(default_factory=lambda: list(logging.root.handlers))
    level: int = field(default_factory=lambda: logging.root.level)
    signals: dict[int, Any] = field(default_factory=lambda: {n: signal.getsignal(n) for n in signal.valid_signals()})
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))


HOOKS = ("stdout", "stderr", "stdin", "displayhook", "excepthook", "unraisablehook")
clean: Slate | None = None  # set by the first run
wipes = count()


def shell() -> Any:
    return get_ipython()


def begin(temporary: str) -> None:
    """Before each run, which gets its own folder for temporary files."""
    global clean
    clean = clean or Slate()
    os.environ["TMPDIR"] = temporary
    tempfile.tempdir = None  # it is remembered there


def wipe(*folders: str) -> list[str]:
    """After each run: all as it was; `folders` were the run's.  Returns what cannot be undone, for which a kernel ends.

    The order matters: what a notebook may have bent comes first, what it holds is let go before threads are counted.
    """
    assert clean, "no run has begun"
    put_back(builtins.__dict__, clean.builtins)
    put_back_process(clean)
    put_back_shell(clean)
    put_back_libraries()
    forget_modules(folders)
    collect()
    return [*threads_left(clean), *tasks_left()]


def put_back(found: dict[str, Any], before: dict[str, Any]) -> None:
    """A dictionary as it was, the object itself staying."""
    for name in found.keys() - before.keys():
        del found[name]
    for name, value in before.items():
        if name not in found or found[name] is not value:
            found[name] = value


# ------------------------------------------------------------------------------------------ the process
def put_back_process(slate: Slate) -> None:
    for name in os.environ.keys() - slate.environment.keys():
        del os.environ[name]
    os.environ.update(slate.environment)
    os.chdir(slate.folder)
    tempfile.tempdir = None
    sys.path[:], sys.argv[:] = slate.path, slate.argv
    sys.modules["__main__"] = slate.main
    for name, value in slate.hooks.items():
        setattr(sys, name, value)
    sys.settrace(None)
    sys.setprofile(None)
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):  # they hold frames, and those all variables
        if hasattr(sys, name):
            delattr(sys, name)
    warnings.filters[:] = slate.filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]  # else its caches keep to the old ones
    logging.root.handlers[:] = slate.handlers
    logging.root.setLevel(slate.level)
    put_back_signals(slate)


def put_back_signals(slate: Slate) -> None:
    """SIGINT is set by ipykernel around every message, and is its own."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in slate.signals.items():
        if number != signal.SIGINT and handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


# ------------------------------------------------------------------------------------------ IPython
def put_back_shell(slate: Slate) -> None:
    """Variables, In and Out, the last inputs and errors, sources of cells, and what hangs on IPython's own hooks."""
    ip = shell()
    ip.displayhook.do_full_cache = False  # else IPython collects garbage too, which takes 0.2 s beside torch
    ip.reset(new_session=True)
    ip.displayhook.do_full_cache = True
    ip.displayhook._ = ip.displayhook.__ = ip.displayhook.___ = ""
    put_back(ip.user_ns, slate.space)
    put_back(ip.user_ns_hidden, slate.hidden)
    history = ip.history_manager
    history._i00 = history._i = history._ii = history._iii = ""
    history.db_input_cache.clear()
    history.db_output_cache.clear()
    history.output_hist_reprs.clear()
    ip._last_traceback = ip.last_execution_result = None
    ip.payload_manager.clear_payload()
    for name in list(ip.compile._filename_map):
        linecache.cache.pop(name, None)
    ip.compile._filename_map.clear()
    ip.compile.reset_compiler_flags()
    ip.set_custom_exc((), None)
    ip.ast_transformers.clear()
    ip.display_pub._hooks.clear()
    for callbacks in (*ip.events.callbacks.values(), ip.input_transformers_post, ip.input_transformers_cleanup):
        callbacks[:] = [callback for callback in callbacks if not of_notebook(callback)]
    for formatter in ip.display_formatter.formatters.values():
        for printers in (formatter.type_printers, formatter.deferred_printers, formatter.singleton_printers):
            for kind in [kind for kind, printer in printers.items() if of_notebook(printer) or of_notebook(kind)]:
                del printers[kind]


def of_notebook(thing: Any) -> bool:
    """Whether a function or class was made in a cell."""
    return getattr(thing, "__module__", None) == "__main__"


# ------------------------------------------------------------------------------------------ libraries
def put_back_libraries() -> None:
    """Random states as in a new process, no figure, no widget; of what is not loaded, nothing is loaded."""
    for name, again in LIBRARIES.items():
        if name in sys.modules:
            again(sys.modules[name])


def again_torch(torch: Any) -> None:
    torch.default_generator.manual_seed(TORCH_SEED)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(TORCH_SEED)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)


LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "random": lambda random: random.seed(),
    "numpy.random": lambda random: random.seed(),
    "torch": again_torch,
    "matplotlib.pyplot": lambda pyplot: pyplot.close("all"),
    "matplotlib": lambda matplotlib: matplotlib.rc_file_defaults(),
    "ipywidgets": lambda ipywidgets: ipywidgets.Widget.close_all(),
}


def forget_modules(folders: Iterable[str]) -> None:
    """Modules that a run wrote for itself; the next run may write others of the same name."""
    roots = tuple(path.rstrip(os.sep) + os.sep for folder in folders for path in (folder, os.path.realpath(folder)))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(roots):
            del sys.modules[name]
    for folder in [folder for folder in sys.path_importer_cache if f"{folder}{os.sep}".startswith(roots)]:
        del sys.path_importer_cache[folder]


def collect() -> None:
    """Frees what the run left in circles.  What was there before it is passed over, but for one wipe in EVERY.

    Libraries such as torch make a million objects, which take 0.3 s to go through and are hardly ever garbage.
    """
    if next(wipes) % EVERY == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


# ------------------------------------------------------------------------------------------ what still runs
def threads_left(slate: Slate) -> list[str]:
    """The notebook's threads that do not end; a library's own kind, such as tqdm's monitor, may go on."""
    until = time.monotonic() + GRACE
    for thread in (left := [one for one in threading.enumerate() if one not in slate.threads and plain(one)]):
        with suppress(RuntimeError):
            thread.join(max(0.0, until - time.monotonic()))
    return [f"thread {thread.name}" for thread in left if thread.is_alive()]


def plain(thread: threading.Thread) -> bool:
    return type(thread).__module__ in ("threading", "__main__") and not isinstance(thread, threading._DummyThread)


def tasks_left() -> list[str]:
    """The notebook's coroutines that wait in the kernel's loop."""
    with suppress(RuntimeError):
        frames = [(task, getattr(task.get_coro(), "cr_frame", None)) for task in asyncio.all_tasks()]
        return [f"task {t.get_name()}" for t, f in frames if f and f.f_globals.get("__name__") == "__main__"]
    return []
