"""`/`: the wall, its pages, and what comes to it while somebody looks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from narcis.errors import BadInput, NarcisError
from narcis.records import queries
from narcis.records.queries import Hung, Spot
from narcis.store import Store
from narcis.web.house import Here
from narcis.web.pages import page, render
from narcis.web.pictures import thumb_key
from narcis.web.shelf import Shelf

PAGE = 48
NEW = timedelta(minutes=10)  # what came within it hangs first, whoever visits
FIRST = 6  # pictures that are loaded before all else
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter()


@router.get("/")
def wall(request: Request, here: Here, before: str | None = None) -> Response:
    """A page of the wall.  Each visit begins with another sitter."""
    hung = queries.wall(here.engine, spot(before) if before else None, PAGE)
    facts = shown(here.shelf, hung if before else turned(hung, random.randrange(1 << 16)))
    return page(request, "wall.html", **facts, more=more(hung), first=0 if before else FIRST, newest=newest(hung))


@router.get("/wall")
def frames(here: Here, before: str) -> HTMLResponse:
    """The frames of a page alone, for a wall that goes on."""
    hung = queries.wall(here.engine, spot(before), PAGE)
    return HTMLResponse(render("frames.html", **shown(here.shelf, hung), more=more(hung), first=0))


def since_when(after: str = "", last_event_id: Annotated[str, Header()] = "") -> Spot:
    """Where a viewer was; a browser that comes back says so by itself."""
    return spot(last_event_id or after or named(Spot(datetime.now(UTC), "")))


@router.get("/wall/events", response_class=EventSourceResponse)
async def events(here: Here, since: Annotated[Spot, Depends(since_when)]) -> AsyncIterable[ServerSentEvent]:
    """A frame for each picture that is hung; first those that the viewer has missed.

    Each event's id is the picture's place in the order of hanging, so that a browser that comes back says where it was.
    """
    async with here.herald.listening() as queue:
        for picture in await asyncio.to_thread(queries.wall_since, here.engine, since, PAGE):
            since = picture.at
            yield event(picture, await asyncio.to_thread(frame, here.shelf, here.store, picture))
        while news := await queue.get():
            if order(news.picture.at) > order(since):
                yield event(news.picture, news.told)


def event(picture: Hung, html: str) -> ServerSentEvent:
    return ServerSentEvent(event="hung", raw_data=html, id=named(picture.at))


def frame(shelf: Shelf, store: Store, picture: Hung) -> str:
    """A picture alone; without a ground where the store does not have it now."""
    with suppress(NarcisError):
        shelf.get(thumb_key(picture.key), store.get)
    return render("frames.html", **shown(shelf, [picture]), more=None, first=0)


# ------------------------------------------------------------------------------------------ order
def shown(shelf: Shelf, hung: list[Hung]) -> dict[str, Any]:
    """Pictures with what stands in their frames until they are there."""
    entries = {picture.id: shelf.peek(thumb_key(picture.key)) for picture in hung}
    return {"pictures": hung, "grounds": {id: entry.ground for id, entry in entries.items() if entry}}


def turned(hung: list[Hung], by: int) -> list[Hung]:
    """The same ring of pictures, begun elsewhere; what has just come stays in front."""
    fresh = datetime.now(UTC) - NEW
    new = [picture for picture in hung if picture.at.placed_at > fresh]
    rest = hung[len(new) :]
    at = by % len(rest) if rest else 0
    return new + rest[at:] + rest[:at]


def more(hung: list[Hung]) -> str | None:
    """Where the next page begins; None where there is none."""
    return named(hung[-1].at) if len(hung) == PAGE else None


def newest(hung: list[Hung]) -> str:
    return named(hung[0].at if hung else Spot(datetime.now(UTC), ""))


def order(place: Spot) -> tuple[datetime, str]:
    return place.placed_at, place.id


def named(place: Spot) -> str:
    """A place in an address: microseconds since 1970, and the picture."""
    return f"{(place.placed_at - EPOCH) // timedelta(microseconds=1)}.{place.id}"


def spot(text: str) -> Spot:
    """Raises BadInput for what `named` has not said."""
    number, _, id = text.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 17 and len(id) <= 36 and id.isprintable()):
        raise BadInput(f"{text[:60]!r} is no place on the wall; begin at /")
    return Spot(EPOCH + timedelta(microseconds=int(number)), id)
