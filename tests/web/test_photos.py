"""What strangers send: decoded apart, kept as pixels alone."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from visiting import image

from narcis.errors import BadInput
from narcis.store import Directory
from narcis.web import photos

CANARY = b"CANARY-7f3a"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def marked(kind: str) -> bytes:
    """A photo with a canary wherever its format has a place for words."""
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = CANARY.decode()
    exif.get_ifd(0x8825)[29] = CANARY.decode()
    given = {"exif": exif, "xmp": b"<x:xmpmeta>" + CANARY + b"</x:xmpmeta>"}
    if kind == "JPEG":
        given["comment"] = CANARY
    if kind == "PNG":
        given = {"exif": exif, "pnginfo": PngImagePlugin.PngInfo()}
        given["pnginfo"].add_text("Comment", CANARY.decode())
        given["pnginfo"].add_itxt("XML:com.adobe.xmp", CANARY.decode())
    return image(kind, (160, 120), "olive", **given) + (CANARY if kind != "WEBP" else b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_word_that_came_with_a_photo_is_kept(kind):
    sent = marked(kind)
    assert sent.count(CANARY) >= 3
    clean = photos.received(sent)
    assert CANARY not in clean
    with Image.open(io.BytesIO(clean)) as picture:
        assert picture.format == "PNG" and picture.size == (160, 120) and not picture.info and not picture.getexif()
    kinds = [clean[i + 4 : i + 8] for i in starts(clean)]
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def starts(png: bytes) -> list[int]:
    found, at = [], 8
    while at < len(png):
        found.append(at)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return found


def test_a_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    lying = Image.new("RGB", (200, 100), "white")
    lying.paste("red", (0, 0, 100, 100))
    file = io.BytesIO()
    lying.save(file, "PNG", exif=exif)
    with Image.open(io.BytesIO(photos.received(file.getvalue()))) as upright:
        assert upright.size == (100, 200)
        assert upright.getpixel((50, 20)) == (255, 0, 0) and upright.getpixel((50, 180)) == (255, 255, 255)


def test_a_large_photo_is_made_smaller_and_a_small_one_keeps_its_pixels():
    with Image.open(io.BytesIO(photos.received(image("JPEG", (4000, 3000))))) as large:
        assert large.size == (1600, 1200)
    noise = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(photos.received(file.getvalue())))), noise)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "no photo came with it"),
        (b"%PDF-1.7 and more", "no photo that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no photo that can be read"),
        (image("GIF"), "no photo that can be read"),
        (image("TIFF"), "no photo that can be read"),
        (image("AVIF"), "no photo that can be read"),
        (image("JPEG", (400, 400), quality=95)[:900], "damaged"),
        (bomb(8000, 5001), "has 40 megapixels; at most 40"),
        (bomb(60_000, 60_000), "no photo that can be read|megapixels"),
        (bomb(4000, 4000), "damaged"),
        (image("PNG", (95, 500)), "only 95 × 500 pixels"),
        (b"x" * (photos.MOST + 1), "has 15 MB; at most 15"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_usable_photo_is_refused_with_the_reason(content, said):
    with pytest.raises(BadInput, match=said):
        photos.received(content)


def test_a_decoder_that_wants_too_much_ends_alone(monkeypatch, tmp_path):
    """Whatever the libraries do, it is their own process that pays."""
    monkeypatch.setattr(photos, "PATIENCE", 0.001)
    with pytest.raises(BadInput, match="takes too long"):
        photos.received(image())


def test_memory_is_limited_before_anything_is_decoded():
    import subprocess
    import sys

    hungry = "from narcis.web import decoding; decoding.confine(); bytearray(2 << 30)"
    done = subprocess.run([sys.executable, "-c", hungry], capture_output=True, text=True, check=False)
    assert done.returncode and "MemoryError" in done.stderr


def test_a_photo_lies_under_whose_it_is_and_is_named_by_its_content(tmp_path):
    store = Directory(tmp_path)
    one = photos.kept(store, "guest:abc", image())
    assert one.key == f"faces/guest-abc/{one.sha256}.png" and store.get(one.key) == image()
    assert (one.width, one.height) == (128, 128)
