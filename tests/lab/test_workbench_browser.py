"""The workbench as a person meets it: a real JupyterLab in a real Chromium."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import laboratory
import numpy as np
import pytest

from narcis.lab import presets
from narcis.lab.easel import Easel
from narcis.portrait import masks
from narcis.settings import HOME

pytestmark = [
    pytest.mark.skipif(not laboratory.CHROMIUM, reason=laboratory.WAY_OUT),
    pytest.mark.skipif(not importlib.util.find_spec("playwright"), reason="no playwright here: pip install playwright"),
    pytest.mark.usefixtures("mini"),
]

EASEL = """from narcis.lab.easel import Easel
from narcis.lab.workbench import Workbench
from narcis.portrait import images, models, painting, recipes, seats, sitters
from narcis.recipe import Recipe

model = models.load("mini")
recipe = Recipe(**{recipe!r})
picture = recipes.picture(model, painting.last(recipes.compose(model, recipe)).clean)
ada = seats.sitter(model, model.analyser, [images.open_photo(sitters.photo(sitter="ada"))])
easel = Easel.of(model, recipe, picture, ada.identity)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, easel: Easel) -> Path:
    """Notebooks that put the same easel up, once with the masks that ship, once with the one that was saved."""
    home = tmp_path_factory.mktemp("lab")
    (home / "masks").mkdir()
    for path in (HOME / "papermill_jobs" / "masks").glob("*.yaml"):
        (home / "masks" / path.name).write_bytes(path.read_bytes())
    cell = EASEL.format(recipe=json.loads(easel.recipe.to_json()))
    laboratory.notebook(home / "bench.ipynb", cell, 'Workbench(easel, a="head", b="face")')
    laboratory.notebook(home / "again.ipynb", cell, 'Workbench(easel, a="by-hand")')
    return home


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with laboratory.jupyterlab(folder, NARCIS_JOBS=str(folder), OMP_NUM_THREADS="1") as at:
        yield at


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with laboratory.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(chromium: Any, address: str) -> Iterator[Any]:
    page = laboratory.opened(chromium, address, "bench.ipynb", 1280, 1200)
    laboratory.run_all(page)
    page.wait_for_selector(".narcis-bench[data-hash]")
    yield page
    page.close()


@pytest.fixture
def bench(page: Any) -> Any:
    """The widget, its first recipe in hand and as it was loaded."""
    found = page.locator(".narcis-bench")
    found.scroll_into_view_if_needed()
    found.get_by_role("radio", name="A", exact=True).click()
    found.get_by_label("Preset to load").select_option("head")
    found.get_by_role("button", name="Load").click()
    found.get_by_role("radio", name="Map", exact=True).click()
    page.wait_for_selector(f".narcis-bench[data-hash='{presets.load('head').mask.hash()}']")
    return found


def hash_of(page: Any, before: str) -> str:
    """The mask's hash as the widget shows it, once it is another one and stays that for a second."""
    page.wait_for_selector(f".narcis-bench:not([data-hash='{before}'])")
    shown, root = "", page.locator(".narcis-bench")
    while shown != (now := root.get_attribute("data-hash")):
        shown = now
        page.wait_for_timeout(1000)
    return shown


def drag(page: Any, easel: Easel, *places: tuple[float, float]) -> None:
    """A stroke through places of the face's own frame, with the pointer."""
    box = page.locator(".nb-canvas").bounding_box()
    matrix = easel.frame.astype(float)
    points = [matrix[:, :2] @ place + matrix[:, 2] for place in np.array(places)]
    x, y = ([box["x"] + box["width"] * p[0] for p in points], [box["y"] + box["height"] * p[1] for p in points])
    page.mouse.move(x[0], y[0])
    page.mouse.down()
    for there in zip(x[1:], y[1:]):
        page.mouse.move(*there, steps=8)
    page.mouse.up()


def test_a_mask_is_tuned_painted_refined_saved_and_there_again(
    page: Any, bench: Any, easel: Easel, folder, monkeypatch
):
    head = presets.load("head").mask.hash()
    slider = bench.get_by_role("slider", name="Hair")
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "0.6"
    turned = hash_of(page, head)
    bench.get_by_role("radio", name="Take away").click()
    drag(page, easel, (-0.4, 1.0), (0.4, 1.0))
    stroked = hash_of(page, turned)
    bench.get_by_role("button", name="Refine").click()
    page.wait_for_selector(".narcis-bench[data-work='done']")
    bench.get_by_label("Name to save as").fill("by-hand")
    bench.get_by_role("button", name="Save").click()
    page.wait_for_function("document.querySelector('.nb-said').textContent.includes('saved as by-hand')")

    monkeypatch.setenv("NARCIS_JOBS", str(folder))
    saved = presets.load("by-hand").mask
    assert saved.hash() == stroked and saved.hair == 0.6
    (stroke,) = saved.strokes
    assert stroke.level == 0 and np.abs(np.array(stroke.points)[[0, -1]] - [(-0.4, 1), (0.4, 1)]).max() < 0.05
    x, y = masks.Frame(easel.crop.landmarks_in_crop).outward(np.array([0.0, 1.0])).round().astype(int)
    assert easel.change(saved)[0, 0, y, x] == 0 and easel.change(presets.load("head").mask)[0, 0, y, x] == 1
    likeness = bench.locator(".nb-measures tbody tr").nth(1).locator("td").first.inner_text()
    assert likeness == f"{easel.paint(saved).likeness:.2f}"


