from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from schematic import face_at

from narcis.portrait.faces import Landmarks, upright
from narcis.portrait.masks import FEATURES, MARGIN, OUTER, change_map, own
from narcis.recipe import MaskRecipe

unit = st.floats(0, 1)
weights = st.fixed_dictionaries({name: unit for name in (*OUTER, *FEATURES)})
levels = st.tuples(unit, unit).map(sorted).map(lambda pair: {"floor": pair[0], "ceiling": pair[1]})
recipes = st.builds(
    lambda weights, levels, **rest: MaskRecipe(**weights, **levels, **rest),
    weights,
    levels,
    grow=st.floats(0, 0.4),
    feather=st.floats(0, 0.5),
    curve=st.floats(0.3, 3),
)
tilted = st.builds(face_at, unit=st.floats(30, 55), degrees=st.floats(-20, 20), x=st.floats(110, 146))


def only(**rest: Any) -> MaskRecipe:
    """A recipe of nothing but what is named."""
    values: dict[str, Any] = {**dict.fromkeys((*OUTER, *FEATURES), 0.0), **rest}
    return MaskRecipe(**values)


def in_crop(size: int = 256) -> Landmarks:
    """A face as it stands in its crop."""
    landmarks = face_at()
    return landmarks.moved(upright(landmarks) * size)


def at(change: torch.Tensor, points: np.ndarray) -> np.ndarray:
    x, y = points.round().astype(int).T
    return change[0, 0].numpy()[y, x]


@settings(max_examples=30, deadline=None)
@given(recipe=recipes, landmarks=tilted)
def test_a_map_lies_between_0_and_its_ceiling(recipe: MaskRecipe, landmarks: Landmarks):
    change = change_map(recipe, landmarks, 256)
    assert change.shape == (1, 1, 256, 256) and change.dtype == torch.float32
    assert change.min() >= 0 and change.max() <= recipe.ceiling + 1e-6


@settings(max_examples=30, deadline=None)
@given(recipe=recipes, landmarks=tilted, more=st.floats(0, 0.3))
def test_growing_never_lowers_a_map(recipe: MaskRecipe, landmarks: Landmarks, more: float):
    grown = recipe.model_copy(update={"grow": recipe.grow + more})
    assert (change_map(grown, landmarks, 128) >= change_map(recipe, landmarks, 128) - 1e-6).all()


@settings(max_examples=30, deadline=None)
@given(recipe=recipes, landmarks=tilted)
def test_the_border_is_kept(recipe: MaskRecipe, landmarks: Landmarks):
    change = change_map(recipe, landmarks, 256)[0, 0]
    margin = int(256 * MARGIN)
    change[margin:-margin, margin:-margin] = 0
    assert change.max() == 0


def test_the_default_changes_the_whole_face_and_keeps_the_border():
    landmarks = in_crop()
    change = change_map(MaskRecipe(), landmarks, 256)
    inner = landmarks.eyes + 0.97 * (landmarks.points - landmarks.eyes)
    assert at(change, inner).min() > 0.99
    assert at(change, (landmarks.eyes - 0.9 * landmarks.axis)[None]) > 0.99  # the forehead
    assert change[0, 0, :, 128].max() == 1 and 0.3 < change.mean() < 0.8


@pytest.mark.parametrize("name, parts", FEATURES.items())
def test_a_feature_alone_changes_itself_alone(name: str, parts: tuple):
    landmarks = in_crop()
    change = change_map(only(**{name: 1.0}, feather=0.05), landmarks, 256)
    for part in parts:
        assert at(change, landmarks.region(part)).min() > 0.9
    assert at(change, landmarks.region("contour")).max() == 0
    assert change.mean() < 0.15


def test_eyes_of_weight_0_are_kept_in_a_face_that_changes():
    landmarks = in_crop()
    change = change_map(only(face=1.0, nose=1.0, mouth=1.0, brows=1.0), landmarks, 256)
    assert at(change, landmarks.region("eye_l")).max() < 1e-6
    assert at(change, landmarks.region("nose")).min() > 0.99


def test_hair_lies_about_the_face_and_neck_below_it():
    landmarks = in_crop()
    hair = change_map(only(hair=1.0, grow=0.0, feather=0.0), landmarks, 256)
    neck = change_map(only(neck=1.0, grow=0.0, feather=0.0), landmarks, 256)
    crown = landmarks.eyes - 1.35 * landmarks.axis
    throat = landmarks.eyes + 1.75 * landmarks.axis
    assert at(hair, crown[None]) == 1 and at(neck, throat[None]) > 0.5
    assert at(hair, landmarks.region("nose")).max() == 0 == at(neck, landmarks.region("nose")).max()


def test_a_map_means_the_same_at_every_resolution():
    small, large = change_map(MaskRecipe(), in_crop(128), 128), change_map(MaskRecipe(), in_crop(512), 512)
    assert (torch.nn.functional.avg_pool2d(large, 4) - small).abs().max() < 0.1


def test_curve_and_levels_by_hand():
    """A weight of 0.5 under curve 2 is 0.25; from 0.2 to 0.8 that is 0.35."""
    landmarks = in_crop()
    recipe = only(**dict.fromkeys((*OUTER, *FEATURES), 0.5), curve=2.0, floor=0.2, ceiling=0.8)
    assert at(change_map(recipe, landmarks, 256), landmarks.region("nose")) == pytest.approx(0.35, abs=1e-4)
    assert change_map(recipe, landmarks, 256)[0, 0, 0].max() == 0


def test_a_recipe_of_nothing_keeps_everything():
    assert change_map(only(), in_crop(), 64).max() == 0


def test_a_face_beyond_the_crop_does_no_harm():
    assert change_map(MaskRecipe(), face_at(5000, 5000, 900), 64).isfinite().all()


# ------------------------------------------------------------------------------------------- several faces
def test_a_face_alone_owns_its_crop():
    assert (own(in_crop(), [], 64) == 1).all()


def test_two_faces_part_half_way_and_softly():
    left, right = face_at(80, 112, 30), face_at(180, 112, 30)
    share = own(left, [right], 256)[0, 0]
    assert share[124, 130] == pytest.approx(0.5, abs=0.02)
    assert at(share[None, None], left.points).min() == 1 and at(share[None, None], right.points).max() == 0
    assert torch.allclose(share + own(right, [left], 256)[0, 0], torch.ones(256, 256), atol=1e-5)
    assert (share.diff(dim=1) <= 1e-6).all() and share.diff(dim=1).abs().max() < 0.2


def test_a_child_before_an_adult_keeps_its_head():
    child, adult = face_at(190, 190, 15), face_at(110, 90, 60)
    assert at(own(child, [adult], 256), child.points).min() > 0.9
    assert at(own(adult, [child], 256), child.points).max() < 0.1


def test_of_three_faces_none_paints_over_another():
    faces = [face_at(x, 100, 20) for x in (60, 128, 196)]
    shares = [own(face, [other for other in faces if other is not face], 256) for face in faces]
    assert torch.stack(shares).sum(0).max() <= 1 + 1e-5
    assert all(at(share, face.points).min() > 0.99 for share, face in zip(shares, faces))
