"""Deleting everything of a visitor: rows, photos, pictures, notebooks with their figures, what memory holds of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from narcis.errors import NotFound
from narcis.jobs import queue
from narcis.records import pictures, queries, visitors
from narcis.records.tables import OVER, Run
from narcis.records.visitors import Visitor
from narcis.web.house import House

FIGURE = re.compile(r"figures/[0-9a-f]{64}\.[a-z]+")


@dataclass(frozen=True)
class Receipt:
    """What is gone; `later` are runs that were still being painted: they are stopped, and deleted when they have."""

    runs: int = 0
    objects: int = 0
    later: int = 0


def forget(here: House, visitor: Visitor) -> Receipt:
    """First what shows faces, then the rows that lead there: a deletion that breaks off can be asked for again."""
    runs = all_runs(here, visitor)
    for run in runs:
        if run.state not in OVER:
            queue.cancel(here.engine, run.id, visitor.by)
    runs = [queries.run(here.engine, run.id) for run in runs]
    later = [run for run in runs if run.state not in OVER]
    leading = above(later, runs)  # by which what is still painted will be found; their pictures are seen no more
    for picture in (one for shown in queries.pictures_of(here.engine, leading).values() for one in shown):
        pictures.put(here.engine, picture.id, "discarded", visitor.by)
    over = [run for run in runs if run.state in OVER and run.id not in leading]
    keys = {key for run in over for key in keys_of(here, run)}
    keys |= set(here.store.keys(f"faces/{visitor.by.replace(':', '-')}/"))
    for key in sorted(keys):
        here.store.remove(key)
    here.shelf.drop(keys)
    visitors.forget(here.engine, visitor, [run.id for run in over], wholly=not later)
    return Receipt(len(over), len(keys), len(later))


def all_runs(here: House, visitor: Visitor) -> list[Run]:
    """Those that the visitor asked for, and what operators have run again of them: it shows the same face."""
    found: list[Run] = []
    while page := queries.page(here.engine, by=visitor.by, before=found[-1].id if found else None):
        found += page
    known, last = {run.id for run in found}, found
    while last := [run for run in queries.retries(here.engine, [run.id for run in last]) if run.id not in known]:
        found, known = found + last, known | {run.id for run in last}
    return found


def above(later: list[Run], runs: list[Run]) -> set[str]:
    """The runs that these retry, and what those retry."""
    parents, found, last = {run.id: run.parent for run in runs}, set(), {run.parent for run in later}
    while last := {id for id in last if id in parents and id not in found}:
        found |= last
        last = {parents[id] for id in last}
    return {id for id in found if id}


def keys_of(here: House, run: Run) -> set[str]:
    """Pictures, thumbs, manifest and progress; the executed notebook with the figures that it links to."""
    keys, notebook = set(here.store.keys(f"{run.prefix}/")), f"notebooks/{run.id}.ipynb"
    try:
        text = here.store.get(notebook).decode()
    except NotFound:
        return keys
    return keys | {notebook} | {f"notebooks/{name}" for name in FIGURE.findall(text)}
