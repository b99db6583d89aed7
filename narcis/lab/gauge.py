"""What a stage takes: its seconds, and the most memory at any moment of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import psutil
import torch

GLANCE = 0.01  # seconds between two looks at the process


@dataclass(frozen=True)
class Spent:
    """One stage: seconds, and bytes on the card, or of the whole process where there is none."""

    stage: str
    seconds: float
    bytes: int


@dataclass
class Gauge:
    """Measures stages one after the other on one device."""

    device: torch.device
    spent: list[Spent] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage that fails leaves nothing."""
        with peak_card(self.device) if self.device.type == "cuda" else peak_process() as peak:
            started = time.perf_counter()
            yield
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            seconds = time.perf_counter() - started
        self.spent.append(Spent(name, seconds, peak[0]))

    def facts(self) -> dict[str, dict[str, float]]:
        """For a manifest."""
        return {one.stage: {"seconds": round(one.seconds, 3), "bytes": one.bytes} for one in self.spent}


@contextmanager
def peak_card(device: torch.device) -> Iterator[list[int]]:
    """The most bytes of tensors on a card, in the list when the block has ended."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    peak: list[int] = []
    yield peak
    peak.append(torch.cuda.max_memory_allocated(device))


@contextmanager
def peak_process() -> Iterator[list[int]]:
    """The most bytes that this process holds, looked at often; what is shorter than a glance is not seen."""
    process, over = psutil.Process(), Event()
    peak = [process.memory_info().rss]

    def look() -> None:
        while not over.wait(GLANCE):
            peak[0] = max(peak[0], process.memory_info().rss)

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield peak
    finally:
        over.set()
        looking.join()
