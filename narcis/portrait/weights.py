"""Where weights lie on this machine, whether they are what was published, and whether production may use them.

No tensor library is imported, so that the command line answers at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from narcis.errors import BadInput
from narcis.portrait import catalogue
from narcis.portrait.catalogue import Entry, File

WEIGHTS = (".safetensors", ".bin", ".onnx", ".pt", ".pth", ".task", ".tflite")  # files that hold weights end so
HASHES = "hashes.json"  # sha256 by path, of a folder's files as they were shipped or pulled

# Who knows what this installation has decided registers it here, as `narcis.settings` does: a function without
# arguments that gives an object with the attributes of `House`.  So the tensor side reads no environment.
HOUSES = "narcis.house"


@dataclass(frozen=True)
class House:
    """What an installation has decided about weights."""

    models: tuple[Path, ...] = (Path.home() / ".cache" / "narcis" / "models",)  # folders, the first one for pulling
    production: bool = False  # whether what is painted here is a business's
    licensed: tuple[str, ...] = ()  # weights whose terms somebody has read and may use in production


def house() -> House:
    """The installation's decisions as they are now, else the plain ones."""
    if (say := decider()) is None:
        return House()
    said = say()
    return House(tuple(said.models), said.production, tuple(said.licensed))


@cache
def decider() -> Callable[[], Any] | None:
    """Who knows the decisions; looked up once, since it means reading what every installed package says of itself."""
    return next((point.load() for point in entry_points(group=HOUSES)), None)


# ------------------------------------------------------------------------------------------ where
def place(one: Entry, folders: Sequence[Path]) -> Path | None:
    """The folder of an entry: its own where it ships, else the first of that name that holds any of its files."""
    if one.bundled:
        return one.bundled if one.bundled.is_dir() else None
    return next((at for at in (folder / one.name for folder in folders) if holds_any(at, one)), None)


def holds_any(folder: Path, one: Entry) -> bool:
    return any((folder / file.name).is_file() for file in one.files)


# ------------------------------------------------------------------------------------------ what they are
State = Literal["ok", "missing", "truncated", "other", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One file, looked at."""

    name: str
    state: State
    said: str


def known(one: Entry, folder: Path) -> list[File]:
    """The entry's files; where the catalogue has no hash, with the one that was written down at shipping or pulling."""
    written = read_hashes(folder)
    files = one.files or tuple(File(name) for name in written)
    return [File(file.name, file.size, file.sha256 or written.get(file.name)) for file in files]


def examine(one: Entry, folder: Path) -> Iterator[Finding]:
    """Every file of an entry against what is known of it, by size first and then by sha256."""
    for file in known(one, folder):
        yield examined(file, folder / file.name)


def examined(file: File, path: Path) -> Finding:
    if not path.is_file():
        return Finding(file.name, "missing", "is not there")
    size = path.stat().st_size
    if file.size is not None and size < file.size:
        return Finding(file.name, "truncated", f"is cut off: {size:,} of {file.size:,} bytes")
    if file.sha256 is None:
        return Finding(file.name, "unknown", "is there; its hash is not recorded")
    if (found := sha256(path)) != file.sha256:
        return Finding(file.name, "other", f"is not what was published: sha256 {found[:12]}…, not {file.sha256[:12]}…")
    return Finding(file.name, "ok", "as published")


def verify(one: Entry, folder: Path) -> None:
    """Raises BadInput where a file that is there is cut off or another one.

    What is missing is found out by whoever reads it, since another file, such as one of full precision, may stand in.
    """
    for finding in examine(one, folder):
        if finding.state in ("truncated", "other"):
            way = "install narcis again" if one.bundled else f"`narcis models pull {one.name}` fetches it again"
            raise BadInput(f"{folder / finding.name} {finding.said}; {way}", file=finding.name, model=one.name)


# ------------------------------------------------------------------------------------------ files and hashes
def named_files(folder: Path, endings: Sequence[str] = WEIGHTS) -> dict[str, Path]:
    """Every weight file of a folder, by its path there."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in endings and path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def model_files(folder: Path) -> dict[str, Path]:
    """The same of a model's folder: its own parts are safetensors alone, what lies beside them may be others."""
    others = ("id_encoder/", "analyser/")
    found = named_files(folder)
    return {name: path for name, path in found.items() if name.startswith(others) or path.suffix == ".safetensors"}


def bytes_here(one: Entry, folder: Path) -> int:
    """Bytes of an entry's files that are there."""
    paths = [folder / file.name for file in one.files] or list(named_files(folder).values())
    return sum(path.stat().st_size for path in paths if path.is_file())


def read_hashes(folder: Path) -> dict[str, str]:
    path = folder / HASHES
    return json.loads(path.read_text()) if path.is_file() else {}


def sha256(path: Path) -> str:
    stat = path.stat()
    return sha256_of(path, stat.st_mtime_ns, stat.st_size)


@cache
def sha256_of(path: Path, mtime_ns: int, size: int) -> str:
    """Read once as long as time and size stay: SDXL's weights are gigabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------ terms
def admit(names: Sequence[str], strangers: Sequence[str], decided: House) -> None:
    """Raises BadInput where production may not use these: entries by name, and weights that no catalogue knows."""
    if not decided.production:
        return
    barred = {one.name: one.licence.terms for one in catalogue.refused(names, decided.licensed)}
    barred |= {name: "its licence is not recorded" for name in strangers if name not in decided.licensed}
    if barred:
        said = "; ".join(f"{name} ({terms})" for name, terms in barred.items())
        allowed = ",".join(dict.fromkeys([*decided.licensed, *barred]))
        raise BadInput(
            f"production refuses {said}; whoever holds the right to use it records that by NARCIS_LICENSED={allowed}",
            refused=list(barred),
        )
