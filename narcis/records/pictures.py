"""The pictures of finished runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from narcis.errors import BadInput, NotFound
from narcis.records.db import clock, dialect, writing
from narcis.records.tables import PLACES, Picture, new_id, now, table

pictures = table(Picture)


def record(db: Connection, run: str, prefix: str, images: Sequence[dict[str, Any]]) -> None:
    """A run's pictures, as its manifest lists them; it has none yet, because a run ends once."""
    if images:
        db.execute(insert(pictures), [row(run, prefix, n, image) for n, image in enumerate(images, 1)])


def row(run: str, prefix: str, n: int, image: dict[str, Any]) -> dict[str, Any]:
    recipe = image.get("recipe") or {}
    return {
        "id": new_id(),
        "run": run,
        "n": n,
        "key": f"{prefix}/{n}.png",
        "words": str(recipe.get("words") or image.get("caption") or ""),
        "width": image.get("width", 0),
        "height": image.get("height", 0),
        "recipe": recipe,
        "recipe_hash": hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest(),
        "measures": image.get("measures") or {},
        "place": "production",
        "created": now(),
    }


def put(engine: Engine, id: str, place: str, by: str) -> None:
    """The picture goes to a place; one that is there already stays as it hangs.  Raises NotFound, BadInput."""
    if place not in PLACES:
        raise BadInput(f"there is no place {place!r}; a picture is in one of {', '.join(PLACES)}", place=place)
    with writing(engine) as db:
        moved = update(pictures).where(pictures.c.id == id, pictures.c.place != place)
        moved = moved.values(place=place, placed_by=by, placed_at=clock(dialect(db)))
        if db.execute(moved).rowcount:
            return
        if db.scalar(select(pictures.c.id).where(pictures.c.id == id)) is None:
            raise NotFound(f"there is no picture {id}", id=id)
