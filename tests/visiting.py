"""What tests of the web send: pictures of one colour, in any format."""

from __future__ import annotations

import io

from PIL import Image


def image(kind: str = "PNG", size: tuple[int, int] = (128, 128), colour: str = "teal", **given) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **given)
    return file.getvalue()
