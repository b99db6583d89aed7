"""`/studio`: two words and a photo, the painting as it comes about, and what came of it."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from narcis.errors import BadInput, NarcisError, NotFound
from narcis.jobs import asking, catalog, files, queue
from narcis.records import queries, visitors
from narcis.records.tables import OVER, Run
from narcis.records.visitors import Visitor
from narcis.web import photos, sessions
from narcis.web.house import Here, House
from narcis.web.limits import Limit
from narcis.web.pages import page, render
from narcis.web.pictures import PRIVATE
from narcis.web.sessions import Known

JOB = "portrait"
GLANCE = 0.7  # seconds between two looks at a run that somebody follows
CONSENT = (
    "This is a photo of me, or of somebody who has agreed. narcis may measure the face in it, to paint this portrait "
    "and for nothing else. Photo, portrait and all that was noted on the way are mine to delete at any time."
)
IDEAS = (
    "byzantine emperor", "quiet poet", "iron queen", "winter scholar", "golden saint", "velvet rebel",
    "desert prophet", "corporate confidence", "ethereal beauty", "forgotten king", "amber oracle", "sunlit sailor",
)  # fmt: skip
STAGES = {
    "compose": "A composition, from your words alone",
    "refine": "The face becomes the sitter's",
}

router = APIRouter()
orders = Limit(30, 3600.0)  # by address: guests may come back with empty hands, an address does not change so easily


@router.get("/studio")
def studio(request: Request, here: Here, visitor: Known, words: str = "") -> Response:
    return form(request, here, visitor, {"words": words[:80]})


def form(
    request: Request, here: House, visitor: Visitor | None, given: dict[str, str], wrong: NarcisError | None = None
) -> HTMLResponse:
    """The empty form, or one that tells what was wrong with it."""
    sitters = [name for name in catalog.find(JOB).bounds["sitter"].among or () if name]
    left = visitors.left(here.engine, visitor) if visitor else visitors.TOKENS
    ideas = secrets.SystemRandom().sample(IDEAS, 4)
    return page(
        request, "studio.html", wrong.status if wrong else 200, wrong=str(wrong) if wrong else "", given=given,
        sitters=sitters, left=left, consent=CONSENT, ideas=ideas, key=secrets.token_urlsafe(12), visitor=visitor,
    )  # fmt: skip


@router.post("/studio")
def order(
    request: Request,
    here: Here,
    visitor: Known,
    words: Annotated[str, Form()] = "",
    sitter: Annotated[str, Form()] = "",
    consent: Annotated[str, Form()] = "",
    key: Annotated[str, Form(max_length=40)] = "",
    photo: UploadFile | None = None,
) -> Response:
    """Queues one portrait, and leads to where it can be watched; a form that is sent twice is one order."""
    answer = RedirectResponse("", 303)
    try:
        orders.count(request)
        given: dict[str, Any] = {"words": two(words), "seed": secrets.randbelow(1 << 32)}
        content = photos.received(photo.file.read(photos.MOST + 1)) if photo and photo.size else None
        if content and not consent:
            raise BadInput("without your consent the photo cannot be used; it has not been kept")
        if not content and not sitter:
            raise BadInput("a portrait needs a face: add a photo, or borrow one of our sitters")
        visitor = visitor or sessions.begin(request, answer)
        person = None
        if content:
            face = photos.kept(here.store, visitor.by, content)
            person = visitors.agree(here.engine, visitor, CONSENT, vars(face))
            given["face"] = files.MARK + face.key
        else:
            given["sitter"] = sitter
        run = submitted(here, visitor, given, key or None, person)
    except NarcisError as error:
        refused = form(request, here, visitor, {"words": words[:80], "sitter": sitter}, error)
        refused.raw_headers += [header for header in answer.raw_headers if header[0] == b"set-cookie"]
        return refused
    answer.headers["location"] = f"/studio/{run}"
    return answer


def two(words: str) -> str:
    """One to four words; what else the notebook makes of them is its own business."""
    plain = " ".join(words.split())
    if not re.fullmatch(r"[^\W_][\w'’.-]*( [^\W_][\w'’.-]*){0,3}", plain) or len(plain) > 80:
        raise BadInput("two words, please: letters and figures, one to four words, such as “quiet poet”")
    return plain


def submitted(here: House, visitor: Visitor, given: dict[str, Any], key: str | None, person: str | None) -> str:
    """The run's id.  Its price is paid in the transaction that queues it."""
    job = catalog.find(JOB)
    tokens = 0 if visitor.operates else job.terms.tokens

    def pay(db: Any, run: str) -> None:
        visitors.pay(db, run, visitor, given["words"], tokens, person)

    return asking.submit(here.engine, job, given, by=visitor.by, key=key, also=pay)


