"""What stays in memory between uses: as much as fits, the least recently used let go first."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, Generic, TypeVar

import psutil
import torch
from torch import nn

T = TypeVar("T")

SHARE = {"cuda": 0.8, "mps": 0.8, "cpu": 0.5}  # of a device's memory; the rest is for what networks compute
CGROUP = Path("/sys/fs/cgroup/memory.max")  # a container's limit, where it has one


@dataclass
class Resident(Generic[T]):
    """Loaded things by key, each on one device.

    `measure` tells a thing's bytes there, at any time, since parts may be read later or move away; `room` the bytes
    that all of a device's may take.  The one asked for last stays, however large it is.
    """

    measure: Callable[[T, torch.device], int]
    room: Callable[[torch.device], int]
    kept: OrderedDict[Hashable, tuple[torch.device, T]] = field(default_factory=OrderedDict)
    lock: Any = field(default_factory=RLock)

    def get(self, key: Hashable, device: torch.device, expected: int, load: Callable[[], T]) -> T:
        """The thing of a key, loaded where it is not here; before that, room is made for the bytes expected."""
        with self.lock:
            if key not in self.kept:
                self.make_room(device, expected)
                self.kept[key] = (device, load())
                self.make_room(device, 0, spare=key)
            self.kept.move_to_end(key)
            return self.kept[key][1]

    def held(self, device: torch.device) -> int:
        """Bytes of all that is kept on a device."""
        return sum(self.measure(thing, device) for where, thing in self.kept.values() if where == device)

    def make_room(self, device: torch.device, wanted: int, spare: Hashable = None) -> None:
        """Lets go of the least recently used on a device, until the rest and what is wanted fit."""
        while self.held(device) + wanted > self.room(device):
            oldest = next((key for key, (where, _) in self.kept.items() if where == device and key != spare), None)
            if oldest is None:
                return
            del self.kept[oldest]
            give_back(device)

    def clear(self) -> None:
        with self.lock:
            self.kept.clear()


def give_back(device: torch.device) -> None:
    """What nobody holds any more goes back to the device, not only to torch's own pool."""
    gc.unfreeze()  # a model of an earlier run may be among what a kernel that lives on passes over
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def room(device: torch.device) -> int:
    """Bytes that models may take on a device."""
    return int(memory(device) * SHARE.get(device.type, 0.5))


def memory(device: torch.device) -> int:
    """A device's bytes, for a processor those that this process may have."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    limit = CGROUP.read_text().strip() if CGROUP.is_file() else "max"
    here = psutil.virtual_memory().total
    return here if limit == "max" else min(here, int(limit))


def bytes_of(networks: Iterable[Any], device: torch.device) -> int:
    """Bytes of the parameters and buffers that lie on a device, each once; what is no network counts nothing."""
    tensors = (
        tensor
        for network in networks
        if isinstance(network, nn.Module)
        for tensor in chain(network.parameters(), network.buffers())
    )
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors if tensor.device.type == device.type}.values())
