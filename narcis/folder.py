"""RunFolder: all that a run leaves, written so that a reader at any moment finds whole files.

images/<n>.png · manifest.json · progress.jsonl (one line an event) · previews/<stage>-<step>.png · notebook.ipynb
(executed) · measures.csv (where a run measures more than its pictures) · stages/ (what a later run in the same folder
need not do again).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, Self

from narcis.errors import BadInput, NotFound

State = Literal["running", "succeeded", "failed", "interrupted"]
OVER = ("succeeded", "failed", "interrupted")
RUNS = Path("runs")


class Picture(Protocol):
    """What can write itself as a PNG: Pillow's images."""

    def save(self, fp: BinaryIO, /, *, format: str) -> None: ...


@dataclass(frozen=True)
class Event:
    """Step `step` of `of` in a stage is done; preview is a file in the folder."""

    stage: str
    step: int
    of: int
    preview: str | None = None
    at: float = 0.0  # seconds since 1970


@dataclass(frozen=True)
class RunFolder:
    """One run's folder.  `create` makes it, `open` reads one that exists."""

    path: Path

    @classmethod
    def create(cls, path: Path | str | None = None, job: str = "run") -> Self:
        """A folder whose state is running; an earlier run in it makes room.

        Raises BadInput where it cannot be written, or holds files that no run left there.
        """
        run = cls(Path(path).expanduser() if path else named(job))
        try:
            run.images.mkdir(parents=True, exist_ok=True)
            run.clear()
            run.update(job=job, started=now(), state="running", images=[])
        except OSError as error:
            raise BadInput(f"{run.path} cannot be written: {error.strerror}; name another folder") from None
        return run

    @classmethod
    def open(cls, path: Path | str) -> Self:
        run = cls(Path(path))
        if not run.manifest_path.is_file():
            raise NotFound(f"{path} is no run's folder: it has no manifest.json")
        return run

    @property
    def stages(self) -> Path:
        """Results that a later run in this folder may go on from; no run clears them."""
        return self.path / "stages"

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    @property
    def notebook(self) -> Path:
        return self.path / "notebook.ipynb"

    @property
    def table(self) -> Path:
        return self.path / "measures.csv"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    # ------------------------------------------------------------------------------------------ writing
    def clear(self) -> None:
        """Takes away an earlier run's pictures and events; its notebook is the runner's, who may be writing it."""
        left = [*self.images.glob("*"), *(self.path / "previews").glob("*")]
        if left and "state" not in self.manifest():
            raise BadInput(f"{self.path} holds pictures that no run left there; name an empty or a new folder")
        for path in [*left, self.progress, self.table, self.manifest_path]:
            path.unlink(missing_ok=True)

    def save(self, picture: Picture, **facts: Any) -> Path:
        """The next images/<n>.png; facts (recipe, measures, caption) go into the manifest."""
        manifest = self.manifest()
        path = self.images / f"{len(manifest['images']) + 1}.png"
        self.put(path, lambda file: picture.save(file, format="PNG"))
        entry = {"file": f"images/{path.name}", **facts}
        self.update(images=[*manifest["images"], entry])
        return path

    def preview(self, picture: Picture, stage: str, step: int) -> str:
        """A small picture of what is being painted; its name within the folder."""
        path = self.path / "previews" / f"{stage}-{step:03}.png"
        path.parent.mkdir(exist_ok=True)
        self.put(path, lambda file: picture.save(file, format="PNG"))
        return f"previews/{path.name}"

    def keep(self, name: str, content: bytes) -> None:
        """A stage's result under a name that says what made it; on a full disk it is simply not kept."""
        with suppress(OSError):
            self.stages.mkdir(exist_ok=True)
            self.put(self.stages / name, lambda file: file.write(content))

    def tell(self, stage: str, step: int, of: int, preview: str | None = None) -> Event:
        """One more line of progress.jsonl."""
        event = Event(stage, step, of, preview, datetime.now(UTC).timestamp())
        line = json.dumps({k: v for k, v in asdict(event).items() if v is not None}) + "\n"
        with self.progress.open("a", encoding="utf-8") as file:
            file.write(line)
        return event

    def update(self, **facts: Any) -> None:
        """Facts into the manifest; the file is replaced whole."""
        text = json.dumps({**self.manifest(), **facts}, indent=1, ensure_ascii=False, default=plain) + "\n"
        self.put(self.manifest_path, lambda file: file.write(text.encode()))

    def finish(self, state: State, **facts: Any) -> None:
        """The last word about the run; one that was said stays."""
        if self.state not in OVER:
            self.update(state=state, finished=now(), **facts)

    def sweep(self) -> None:
        """Takes away what a killed writer left half-written; for when nobody writes any more."""
        for part in self.path.rglob(".*.part"):
            part.unlink(missing_ok=True)

    def put(self, path: Path, write: Callable[[BinaryIO], Any]) -> None:
        """A file appears whole or not at all."""
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                write(file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------ reading
    def manifest(self) -> dict[str, Any]:
        try:
            return json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    @property
    def state(self) -> State:
        return self.manifest().get("state", "running")

    @property
    def pictures(self) -> list[Path]:
        """The finished pictures, in order."""
        return [self.path / entry["file"] for entry in self.manifest().get("images", [])]

    def events(self) -> list[Event]:
        """What has been told up to now; a line that is being written counts later."""
        if not self.progress.exists():
            return []
        return list(told(self.progress.read_text(encoding="utf-8").splitlines(keepends=True)))


def told(lines: Iterable[str]) -> Iterable[Event]:
    """The events of whole lines."""
    for line in lines:
        if line.endswith("\n"):
            with suppress(ValueError, TypeError):
                yield Event(**json.loads(line))


def named(job: str) -> Path:
    """runs/2026-11-24-portrait-3f9a1c"""
    return RUNS / f"{datetime.now():%Y-%m-%d}-{job}-{secrets.token_hex(3)}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain(value: Any) -> Any:
    """JSON of recipes and paths."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy's or torch's
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a manifest")
