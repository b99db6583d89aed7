"""What every page needs, made once for a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from narcis.store import Store
from narcis.web.herald import Herald
from narcis.web.shelf import Shelf


@dataclass(frozen=True)
class House:
    engine: Engine
    store: Store
    shelf: Shelf
    herald: Herald
    operator_key: str | None  # opens the operators' desk; None: nothing does


def house(request: Request) -> House:
    return request.app.state.house


Here = Annotated[House, Depends(house)]
