import numpy as np
import pytest
from PIL import Image
from schematic import face_at

from narcis.errors import BadInput
from narcis.portrait import faces, placing

PAINTING = Image.new("RGB", (400, 200))


class Nobody:
    """An analyser that sees no face, as one of photos does in a mosaic."""

    name, licence = "nobody", "none"

    def analyse(self, picture: np.ndarray) -> list[faces.Face]:
        return []


def test_a_face_that_is_placed_by_hand_fills_its_place():
    like = face_at(300, 220, 80)
    (face,) = placing.look(PAINTING, Nobody(), "0.25,0.1,0.5,0.8", like)
    assert face.box == pytest.approx((100, 20, 300, 180))
    assert np.allclose(face.landmarks.points.min(0), (100, 20), atol=1e-3)
    assert np.allclose(face.landmarks.points.max(0), (300, 180), atol=1e-3)
    assert not face.recognised and face.class_word == "person"


def test_its_features_are_the_others_stretched_to_the_place():
    like = face_at(300, 220, 80)
    low, size = like.points.min(0), np.ptp(like.points, axis=0)
    placed = placing.by_hand("0.25,0.1,0.5,0.8", like, PAINTING.size)
    assert np.allclose((placed.landmarks.points - (100, 20)) / (200, 160), (like.points - low) / size, atol=1e-5)


def test_without_a_place_it_is_for_the_analyser_to_see():
    assert placing.look(PAINTING, Nobody(), "", face_at()) == []


@pytest.mark.parametrize(
    "at", ["here", "0.1,0.2,0.3", "0,0,0,0", "0.5,0.5,0.6,0.2", "-0.1,0,0.5,0.5", "nan,0,0.5,0.5", "10,20,100,120"]
)
def test_a_place_that_is_none_is_refused(at: str):
    with pytest.raises(BadInput, match=f"face_at is '{at}'; it must be left,top,width,height as fractions"):
        placing.by_hand(at, face_at(), PAINTING.size)
