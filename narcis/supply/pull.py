"""Pulling weights into the folder of models: resumed where they broke off, checked, and there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from narcis.errors import NarcisError, NotFound, Unavailable
from narcis.portrait import catalogue, weights
from narcis.portrait.catalogue import Entry, File
from narcis.supply.sources import Hub, Source

TRIES = 4  # times in a row that a file may break off without a new byte
OFFLINE = "the hub is not asked, because NARCIS_OFFLINE is set"

Tell = Callable[[str, int, int | None], None]  # file, bytes of it that are here, bytes of it


@dataclass(frozen=True)
class Wanted:
    """One file to be pulled: what is known of it, from where, and where to."""

    one: Entry
    file: File
    source: Source
    path: Path

    @property
    def part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def begun(self) -> int:
        """Bytes that an earlier pull has left."""
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def label(self) -> str:
        return f"{self.one.name}/{self.file.name}"


def pull(names: Sequence[str], sources: Sequence[Source], folders: Sequence[Path], tell: Tell) -> list[Path]:
    """Every file that these models and entries lack, into the first folder; returns where the entries lie."""
    places = {one.name: at for one in catalogue.entries(names) if (at := whole(one, folders))}
    lacking = [one for one in catalogue.entries(names) if one.name not in places]
    wanted = [want for one in lacking for want in wants(one, sources, folders[0] / one.name)]
    check_room(wanted, folders[0])
    for want in wanted:
        fetch(want, tell)
    return [places.get(one.name, folders[0] / one.name) for one in catalogue.entries(names)]


def whole(one: Entry, folders: Sequence[Path]) -> Path | None:
    """Where an entry lies with all its files, each of them as it should be."""
    for at in [one.bundled] if one.bundled else [folder / one.name for folder in folders]:
        if at and all(finding.state in ("ok", "unknown") for finding in weights.examine(one, at)):
            return at
    return None


def wants(one: Entry, sources: Sequence[Source], folder: Path) -> list[Wanted]:
    """The files of an entry that its folder lacks, with what their source says of them."""
    if one.bundled:
        raise NotFound(f"{one.name} ships with narcis and cannot be pulled; install narcis again", name=one.name)
    lacking = {finding.name for finding in weights.examine(one, folder) if finding.state not in ("ok", "unknown")}
    return [want(one, file, sources, folder) for file in one.files if file.name in lacking]


def want(one: Entry, file: File, sources: Sequence[Source], folder: Path) -> Wanted:
    refusals = []
    for source in sources:
        try:
            said = source.facts(one, file)
        except NotFound as error:
            refusals.append(str(error))
            continue
        size, digest = file.size or said.size, file.sha256 or said.sha256
        return Wanted(one, File(file.name, size, digest), source, folder / file.name)
    said = "; ".join(refusals or ["no source is named: set NARCIS_MODELS_FROM to a folder or s3://BUCKET/PREFIX"])
    if not any(isinstance(source, Hub) for source in sources):
        said += f"; {OFFLINE}"
    raise Unavailable(f"{one.name}/{file.name} cannot be pulled: {said}", name=one.name)


def check_room(wanted: Sequence[Wanted], folder: Path) -> None:
    """Raises Unavailable where the disk has no room for what is still to come."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"{folder} takes no weights: {error.strerror}; name another first in NARCIS_MODELS") from None
    needed = sum(max(0, (want.file.size or 0) - want.begun) for want in wanted)
    if needed > free:
        raise no_room(folder, needed, free)


def no_room(folder: Path, needed: int, free: int) -> Unavailable:
    return Unavailable(
        f"{folder} has no room: {gigabytes(needed)} are still to come and {gigabytes(free)} are free; "
        "make room, or name a folder on another disk first in NARCIS_MODELS",
        needed=needed,
        free=free,
    )


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


# ------------------------------------------------------------------------------------------ one file
def fetch(want: Wanted, tell: Tell) -> None:
    """Goes on from what is there, checks, moves into place, and writes the hash down."""
    with opened(want) as part:
        complete(want, part, tell)
        digest = checked(want)
        want.part.replace(want.path)
    write_hash(want, digest)


@contextmanager
def opened(want: Wanted) -> Iterator[FileIO]:
    """The part, for one pull at a time."""
    want.path.parent.mkdir(parents=True, exist_ok=True)
    with want.part.open("ab", buffering=0) as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"{want.label} is being pulled by another process; wait for it") from None
        if want.file.size is not None and part.tell() > want.file.size:
            part.truncate(0)
            part.seek(0)
        yield part


def complete(want: Wanted, part: FileIO, tell: Tell) -> None:
    """Appends until all is there; what breaks off is taken up again as long as each try brings something."""
    tries = 0
    while want.file.size is None or part.tell() < want.file.size:
        before = part.tell()
        try:
            append(want, part, tell)
            if want.file.size is None:
                return
            broken = Unavailable(f"{want.source.name} broke off")
        except Unavailable as error:
            broken = error
        tries = 1 if part.tell() > before else tries + 1
        if tries == TRIES:
            had = f"{part.tell():,} of {want.file.size or 0:,} bytes"
            raise Unavailable(f"{want.label} has come as far as {had}: {broken}; pull again to go on from there")


def append(want: Wanted, part: FileIO, tell: Tell) -> None:
    for piece in want.source.read(want.one, want.file, part.tell()):
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[part.write(rest) :]
        except OSError as error:
            raise unwritten(want, part, error) from None
        tell(want.label, part.tell(), want.file.size)


def unwritten(want: Wanted, part: FileIO, error: OSError) -> NarcisError:
    """A disk that fills up while it is written to: what is there stays, to be gone on from."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(want.path.parent).free
        return Full(str(no_room(want.path.parent, max(0, (want.file.size or 0) - part.tell()), free)))
    return Full(f"{want.part} cannot be written: {error.strerror}; name another folder first in NARCIS_MODELS")


class Full(NarcisError):
    """No room while writing; unlike what is away, it is not tried again."""

    exit_code, status = Unavailable.exit_code, Unavailable.status


def checked(want: Wanted) -> str:
    """The part's sha256; a part that is not what was published is thrown away."""
    digest = weights.sha256(want.part)
    if want.file.sha256 and digest != want.file.sha256:
        want.part.unlink()
        raise Unavailable(
            f"what {want.source.name} gives as {want.label} is not what was published: sha256 {digest[:12]}…, "
            f"not {want.file.sha256[:12]}…; it was thrown away, so pull again, or from another source"
        )
    return digest


def write_hash(want: Wanted, digest: str) -> None:
    """Into the entry's hashes.json, replaced whole: the only record where the catalogue has none."""
    folder = want.path.parents[len(Path(want.file.name).parts) - 1]
    path = folder / weights.HASHES
    text = json.dumps({**weights.read_hashes(folder), want.file.name: digest}, indent=1, sort_keys=True) + "\n"
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)
