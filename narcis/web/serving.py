"""The web as a process."""

from __future__ import annotations

import secrets
import signal
import socket

import uvicorn

from narcis import settings
from narcis.errors import BadInput
from narcis.jobs.asking import the_store
from narcis.jobs.working import log_as_json
from narcis.records import db
from narcis.web.app import create

WAITING = 2048  # connections, as uvicorn has it
GRACE = 3  # seconds that answers have to end, once the process is told to; open streams end at once


def serve(host: str, port: int) -> None:
    """Until SIGTERM or Ctrl-C.  Raises BadInput for an address that is taken, Unavailable without a database."""
    log_as_json()
    chosen = settings.read()
    engine = db.connect()
    db.check(engine)
    key = chosen.operator_key.get_secret_value() if chosen.operator_key else None
    made = key is None and local(host)
    key = secrets.token_urlsafe(24) if made else key
    listening = opened(host, port)
    print(f"narcis is at http://{shown(host)}:{listening.getsockname()[1]}", flush=True)
    if made:
        print(f"the operators' desk is at /ops; this time its key is {key}", flush=True)
    config = uvicorn.Config(
        create(engine, the_store(), operator_key=key),
        log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE,
        proxy_headers=True, forwarded_allow_ips=list(chosen.proxies),
    )  # fmt: skip
    # uvicorn raises the signal that ended it once more, for whoever was there before: this process is done then.
    before = {n: signal.signal(n, lambda *_: None) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        uvicorn.Server(config).run([listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        engine.dispose()


def opened(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0 takes a free one."""
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        one = socket.socket(kind, socket.SOCK_STREAM)
    except OSError as error:
        raise BadInput(f"{host} is no address of this machine: {error.strerror}; choose another --host") from None
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(address)
        one.listen(WAITING)  # from here on it is no lie that somebody is at home
        return one
    except OSError as error:
        one.close()
        raise BadInput(f"nothing can listen on {host}:{port}: {error.strerror}; choose another --port") from None


def free(host: str, port: int) -> int:
    """The port itself, or a free one for 0.  Raises BadInput for one that is taken, before anything is started."""
    with opened(host, port) as one:
        return one.getsockname()[1]


def local(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in ("127.0.0.1", "::1", "localhost")


def shown(host: str) -> str:
    return "localhost" if local(host) else f"[{host}]" if ":" in host else host
