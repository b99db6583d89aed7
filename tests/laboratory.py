"""A real JupyterLab and a real browser, for tests of what a person sees and touches there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
WAY_OUT = "no Chromium here: apt-get install chromium"
BASE = "http://127.0.0.1"
QUIET = [
    "--no-browser",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--ServerApp.disable_check_xsrf=True",
]
# As of somebody who has been here before: no question about news.
SETTINGS: dict[str, dict[str, Any]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def notebook(path: Path, *cells: str) -> Path:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    listed: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for i, cell in enumerate(cells)
    ]
    path.write_text(json.dumps({"cells": listed, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


def settle(settings: Path, dark: bool) -> None:
    look = {"apputils-extension/themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}}
    for name, values in (SETTINGS | look).items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


@contextmanager
def jupyterlab(folder: Path, dark: bool = False, **environment: str) -> Iterator[str]:
    """A server on a folder; its address.  All that Jupyter keeps lies in the folder too."""
    port = free_port()
    settle(folder / ".jupyter" / "lab", dark)
    own = {f"JUPYTER_{name}_DIR": str(folder / ".jupyter" / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    own["JUPYTERLAB_SETTINGS_DIR"] = own["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / ".jupyter" / "lab")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "jupyter", "lab", f"--port={port}", f"--ServerApp.root_dir={folder}", *QUIET]
    command += ["--allow-root"] if os.geteuid() == 0 else []
    with (folder / "jupyterlab.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **own, "PATH": path, **environment}, stdout=log, stderr=log, cwd=folder
        )
        try:
            awaited(f"{BASE}:{port}/api", process)
            yield f"{BASE}:{port}"
        finally:
            process.terminate()
            process.wait(30)


def awaited(address: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(address):
                return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not come up at {address} in {seconds:.0f} s; it ended with {process.poll()}")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium as it is installed on the machine."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield chromium
        finally:
            chromium.close()


def opened(browser: Any, address: str, notebook: str, width: int = 1280, height: int = 1000, **look: Any) -> Any:
    """A notebook alone on a page, as /doc shows it."""
    page = browser.new_page(viewport={"width": width, "height": height}, **look)
    page.set_default_timeout(60_000)
    page.goto(f"{address}/doc/tree/{notebook}?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", state="visible")
    page.wait_for_function("/\\| Idle/.test(document.querySelector('#jp-main-statusbar')?.innerText)")
    return page


def run_all(page: Any) -> None:
    """Every cell, through the menu that people use."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
