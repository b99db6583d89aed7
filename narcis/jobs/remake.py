"""What `narcis remake` is asked for: a picture or a run, here or in the store, and the photos of its sitters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.jobs import keep
from narcis.jobs.files import MARK
from narcis.store import Store

PHOTOS = ("face", "beside")  # the parameters that name a sitter's photo, in the order of a recipe's hashes


def picture_of(path: Path, n: int) -> Path | None:
    """The picture that a path names: a file, or the nth picture of a run's folder; None where it is neither."""
    if path.is_file():
        return path.resolve()
    if not (path / "manifest.json").is_file():
        return None
    return nth(RunFolder.open(path), n, str(path)).resolve()


def nth(run: RunFolder, n: int, name: str) -> Path:
    if not 1 <= n <= len(run.pictures):
        left = f"{len(run.pictures)} pictures" if run.pictures else "no picture"
        raise BadInput(f"{name} left {left}, and number {n} is asked for")
    return run.pictures[n - 1]


def kept(prefix: str, store: Store) -> str:
    """The prefix itself, where the store keeps a run's pictures.  Raises NotFound."""
    if not store.has(f"{prefix}/manifest.json"):
        raise NotFound(f"the store {store.name} keeps no pictures of {prefix}; only runs that have ended have some")
    return prefix


def from_store(prefix: str, n: int, folder: Path, store: Store) -> Path:
    """The nth picture of a run that the store keeps, in a folder with its manifest."""
    keep.restore(prefix, folder, store)
    return nth(RunFolder.open(folder), n, prefix).resolve()


def photos(picture: Path, folder: Path, store: Store) -> dict[str, str]:
    """The photos that the picture's run was given, by parameter, wherever they still are: in the run's folder, where
    they were, or in the store.  What is found nowhere is left out: it may be a bundled sitter's.
    """
    run = RunFolder(picture.parents[1])
    entry = next((one for one in run.manifest().get("images", []) if run.path / one["file"] == picture), {})
    given: dict[str, Any] = run.manifest().get("parameters") or {}
    found: dict[str, str] = {}
    for name, hash in zip(PHOTOS, (entry.get("recipe") or {}).get("photos", ()), strict=False):
        near = [*(run.path / "inputs").glob("*"), Path(str(given.get(name) or "."))]
        if (path := same(near, hash)) or (path := taken_out(hash, folder, store)):
            found[name] = str(path)
    return found


def same(paths: Iterable[Path], hash: str) -> Path | None:
    """The file of these that has this sha256."""
    files = (path.expanduser() for path in paths if not str(path).startswith(MARK))
    return next((p.resolve() for p in files if p.is_file() and sha256(p) == hash), None)


def taken_out(hash: str, folder: Path, store: Store) -> Path | None:
    """A photo of the store, in faces/<sitter>/<sha256>.*, as a file of the folder."""
    key = next(named(hash, store), None)
    if key is None:
        return None
    path = folder / Path(key).name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(store.get(key))
    return path.resolve()


def named(hash: str, store: Store) -> Iterator[str]:
    """The keys whose name is this hash."""
    return (key for key in store.keys("faces/") if Path(key).stem == hash)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
