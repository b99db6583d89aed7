import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from narcis.errors import BadInput, NotFound
from narcis.portrait.images import open_photo, sha256, to_image, to_tensor


def saved(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def halves(width: int = 40, height: int = 20) -> Image.Image:
    """Red left half, blue right half."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def close(picture: Image.Image, colour: tuple[int, int, int], levels: int = 2) -> bool:
    return bool(np.abs(np.asarray(picture, int) - colour).max() <= levels)


def header_only(width: int, height: int) -> bytes:
    """A PNG that promises width × height pixels and holds none."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_a_png_comes_back_pixel_by_pixel(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(saved(halves()))
    assert same(open_photo(tmp_path / "a.png"), halves())
    assert same(open_photo(str(tmp_path / "a.png")), halves())


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_each_format_opens_as_rgb(format: str):
    photo = open_photo(saved(halves(), format))
    assert (photo.mode, photo.size) == ("RGB", (40, 20))


@pytest.mark.parametrize(
    "orientation, size, top_left",
    [(1, (40, 20), "red"), (3, (40, 20), "blue"), (6, (20, 40), "red"), (8, (20, 40), "blue")],
)
def test_exif_turns_the_photo_upright(orientation: int, size: tuple, top_left: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = open_photo(saved(halves(), "PNG", exif=exif))
    assert photo.size == size
    assert photo.getpixel((2, 2)) == Image.new("RGB", (1, 1), top_left).getpixel((0, 0))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_makes_no_sense_is_passed_over():
    assert open_photo(saved(halves(), "JPEG", exif=b"Exif\0\0MM\0*rubbish rubbish")).size == (40, 20)


def test_alpha_is_laid_on_white():
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((0, 0), (0, 0, 255, 255))
    photo = open_photo(saved(picture))
    assert photo.getpixel((0, 0)) == (0, 0, 255) and photo.getpixel((3, 3)) == (255, 255, 255)


def test_a_transparent_palette_entry_is_white_too():
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 1), 1)
    photo = open_photo(saved(picture, transparency=0))
    assert photo.getpixel((0, 0)) == (255, 255, 255) and photo.getpixel((1, 1)) == (255, 0, 0)


def test_cmyk_becomes_rgb():
    photo = open_photo(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert close(photo, (255, 0, 0), 15)


def test_sixteen_bits_keep_their_tones_rather_than_turn_white():
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (4, 1))
    grey = np.asarray(open_photo(saved(Image.fromarray(ramp))))
    assert np.abs(grey[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    colour = np.dstack([ramp] * 3)
    photo = np.asarray(open_photo(cv2.imencode(".png", colour)[1].tobytes()))
    assert np.abs(photo[0, :, 1].astype(int) - np.arange(256)).max() <= 1


def test_a_colour_profile_is_obeyed():
    """In a profile whose primaries red and blue are exchanged, red is blue."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    red = Image.new("RGB", (4, 4), "red")
    assert close(open_photo(saved(red, icc_profile=srgb)), (255, 0, 0))
    assert close(open_photo(saved(red, icc_profile=exchanged)), (0, 0, 255))
    assert close(open_photo(saved(red.convert("RGBA"), icc_profile=exchanged)), (0, 0, 255))
    assert close(open_photo(saved(red, icc_profile=b"no profile")), (255, 0, 0))


def test_a_phones_jpeg_with_two_views_shows_the_first():
    mpo = saved(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 20), "green")])
    assert close(open_photo(mpo).crop((0, 0, 8, 8)), (255, 0, 0), 15)


def animation() -> bytes:
    return saved(halves(), "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 20), "green")])


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "not an image"),
        (b"hello, I am a poem", "not an image"),
        (saved(halves(), "GIF"), "not an image"),
        (saved(halves(400, 400), "JPEG")[:-800], "cut off"),
        (saved(Image.effect_noise((64, 64), 50))[:-2000], "cut off"),
        (saved(halves(), "WEBP")[:30], "not an image|cut off"),
        (animation(), "animation of 2"),
        (header_only(20_000, 10_000), "at most 40"),
        (header_only(12_000, 8_000), "at most 40"),
        (header_only(8_000, 6_000), "48 megapixels; at most 40"),
    ],
    ids=[
        "empty",
        "text",
        "gif",
        "truncated jpeg",
        "truncated png",
        "truncated webp",
        "animated",
        "200 MP",
        "96 MP",
        "48 MP",
    ],
)
def test_a_bad_photo_is_refused_in_one_line(data: bytes, words: str):
    with pytest.raises(BadInput, match=words) as refused:
        open_photo(data)
    assert "\n" not in str(refused.value)


def test_a_message_names_the_file(tmp_path: Path):
    (tmp_path / "poem.jpg").write_text("roses are red")
    with pytest.raises(BadInput, match=r"poem\.jpg"):
        open_photo(tmp_path / "poem.jpg")
    with pytest.raises(NotFound, match=r"gone\.jpg"):
        open_photo(tmp_path / "gone.jpg")
    with pytest.raises(BadInput, match="directory"):
        open_photo(tmp_path)


def test_sha256_is_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == sha256(b"abc")
    assert sha256(b"abc").startswith("ba7816bf")  # FIPS 180-2, appendix B.1


def test_pictures_survive_the_way_through_tensors():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8))
    tensor = to_tensor(picture)
    assert tensor.shape == (1, 3, 5, 7) and tensor.dtype == torch.float32 and tensor.abs().max() <= 1
    assert same(to_image(tensor)[0], picture)


def test_to_image_clips_what_lies_outside():
    black, white = to_image(torch.tensor([-3.0, 3.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    assert black.getpixel((0, 0)) == (0, 0, 0) and white.getpixel((0, 0)) == (255, 255, 255)
