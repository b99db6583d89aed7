import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from narcis.errors import BadInput
from narcis.folder import RunFolder
from narcis.lab import sweep
from narcis.lab.sweep import Cell, Done
from narcis.portrait import recipes
from narcis.recipe import MaskRecipe, Recipe

BASE = Recipe(prompt="a portrait", seed=0, steps=8, detail_steps=4)


# ------------------------------------------------------------------------------------------ the axes
def test_axes_are_read_from_one_line():
    found = sweep.axes(" identity_weight=0.5, 1 ; mask_feather=0.05;seed=3..5,9 ; schedule=ays,leading;")
    assert found == {
        "identity_weight": [0.5, 1],
        "mask_feather": [0.05],
        "seed": [3, 4, 5, 9],
        "schedule": ["ays", "leading"],
    }


def test_a_value_that_is_given_twice_is_painted_once():
    assert sweep.axes("seed=1,2,1,0..2") == {"seed": [1, 2, 0]}


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no axis is given; write for example identity_weight="),
        (" ; ", "no axis is given"),
        ("identity_weight", "'identity_weight' is no name=value,value"),
        ("identity_weight=", "is no name=value,value"),
        ("weight=1", "weight cannot be swept; what can is seed, size, "),
        ("mask_strokes=1", "mask_strokes cannot be swept"),
        ("prompt=a,b", "prompt cannot be swept"),
        ("seed=1;seed=2", "axis seed is given twice"),
        ("seed=1,,2", "axis seed has an empty value in '1,,2'"),
        ("seed=9..3", "seed=9..3 must rise"),
        ("seed=0..9999999999", "must rise, by less than 100000"),
    ],
)
def test_axes_that_cannot_be_are_refused_in_one_line(text: str, said: str):
    with pytest.raises(BadInput, match=said.replace(".", r"\.")) as refused:
        sweep.axes(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("identity_weight=1,3", "identity_weight is 3"),
        ("steps=0.5", "steps is 0.5"),
        ("mask_floor=0.9;mask_ceiling=0.5", "floor 0.9 is above ceiling 0.5"),
        ("schedule=ays,karras", "no schedule 'karras'; there are ays"),
        ("solver=heun", "no solver 'heun'"),
        ("detail_merge_step=0,4", "detail_merge_step is 4 of 4 steps"),
        (
            "seed=0..999;guidance=1,2,3,4,5;guidance_end=0,0.2,0.4;mask_neck=0,0.1,0.2,0.3,0.4,0.5,1",
            "have 105000 cells",
        ),
    ],
)
def test_a_cell_that_cannot_be_painted_is_found_before_the_first_is(text: str, said: str):
    with pytest.raises(BadInput, match=said):
        sweep.cells(BASE, sweep.axes(text))


def test_every_combination_is_a_cell_and_those_of_one_composition_lie_together():
    cells = sweep.cells(BASE, sweep.axes("identity_weight=0,1,2;seed=3,4"))
    assert [(cell.values["seed"], cell.values["identity_weight"]) for cell in cells] == [
        (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2),
    ]  # fmt: skip
    assert len({cell.file for cell in cells}) == 6 and len({c.recipe.composition_cause for c in cells}) == 2
    assert cells[1].recipe == Recipe(**{**dict(BASE), "seed": 3, "identity_weight": 1.0})


def test_an_axis_of_the_mask_leaves_the_rest_of_the_mask():
    base = BASE.model_copy(update={"mask": MaskRecipe(hair=0.25)})
    (cell,) = sweep.cells(base, {"mask_feather": [0.3]})
    assert (cell.recipe.mask.hair, cell.recipe.mask.feather) == (0.25, 0.3)


# ------------------------------------------------------------------------------------------ the cost
def test_a_guided_step_asks_the_network_twice():
    order = BASE.model_copy(update={"guidance_start": 0.2, "guidance_end": 0.8})
    assert sweep.evaluations(10, 2.0, order) == 16 and sweep.evaluations(10, 1.0, order) == 10


def test_ten_thousand_cells_say_size_and_time_and_ask(mini, tmp_path):
    cells = sweep.cells(BASE, sweep.axes("seed=0..99;identity_weight=0,0.2,0.4,0.6,0.8,1,1.2,1.4,1.6,1.8;mask_neck=0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"))  # fmt: skip # noqa: E501
    plan = sweep.plan(mini, cells, RunFolder.create(tmp_path / "run"))
    assert (plan.cells, plan.painted, plan.compositions) == (10_000, 0, 100)
    assert plan.steps == 100 * (8 + 7) + 10_000 * (4 + 4) and plan.bytes == 10_000 * 256 * 256 * 3
    with pytest.raises(
        BadInput, match=r"^10000 cells: 100 compositions and 10000 faces to paint, about .* and at most "
    ):
        plan.confirmed(False)
    plan.confirmed(True)


def test_a_small_sweep_starts_unasked_unless_it_takes_hours():
    small = sweep.Plan(cells=20, painted=0, compositions=1, steps=100, seconds=60, bytes=1)
    small.confirmed(False)
    with pytest.raises(BadInput, match=r"about 2\.0 h .*set confirm to true"):
        replace(small, seconds=7200).confirmed(False)
    replace(small, cells=600, painted=200).confirmed(False)  # what is painted costs nothing


