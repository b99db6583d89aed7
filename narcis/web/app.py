"""The application: what is where, what every request passes, and how errors are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Engine
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.gzip import GZipMiddleware

from narcis.errors import NarcisError, NotFound, Unavailable
from narcis.records import db, queries, visitors
from narcis.store import Store
from narcis.web import api, forgetting, mine, ops, pages, pictures, studio, wall
from narcis.web.herald import Herald
from narcis.web.house import Here, House
from narcis.web.protection import HEADERS, OwnPagesOnly, Protected
from narcis.web.shelf import MOST, Shelf

LARGEST = 16 << 20  # bytes of a request: a photo of 15 MB with its form
UNKEEPABLE = (DataError, UnicodeEncodeError)  # of databases, for NUL and for halves of characters
AHEAD = 480  # pictures that are on the shelf before anybody asks for them
SWEEP = 30.0  # seconds until bytes of a picture that was deleted by another process are gone from this one

log = structlog.get_logger("narcis.web")


def create(engine: Engine, store: Store, *, operator_key: str | None = None, memory: int = MOST) -> FastAPI:
    """The web over a database and a store."""
    shelf = Shelf(memory)
    here = House(engine, store, shelf, Herald(engine, partial(wall.frame, shelf, store)), operator_key)
    app = FastAPI(title="narcis", lifespan=living, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = here
    for part in (pages, wall, pictures, studio, mine, ops):
        app.include_router(part.router)
    app.mount("/api/v1", programs(here))
    app.add_api_route("/health", health)
    app.add_api_route("/ready", ready)
    for kind in (NarcisError, HTTPException, RequestValidationError, *UNKEEPABLE, Exception):
        app.add_exception_handler(kind, told)
    # The last is the outermost.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST)
    app.add_middleware(OwnPagesOnly)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(Protected)
    return app


def programs(here: House) -> FastAPI:
    """The API over the same house; several houses in a process, as in tests, have one each."""
    app = FastAPI(title="narcis", version="1", description=str(api.__doc__), docs_url=None, redoc_url=None)
    app.state.house = here
    app.include_router(api.router)
    for kind in (NarcisError, HTTPException, RequestValidationError, *UNKEEPABLE, Exception):
        app.add_exception_handler(kind, told)
    return app


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    here: House = app.state.house
    await here.herald.start()
    beside = [asyncio.create_task(fill(here)), asyncio.create_task(sweep(here))]
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        await here.herald.stop()


async def fill(here: House) -> None:
    """The shelf, with what hangs in front; pages are served meanwhile."""
    with suppress(Unavailable):
        for picture in await asyncio.to_thread(queries.wall, here.engine, None, AHEAD):
            with suppress(NotFound):
                await asyncio.to_thread(here.shelf.get, pictures.thumb_key(picture.key), here.store.get)


async def sweep(here: House) -> None:
    """Nothing stays in memory of pictures that are no more, nor anywhere of guests whose time is over."""
    while True:
        await asyncio.sleep(SWEEP)
        try:
            here.shelf.drop(await asyncio.to_thread(queries.gone, here.engine, here.shelf.keys()))
            for visitor in await asyncio.to_thread(visitors.lapsed, here.engine):
                receipt = await asyncio.to_thread(forgetting.forget, here, visitor)
                log.info("forgotten", runs=receipt.runs, objects=receipt.objects, later=receipt.later)
        except NarcisError as error:
            log.warning("failed", what="sweep", error=str(error))


# ------------------------------------------------------------------------------------------ for whoever watches it
async def health() -> dict[str, str]:
    """The process lives."""
    return {"state": "well"}


def ready(here: Here) -> Response:
    """Whether visitors can be let in: database and schema, store."""
    amiss = [said for said in (tried(lambda: db.check(here.engine)), tried(lambda: here.store.has("ready"))) if said]
    return JSONResponse({"state": "not ready" if amiss else "ready", "amiss": amiss}, 503 if amiss else 200)


def tried(what: object) -> str | None:
    try:
        what()  # type: ignore[operator]
    except (NarcisError, OSError) as error:
        return str(error)
    return None


# ------------------------------------------------------------------------------------------ errors
TITLES = {
    402: "No tokens left",
    403: "Not yours",
    404: "Nothing hangs here",
    413: "Too large",
    422: "That cannot be",
    429: "A little slower, please",
    503: "Closed for a moment",
}


async def told(request: Request, error: Exception) -> Response:
    """An error as a page; for programs as JSON."""
    status, said = meaning(error)
    if status == 500:
        log.exception("failed", what=request.url.path, error=str(error), exc_info=error)
    if request.url.path.startswith("/api/"):
        needs = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return JSONResponse({"error": said}, status, headers=HEADERS | needs)
    title = TITLES.get(status, "Something broke")
    answer = pages.page(request, "error.html", status, title=title, said=said)
    for name, value in HEADERS.items():  # what nobody foresaw is answered outside of all that adds them
        answer.headers.setdefault(name, value)
    return answer


def meaning(error: Exception) -> tuple[int, str]:
    """Status, and one line for people; what nobody foresaw is told in the log only."""
    if isinstance(error, NarcisError):
        return error.status, str(error)
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        wrong = error.errors()[0]
        return 422, f"{wrong['loc'][-1]}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}"
    if isinstance(error, UNKEEPABLE):
        return 422, "it holds a sign that no text can have; write it without"
    return 500, "an error that nobody foresaw; it has been noted, and trying again may help"
