import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from schematic import face_at, turned

from narcis.errors import BadInput
from narcis.portrait.faces import (
    LARGER,
    REGIONS,
    Crop,
    Face,
    Landmarks,
    crop,
    crop_size,
    on_painting,
    paste,
    sitter_face,
    upright,
)

placed = st.builds(
    face_at, x=st.floats(-20, 276), y=st.floats(-20, 276), unit=st.floats(12, 110), degrees=st.floats(-180, 180)
)


def smooth_painting(width: int = 256, height: int = 256, seed: int = 0) -> Image.Image:
    """Clouds: detail that both resamplings can carry, so that what is lost is the code's fault."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    clouds = cv2.GaussianBlur(noise, (0, 0), 5)
    return Image.fromarray((128 + 25 * clouds / clouds.std()).clip(0, 255).astype(np.uint8))


def disc(size: int = 256, radius: float = 0.4) -> torch.Tensor:
    """A map: 1 in the middle, softly to 0 before the border."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    return torch.from_numpy(((radius - np.hypot(x, y)) / 0.15).clip(0, 1)).float()[None, None]


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def bytes_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


class Known:
    """An analyser that finds what it was told."""

    name, licence = "known", "Apache-2.0"

    def __init__(self, *sizes: float, landmarks: Landmarks | None = None):
        nobody = np.zeros(4, np.float32)
        self.faces = [Face((0, 0, float(s), float(s)), 0.9, landmarks or face_at(), nobody, "man") for s in sizes]

    def analyse(self, picture: np.ndarray) -> list[Face]:
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        return self.faces


# ---------------------------------------------------------------------------------------------- landmarks
def test_regions_cover_the_106_points_once():
    assert [i for s in REGIONS.values() for i in range(106)[s]] == list(range(106))


def test_five_points_of_a_face_known_by_hand():
    five = face_at(100, 80, 50).five
    assert np.allclose(five, [[75, 80], [125, 80], [100, 110], [80, 130], [120, 130]], atol=1e-3)
    assert np.allclose(face_at(100, 80, 50).axis, [0, 50], atol=1e-3)


def test_landmarks_of_another_number_are_refused():
    with pytest.raises(ValueError, match="68"):
        Landmarks(np.zeros((68, 2), np.float32))


def test_larger_regions_are_made_of_the_smaller_ones():
    face = face_at()
    assert {name: len(face.region(name)) for name in LARGER} == {"oval": 51, "jaw": 21, "brows": 18, "eyes": 20}
    assert np.array_equal(face.region("eyes"), np.concatenate([face.region("eye_l"), face.region("eye_r")]))
    assert face.region("jaw")[10].tolist() == face.points[16].tolist()


@pytest.mark.parametrize("degrees", [-80, -30, 0, 12, 45, 60])
def test_yaw_is_what_a_face_was_turned_by(degrees: float):
    assert turned(degrees).yaw == pytest.approx(degrees, abs=0.01)


@given(landmarks=placed)
def test_tilting_and_scaling_a_face_do_not_turn_it_away(landmarks: Landmarks):
    assert landmarks.yaw == pytest.approx(0, abs=0.1)


def test_an_unknown_sitter_is_a_person():
    box, nobody = (0.0, 0.0, 9.0, 9.0), np.empty(0, np.float32)
    face = Face(box, 0.9, face_at(), nobody, "unknown")
    assert face.class_word == "person" and not face.recognised
    woman = Face(box, 0.9, face_at(), np.ones(4, np.float32), "woman")
    assert woman.class_word == "woman" and woman.recognised


