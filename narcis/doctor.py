"""`narcis doctor`: what this installation needs, looked at, one line each."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from narcis import settings
from narcis.errors import Unavailable

NEEDED = ("torch", "diffusers", "transformers", "papermill", "ipykernel", "jupyterlab")
WEIGHTS = Path(__file__).parent / "mini" / "weights"


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is well, and what was seen or is to be done."""

    what: str
    well: bool
    said: str


def examine() -> Iterator[Finding]:
    """All findings, quick ones first."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", (3, 11) <= sys.version_info[:2] < (3, 13), f"{python}; 3.11 and 3.12 are tested")
    for name in NEEDED:
        yield package(name)
    yield model()
    yield jobs()
    yield runs()
    yield database()
    yield store()
    yield device()


def package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "is not installed; install narcis again, by `make` in its repository")


def model() -> Finding:
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors"))
    if not (WEIGHTS / "model_index.json").is_file() or not size:
        return Finding("mini", False, f"has no weights in {WEIGHTS}; install narcis again")
    if broken := damaged(WEIGHTS):
        return Finding("mini", False, f"{', '.join(broken)} in {WEIGHTS} is not what was shipped; install narcis again")
    return Finding("mini", True, f"the embedded model, {size / 1e6:.0f} MB, every file as shipped")


def damaged(folder: Path) -> list[str]:
    """Weight files that are missing, or whose sha256 is not the one in the folder's hashes.json."""
    known = json.loads((folder / "hashes.json").read_text())
    return [name for name, digest in known.items() if not (folder / name).is_file() or sha256(folder / name) != digest]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def jobs() -> Finding:
    from narcis.jobs import catalog

    if wrong := catalog.problems():
        return Finding("jobs", False, wrong[0])
    return Finding("jobs", True, f"{len(catalog.paths())} in {settings.read().jobs}")


def runs() -> Finding:
    """The folder of runs, or the nearest one above that exists, takes a file."""
    place = settings.read().runs.absolute()
    there = next(path for path in (place, *place.parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            return Finding("runs", True, f"go to {place}")
    except OSError as error:
        return Finding("runs", False, f"{place} cannot be written: {error.strerror}; set NARCIS_RUNS to another folder")


def database() -> Finding:
    """A file that is not there yet is well: `narcis up` makes it."""
    from narcis.records import db

    engine = db.connect()
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
        return Finding("database", True, f"{db.shown(engine.url)} will be made by `narcis up`")
    try:
        db.check(engine)
    except Unavailable as error:
        return Finding("database", False, str(error))
    return Finding("database", True, db.shown(engine.url))


def store() -> Finding:
    from narcis.jobs.asking import the_store

    kept = the_store()
    try:
        kept.has("doctor")
    except (Unavailable, OSError) as error:
        return Finding("store", False, str(error))
    return Finding("store", True, kept.name)


def device() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("device", False, f"torch does not load: {error}")
    if torch.cuda.is_available():
        return Finding("device", True, f"cuda, {torch.cuda.get_device_name()}")
    return Finding("device", True, f"cpu, {torch.get_num_threads()} threads; enough for mini, SDXL wants a GPU")
