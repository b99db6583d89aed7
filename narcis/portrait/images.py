"""Photos as they come in, and pictures as tensors."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from narcis.errors import BadInput, NotFound

FORMATS = ("JPEG", "PNG", "WEBP")
MEGAPIXELS = 40  # the largest photo; decoding more costs a laptop half a gigabyte
WAY_OUT = "save it as JPEG, PNG or WebP and try again"

# What Pillow raises on files that are damaged or made to do damage.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError)
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def open_photo(photo: Path | str | bytes) -> Image.Image:
    """A JPEG, PNG or WebP file, or its bytes, as upright RGB: EXIF obeyed, profile to sRGB, alpha laid on white.

    Raises NotFound without the file, and BadInput where it is no still photo of at most 40 megapixels.
    """
    name, data = named(photo)
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except BOMBS:
        raise too_large(name, "far more than 40") from None
    except BROKEN:
        raise BadInput(f"{name} is not an image that can be read; {WAY_OUT}") from None
    check(name, picture)
    try:
        picture.load()
    except BROKEN:
        raise BadInput(f"{name} is cut off or damaged; send the whole file again") from None
    return on_white(in_srgb(in_eight_bits(upright(picture))))


def sha256(photo: Path | str | bytes) -> str:
    """Of the file's bytes, in hex: how a recipe names a photo."""
    return hashlib.sha256(named(photo)[1]).hexdigest()


def to_tensor(picture: Image.Image) -> Float[Tensor, "1 3 h w"]:
    """RGB in [-1, 1]."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1


def to_image(pictures: Float[Tensor, "b 3 h w"]) -> list[Image.Image]:
    """Pictures of a tensor in [-1, 1]; what lies outside is clipped."""
    pixels = ((pictures.detach().float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(np.ascontiguousarray(p)) for p in pixels]


def named(photo: Path | str | bytes) -> tuple[str, bytes]:
    """A name for messages, and the bytes."""
    if isinstance(photo, bytes):
        return "the photo", photo
    path = Path(photo)
    try:
        return path.name, path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no photo {path}; check the name") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read as a photo: {error.strerror}; name an image file") from None


def check(name: str, picture: Image.Image) -> None:
    """Refuses what is too large or moves, before anything is decoded."""
    if picture.width * picture.height > MEGAPIXELS * 1_000_000:
        raise too_large(name, f"{picture.width * picture.height / 1e6:.0f}")
    # MPO is a phone's JPEG with further views behind the first; that is no animation.
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise BadInput(f"{name} is an animation of {frames} pictures; send one still picture")


def too_large(name: str, megapixels: str) -> BadInput:
    return BadInput(f"{name} has {megapixels} megapixels; at most {MEGAPIXELS} can be read: make it smaller")


def upright(picture: Image.Image) -> Image.Image:
    """Turned as EXIF says; EXIF that makes no sense is passed over, the photo behind it may be fine."""
    try:
        return ImageOps.exif_transpose(picture)
    except (*BROKEN, Warning):
        return picture


def in_eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit and float greys as 8-bit ones (Pillow itself clips them, which turns most photos white)."""
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    grey = np.asarray(picture, np.float64)
    return Image.fromarray((grey / 257 if grey.max() > 255 else grey).round().clip(0, 255).astype(np.uint8))


def in_srgb(picture: Image.Image) -> Image.Image:
    """By the colour profile that phones (Display P3) and print shops (CMYK) embed; as it is where there is none."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    wanted = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=wanted)
    except (ImageCms.PyCMSError, OSError):
        return picture  # a profile for other channels, or a broken one
    return turned or picture


def on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
