import base64
import io

import numpy as np
import pytest
from PIL import Image
from visiting import image

from narcis.web.shelf import ENTRY, Shelf


def put(shelf: Shelf, *names: str) -> None:
    for name in names:
        shelf.get(f"{name}.bin", lambda _: b"x" * (1000 - ENTRY))


def test_it_never_holds_more_than_it_may_and_keeps_what_is_used():
    shelf = Shelf(10_000)
    put(shelf, *"abcdefghij")
    assert shelf.bytes == 10_000
    put(shelf, "a", "k", "l")
    told = shelf.statistics()
    assert told.bytes == 10_000 and (told.hits, told.misses, told.evicted, told.entries) == (1, 12, 2, 10)
    assert shelf.peek("a.bin") and not shelf.peek("b.bin") and not shelf.peek("c.bin")


def test_what_is_too_large_is_served_and_not_kept():
    shelf = Shelf(10_000)
    put(shelf, "a")
    assert len(shelf.get("large.bin", lambda _: b"x" * 9000).content) == 9000
    assert shelf.keys() == ["a.bin"]


def test_what_is_dropped_is_gone_with_its_bytes():
    shelf = Shelf(10_000)
    put(shelf, "a", "b")
    shelf.drop(["a.bin", "never"])
    assert shelf.keys() == ["b.bin"] and shelf.bytes == 1000
    shelf.clear()
    assert shelf.bytes == 0


def fails(_: str) -> bytes:
    raise ZeroDivisionError


def test_a_load_that_fails_leaves_nothing():
    shelf = Shelf(10_000)
    with pytest.raises(ZeroDivisionError):
        shelf.get("a.avif", fails)
    assert shelf.keys() == []


def test_a_ground_is_the_picture_in_8_by_8():
    entry = Shelf().get("a.avif", lambda _: image("AVIF", (64, 48), "red"))
    assert entry.ground
    ground = Image.open(io.BytesIO(base64.b64decode(entry.ground.partition(",")[2])))
    seen = np.asarray(ground.convert("RGB"))
    assert seen.shape == (8, 8, 3) and (seen[..., 0] > 230).all() and (seen[..., 1:] < 30).all()
    assert len(entry.ground) < 250