def test_what_was_saved_is_there_in_a_new_kernel(page: Any, chromium: Any, address: str, folder: Path, monkeypatch):
    monkeypatch.setenv("NARCIS_JOBS", str(folder))
    again = laboratory.opened(chromium, address, "again.ipynb")
    laboratory.run_all(again)
    again.wait_for_selector(f".narcis-bench[data-hash='{presets.load('by-hand').mask.hash()}']")
    assert again.get_by_role("slider", name="Hair").input_value() == "0.6"
    assert again.get_by_role("button", name="Clear 1").is_enabled()
    again.close()


def test_it_can_be_worked_without_a_mouse(page: Any, bench: Any):
    """Tab to the face, paint by arrows and Space, take it back; no shortcut of JupyterLab's is meant by a key here."""
    cells, head = page.locator(".jp-Cell").count(), presets.load("head").mask.hash()
    bench.get_by_role("radio", name="Map", exact=True).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "nb-canvas"
    for key in ("x", "ArrowDown", "Space", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "Space"):
        page.keyboard.press(key)
    assert hash_of(page, head) != head
    assert bench.get_by_role("button", name="Clear 1").is_visible()
    page.keyboard.press("z")
    page.wait_for_selector(f".narcis-bench[data-hash='{head}']")
    page.keyboard.press("x")
    assert page.locator(".jp-Cell").count() == cells
    bench.get_by_role("slider", name="Feather").focus()
    page.keyboard.press("ArrowRight")
    moved = hash_of(page, head)
    page.keyboard.press("Delete")  # back to the default
    page.wait_for_selector(f".narcis-bench[data-hash='{head}']")
    assert moved != head


def test_the_notebook_is_saved_from_it_and_a_second_page_shows_it_as_it_is(
    page: Any, bench: Any, chromium: Any, address: str, folder: Path
):
    slider = bench.get_by_role("slider", name="Neck")
    slider.fill("0.2")
    turned = hash_of(page, presets.load("head").mask.hash())
    slider.press("Control+s")
    for _ in range(100):
        if saved := "jupyter.widget-view" in (folder / "bench.ipynb").read_text():
            break
        page.wait_for_timeout(200)
    assert saved
    second = laboratory.opened(chromium, address, "bench.ipynb")
    second.wait_for_selector(f".narcis-bench[data-hash='{turned}']")
    second.get_by_role("slider", name="Neck").fill("0.9")
    assert hash_of(page, turned) == hash_of(second, turned) and slider.input_value() == "0.9"
    second.close()


def test_stage_2_can_be_stopped(page: Any, bench: Any):
    bench.get_by_role("button", name="Refine").click()
    bench.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".narcis-bench[data-work='stopped']")
    assert bench.get_by_role("button", name="Refine").is_visible()
    assert "stopped at" in bench.locator(".nb-working").inner_text()


def test_floor_and_ceiling_push_each_other(page: Any, bench: Any):
    ceiling, floor = (bench.get_by_role("slider", name=name) for name in ("Ceiling", "Floor"))
    floor.fill("0.7")
    ceiling.fill("0.5")
    hash_of(page, presets.load("head").mask.hash())
    assert (floor.input_value(), ceiling.input_value()) == ("0.5", "0.5")
    assert bench.locator(".nb-said").get_attribute("data-kind") != "wrong"


def test_everything_that_can_be_touched_has_a_name(page: Any, bench: Any):
    """As a screen reader has it: the browser's own accessibility tree."""
    snapshot = page.locator(".narcis-bench").aria_snapshot()
    touched = [line.strip() for line in snapshot.splitlines() if line.strip().startswith(("- button", "- slider"))]
    touched += [line.strip() for line in snapshot.splitlines() if line.strip().startswith(("- radio", "- combobox"))]
    assert len(touched) > 25 and all('"' in line for line in touched), [x for x in touched if '"' not in x]


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_runs_off_a_screen_of_any_width(page: Any, bench: Any, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(600)
    over = page.evaluate(
        """() => { const root = document.querySelector('.narcis-bench'), box = root.getBoundingClientRect();
        return [...root.querySelectorAll('*')].filter(e => e.getClientRects().length && !e.closest('option')
          && (e.getBoundingClientRect().right > box.right + 1 || e.getBoundingClientRect().left < box.left - 1))
          .map(e => e.className || e.tagName); }"""
    )
    page.set_viewport_size({"width": 1280, "height": 1200})
    assert over == []
