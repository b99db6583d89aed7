"""`/ops`: the operators' desk.  To everybody else it is not there."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from narcis.errors import BadInput, NotFound
from narcis.jobs import asking, catalog, queue, watching
from narcis.records import pictures, queries, visitors
from narcis.records.tables import OVER, PLACES, STATES
from narcis.records.visitors import Visitor
from narcis.web import notebooks, orderform, sessions
from narcis.web.house import Here, House
from narcis.web.limits import Limit
from narcis.web.pages import page
from narcis.web.pictures import thumb_key
from narcis.web.sessions import Known, Operator

LOGIN, PROGRAM = "desk:operator", "api:program"
DAYS = 90  # that a program's key lasts
PAGE = 40

router = APIRouter(prefix="/ops")
attempts = Limit(10, 900.0)  # at the key


# ------------------------------------------------------------------------------------------ the door
@router.get("/enter")
def door(request: Request, visitor: Known) -> Response:
    if visitor and visitor.operates:
        return RedirectResponse("/ops", 303)
    return page(request, "ops/enter.html", wrong="")


@router.post("/enter")
def enter(request: Request, here: Here, key: Annotated[str, Form()]) -> Response:
    """Whoever has the key operates, for as long as a session lasts."""
    attempts.count(request)
    if here.operator_key is None or not secrets.compare_digest(key.encode(), here.operator_key.encode()):
        said = "that is not the key" if here.operator_key else "there is no key; set NARCIS_OPERATOR_KEY"
        return page(request, "ops/enter.html", 403, wrong=said)
    answer = RedirectResponse("/ops", 303)
    sessions.begin(request, answer, visitors.operator(here.engine, LOGIN, "Operator"))
    return answer


@router.post("/leave")
def leave(request: Request, here: Here, visitor: Operator) -> Response:
    visitors.end(here.engine, visitor)
    answer = RedirectResponse("/", 303)
    sessions.leave(request, answer)
    return answer


# ------------------------------------------------------------------------------------------ runs
@router.get("")
def desk(
    request: Request, here: Here, visitor: Operator, job: str = "", state: str = "", by: str = "", before: str = ""
) -> Response:
    """Runs with filters, the queue's depth, and who works."""
    if state and state not in STATES:
        raise BadInput(f"state is {state[:20]!r}; a run is one of {', '.join(STATES)}")
    runs = queries.page(
        here.engine, job=job or None, state=state or None, by=by or None, before=before or None, most=PAGE
    )
    return page(
        request, "ops/desk.html", runs=runs, depth=queries.depth(here.engine), workers=queries.workers(here.engine),
        jobs=catalog.jobs(), states=STATES, chosen={"job": job, "state": state, "by": by}, most=PAGE,
    )  # fmt: skip


@router.get("/runs/{id}")
def run(request: Request, here: Here, visitor: Operator, id: str) -> Response:
    """One run: all that is known, its log, its pictures, its notebook."""
    found = queries.run(here.engine, id)
    return page(
        request, "ops/run.html", run=found, facts=watching.facts(found), over=found.state in OVER,
        log=[watching.said(event) for event in watching.history(here.engine, id)],
        pictures=queries.pictures(here.engine, id), place=queries.position(here.engine, id),
        executed=here.store.has(f"notebooks/{id}.ipynb"),
    )  # fmt: skip


@router.get("/runs/{id}/notebook")
def notebook(here: Here, visitor: Operator, id: str) -> Response:
    """The executed notebook, as a page that is sandboxed by its own headers."""
    queries.run(here.engine, id)
    return HTMLResponse(notebooks.page(here.store, id), headers={"Content-Security-Policy": notebooks.POLICY})


@router.post("/runs/{id}/cancel")
def cancel(here: Here, visitor: Operator, id: str) -> Response:
    queue.cancel(here.engine, id, visitor.by)
    return RedirectResponse(f"/ops/runs/{id}", 303)


@router.post("/runs/{id}/retry")
def retry(here: Here, visitor: Operator, id: str) -> Response:
    return RedirectResponse(f"/ops/runs/{queue.retry(here.engine, id, visitor.by)}", 303)


# ------------------------------------------------------------------------------------------ jobs
@router.get("/jobs/{name}")
def job(request: Request, visitor: Operator, name: str) -> Response:
    """A job's form, made from its notebook."""
    found = catalog.find(name)
    return page(request, "ops/job.html", job=found, fields=list(orderform.fields(found)), wrong="", given={})


@router.post("/jobs/{name}")
async def ask(request: Request, here: Here, visitor: Operator, name: str) -> Response:
    async with request.form() as form:
        return await asyncio.to_thread(asked, request, here, visitor, name, form)


def asked(request: Request, here: House, visitor: Visitor, name: str, form: FormData) -> Response:
    """Queues the run, or shows the form again with what is wrong."""
    found = catalog.find(name)
    try:
        values = orderform.given(found, form, here.store, visitor.by)
        id = asking.submit(here.engine, found, values, by=visitor.by)
    except BadInput as error:
        shown = {name: value for name, value in form.items() if isinstance(value, str)}
        facts = {"job": found, "fields": list(orderform.fields(found)), "wrong": str(error), "given": shown}
        return page(request, "ops/job.html", 422, **facts)
    return RedirectResponse(f"/ops/runs/{id}", 303)


# ------------------------------------------------------------------------------------------ pictures
@router.get("/pictures")
def judge(
    request: Request, here: Here, visitor: Operator, place: str = "production", before: str | None = None
) -> Response:
    """Pictures of a place, to be hung, curated or put aside."""
    if place not in PLACES:
        raise BadInput(f"there is no place {place[:20]!r}; a picture is in one of {', '.join(PLACES)}")
    found = queries.productions(here.engine, place, before, PAGE)
    grounds = {one.id: entry.ground for one in found if (entry := here.shelf.peek(thumb_key(one.key)))}
    facts = {"pictures": found, "grounds": grounds, "place": place, "places": PLACES, "most": PAGE}
    return page(request, "ops/pictures.html", **facts)


@router.post("/pictures")
def put(here: Here, visitor: Operator, id: Annotated[list[str], Form()], place: Annotated[str, Form()]) -> Response:
    """All that are chosen go to a place.  One that was deleted meanwhile is passed over."""
    for one in id[:500]:
        try:
            pictures.put(here.engine, one, place, visitor.by)
        except NotFound:
            continue
    return RedirectResponse("/ops/pictures", 303)


# ------------------------------------------------------------------------------------------ programs
@router.get("/keys")
def keys(request: Request, visitor: Operator) -> Response:
    return page(request, "ops/keys.html", made="", days=DAYS)


@router.post("/keys")
def make_key(request: Request, here: Here, visitor: Operator) -> Response:
    """A key for a program, which may then do by /api/v1 what operators do; it is shown this once."""
    user = visitors.operator(here.engine, PROGRAM, "Programs")
    return page(request, "ops/keys.html", made=visitors.begin(here.engine, user, DAYS * 86400.0), days=DAYS)


# ------------------------------------------------------------------------------------------ memory
@router.get("/cache")
def cache(request: Request, here: Here, visitor: Operator) -> Response:
    return page(request, "ops/cache.html", statistics=here.shelf.statistics(), viewers=len(here.herald.listeners))


@router.post("/cache")
def empty(here: Here, visitor: Operator) -> Response:
    """Memory is emptied; what is asked for next comes from the store again."""
    here.shelf.clear()
    return RedirectResponse("/ops/cache", 303)
