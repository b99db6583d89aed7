"""The catalogue: papermill_jobs/*.yaml says what may be asked, the notebooks' parameters cells of which type it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from narcis import settings
from narcis.errors import BadInput, NotFound
from narcis.jobs.parameters import Parameter, parameters

OUT = "out"  # every job's notebook takes its run's folder; whoever runs it decides where that is
ORDERS = "orders"  # one that paints several runs at once takes them as JSON, see jobs.orders


class Bounds(BaseModel):
    """How far one open parameter may be set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: float | None = None
    most: float | None = None
    length: int | None = Field(default=None, ge=0)  # of a text, at most
    among: tuple[Any, ...] | None = None
    file: bool = False  # the text is the path of a file, which travels with the run

    def in_words(self) -> str:
        """For people; the length of texts goes without saying."""
        if self.among:
            return "one of " + ", ".join(str(value) or '""' for value in self.among)
        low = "" if self.least is None else f"from {self.least:g}"
        high = "" if self.most is None or self.most > 1e6 else f"to {self.most:g}"
        return " ".join(filter(None, (low, high)))

    def amiss(self, kind: type) -> str:
        """What cannot be said of values of this type, empty where all can."""
        numbers, texts = {"least": self.least, "most": self.most}, {"length": self.length, "file": self.file or None}
        wrong = (numbers if kind not in (int, float) else {}) | (texts if kind is not str else {})
        return ", ".join(name for name, limit in wrong.items() if limit is not None)


