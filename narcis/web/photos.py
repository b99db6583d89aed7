"""Photos that visitors send: decoded apart, kept as pixels alone, found again by their hash."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
from dataclasses import dataclass

from PIL import Image

from narcis.errors import BadInput
from narcis.store import Store

MOST = 15_000_000  # bytes
PATIENCE = 20.0  # seconds for a photo; its process has less
DECODING = threading.BoundedSemaphore(2)  # at a time: each may take a gigabyte


@dataclass(frozen=True)
class Photo:
    """A photo that is in the store."""

    sha256: str
    key: str
    width: int
    height: int


def received(content: bytes) -> bytes:
    """The photo as a clean PNG.  Raises BadInput for what is none."""
    if not content:
        raise BadInput("no photo came with it; choose a file")
    if len(content) > MOST:
        raise BadInput(f"the photo has {len(content) / 1e6:.0f} MB; at most {MOST / 1e6:.0f} are taken")
    command = [sys.executable, "-m", "narcis.web.decoding"]
    try:
        with DECODING:
            done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise BadInput("the photo takes too long to read; please choose another one") from None
    if done.stdout.startswith(b"!"):
        raise BadInput(done.stdout[1:].decode())
    if done.returncode or not done.stdout:
        raise BadInput("the photo cannot be read; please choose another one")
    return done.stdout


def kept(store: Store, whose: str, content: bytes) -> Photo:
    """A clean photo in the store, under whoever it belongs to."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        width, height = picture.size
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"faces/{whose.replace(':', '-')}/{sha256}.png"
    store.put(key, content)
    return Photo(sha256, key, width, height)
