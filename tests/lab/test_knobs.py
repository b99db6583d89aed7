"""Knobs: every number of a mask is one, and moving it is felt."""

from typing import Any

import pytest
from matplotlib.patches import Rectangle

from narcis.lab import anatomy, knobs
from narcis.lab.easel import Easel
from narcis.lab.knobs import KNOBS, Felt
from narcis.recipe import MaskRecipe


def test_every_number_of_a_mask_has_a_knob_in_its_order():
    numbers = [name for name in MaskRecipe().model_dump() if name != "version"]
    assert [knob.name for knob in KNOBS] == numbers


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_knob_goes_as_far_as_a_recipe_takes_it(knob: knobs.Knob):
    other: dict[str, Any] = {"floor": {"ceiling": 1.0}, "ceiling": {"floor": 0.0}}.get(knob.name, {})
    for value in (knob.least, knob.most):
        values: dict[str, Any] = other | {knob.name: value}
        assert getattr(MaskRecipe(**values), knob.name) == value


@pytest.mark.parametrize("mask", [MaskRecipe(), MaskRecipe(floor=0.4, ceiling=0.5, curve=10, grow=1)])
def test_a_nudge_moves_one_number_and_stays_a_mask(mask: MaskRecipe):
    for knob in KNOBS:
        moved = MaskRecipe(**knob.nudged(mask).model_dump())  # checked anew
        changed = {name for name, value in moved.model_dump().items() if value != mask.model_dump()[name]}
        assert changed <= {knob.name} and (changed or mask.floor > 0)


def test_what_moving_a_knob_does_is_measured(easel: Easel, monkeypatch):
    two = tuple(knob for knob in KNOBS if knob.name in ("hair", "floor"))
    monkeypatch.setattr(knobs, "KNOBS", two)
    mask = MaskRecipe(floor=0.0)
    hair, floor = knobs.sensitivity(easel, mask, easel.paint(mask))
    assert (hair.before, hair.after, floor.after) == (1.0, 0.5, 0.3)
    assert hair.map > floor.map > 0 and hair.picture > floor.picture >= 0 and hair.likeness is not None
    assert hair.facts()["knob"] == "hair"


def test_the_figures_say_what_they_show(easel: Easel):
    moves = [Felt(knob, 1.0, 0.5, 0.1 * i, 0.01 * i, -0.1 * i) for i, knob in enumerate(KNOBS)]
    drawn = anatomy.felt(moves, "knobs")
    assert [axes.get_title() for axes in drawn.axes] == [
        "the map changes by",
        "the picture changes by",
        "likeness gains",
    ]
    assert drawn.axes[0].get_yticklabels()[0].get_text().startswith("ceiling")  # what is felt most stands first
    change = easel.change(MaskRecipe())
    outline, blocks, bars = anatomy.ringed(easel, change, 7, "rings").axes
    assert "16 × 16 latents" in blocks.get_title() and len(bars.patches) == 8
    assert sum(bar.get_height() for bar in bars.patches if isinstance(bar, Rectangle)) == pytest.approx(100, abs=1e-3)
    assert len(anatomy.regions(easel.crop, MaskRecipe(), "regions").axes) == 8
    assert anatomy.found(easel, "found").axes[0].get_title() == "one face is found"
    assert outline.get_title()