class Batch(BaseModel):
    """Runs that wait together are run together, when they agree in all that is named in `by`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=2, le=16)
    wait: float = Field(default=0.5, ge=0, le=10)  # seconds that the first waits for others
    by: tuple[str, ...]  # parameters in which they agree; the others go into the list of orders


class Terms(BaseModel):
    """On what terms a job is run by a worker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: Literal["cpu", "gpu"] = "cpu"
    tiers: tuple[str, ...] = ()  # GPU machines in order of preference
    minutes: float = Field(default=60, gt=0, le=7 * 24 * 60)  # the whole run
    cell_minutes: float | None = Field(default=None, gt=0)
    quiet_minutes: float | None = Field(default=15, gt=0)  # without any progress
    retries: int = Field(default=2, ge=0, le=10)  # for causes that can pass
    tokens: int = Field(default=0, ge=0)  # what it costs whoever asks for it
    batch: Batch | None = None
    cron: str | None = None  # five fields; run with the defaults
    timezone: str = "UTC"  # of the cron
    previous: str | None = None  # the parameter that gets the folder of the job's last run that succeeded

    @field_validator("cron")
    @classmethod
    def readable(cls, cron: str | None) -> str | None:
        if cron is not None:
            try:
                CronSim(cron, datetime(2026, 1, 1))
            except CronSimError as error:
                raise ValueError(f"it is no cron line of five fields: {error}") from None
        return cron

    @field_validator("timezone")
    @classmethod
    def known(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError("it is no time zone; write for example Europe/Berlin") from None
        return timezone


class Entry(Terms):
    """One YAML file."""

    notebook: str
    title: str
    fixed: dict[str, Any] = {}  # values that nobody may change
    open: dict[str, Bounds | None] = {}  # values that anybody may set, within bounds


class Values(BaseModel):
    """Parent of the model that is made for each job."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Job:
    """One thing that people may ask for."""

    name: str
    title: str
    notebook: Path
    fixed: dict[str, Any]
    bounds: dict[str, Bounds]
    takes: dict[str, Parameter]  # all of the notebook's
    terms: Terms = field_of(default_factory=Terms)

    @property
    def open(self) -> dict[str, Parameter]:
        """What may be set, in the notebook's order."""
        return {name: parameter for name, parameter in self.takes.items() if name in self.bounds}

    @cached_property
    def model(self) -> type[Values]:
        """Pydantic's model of the open values; its schema is the job's."""
        fields: dict[str, Any] = {name: field(p, self.bounds[name]) for name, p in self.open.items()}
        return create_model(self.name, __base__=Values, __doc__=self.title, **fields)

    def is_file(self, name: str) -> bool:
        return name in self.bounds and self.bounds[name].file

    def read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Values from a command line, by the types of the notebook."""
        self.refuse_unknown(texts)
        return {name: self.open[name].read(text) for name, text in texts.items()}

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What papermill gets: the given values, checked, and the fixed ones.  Defaults stay in the notebook."""
        self.refuse_unknown(given)
        try:
            checked = self.model(**given)
        except ValidationError as error:
            said = "; ".join(complaint(wrong) for wrong in error.errors(include_url=False))
            raise BadInput(said, job=self.name) from None
        return {**checked.model_dump(exclude_unset=True), **self.fixed}

    def refuse_unknown(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.open:
                near = get_close_matches(name, self.open, 1)
                meant = f" (did you mean {near[0]}?)" if near else ""
                takes = ", ".join(self.open) or "nothing"
                raise BadInput(f"{self.name} has no parameter {name}{meant}; it takes {takes}", takes=list(self.open))


def field(parameter: Parameter, bounds: Bounds) -> tuple[Any, Any]:
    """A field of a job's model."""
    kind: Any = Literal[bounds.among] if bounds.among else parameter.type
    limits = {"ge": bounds.least, "le": bounds.most, "max_length": bounds.length}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[kind, Field(description=parameter.help, **given)], parameter.default


def complaint(wrong: Any) -> str:
    value = repr(wrong["input"])
    shown = value if len(value) <= 60 else value[:57] + "…"
    return f"{'.'.join(map(str, wrong['loc']))} is {shown}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}"


# ------------------------------------------------------------------------------------------ reading files
def jobs() -> dict[str, Job]:
    """All jobs by name; raises for the first that is wrong."""
    return {path.stem: load(path) for path in paths()}


def find(name: str) -> Job:
    """The job of a name."""
    known = {path.stem: path for path in paths()}
    if name not in known:
        raise NotFound(f"there is no job {name}; there are: {', '.join(known) or 'none'}", known=list(known))
    return load(known[name])


def paths() -> list[Path]:
    return sorted(settings.read().jobs.glob("*.yaml"))


def load(path: Path) -> Job:
    """A job from its YAML and its notebook, checked against each other."""
    entry = read_entry(path)
    notebook = settings.read().notebooks / entry.notebook
    takes = parameters(notebook)
    if OUT not in takes or takes[OUT].type is not str:
        raise BadInput(f"{notebook.name} has no parameter `{OUT}: str`; every job's notebook takes its run's folder")
    bounds = {name: limits or Bounds() for name, limits in entry.open.items()}
    terms = Terms(**{name: getattr(entry, name) for name in Terms.model_fields})
    job = Job(path.stem, entry.title, notebook, entry.fixed, bounds, takes, terms)
    check(job, path.name)
    return job


def read_entry(path: Path) -> Entry:
    try:
        return Entry.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path.name} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise BadInput(f"{path.name}: " + "; ".join(complaint(wrong) for wrong in error.errors())) from None


def check(job: Job, where: str) -> None:
    """YAML and notebook name the same things, and defaults lie within their bounds."""
    for name in (*job.bounds, *job.fixed):
        if name not in job.takes or name == OUT:
            takes = ", ".join(other for other in job.takes if other != OUT)
            raise BadInput(f"{where} has {name}, which {job.notebook.name} does not take; it takes {takes}")
    if both := sorted(set(job.bounds) & set(job.fixed)):
        raise BadInput(f"{where} has {', '.join(both)} both fixed and open; choose one")
    for name, value in job.fixed.items():
        if type(value) is not job.takes[name].type:
            raise BadInput(f"{where} fixes {name} to {value!r}; it is a {job.takes[name].type.__name__}")
    if (name := job.terms.previous) and (name not in job.takes or name in (*job.bounds, *job.fixed, OUT)):
        raise BadInput(f"{where} gives the previous run to {name}, which must be a parameter that nobody sets")
    for name in job.terms.batch.by if job.terms.batch else ():
        if name not in job.takes:
            raise BadInput(f"{where} batches by {name}, which {job.notebook.name} does not take")
    if job.terms.batch and not takes_orders(job):
        raise BadInput(f"{where} has a batch; {job.notebook.name} must take `{ORDERS}: str`, which nobody sets")
    for name, limits in job.bounds.items():
        if wrong := limits.amiss(job.takes[name].type):
            raise BadInput(f"{where} gives {name} {wrong}, and it is a {job.takes[name].type.__name__}")
    try:
        job.values({name: parameter.default for name, parameter in job.open.items()})
    except BadInput as error:
        raise BadInput(f"{where}: by default {error}") from None


def takes_orders(job: Job) -> bool:
    """Whether the notebook has a text for several orders, which nobody but the worker sets."""
    return ORDERS in job.takes and job.takes[ORDERS].type is str and ORDERS not in (*job.bounds, *job.fixed)


def problems() -> list[str]:
    """What is wrong with the jobs, one line each."""
    found = [] if paths() else [f"there are no jobs in {settings.read().jobs}; set NARCIS_JOBS to their folder"]
    for path in paths():
        try:
            load(path)
        except (BadInput, NotFound) as error:
            found.append(f"{path.name}: {error}")
    return found
