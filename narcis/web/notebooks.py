"""An executed notebook as a page that can do nothing: no script of it runs, and it is of no origin."""

from __future__ import annotations

import base64
import re

import nbformat
from nbconvert import HTMLExporter

from narcis.errors import NotFound, Unavailable
from narcis.store import Store

# Whatever the notebook holds: opened alone or in a frame, it is a stranger here and may only look well.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'"
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.IGNORECASE | re.DOTALL)  # none would run; so none need be sent
FIGURE = re.compile(r"figures/[0-9a-f]{64}\.(png|jpg|gif|webp)")


def page(store: Store, run: str) -> str:
    """The notebook of a run with its figures inside.  Raises NotFound."""
    notebook = nbformat.reads(store.get(f"notebooks/{run}.ipynb").decode(), as_version=4)
    html, _ = HTMLExporter(template_name="lab", exclude_input_prompt=True).from_notebook_node(notebook)
    return FIGURE.sub(lambda found: data_url(store, found), SCRIPT.sub("", html))


def data_url(store: Store, found: re.Match[str]) -> str:
    try:
        content = store.get(f"notebooks/{found[0]}")
    except (NotFound, Unavailable):
        return found[0]
    return f"data:image/{found[1]};base64,{base64.b64encode(content).decode()}"
