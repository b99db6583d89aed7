"""`narcis web`: the wall, the studio and the operators' desk."""

from __future__ import annotations

from typing import Annotated

import typer


def web(
    host: Annotated[str, typer.Option(help="on this address; 0.0.0.0 is all of them")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one", min=0, max=65535)] = 8080,
) -> None:
    """Serve the pages until SIGTERM or Ctrl-C: the wall, the studio, the operators' desk."""
    from narcis.web.serving import serve

    serve(host, port)
