"""Templates and static files; the latter are read once and named by their content, so browsers keep them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from narcis.errors import NotFound
from narcis.jobs import watching

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"

templates = Environment(
    loader=PackageLoader("narcis.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
router = APIRouter()


def render(name: str, **facts: Any) -> str:
    return templates.get_template(name).render(**facts)


def page(request: Request, name: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """A whole page; `here` is its path, for the navigation."""
    return HTMLResponse(render(name, here=request.url.path, base=str(request.base_url), **facts), status)


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Name -> content, kind, hash."""
    found = {}
    for path in STATIC.iterdir():
        content = path.read_bytes()
        kind = "font/woff2" if path.suffix == ".woff2" else guess_type(path.name)[0] or "text/plain"
        found[path.name] = content, kind, hashlib.sha256(content).hexdigest()[:12]
    return found


@router.get("/static/{name}", include_in_schema=False)
async def static(name: str) -> Response:
    if name not in static_files():
        raise NotFound(f"there is no {name}")
    content, kind, _ = static_files()[name]
    return Response(content, media_type=kind, headers={"Cache-Control": FOREVER})


def asset(name: str) -> str:
    """The address of a static file; another content has another one."""
    return f"/static/{name}?{static_files()[name][2]}"


def slug(words: str) -> str:
    """byzantine-emperor, of whatever somebody wrote."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "portrait"


def link(picture: Any) -> str:
    """A picture's page."""
    return f"/p/{slug(picture.words)}-{picture.id}"


templates.globals.update(asset=asset, link=link)
templates.filters["age"] = watching.age
