"""A hub on this machine: the two addresses that huggingface.co answers for a large file, and ways to fail at it.

On it is a toy: two files, which are no weights of anything.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from narcis.portrait.catalogue import INSIGHTFACE, Entry, File

CONFIG, WEIGHTS = b'{"toy": true}', random.Random(0).randbytes(3_000_000)
PUBLISHED = {"config.json": CONFIG, "unet/x.safetensors": WEIGHTS}
REVISION = "a" * 40
TOY = Entry(
    "toy",
    "a toy",
    ("base",),
    INSIGHTFACE,
    (
        File("config.json", len(CONFIG)),
        File("unet/x.safetensors", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest()),
    ),
    hub="toys/toy",
    revision=REVISION,
    below="models/toy",
)


@dataclass
class LocalHub:
    """Files by REPO/resolve/REVISION/PATH.  It redirects to another host name for the bytes, as the real one does."""

    files: dict[str, bytes] = field(
        default_factory=lambda: {f"toys/toy/resolve/{REVISION}/models/toy/{k}": v for k, v in PUBLISHED.items()}
    )
    breaks_after: int | None = None  # bytes of an answer, then the connection ends; not of the small file
    breaks: int = 10**9  # how many answers break
    ranges: bool = True  # whether it knows what a range is
    status: int | None = None  # answered instead of anything
    asked: list[str] = field(default_factory=list)  # the ranges of every answer with bytes
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server
        return f"http://127.0.0.1:{self.server.server_port}"

    def start(self) -> LocalHub:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        assert self.server
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = request.path.lstrip("/")
        content = self.files.get(path.removeprefix("cdn/"))
        if self.status or content is None:
            code = self.status or 404
            return self.headers(request, code, {"X-Error-Code": "EntryNotFound"} if code == 404 else {})
        if not path.startswith("cdn/"):
            assert self.server
            facts = {"X-Repo-Commit": "c" * 40, "X-Linked-Size": str(len(content))}
            facts["X-Linked-ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            facts["Location"] = f"http://localhost:{self.server.server_port}/cdn/{path}"
            return self.headers(request, 302, facts)
        if body:
            self.send(request, content)

    def send(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        start = int(found[1]) if self.ranges and (found := re.match(r"bytes=(\d+)-", wanted)) else 0
        if start >= len(content):
            return self.headers(request, 416, {})
        rest = content[start:]
        facts = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.headers(request, 206 if start else 200, facts, len(rest))
        if self.breaks_after is not None and self.breaks > 0 and len(rest) > max(100, self.breaks_after):
            self.breaks -= 1
            request.wfile.write(rest[: self.breaks_after])
            request.wfile.flush()
            request.close_connection = True
            request.connection.close()
            return
        request.wfile.write(rest)

    @staticmethod
    def headers(request: BaseHTTPRequestHandler, code: int, facts: dict[str, str], length: int = 0) -> None:
        request.send_response(code)
        for name, value in {**facts, "Content-Length": str(length)}.items():
            request.send_header(name, value)
        request.end_headers()