# ---------------------------------------------------------------------------------------------- the sitter
@pytest.mark.parametrize(
    "sizes, words", [((), "no face"), ((90, 80, 70), "3 faces"), ((20,), "20 px")], ids=["none", "several", "tiny"]
)
def test_a_photo_without_one_clear_face_is_refused_in_one_line(sizes: tuple, words: str):
    with pytest.raises(BadInput, match=words) as refused:
        sitter_face(smooth_painting(), Known(*sizes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("degrees", [70, -85])
def test_a_face_that_is_turned_away_is_refused(degrees: float):
    with pytest.raises(BadInput, match=f"turned {abs(degrees)}° away; at most 60° show who it is: face the camera"):
        sitter_face(smooth_painting(), Known(90, landmarks=turned(degrees)))
    assert sitter_face(smooth_painting(), Known(90, landmarks=turned(degrees / 2)))


def test_the_one_face_is_the_sitter():
    analyser = Known(90)
    assert sitter_face(smooth_painting().convert("L"), analyser) is analyser.faces[0]


# ------------------------------------------------------------------------------------------------ upright
def test_the_rule_of_the_crop_by_hand():
    """Eye-mouth 40 px, side 3.75 · 40 = 150, centre 6.4 px below the eyes."""
    matrix = upright(face_at(100, 80, 40))
    assert np.allclose(matrix @ [100, 86.4, 1], [0.5, 0.5], atol=1e-5)
    assert np.allclose(matrix @ [25, 11.4, 1], [0, 0], atol=1e-5)
    assert np.allclose(matrix @ [175, 161.4, 1], [1, 1], atol=1e-5)


@given(landmarks=placed)
def test_the_mouth_stands_straight_below_the_eyes(landmarks: Landmarks):
    seen = landmarks.moved(upright(landmarks))
    assert np.allclose(seen.axis, [0, 1 / 3.75], atol=1e-4)
    assert seen.five[0, 0] < seen.five[1, 0]


def test_a_face_on_one_point_is_refused():
    with pytest.raises(BadInput, match="one point"):
        upright(Landmarks(np.zeros((106, 2), np.float32)))


# --------------------------------------------------------------------------------------------------- crop
@pytest.mark.parametrize("unit, size", [(40, 256), (68, 256), (69, 288), (80, 320), (102, 384), (103, 384), (300, 384)])
def test_a_large_face_is_refined_at_its_own_size(unit: float, size: int):
    """Native 256 px in steps of 32: 3.75 units, rounded up, at most half as much again."""
    assert crop_size(face_at(unit=unit), 256, 32) == size
    magnified = crop(smooth_painting(), face_at(unit=unit), size).magnification
    assert magnified >= 1 - 1e-3 or size == 384


def test_a_native_size_that_is_no_multiple_of_the_step_stays():
    assert crop_size(face_at(unit=40), 250, 64) == 250 and crop_size(face_at(unit=400), 100, 128) == 128


def test_a_crop_knows_where_it_comes_from():
    seen = crop(smooth_painting(), face_at(100, 80, 40), 300)
    assert seen.image.size == (300, 300)
    assert seen.magnification == pytest.approx(2.0, abs=1e-4)
    assert seen.box == pytest.approx((25, 11.4, 175, 161.4), abs=1e-2)
    assert np.allclose(seen.landmarks_in_crop.eyes, [150, 150 - 0.16 * 80], atol=1e-2)


def test_shrinking_averages_rather_than_skips():
    """A chequerboard of single pixels is grey from afar; every 4th pixel of it is not."""
    board = np.indices((800, 800)).sum(0) % 2 * 255
    seen = crop(Image.fromarray(board.astype(np.uint8)), face_at(400, 380, 140), 128)
    assert seen.magnification < 0.25
    assert np.abs(bytes_of(seen.image) - 127.5).max() <= 12


def test_beyond_the_border_the_picture_is_reflected():
    seen = crop(Image.new("RGB", (200, 200), "teal"), face_at(10, 10, 60), 128)
    assert same(seen.image, Image.new("RGB", (128, 128), "teal"))


@pytest.mark.parametrize("degrees", range(0, 181, 20))
def test_a_tilted_face_looks_as_the_upright_one_does(degrees: float):
    painting, upstanding = smooth_painting(400, 400), face_at(200, 190, 30)
    turn = cv2.getRotationMatrix2D((200, 200), degrees, 1).astype(np.float32)
    tilted = Image.fromarray(cv2.warpAffine(np.asarray(painting), turn, (400, 400), flags=cv2.INTER_CUBIC))
    seen, wanted = crop(tilted, upstanding.moved(turn), 256), crop(painting, upstanding, 256)
    assert np.allclose(seen.landmarks_in_crop.points, wanted.landmarks_in_crop.points, atol=0.05)
    assert np.abs(bytes_of(seen.image) - bytes_of(wanted.image)).max() <= 4


# -------------------------------------------------------------------------------------------------- paste
@settings(max_examples=25, deadline=None)
@given(landmarks=placed, size=st.sampled_from([128, 256, 320]))
def test_an_unrefined_crop_comes_back_as_it_was(landmarks: Landmarks, size: int):
    """Within two grey levels where the map speaks, and bit for bit elsewhere; tilted, and over the border."""
    painting = smooth_painting()
    seen = crop(painting, landmarks, size)
    change = disc(size)
    back = paste(painting, seen.image, seen, change)
    difference = np.abs(bytes_of(back) - bytes_of(painting)).max(2)
    outside = on_painting(change, seen, painting.size)[0, 0].numpy() == 0
    assert difference[outside].max(initial=0) == 0
    if seen.magnification >= 1:  # a crop that shrank has lost detail for good
        assert difference.max() <= 2


@settings(max_examples=25, deadline=None)
@given(landmarks=placed, seed=st.integers(0, 99))
def test_whatever_was_painted_stays_inside_the_map(landmarks: Landmarks, seed: int):
    painting = smooth_painting()
    seen, change = crop(painting, landmarks, 192), disc(192)
    noise = np.random.default_rng(seed).integers(0, 256, (192, 192, 3)).astype(np.uint8)
    back = paste(painting, Image.fromarray(noise), seen, change)
    outside = on_painting(change, seen, painting.size)[0, 0].numpy() == 0
    assert np.array_equal(np.asarray(back)[outside], np.asarray(painting)[outside])


def test_an_empty_map_changes_nothing():
    painting = smooth_painting()
    seen = crop(painting, face_at(), 256)
    assert same(paste(painting, Image.new("RGB", (256, 256)), seen, torch.zeros(1, 1, 256, 256)), painting)


def test_a_crop_beside_the_picture_changes_nothing():
    painting = smooth_painting()
    seen = crop(painting, face_at(2000, 2000), 64)
    assert same(paste(painting, Image.new("RGB", (64, 64)), seen, disc(64)), painting)


def test_the_middle_of_the_map_shows_the_refined_picture():
    painting, seen = checked(Image.new("RGB", (256, 256), (90, 120, 100)))
    refined = seen.image.copy()
    refined.paste((200, 30, 30), (118, 118, 138, 138))
    back = paste(painting, refined, seen, disc())
    x, y = (cv2.invertAffineTransform(seen.matrix) @ [128, 128, 1]).round().astype(int)
    assert np.abs(np.array(back.getpixel((int(x), int(y)))) - (200, 30, 30)).max() <= 6


def checked(painting: Image.Image) -> tuple[Image.Image, Crop]:
    return painting, crop(painting, face_at(), 256)


def test_a_shift_of_colour_is_taken_back():
    """Autoencoders tint; the seam tells by how much."""
    painting, seen = checked(smooth_painting())
    tinted = Image.fromarray((bytes_of(seen.image) + np.array([9, -7, 4])).clip(0, 255).astype(np.uint8))
    back = paste(painting, tinted, seen, disc())
    difference = np.abs(bytes_of(back) - bytes_of(painting))
    assert difference.mean() < 1 and np.percentile(difference, 99.9) <= 3


@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180])
@pytest.mark.parametrize("x, y", [(128, 112), (20, 112), (240, 240), (128, 4)], ids=["inside", "left", "corner", "top"])
def test_a_shift_of_colour_is_taken_back_at_every_tilt_and_border(x: float, y: float, degrees: float):
    painting = smooth_painting()
    seen = crop(painting, face_at(x, y, 40, degrees), 256)
    tinted = Image.fromarray((bytes_of(seen.image) + np.array([9, -7, 4])).clip(0, 255).astype(np.uint8))
    difference = np.abs(bytes_of(paste(painting, tinted, seen, disc())) - bytes_of(painting))
    inside = on_painting(disc(), seen, painting.size)[0, 0].numpy() > 0
    assert difference[inside].mean() < 1 and np.percentile(difference, 99.9) <= 3


