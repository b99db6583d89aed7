"""`python -m narcis.web.decoding`: a photo on stdin, its pixels and nothing else as PNG on stdout.

It is a process of its own with little memory and time, as what strangers send is decoded by large libraries in C.
What it refuses it says on stdout too, after an exclamation mark.
"""

from __future__ import annotations

import io
import sys
import warnings
from contextlib import suppress

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

KINDS = ("JPEG", "PNG", "WEBP")
PIXELS = 40_000_000
SMALLEST = 96  # px, the shorter side
LONGEST = 1600  # px that are kept of the longer side: more than any model sees of a face
MEMORY = 1 << 30  # bytes of address space
SECONDS = 10  # of processor


class Refused(Exception):
    """In words for whoever sent it."""


def main() -> None:
    confine()
    try:
        answer = cleaned(sys.stdin.buffer.read())
    except Refused as error:
        answer = f"!{error}".encode()
    sys.stdout.buffer.write(answer)


def confine() -> None:
    """No more memory and time than a photo takes; on systems that know no such limits, only the caller's clock."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cleaned(content: bytes) -> bytes:
    """Upright, in sRGB, without a word of metadata."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
    try:
        picture = Image.open(io.BytesIO(content), formats=KINDS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise Refused("this file is no photo that can be read; JPEG, PNG and WebP are taken") from None
    if picture.width * picture.height > PIXELS:
        raise Refused(f"the photo has {picture.width * picture.height / 1e6:.0f} megapixels; at most 40 are taken")
    try:
        upright = ImageOps.exif_transpose(in_srgb(picture)).convert("RGB")
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        raise Refused("the photo is damaged; please choose another one") from None
    if min(upright.size) < SMALLEST:
        raise Refused(f"the photo is only {upright.width} × {upright.height} pixels; please choose a larger one")
    upright.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", upright.size)  # pixels are copied, and nothing that hangs on them
    bare.paste(upright)
    file = io.BytesIO()
    bare.save(file, "PNG")
    return file.getvalue()


def in_srgb(picture: Image.Image) -> Image.Image:
    """Colours as they are meant; a profile that makes no sense is passed over.  The orientation stays with it."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "L"):
        return picture
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
        turned.getexif().update(picture.getexif()) if turned else None
        return turned or picture
    return picture


if __name__ == "__main__":
    main()