# ------------------------------------------------------------------------------------------ one order
@router.get("/studio/{id}")
def sitting(request: Request, here: Here, visitor: Known, id: str) -> Response:
    """The order as it stands; with script it goes on by itself, without it the page comes again."""
    run = own(here, visitor, id)
    left = visitors.left(here.engine, visitor) if visitor else 0
    return page(request, "sitting.html", **card(here, run), left=left)


def may_follow(here: Here, visitor: Known, id: str) -> str:
    """Asked before the stream begins: what has begun cannot be answered with 404."""
    return own(here, visitor, id).id


@router.get("/studio/{id}/events", response_class=EventSourceResponse)
async def events(here: Here, id: Annotated[str, Depends(may_follow)]) -> AsyncIterable[ServerSentEvent]:
    """The card as the stream opens, then one for each change, then `over`.  Each is whole: none needs the others."""
    shown = ""
    while True:
        run = await asyncio.to_thread(queries.run, here.engine, id)
        facts = await asyncio.to_thread(card, here, run)
        if (html := render("card.html", **facts)) != shown:
            shown = html
            yield ServerSentEvent(event="card", raw_data=html)
        if run.state in OVER:
            yield ServerSentEvent(event="over", raw_data="")
            return
        await asyncio.sleep(GLANCE)


@router.get("/studio/{id}/preview/{name}")
def preview(here: Here, visitor: Known, id: str, name: str) -> Response:
    """What is being painted, small; for whoever ordered it."""
    run = own(here, visitor, id)
    if not re.fullmatch(r"[a-z]+-\d+\.png", name):
        raise NotFound(f"there is no preview {name}")
    return Response(here.store.get(f"{run.prefix}/previews/{name}"), media_type="image/png")


@router.get("/studio/{id}/photo")
def photo(here: Here, visitor: Known, id: str) -> Response:
    """The photo that the order came with."""
    key = own(here, visitor, id).values.get("face", "").removeprefix(files.MARK)
    if not key:
        raise NotFound("there is no photo with this order")
    return Response(here.store.get(key), media_type="image/png", headers={"Cache-Control": PRIVATE})


@router.post("/studio/{id}/cancel")
def cancel(here: Here, visitor: Known, id: str) -> Response:
    run = own(here, visitor, id)
    queue.cancel(here.engine, run.id, run.by)
    return RedirectResponse(f"/studio/{id}", 303)


@router.post("/studio/{id}/again")
def again(request: Request, here: Here, visitor: Known, id: str) -> Response:
    """The same words and the same face, from another seed."""
    run = own(here, visitor, id)
    assert visitor
    orders.count(request)
    given = {**run.values, "seed": secrets.randbelow(1 << 32)}
    person = visitors.person(here.engine, visitor) if "face" in given else None
    return RedirectResponse(f"/studio/{submitted(here, visitor, given, None, person)}", 303)


def own(here: House, visitor: Visitor | None, id: str) -> Run:
    """The run, if this visitor ordered it or operates.  Raises NotFound."""
    run = queries.run(here.engine, id)
    if visitor is None or not (visitor.operates or run.by == visitor.by):
        raise NotFound(f"there is no order {id} of yours")
    return run


def card(here: House, run: Run) -> dict[str, Any]:
    """All that the card shows."""
    waits = run.state == "queued"
    seconds = queries.start_in(here.engine, run.id) if waits else None
    return {
        "run": run,
        "over": run.state in OVER,
        "place": queries.position(here.engine, run.id) if waits else None,
        "soon": None if seconds is None else max(1, round(seconds)),
        "stage": STAGES.get(run.stage or "", run.stage or "Brushes are being set out"),
        "part": list(STAGES).index(run.stage) + 1 if run.stage in STAGES else None,
        "preview": run.preview.rpartition("/")[2] if run.preview else None,
        "pictures": queries.pictures(here.engine, run.id) if run.state == "succeeded" else [],
    }
