"""Small jobs that need no model, built where a test can see all of them; and a server that speaks S3."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Written = Callable[..., Path]


def notebook(*cells: str) -> str:
    """A notebook whose first cell is tagged parameters."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    listed = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {"tags": ["parameters"]} if i == 0 else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(cells)
    ]
    return json.dumps({"cells": listed, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Writes a job: its YAML and the cells of its notebook; the catalogue then holds it."""
    jobs, notebooks = tmp_path / "jobs", tmp_path / "notebooks"
    jobs.mkdir()
    notebooks.mkdir()
    monkeypatch.setenv("NARCIS_JOBS", str(jobs))
    monkeypatch.setenv("NARCIS_NOTEBOOKS", str(notebooks))
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path / "runs"))

    def write(name: str, entry: str, *cells: str) -> Path:
        (jobs / f"{name}.yaml").write_text(f"notebook: {name}.ipynb\ntitle: A test\n{entry}")
        (notebooks / f"{name}.ipynb").write_text(notebook(*cells))
        return jobs / f"{name}.yaml"

    return write


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """A real HTTP server that speaks S3, on a free port of this machine."""
    server = pytest.importorskip("moto.server", reason="moto is missing: pip install 'moto[s3]' flask flask-cors")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()
