"""The pictures of finished runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert

from narcis.records.tables import Picture, new_id, now, table

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
