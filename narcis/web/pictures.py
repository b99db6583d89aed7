"""Pictures: their pages, and their bytes, which are everybody's only while they hang."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Header, Request
from fastapi.responses import RedirectResponse, Response

from narcis.errors import BadInput, NotFound
from narcis.jobs import queue
from narcis.records import pictures, queries
from narcis.records.tables import Picture
from narcis.records.visitors import Visitor
from narcis.web.house import Here, House
from narcis.web.pages import link, page
from narcis.web.sessions import Known, Operator

# A day, not for ever: what its sitter takes from the wall is then gone from caches between us and the browser too.
PUBLIC = "public, max-age=86400, immutable"
PRIVATE = "private, no-cache"
HANGING = ("wall", "curated")
ID = 36  # characters

router = APIRouter()


@router.get("/i/{id}.{kind}")
def image(
    here: Here, visitor: Known, id: str, kind: Literal["avif", "png"], if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """A picture's bytes: the thumb of at most 512 px as AVIF, the whole as PNG.

    The database is asked each time, so that what was taken down is gone at once, in every process.
    """
    picture = permitted(here, visitor, id)
    entry = here.shelf.get(thumb_key(picture.key) if kind == "avif" else picture.key, here.store.get)
    headers = {"ETag": entry.etag, "Cache-Control": PUBLIC if picture.place in HANGING else PRIVATE}
    if entry.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(entry.content, media_type=entry.kind, headers=headers)


@router.get("/p/{name}")
def picture(request: Request, here: Here, visitor: Known, name: str) -> Response:
    """A picture on its own."""
    shown = permitted(here, visitor, name[-ID:])
    if name != (own := link(shown)).removeprefix("/p/"):
        return RedirectResponse(own, 301 if shown.place in HANGING else 302)
    entry = here.shelf.peek(thumb_key(shown.key))
    return page(
        request, "picture.html", picture=shown, idea=str(shown.recipe.get("idea") or ""), visitor=visitor,
        owns=owns(here, visitor, shown), hangs=shown.place in HANGING, ground=entry.ground if entry else None,
    )  # fmt: skip


@router.post("/p/{id}/place")
def put(here: Here, visitor: Known, id: str, place: Annotated[str, Form()]) -> Response:
    """Its owner hangs it or takes it down; operators also choose the curated ones, and discard."""
    shown = permitted(here, visitor, id)
    if visitor is None or not (visitor.operates or owns(here, visitor, shown)):
        raise NotFound(f"there is no picture {id} of yours")
    if not visitor.operates and place not in ("wall", "production"):
        raise BadInput(f"a picture of yours goes to the wall or comes back from it, and not to {place[:20]!r}")
    if shown.place == "discarded" and not visitor.operates:
        raise BadInput("an operator has put this picture aside, so it cannot hang")
    pictures.put(here.engine, id, place, visitor.by)
    return RedirectResponse(link(shown), 303)


@router.post("/p/{id}/again")
def again(here: Here, visitor: Operator, id: str) -> Response:
    """The run that painted it, once more."""
    return RedirectResponse(
        f"/ops/runs/{queue.retry(here.engine, queries.picture(here.engine, id).run, visitor.by)}", 303
    )


# ------------------------------------------------------------------------------------------ whose it is
def permitted(here: House, visitor: Visitor | None, id: str) -> Picture:
    """The picture, if this visitor may see it.  Raises NotFound; a stranger is not told that it exists."""
    found = queries.picture(here.engine, id)
    if found.place in HANGING or (visitor and (visitor.operates or owns(here, visitor, found))):
        return found
    raise NotFound(f"there is no picture {id}", id=id)


def owns(here: House, visitor: Visitor | None, picture: Picture) -> bool:
    return visitor is not None and queries.requester(here.engine, picture.run) == visitor.by


def thumb_key(key: str) -> str:
    """productions/<run>/1.png has its thumb beside it."""
    return f"{key.removesuffix('.png')}.avif"
