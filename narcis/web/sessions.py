"""Whose browser it is: a cookie with a secret, known to the database by its SHA-256."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from narcis.errors import NotFound
from narcis.records import visitors
from narcis.records.visitors import Visitor
from narcis.web.house import House, house

HOST = "__Host-narcis"  # browsers take it from this host alone, over TLS, for all paths
PLAIN = "narcis"  # without TLS, on one's own machine


def cookie(request: Request) -> str:
    return HOST if request.url.scheme == "https" else PLAIN


def known(request: Request) -> Visitor | None:
    """Who comes; None for somebody new, for whom nothing is written."""
    secret = request.cookies.get(cookie(request))
    return visitors.find(house(request).engine, secret) if secret else None


Known = Annotated[Visitor | None, Depends(known)]


def operating(visitor: Known) -> Visitor:
    """An operator.  To all others the desk is not there."""
    if visitor is None or not visitor.operates:
        raise NotFound("there is nothing here; operators sign in at /ops/enter")
    return visitor


Operator = Annotated[Visitor, Depends(operating)]


def begin(request: Request, answer: Response, user: str | None = None) -> Visitor:
    """A new browser; the answer carries its secret."""
    here: House = house(request)
    secret = visitors.begin(here.engine, user)
    answer.set_cookie(
        cookie(request), secret, max_age=int(visitors.LASTS), path="/", httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    found = visitors.find(here.engine, secret)
    assert found
    return found


def leave(request: Request, answer: Response) -> None:
    answer.delete_cookie(cookie(request), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https")
