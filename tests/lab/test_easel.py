"""What stands on the easel is what every job paints."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from narcis.errors import BadInput
from narcis.lab import easel as easels
from narcis.lab.easel import Easel
from narcis.portrait import masks, painting, seats
from narcis.recipe import MaskRecipe, Stroke

NOTHING: dict[str, Any] = dict.fromkeys(("face", "brows", "eyes", "nose", "mouth", "forehead", "hair", "neck"), 0.0)
STROKED = MaskRecipe(hair=0.0, strokes=(Stroke(level=0, radius=0.3, points=((0.0, 1.0),)),))


@pytest.mark.parametrize("mask", [MaskRecipe(), STROKED])
def test_a_mask_means_on_the_easel_what_it_means_in_a_job(easel: Easel, pair: Easel, mask: MaskRecipe):
    for one in (easel, pair):
        recipe = one.recipe.model_copy(update={"mask": mask})
        assert torch.equal(one.change(mask), seats.change_map(recipe, one.crop, one.face, one.found))


def test_the_easel_paints_what_a_job_paints_bit_for_bit(easel: Easel):
    recipe = easel.recipe.model_copy(update={"mask": STROKED})
    job = painting.seated(easel.model, recipe, easel.picture, [easel.sitter])
    here = easel.paint(STROKED)
    assert np.array_equal(np.asarray(here.portrait), np.asarray(job.portrait))
    told = painting.measures(easel.model, job)
    assert (here.likeness, here.likeness_before, here.outside) == (
        told["likeness"],
        told["likeness_before"],
        told["outside"],
    )
    assert here.outside == 0 and (here.likeness or 0) > (here.likeness_before or 1)


def test_what_a_stroke_has_taken_away_stays_as_it_was_painted(easel: Easel):
    all_but_a_mouth = MaskRecipe(strokes=(Stroke(level=0, radius=0.6, soft=0.0, points=((0.0, 1.0),)),))
    portrait = np.asarray(easel.paint(all_but_a_mouth).portrait, int)
    x, y = masks.Frame(easel.face.landmarks).outward(np.array([0.0, 1.0])).round().astype(int)
    assert (portrait[y, x] == np.asarray(easel.picture)[y, x]).all()
    assert (portrait != np.asarray(easel.picture)).any()


def test_of_several_faces_the_largest_is_taken_or_the_one_that_is_asked_for(pair: Easel):
    assert len(pair.found) == 2 and pair.which == 1
    left = Easel.of(pair.model, pair.recipe, pair.picture, pair.sitter, 0)
    assert left.face.landmarks.eyes[0] < 256 < pair.face.landmarks.eyes[0]
    assert left.notes[1].startswith("1 of 2, from the left")
    with pytest.raises(BadInput, match="face 2 is asked for; the picture shows 2: name 0 to 1"):
        Easel.of(pair.model, pair.recipe, pair.picture, pair.sitter, 2)


def test_a_picture_without_a_face_is_refused_in_one_line(easel: Easel):
    with pytest.raises(BadInput, match="no face is found in the picture; paint it from another seed"):
        Easel.of(easel.model, easel.recipe, Image.new("RGB", (256, 256), "navy"), easel.sitter)


def test_a_tiny_face_is_worked_on_and_said_to_be_tiny(easel: Easel):
    small = Image.new("RGB", (256, 256), easel.picture.getpixel((2, 2)))
    small.paste(easel.picture.resize((120, 120), Image.Resampling.LANCZOS), (60, 60))
    tiny = Easel.of(easel.model, easel.recipe, small, easel.sitter)
    assert "below 48 px little of it is drawn" in tiny.notes[1] and tiny.crop.magnification > 3


def test_a_map_of_nothing_is_refused_before_a_step_is_made(easel: Easel):
    with pytest.raises(BadInput, match="0 everywhere, so nothing would be painted"):
        easel.refine(MaskRecipe(**NOTHING))


def test_a_map_that_is_0_or_1_all_over_is_said_to_be(easel: Easel):
    everywhere = MaskRecipe(strokes=(Stroke(radius=4, points=((0, 0),)),))
    assert easels.extreme(easel.change(MaskRecipe(**NOTHING))).startswith("The map is 0 everywhere")
    assert easels.extreme(easel.change(everywhere)).startswith("The map is 1 up to the crop's border")
    assert easels.extreme(easel.change(MaskRecipe())) == ""
    assert easel.paint(everywhere).outside == 0


def test_the_frame_takes_the_eyes_to_the_origin_and_the_mouth_to_one(easel: Easel):
    five, side = easel.crop.landmarks_in_crop.five, easel.crop.image.width
    back = np.linalg.inv(np.vstack([easel.frame, [0, 0, 1]]))[:2]
    places = np.stack([five[:2].mean(0), five[3:].mean(0)])
    inside = (places + 0.5) / side @ back[:, :2].T + back[:, 2]
    assert np.abs(inside - [[0, 0], [0, 1]]).max() < 1e-5
