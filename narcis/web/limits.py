"""How often an address may ask for what costs something.  Counted in this process; the tokens are counted for all."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from fastapi import Request

from narcis.errors import NarcisError

REMEMBERED = 10_000  # addresses


class TooOften(NarcisError):
    status = 429


class Limit:
    """At most `most` times within `seconds`, by address."""

    def __init__(self, most: int, seconds: float):
        self.most, self.seconds = most, seconds
        self.times: OrderedDict[str, deque[float]] = OrderedDict()
        self.guard = threading.Lock()

    def count(self, request: Request) -> None:
        """Once more.  Raises TooOften."""
        address, now = request.client.host if request.client else "", time.monotonic()
        with self.guard:
            times = self.times.setdefault(address, deque())
            self.times.move_to_end(address)
            while times and times[0] < now - self.seconds:
                times.popleft()
            if len(times) >= self.most:
                wait = max(1, round((times[0] + self.seconds - now) / 60))
                raise TooOften(f"that is often, from one address; in {wait} min it goes on", minutes=wait)
            times.append(now)
            while len(self.times) > REMEMBERED:
                self.times.popitem(last=False)
