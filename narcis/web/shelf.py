"""Encoded pictures in memory with what pages say of them, within a number of bytes; what was used longest ago goes."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PIL import Image

MOST = 192 << 20  # bytes
GROUND = 8  # px, a side of what stands in a frame until its picture is there
ENTRY = 512  # bytes that an entry takes beside its content, about


@dataclass(frozen=True)
class Entry:
    """One encoded picture."""

    content: bytes
    kind: str  # image/avif
    etag: str
    ground: str | None  # the same in 8 × 8 px, as a data URL; browsers blur it by enlarging it

    @property
    def size(self) -> int:
        return len(self.content) + len(self.ground or "") + ENTRY


@dataclass(frozen=True)
class Statistics:
    """How well the shelf serves."""

    entries: int
    bytes: int
    most: int
    hits: int
    misses: int
    evicted: int

    @property
    def hit_rate(self) -> float:
        return self.hits / max(1, self.hits + self.misses)


class Shelf:
    """Safe for many threads.  Bytes are loaded outside the lock, so two may load the same; it does no harm."""

    def __init__(self, most: int = MOST):
        self.most = most
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.guard = threading.Lock()
        self.bytes = self.hits = self.misses = self.evicted = 0

    def peek(self, key: str) -> Entry | None:
        """What is there, without asking the store and without being counted."""
        with self.guard:
            return self.entries.get(key)

    def get(self, key: str, load: Callable[[str], bytes]) -> Entry:
        """The entry of a store's key.  Raises what `load` raises."""
        with self.guard:
            if entry := self.entries.get(key):
                self.entries.move_to_end(key)
                self.hits += 1
                return entry
            self.misses += 1
        entry = encoded(key, load(key))
        self.put(key, entry)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """One that is larger than an eighth of the shelf is not kept: it would throw out all others."""
        with self.guard:
            self.take_out(key)
            if entry.size > self.most // 8:
                return
            self.entries[key] = entry
            self.bytes += entry.size
            while self.bytes > self.most:
                self.take_out(next(iter(self.entries)))
                self.evicted += 1

    def drop(self, keys: Iterable[str]) -> None:
        with self.guard:
            for key in list(keys):
                self.take_out(key)

    def keys(self) -> list[str]:
        with self.guard:
            return list(self.entries)

    def clear(self) -> None:
        with self.guard:
            self.entries.clear()
            self.bytes = 0

    def take_out(self, key: str) -> None:
        """The caller holds the lock."""
        if entry := self.entries.pop(key, None):
            self.bytes -= entry.size

    def statistics(self) -> Statistics:
        with self.guard:
            return Statistics(len(self.entries), self.bytes, self.most, self.hits, self.misses, self.evicted)


def encoded(key: str, content: bytes) -> Entry:
    """AVIF thumbs have a ground; what is shown in full loads behind its thumb."""
    kind = {"avif": "image/avif", "png": "image/png"}.get(key.rpartition(".")[2], "application/octet-stream")
    digest = hashlib.sha256(content).hexdigest()[:32]
    return Entry(content, kind, f'"{digest}"', ground(content) if kind == "image/avif" else None)


def ground(content: bytes) -> str:
    """About 150 characters."""
    with Image.open(io.BytesIO(content)) as picture:
        small = picture.convert("RGB").resize((GROUND, GROUND), Image.Resampling.BOX)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=30, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
