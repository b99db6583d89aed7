"""`/me`: a visitor's own portraits, and the way to have all of it deleted."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from narcis.records import queries, visitors
from narcis.web import forgetting, sessions
from narcis.web.house import Here
from narcis.web.pages import page
from narcis.web.sessions import Known

router = APIRouter()


@router.get("/me")
def mine(request: Request, here: Here, visitor: Known) -> Response:
    """The runs that this browser has asked for, with their pictures."""
    runs = queries.page(here.engine, by=visitor.by) if visitor else []
    painted = queries.pictures_of(here.engine, [run.id for run in runs])
    left = visitors.left(here.engine, visitor) if visitor else visitors.TOKENS
    return page(request, "mine.html", visitor=visitor, runs=runs, painted=painted, left=left)


@router.post("/me/forget")
def forget(request: Request, here: Here, visitor: Known) -> Response:
    """Everything of this visitor is deleted; the answer is the receipt."""
    receipt = forgetting.forget(here, visitor) if visitor else forgetting.Receipt()
    answer = page(request, "forgotten.html", receipt=receipt)
    sessions.leave(request, answer)
    return answer
