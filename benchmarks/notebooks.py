"""What a notebook costs over the functions it calls: `python benchmarks/notebooks.py [--runs 5] [--set steps=8 …]`.

Three ways to the same picture, in turns and in one process tree, so that what else the machine does falls on all alike:
the cells' code in this process, with its figures drawn; the warm engine; papermill as it comes, a new kernel each time.
The aim is a warm run within 0.3 s of the functions alone.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import papermill

from narcis.folder import RunFolder
from narcis.jobs import engine
from narcis.jobs.kernel import WarmKernel
from narcis.settings import HOME

NOTEBOOK = HOME / "notebooks" / "portrait.ipynb"
AIM = 0.3  # seconds
QUICK = {"words": "byzantine emperor", "sitter": "ada", "seed": 0, "steps": 8, "detail_steps": 4}
# A scene that the embedded model shows a face in after few steps.
QUICK["prompt"] = "oil painting of a calm woman, gown, azure palette, plain background, portrait"


def functions(values: dict[str, Any]) -> None:
    """The notebook's code, and each figure drawn as a notebook would, without a notebook."""
    listed = json.loads(NOTEBOOK.read_text())["cells"]
    parameters, *cells = [ast.parse("".join(cell["source"])) for cell in listed if cell["cell_type"] == "code"]
    space: dict[str, Any] = {"print": lambda *_, **__: None}
    exec(compile(parameters, "parameters", "exec"), space)
    space.update(values)
    for cell in cells:
        last = cell.body.pop() if isinstance(cell.body[-1], ast.Expr) else None
        exec(compile(cell, "cell", "exec"), space)
        if isinstance(last, ast.Expr):
            draw(eval(compile(ast.Expression(last.value), "cell", "eval"), space))


def draw(value: Any) -> None:
    if hasattr(value, "_repr_png_"):
        value._repr_png_()


def ways(kernel: WarmKernel) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Each executes the notebook with values that hold its folder."""

    def warm(values: dict[str, Any]) -> None:
        run = RunFolder(Path(values["out"]))
        engine.perform(NOTEBOOK, values, run.notebook, kernel, progress=run.progress)

    def stock(values: dict[str, Any]) -> None:
        papermill.execute_notebook(str(NOTEBOOK), f"{values['out']}/notebook.ipynb", values, progress_bar=False)

    return {"functions": functions, "warm engine": warm, "stock papermill": stock}


def measure(runs: int, values: dict[str, Any], folder: Path) -> dict[str, list[float]]:
    """Seconds of each run; functions and warm engine have had one before that is not counted."""
    took: dict[str, list[float]] = {}
    with WarmKernel() as kernel:
        for turn in range(runs + 1):
            for name, way in ways(kernel).items():
                if turn == 0 and name == "stock papermill":
                    continue
                run = RunFolder.create(folder / f"{name}-{turn}".replace(" ", "-"), "portrait")
                began = time.perf_counter()
                way({**values, "out": str(run.path)})
                if turn:
                    took.setdefault(name, []).append(time.perf_counter() - began)
        assert kernel.starts == 1, f"the kernel was replaced: {kernel.ended}"
    return took


def report(took: dict[str, list[float]]) -> None:
    alone = statistics.median(took["functions"])
    print(f"{'':<16} {'median':>8} {'least':>8} {'over functions':>15} {'ratio':>6}")
    for name, seconds in took.items():
        median = statistics.median(seconds)
        print(f"{name:<16} {median:7.2f}s {min(seconds):7.2f}s {median - alone:+14.2f}s {median / alone:6.2f}")
    over = statistics.median(w - f for w, f in zip(took["warm engine"], took["functions"]))
    print(f"a warm run costs {over:+.2f} s over its functions in the same turn; the aim is {AIM} s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5, help="runs of each way that count")
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="numbers, such as steps=20")
    given = options.parse_args()
    changed = {name: ast.literal_eval(value) for name, value in (pair.split("=", 1) for pair in given.set)}
    with tempfile.TemporaryDirectory() as folder:
        report(measure(given.runs, QUICK | changed, Path(folder)))


if __name__ == "__main__":
    main()