@pytest.mark.parametrize("degrees", [0, 70, 180])
def test_a_face_at_the_border_is_refined_up_to_the_border(degrees: float):
    """Half of it lies beyond; what is left is repainted in full, without a seam along the picture's edge."""
    painting = Image.new("RGB", (256, 256), (90, 120, 100))
    face = face_at(0, 128, 40, degrees)
    seen = crop(painting, face, 256)
    reached = on_painting(disc(), seen, painting.size)[0, 0].numpy()
    middle = (face.eyes + 0.16 * face.axis).round().astype(int)
    assert reached[middle[1], 0] > 0.999
    refined = seen.image.copy()
    refined.paste((200, 30, 30), (78, 78, 178, 178))
    back = paste(painting, refined, seen, disc())
    assert np.abs(np.array(back.getpixel((0, int(middle[1])))) - (200, 30, 30)).max() <= 12
    assert same(back.crop((150, 0, 256, 256)), painting.crop((150, 0, 256, 256)))


def test_a_smoothed_crop_gets_the_paintings_grain():
    rough = np.asarray(smooth_painting(), float) + np.random.default_rng(1).normal(0, 4, (256, 256, 1))
    painting, seen = checked(Image.fromarray(rough.clip(0, 255).astype(np.uint8)))
    back = paste(painting, seen.image.filter(ImageFilter.GaussianBlur(4)), seen, disc())
    middle = (slice(100, 140), slice(110, 150))
    assert roughness(back, middle) == pytest.approx(roughness(painting, middle), rel=0.25)


def roughness(picture: Image.Image, part: tuple[slice, slice]) -> float:
    grey = np.asarray(picture.convert("L"), np.float32)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), 1.0))[part].std())


def test_a_weak_map_shows_what_it_changed_in_full():
    """A low ceiling means few free steps; their result is not diluted a second time."""
    painting, seen = checked(Image.new("RGB", (256, 256), (90, 120, 100)))
    refined = seen.image.copy()
    refined.paste((200, 30, 30), (118, 118, 138, 138))
    strong, weak = (paste(painting, refined, seen, disc() * k) for k in (1.0, 0.3))
    assert np.abs(bytes_of(strong) - bytes_of(weak)).max() <= 1


def test_a_refined_picture_of_another_size_is_refused():
    painting, seen = checked(smooth_painting())
    with pytest.raises(ValueError, match="512"):
        paste(painting, Image.new("RGB", (512, 512)), seen, disc())


def test_pasting_leaves_its_inputs_alone():
    painting, seen = checked(smooth_painting())
    before = np.array(painting)
    paste(painting, Image.new("RGB", (256, 256)), seen, disc())
    assert np.array_equal(before, np.asarray(painting))
