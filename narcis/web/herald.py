"""Tells all open walls of what has just been hung; however many look, the database is asked once a second, and what
they are told is written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine

from narcis.errors import NarcisError
from narcis.records import queries
from narcis.records.queries import Hung, Spot

GLANCE = 1.0  # seconds
OVERLAP = timedelta(seconds=10)  # a transaction may commit later than its clock says; it is looked for this long
WAITING = 100  # pictures that a viewer who takes none may be behind, before it is left to reconnect

log = structlog.get_logger("narcis.web")


@dataclass(frozen=True)
class News:
    """A picture that was hung, and what viewers are told of it."""

    picture: Hung
    told: str


class Herald:
    """One in a process, alive between `start` and `stop`; `write` makes of a picture what viewers are told."""

    def __init__(self, engine: Engine, write: Callable[[Hung], str]):
        self.engine, self.write = engine, write
        self.listeners: set[asyncio.Queue[News | None]] = set()
        self.told: dict[str, datetime] = {}  # what was hung within the overlap, and is known
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.look_on())

    async def stop(self) -> None:
        """Every stream ends."""
        if self.task:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        for queue in self.listeners:
            push(queue, None)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[News | None]]:
        """A queue of what is hung from now on; None when there will be no more."""
        queue: asyncio.Queue[News | None] = asyncio.Queue(WAITING)
        self.listeners.add(queue)
        try:
            yield queue
        finally:
            self.listeners.discard(queue)

    async def look_on(self) -> None:
        with suppress(NarcisError):
            await self.look()  # what hangs already is no news
        while True:
            await asyncio.sleep(GLANCE)
            if not self.listeners:
                continue
            try:
                news = await self.look()
            except NarcisError as error:
                log.warning("failed", what="herald", error=str(error))
                continue
            for queue in list(self.listeners):
                for one in news:
                    push(queue, one)

    async def look(self) -> list[News]:
        """What is new, in the order in which it was hung."""
        since = Spot(datetime.now(UTC) - OVERLAP, "")
        found = await asyncio.to_thread(queries.wall_since, self.engine, since)
        news = [picture for picture in found if self.told.get(picture.id) != picture.placed_at]
        self.told = {picture.id: picture.placed_at for picture in found if picture.placed_at}
        return [News(picture, await asyncio.to_thread(self.write, picture)) for picture in news]


def push(queue: asyncio.Queue[News | None], one: News | None) -> None:
    """Whoever is too far behind is told that it is over; the browser comes back and says where it was."""
    try:
        queue.put_nowait(one)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
