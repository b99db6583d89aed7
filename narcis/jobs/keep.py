"""What a run leaves, taken from its folder into the store; keys derive from the run's id, so twice is harmless.

productions/<run>/<n>.png with <n>.json (recipe, measures, caption) and <n>.avif for pages, productions/<run>/
manifest.json, a sweep's measures.csv, and notebooks/<run>.ipynb with the figures it links to.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from narcis.folder import RunFolder
from narcis.jobs.executed import FIGURES
from narcis.store import Store

THUMB = 512  # px, the longer side of what pages show


def keep(run: RunFolder, id: str, store: Store, ours: Callable[[], bool] = lambda: True) -> bool:
    """Everything into the store, the manifest last: where that is, all it names is there too.  Raises Unavailable.

    What else is there of the run goes: previews, and pictures of an earlier attempt that had more of them.  False as
    soon as the run is no longer `ours`: another attempt's pictures have the same keys.
    """
    kept = set()
    for key, content in contents(run, id):
        if not ours():
            return False
        store.put(key, content)
        kept.add(key)
    for key in [key for key in store.keys(f"productions/{id}/") if key not in kept]:
        if not ours():
            return False
        store.remove(key)
    return True


def contents(run: RunFolder, id: str) -> Iterator[tuple[str, bytes]]:
    """Keys and bytes of pictures, figures, notebook and manifest."""
    for n, entry in enumerate(run.manifest().get("images", []), 1):
        path = run.path / entry["file"]
        yield f"productions/{id}/{n}.png", path.read_bytes()
        yield f"productions/{id}/{n}.avif", thumb(path)
        yield f"productions/{id}/{n}.json", json.dumps(facts(entry), ensure_ascii=False).encode()
    for path in sorted((run.path / FIGURES).glob("*")):
        yield f"notebooks/{FIGURES}/{path.name}", path.read_bytes()
    for path in (run.progress, run.table):
        if path.is_file():
            yield f"productions/{id}/{path.name}", path.read_bytes()
    if run.notebook.is_file():
        yield f"notebooks/{id}.ipynb", run.notebook.read_bytes()
    yield f"productions/{id}/manifest.json", run.manifest_path.read_bytes()


def restore(prefix: str, folder: Path, store: Store) -> Path:
    """The folder of a run that was kept, with manifest and pictures."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    manifest = store.get(f"{prefix}/manifest.json")
    for n, entry in enumerate(json.loads(manifest).get("images", []), 1):
        (folder / entry["file"]).write_bytes(store.get(f"{prefix}/{n}.png"))
    (folder / "manifest.json").write_bytes(manifest)
    return folder.resolve()


def images(run: RunFolder) -> list[dict[str, Any]]:
    """What the manifest says of each picture, and its size in px."""
    found = []
    for entry in run.manifest().get("images", []):
        with Image.open(run.path / entry["file"]) as picture:
            found.append({**facts(entry), "width": picture.width, "height": picture.height})
    return found


def facts(entry: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of a picture, but for where it lies in the folder."""
    return {name: value for name, value in entry.items() if name != "file"}


def thumb(path: Path) -> bytes:
    """AVIF of at most 512 px."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "AVIF", quality=70)
    return file.getvalue()


def preview(run: RunFolder, id: str, name: str, store: Store) -> str:
    """A preview of a run that is under way; its key."""
    key = f"productions/{id}/{name}"
    store.put(key, (run.path / name).read_bytes())
    return key
