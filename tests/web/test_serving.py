"""`narcis web` as a process: its address, its end, and what it says when it cannot begin."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest

from narcis.records import db
from narcis.web import serving


@pytest.fixture
def process(tmp_path, monkeypatch) -> Iterator[subprocess.Popen]:
    monkeypatch.setenv("NARCIS_RUNS", str(tmp_path))
    engine = db.connect()
    db.upgrade(engine)
    engine.dispose()
    command = [sys.executable, "-m", "narcis", "web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def test_it_says_where_it_is_and_ends_well_even_while_somebody_looks(process):
    (address,) = re.findall(r"^narcis is at (http://localhost:\d+)\n", process.stdout.readline())
    (key,) = re.findall(r"its key is (\S{32})\n", process.stdout.readline())
    assert httpx2.get(f"{address}/ready").json()["state"] == "ready"
    entered = httpx2.post(f"{address}/ops/enter", data={"key": key})
    assert entered.status_code == 303
    with httpx2.stream("GET", f"{address}/wall/events", timeout=30) as stream:
        assert stream.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {**os.environ, "NARCIS_RUNS": str(tmp_path)}
        command = [sys.executable, "-m", "narcis", "up", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"nothing can listen on 127.0.0.1:{port}" in done.stderr and "--port" in done.stderr


def test_a_database_without_tables_is_said_in_one_line(tmp_path):
    environment = {**os.environ, "NARCIS_RUNS": str(tmp_path)}
    command = [sys.executable, "-m", "narcis", "web", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 5 and "run `narcis db upgrade`" in done.stderr


def test_no_heavy_library_comes_with_the_web():
    """The web's image has no torch."""
    seen = (
        "import sys, narcis.web.serving; print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0"])
def test_addresses_are_shown_as_one_would_type_them(host):
    assert serving.shown(host) == ("0.0.0.0" if host == "0.0.0.0" else "localhost")
