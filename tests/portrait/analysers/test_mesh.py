"""The face mesh on a real photo.

collins.jpg is a detail of NASA's portrait of Eileen Collins (public domain, from scikit-image's `astronaut`);
collins.npz holds what MediaPipe 0.10.21 itself finds in it.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from schematic import mirrored

from narcis.errors import BadInput
from narcis.portrait import layouts
from narcis.portrait.analysers.mesh import DETECTOR, MESHER, WEIGHTS, MeshAnalyser, merged
from narcis.portrait.faces import Analyser, Landmarks, crop, sitter_face
from narcis.portrait.models import make_analyser

HERE = Path(__file__).parent
REFERENCE = layouts.landmarks(np.load(HERE / "collins.npz")["mesh"])
UNIT = float(np.hypot(*REFERENCE.axis))  # px


@pytest.fixture(scope="module")
def analyser() -> MeshAnalyser:
    return MeshAnalyser()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(HERE / "collins.jpg") as picture:
        return picture.convert("RGB")


def off(found: Landmarks, wanted: Landmarks) -> float:
    """The mean distance of landmarks, in eye-mouth distances of the reference."""
    return float(np.hypot(*(found.points - wanted.points).T).mean()) / UNIT


def turned(picture: Image.Image, degrees: float) -> tuple[Image.Image, np.ndarray]:
    matrix = cv2.getRotationMatrix2D((picture.width / 2, picture.height / 2), degrees, 0.7)
    pixels = cv2.warpAffine(np.asarray(picture), matrix, picture.size, borderValue=(127, 127, 127))
    return Image.fromarray(pixels), matrix.astype(np.float32)


def test_it_is_an_analyser_that_models_can_ask_for(tmp_path: Path, analyser: MeshAnalyser):
    (tmp_path / "config.json").write_text('{"kind": "mediapipe"}')
    made = make_analyser(tmp_path)
    assert isinstance(made, MeshAnalyser) and isinstance(made, Analyser)
    assert (made.name, made.licence) == ("mediapipe", "Apache-2.0")


def test_its_networks_are_those_of_mediapipe():
    sums = {name: hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() for name in (DETECTOR, MESHER)}
    assert sums == {
        DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        MESHER: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    }
    assert "Apache License" in (WEIGHTS / "LICENSE").read_text()


def test_landmarks_are_mediapipes_own(analyser: MeshAnalyser, photo: Image.Image):
    (face,) = analyser.analyse(np.asarray(photo))
    assert off(face.landmarks, REFERENCE) < 0.03 and face.score > 0.9
    assert np.abs(face.landmarks.five - REFERENCE.five).max() / UNIT < 0.05


def test_it_says_that_it_recognises_nobody(analyser: MeshAnalyser, photo: Image.Image):
    face = sitter_face(photo, analyser)
    assert not face.recognised and face.sex == "unknown" and face.class_word == "person"


@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_a_face_is_found_however_it_is_tilted(analyser: MeshAnalyser, photo: Image.Image, degrees: int):
    picture, matrix = turned(photo, degrees)
    face = analyser.analyse(np.asarray(picture))[0]
    assert off(face.landmarks, REFERENCE.moved(matrix)) < 0.04
    seen = crop(picture, face.landmarks, 256).landmarks_in_crop
    assert seen.axis[1] > 0 and abs(seen.axis[0]) < 1


def test_a_mirrored_photo_has_mirrored_landmarks(analyser: MeshAnalyser, photo: Image.Image):
    (face,) = analyser.analyse(np.asarray(photo)[:, ::-1])
    assert off(face.landmarks, mirrored(REFERENCE, photo.width)) < 0.05
    assert face.landmarks.yaw * REFERENCE.yaw > 0 or abs(face.landmarks.yaw + REFERENCE.yaw) < 5


@pytest.mark.parametrize("size", [512, 1280])
def test_a_small_face_is_looked_for_in_parts(analyser: MeshAnalyser, photo: Image.Image, size: int):
    """At 1280 px it is a fourteenth of the picture, too little for the detector, which sees 128 px."""
    large = Image.new("RGB", (size, size), "gray")
    large.paste(photo, (size - 330, size - 330))
    (face,) = analyser.analyse(np.asarray(large))
    moved = REFERENCE.moved(np.float32([[1, 0, size - 330], [0, 1, size - 330]]))  # type: ignore[arg-type]
    assert off(face.landmarks, moved) < 0.04


def test_a_large_photo_costs_no_more_and_its_landmarks_are_its_own(analyser: MeshAnalyser, photo: Image.Image):
    (face,) = analyser.analyse(np.asarray(photo.resize((4800, 4800), Image.Resampling.BICUBIC)))
    matrix = np.array([[15, 0, 7.0], [0, 15, 7.0]])
    assert off(face.landmarks, REFERENCE.moved(matrix)) / 15 < 0.03
    assert face.box[0] / 15 == pytest.approx(analyser.analyse(np.asarray(photo))[0].box[0], abs=2)


def test_several_faces_are_all_found_and_each_once(analyser: MeshAnalyser, photo: Image.Image):
    both = Image.new("RGB", (640, 320))
    both.paste(photo, (0, 0))
    both.paste(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (320, 0))
    found = analyser.analyse(np.asarray(both))
    assert len(found) == 2 and {face.landmarks.eyes[0] > 320 for face in found} == {True, False}
    with pytest.raises(BadInput, match="2 faces are in the picture"):
        sitter_face(both, analyser)


def test_a_face_half_beyond_the_border_keeps_its_place(analyser: MeshAnalyser, photo: Image.Image):
    cut = photo.crop((160, 0, 320, 320))  # the eyes' middle is at x = 165
    for face in analyser.analyse(np.asarray(cut)):
        moved = REFERENCE.moved(np.float32([[1, 0, -160], [0, 1, 0]]))  # type: ignore[arg-type]
        assert np.hypot(*(face.landmarks.eyes - moved.eyes)) < 0.8 * UNIT


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((200, 300, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8),
        np.full((1, 1, 3), 255, np.uint8),
        np.zeros((7, 900, 3), np.uint8),
    ],
    ids=["black", "noise", "one pixel", "a line"],
)
def test_where_there_is_no_face_none_is_found(analyser: MeshAnalyser, pixels: np.ndarray):
    assert analyser.analyse(pixels) == []


def test_a_photo_of_the_back_of_a_head_or_of_a_tiny_face_is_refused(analyser: MeshAnalyser, photo: Image.Image):
    with pytest.raises(BadInput, match="px wide; it must be 48 px"):
        sitter_face(photo.resize((120, 120)), analyser)
    with pytest.raises(BadInput, match="no face is found"):
        sitter_face(photo.crop((0, 200, 120, 320)), analyser)


def test_guesses_that_overlap_are_one_face_by_their_scores():
    """Two boxes of 10 px, 1 px apart, weigh 0.75 and 0.25; a third lies elsewhere."""
    rows = [(0.6, 11, 10, 10, 10, *[0] * 4), (0.9, 50, 50, 10, 10, *[1] * 4), (0.2, 10, 10, 10, 10, *[0] * 4)]
    first, second = merged(np.array(rows))
    assert np.allclose(first, rows[1]) and np.allclose(second, (0.6, 10.75, 10, 10, 10, 0, 0, 0, 0))