# ------------------------------------------------------------------------------------------ the painting
def test_an_interrupted_sweep_goes_on_where_it_stood(mini, ada, recipe, tmp_path, monkeypatch):
    cells = sweep.cells(recipe, sweep.axes("identity_weight=0,1;seed=0,1"))
    painted = {"compose": 0, "refine": 0}
    for name in painted:
        monkeypatch.setattr(recipes, name, counting(getattr(recipes, name), painted, name, stop=3))
    run = RunFolder.create(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        list(sweep.paint(mini, cells, ada, run))
    assert painted == {"compose": 2, "refine": 3}
    run = RunFolder.create(tmp_path / "run")
    assert sweep.plan(mini, cells, run).painted == 2
    painted.update(compose=0, refine=-10)
    done = list(sweep.paint(mini, cells, ada, run))
    assert painted == {"compose": 0, "refine": -8}  # the second composition was kept, two faces were missing
    assert [one.cell for one in done] == cells and all(one.measures["outside"] == 0 for one in done)
    assert run.events()[-1].stage == "sweep" and run.events()[-1].step == run.events()[-1].of == 4


def counting(really, painted, name, stop):
    def call(*args):
        painted[name] += 1
        if name == "refine" and painted[name] == stop:
            raise KeyboardInterrupt
        return really(*args)

    return call


def test_a_cell_is_the_portrait_that_its_recipe_makes(mini, ada, recipe, tmp_path):
    from narcis.portrait import painting

    (cell,) = sweep.cells(recipe, {"identity_weight": [1.5]})
    (one,) = sweep.paint(mini, [cell], ada, RunFolder.create(tmp_path / "run"))
    alone = painting.paint(mini, cell.recipe, replace(ada, weight=1.5))
    assert np.array_equal(np.asarray(one.picture()), np.asarray(alone.portrait))
    assert one.measures["likeness"] == painting.measures(mini, alone)["likeness"]


def test_a_damaged_cell_is_painted_anew(tmp_path):
    (cell,) = sweep.cells(BASE, {"seed": [0]})
    run = RunFolder.create(tmp_path / "run")
    whole = sweep.written(Image.effect_noise((64, 64), 50).convert("RGB"), {"likeness": 0.5})
    run.keep(cell.file, whole)
    lying = sweep.found(run, cell)
    assert lying is not None and lying.measures == {"likeness": 0.5}
    for torn in (b"", whole[:2000], whole[:-30]):
        run.keep(cell.file, torn)
        assert sweep.found(run, cell) is None


def test_a_composition_without_a_face_is_a_cell_without_measures(mini, ada, recipe):
    blank = Image.new("RGB", (256, 256), "gray")
    assert sweep.face(mini, recipe, blank, ada) == (blank, {})


# ------------------------------------------------------------------------------------------ what came of it
def done(*measured: tuple[dict, dict], tmp_path) -> list[Done]:
    cells = [Cell((), values, BASE) for values, _ in measured]
    told = [{"outside": 0.0, "likeness_before": 0.1} | measures for _, measures in measured]
    return [Done(cell, tmp_path / "none.png", m) for cell, m in zip(cells, told, strict=True)]


def test_the_best_is_the_likest_that_keeps_to_the_rule(tmp_path):
    cells = done(
        ({"seed": 0}, {"likeness": 0.9, "changed": 0.2}),
        ({"seed": 1}, {"likeness": 0.8, "changed": 0.1}),
        ({"seed": 2}, {"likeness": 0.8, "changed": 0.1}),
        ({"seed": 3}, {"likeness": 0.95, "changed": 0.1, "outside": 0.01}),
        ({"seed": 4}, {"likeness": None, "changed": 0.0}),
        tmp_path=tmp_path,
    )
    assert sweep.best(cells, 1.0).cell.values == {"seed": 0}
    assert [one.cell.values["seed"] for one in sweep.ranked(cells, 0.15)] == [1, 2]
    with pytest.raises(BadInput, match=r"none of 5 cells has a likeness and changes at most 0\.05"):
        sweep.best(cells, 0.05)


def test_a_page_has_the_two_longest_axes_and_means_over_the_others(tmp_path):
    axes = {"seed": [0, 1, 2, 3], "guidance": [1, 2], "identity_weight": [0, 1, 2]}
    cells = done(
        *(
            ({"seed": s, "guidance": g, "identity_weight": w}, {"likeness": 0.1 * s + g + 10 * w})
            for s in axes["seed"]
            for g in axes["guidance"]
            for w in axes["identity_weight"]
        ),
        tmp_path=tmp_path,
    )
    assert sweep.shown(axes) == ("guidance", "identity_weight")
    expected = np.array([[0.15 + g + 10 * w for w in (0, 1, 2)] for g in (1, 2)])
    assert np.allclose(sweep.means(cells, axes, "likeness"), expected)
    assert np.isnan(sweep.means(cells, axes, "changed")).all()
    assert sweep.labels(axes) == (("guidance", ["1", "2"]), ("identity_weight", ["0", "1", "2"]))


def test_a_long_axis_is_thinned_and_keeps_its_ends_and_the_best():
    axes = {"seed": list(range(100)), "mask_neck": [i / 100 for i in range(100)]}
    page = sweep.page({"mask_neck": axes["mask_neck"]}, Cell((7,), {"mask_neck": 0.07}, BASE))["mask_neck"]
    assert (page[0], page[-1], len(page)) == (0, 0.99, sweep.WIDEST + 1) and 0.07 in page
    both = sweep.page(axes, Cell((3, 7), {"seed": 3, "mask_neck": 0.07}, BASE))
    assert sweep.spot(Cell((), {"seed": 4, "mask_neck": 0.07}, BASE), both) is None


def test_the_table_has_a_line_for_each_cell(tmp_path):
    cells = done(
        ({"seed": 0, "solver": "euler"}, {"likeness": 0.9}), ({"seed": 1, "solver": "euler"}, {}), tmp_path=tmp_path
    )
    first, second = csv.DictReader(io.StringIO(sweep.table(cells).decode()))
    assert (first["seed"], first["solver"], first["likeness"]) == ("0", "euler", "0.9") and second["likeness"] == ""
    assert first["recipe"] == BASE.hash() and first["file"] == "stages/none.png"
