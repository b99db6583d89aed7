"""`/api/v1`: the same house for programs, in JSON.  A program shows its key as `Authorization: Bearer …`; cookies count
for nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from narcis.errors import BadInput, NarcisError, NotFound
from narcis.jobs import asking, catalog, files, queue
from narcis.jobs.catalog import Job
from narcis.records import queries, visitors
from narcis.records.queries import Hung
from narcis.records.tables import OVER, Run
from narcis.records.visitors import Visitor
from narcis.web import photos
from narcis.web.house import Here, House
from narcis.web.pages import link
from narcis.web.wall import PAGE, named, spot

GLANCE = 0.7  # seconds between two looks at a run that a program follows
bearer = HTTPBearer(auto_error=False, description="a key that an operator has made at the desk, under Keys")


class Unknown(NarcisError):
    status = 401


# ------------------------------------------------------------------------------------------ what is said
class Asked(BaseModel):
    """An order: a job of `/jobs`, values by its schema, and a name of one's own, which submits only once."""

    job: str = Field(max_length=100)
    values: dict[str, Any] = {}
    key: str | None = Field(default=None, min_length=1, max_length=100)


class Shown(BaseModel):
    """A picture."""

    id: str
    words: str
    width: int
    height: int
    place: str
    hung: datetime | None
    page: str
    image: str
    thumb: str


class Page(BaseModel):
    """Pictures, and where the next page begins."""

    pictures: list[Shown]
    before: str | None


class State(BaseModel):
    """A run as it stands."""

    id: str
    job: str
    values: dict[str, Any]
    state: str
    said: str | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    stage: str | None
    step: int | None
    of: int | None
    place: int | None = Field(description="in the queue")
    pictures: list[Shown]


class Offered(BaseModel):
    """A job, and the JSON schema of its values."""

    name: str
    title: str
    tokens: int
    files: list[str] = Field(description="values that are photos: send them to /photos first")
    values: dict[str, Any]


class Kept(BaseModel):
    """A photo that was kept: the value by which an order names it."""

    value: str
    width: int
    height: int


# ------------------------------------------------------------------------------------------ who asks
def program(here: Here, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Visitor:
    """Raises Unknown."""
    found = visitors.find(here.engine, shown.credentials) if shown else None
    if found is None:
        raise Unknown("a key is needed: Authorization: Bearer KEY; operators make keys at the desk")
    return found


Program = Annotated[Visitor, Depends(program)]


def own(here: Here, program: Program, id: str) -> Run:
    """A run of this program's, or any for operators.  Raises NotFound."""
    found = queries.run(here.engine, id)
    if not (program.operates or found.by == program.by):
        raise NotFound(f"there is no run {id} of yours", id=id)
    return found


Own = Annotated[Run, Depends(own)]


# ------------------------------------------------------------------------------------------ what can be asked
router = APIRouter()


@router.get("/pictures")
def pictures(request: Request, here: Here, before: str | None = None) -> Page:
    """What hangs on the wall, the last first; the next page comes `before` what this one says."""
    hung = queries.wall(here.engine, spot(before) if before else None, PAGE)
    return Page(
        pictures=[shown(request, one) for one in hung], before=named(hung[-1].at) if len(hung) == PAGE else None
    )


@router.get("/jobs")
def jobs(program: Program) -> list[Offered]:
    """What can be ordered."""
    return [
        Offered(
            name=name, title=job.title, tokens=job.terms.tokens, values=job.model.model_json_schema(),
            files=[one for one in job.open if job.is_file(one)],
        )
        for name, job in catalog.jobs().items()
    ]  # fmt: skip


@router.post("/photos", status_code=201)
async def photo(request: Request, here: Here, program: Program) -> Kept:
    """A photo, as the body of the request: JPEG, PNG or WebP.  Its pixels are kept, nothing else."""
    content = await request.body()

    def kept() -> photos.Photo:
        return photos.kept(here.store, program.by, photos.received(content))

    one = await asyncio.to_thread(kept)
    return Kept(value=files.MARK + one.key, width=one.width, height=one.height)


@router.post("/runs", status_code=202)
def submit(request: Request, here: Here, program: Program, asked: Asked) -> State:
    """Queues a run."""
    job = catalog.find(asked.job)
    refuse_paths(job, asked.values, program)

    def pay(db: Any, run: str) -> None:
        tokens = 0 if program.operates else job.terms.tokens
        visitors.pay(db, run, program, str(asked.values.get("words", "")), tokens, None)

    id = asking.submit(here.engine, job, asked.values, by=program.by, key=asked.key, also=pay)
    return state(request, here, queries.run(here.engine, id))


@router.get("/runs")
def runs(request: Request, here: Here, program: Program, before: str | None = None) -> list[State]:
    """This program's runs, the newest first; the next page comes `before` the id of this one's last."""
    return [state(request, here, run) for run in queries.page(here.engine, by=program.by, before=before, most=PAGE)]


@router.get("/runs/{id}")
def run(request: Request, here: Here, found: Own) -> State:
    """A run as it stands."""
    return state(request, here, found)


@router.post("/runs/{id}/cancel")
def cancel(request: Request, here: Here, program: Program, found: Own) -> State:
    """Ends a waiting run at once, and a running one within a denoising step."""
    queue.cancel(here.engine, found.id, program.by)
    return state(request, here, queries.run(here.engine, found.id))


@router.get("/runs/{id}/events", response_class=EventSourceResponse)
async def events(request: Request, here: Here, found: Own) -> AsyncIterable[ServerSentEvent]:
    """The run as it stands, then at each change, until it is over.  Each event is whole."""
    before = ""
    while True:
        now = await asyncio.to_thread(lambda: state(request, here, queries.run(here.engine, found.id)))
        if (text := now.model_dump_json()) != before:
            before = text
            yield ServerSentEvent(event="run", raw_data=text)
        if now.state in OVER:
            return
        await asyncio.sleep(GLANCE)


def refuse_paths(job: Job, values: dict[str, Any], program: Visitor) -> None:
    """A file's value is a photo that this program has sent: a path would be one of this machine."""
    mine = f"{files.MARK}faces/{program.by.replace(':', '-')}/"
    for name, value in values.items():
        if job.is_file(name) and value and not str(value).startswith(mine):
            raise BadInput(f"{name} must be a photo of yours: send it to /api/v1/photos and give the value it returns")


def state(request: Request, here: House, run: Run) -> State:
    facts = {name: getattr(run, name) for name in State.model_fields if hasattr(run, name)}
    painted = queries.pictures(here.engine, run.id) if run.state == "succeeded" else []
    place = queries.position(here.engine, run.id) if run.state == "queued" else None
    return State(**facts, place=place, pictures=[shown(request, one) for one in painted])


def shown(request: Request, one: Hung | Any) -> Shown:
    base = str(request.base_url).removesuffix("/").removesuffix("/api/v1")
    facts: dict[str, Any] = {name: getattr(one, name) for name in ("id", "words", "width", "height", "place")}
    places: dict[str, Any] = {
        "page": base + link(one),
        "image": f"{base}/i/{one.id}.png",
        "thumb": f"{base}/i/{one.id}.avif",
    }
    return Shown(**facts, **places, hung=one.placed_at)
