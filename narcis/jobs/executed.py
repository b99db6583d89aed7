"""The executed notebook: written whole at each cell's start and at the end, large pictures beside it as files."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from papermill.engines import NotebookExecutionManager
from papermill.exceptions import PapermillExecutionError
from papermill.execute import raise_for_execution_errors
from papermill.iorw import write_ipynb

from narcis.errors import Interrupted
from narcis.folder import RunFolder
from narcis.jobs.outcome import TimedOut

FIGURES = "figures"
INLINE = 64 << 10  # characters of base64 that a picture may have within the notebook
KINDS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
DATA_URL = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=\s]+)")
MARKS: dict[type[Exception], str] = {Interrupted: "interrupted", TimedOut: "timed out"}  # of a cell; else failed


class Executed(NotebookExecutionManager):
    """Papermill's record of a run.  For N code cells the file is written N + 1 times, and never seen half."""

    def __init__(self, nb: NotebookNode, path: Path | str | None, progress_bar: Any = False, log_output: bool = False):
        remote = path is not None and "://" in str(path)
        super().__init__(nb, str(path) if path else None, log_output, progress_bar, autosave_cell_every=0)
        self.path = None if remote or not path else Path(path)
        self.ended_in: NotebookNode | None = None
        nb.metadata.papermill["output_path"] = self.output_path

    def save(self, **_: Any) -> None:
        """Papermill asks for this after all that it does; `write` is called where it matters."""

    def write(self) -> None:
        if self.path:
            link_pictures(self.nb, self.path.parent)
            text = nbformat.writes(self.nb)
            path = self.path
            RunFolder(path.parent).put(path, lambda file: file.write(text.encode()))
        elif self.output_path:
            write_ipynb(self.nb, self.output_path)

    def cell_start(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        super().cell_start(cell, cell_index, **kwargs)
        if cell.cell_type == "code":
            self.write()

    def ended(self, cell: NotebookNode, error: Exception) -> None:
        """The cell that did not come to its own end says why."""
        self.cell_exception(cell, exception=error)
        self.ended_in = cell
        kind, said = type(error).__name__, str(error)
        if not isinstance(error, Interrupted) or not any(out.output_type == "error" for out in cell.outputs):
            cell.outputs.append(nbformat.v4.new_output("error", ename=kind, evalue=said, traceback=[f"{kind}: {said}"]))

    def close(self, error: Exception | None) -> Exception | None:
        """The last write, with papermill's marks at the cell that failed; returns what ended the run."""
        self.notebook_complete()
        try:
            raise_for_execution_errors(self.nb, None)
        except PapermillExecutionError as found:
            error = error or found
        if error and self.ended_in:
            mark = next((mark for kind, mark in MARKS.items() if isinstance(error, kind)), self.FAILED)
            self.ended_in.metadata.papermill["status"] = mark
        self.write()
        return error


# ------------------------------------------------------------------------------------------ pictures
def link_pictures(nb: NotebookNode, folder: Path) -> None:
    """Pictures of more than INLINE characters become files, which the notebook shows from there."""
    for cell in nb.cells:
        for output in cell.get("outputs", ()):
            if data := output.get("data"):
                link_own(data, output.get("metadata", {}), folder)
                link_in_html(data, folder)


def link_own(data: NotebookNode, metadata: dict[str, Any], folder: Path) -> None:
    """`image/png` and its like, with the size that the notebook asked for."""
    for kind in KINDS.keys() & data.keys():
        if len(data[kind]) > INLINE and (name := filed(kind, data[kind], folder)):
            asked = metadata.get(kind) or {}
            size = "".join(f' {side}="{escape(str(asked[side]))}"' for side in ("width", "height") if side in asked)
            image = f'<img alt="{escape(data.get("text/plain", ""))}" src="{name}"{size}>'
            data["text/html"] = data.get("text/html", "") + image
            del data[kind]


def link_in_html(data: NotebookNode, folder: Path) -> None:
    def link(found: re.Match[str]) -> str:
        return (filed(found[1], found[2], folder) if len(found[2]) > INLINE else None) or found[0]

    if len(html := data.get("text/html", "")) > INLINE:
        data["text/html"] = DATA_URL.sub(link, html)


def filed(kind: str, text: str, folder: Path) -> str | None:
    """The name, from where the notebook lies, of a file that is named by its content; None for what is no base64."""
    try:
        content = base64.b64decode(text)
    except ValueError:
        return None
    name = f"{FIGURES}/{hashlib.sha256(content).hexdigest()}.{KINDS[kind]}"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        RunFolder(folder).put(path, lambda file: file.write(content))
    return name
