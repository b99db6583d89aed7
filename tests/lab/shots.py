"""The pictures of docs/masks.md, taken in a real JupyterLab: `python tests/lab/shots.py docs`."""

from __future__ import annotations

import io
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
import laboratory

from narcis.settings import HOME

EASEL = """from narcis import mecene
from narcis.lab.easel import Easel
from narcis.lab.workbench import Workbench
from narcis.portrait import images, models, painting, recipes, seats, sitters
from narcis.recipe import Recipe

model = models.load("mini")
chiara = seats.sitter(model, model.analyser, [images.open_photo(sitters.photo(sitter="chiara"))]).identity
idea = mecene.imagine("winter queen", 3, "woman")
recipe = Recipe(prompt=idea.prompt, seed=3, guidance=2.0, detail_guidance=2.0, class_word="woman")
picture = recipes.picture(model, painting.last(recipes.compose(model, recipe)).clean)"""
BENCH = 'Workbench(Easel.of(model, recipe, picture, chiara), a="head", b="features")'


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home, laboratory.browser() as chromium:
        laboratory.notebook(Path(home) / "bench.ipynb", EASEL, BENCH)
        with laboratory.jupyterlab(Path(home), NARCIS_JOBS=str(HOME / "papermill_jobs")) as address:
            page = laboratory.opened(chromium, address, "bench.ipynb", 1280, 1250, device_scale_factor=1.5)
            laboratory.run_all(page)
            page.wait_for_selector(".narcis-bench[data-hash]")
            tune(page)
            keep(page, folder / "workbench.webp")
            choose(page, "A / B")
            page.evaluate("document.body.dataset.jpThemeLight = 'false'")
            keep(page, folder / "workbench-dark.webp")
            page.evaluate("document.body.dataset.jpThemeLight = 'true'")
            choose(page, "Map")
            page.set_viewport_size({"width": 360, "height": 2400})
            keep(page, folder / "workbench-phone.webp")


def tune(page: Any) -> None:
    """Both recipes painted, then the crown kept by a stroke of the first."""
    for slot in ("B", "A"):
        choose(page, slot)
        page.get_by_role("button", name="Refine").click()
        page.wait_for_selector(".narcis-bench[data-work='painting']")
        page.wait_for_selector(".narcis-bench[data-work='done']")
    page.get_by_role("slider", name="Feather").fill("0.3")
    choose(page, "Take away")
    choose(page, "Rings")
    box = page.locator(".nb-canvas").bounding_box()
    # Along the crown, a fan of points.
    turns = [math.pi * (0.82 - 0.64 * i / 12) for i in range(13)]
    x = [box["x"] + box["width"] * (0.5 + 0.34 * math.cos(turn)) for turn in turns]
    y = [box["y"] + box["height"] * (0.3 - 0.19 * math.sin(turn)) for turn in turns]
    page.mouse.move(x[0], y[0])
    page.mouse.down()
    for there in zip(x[1:], y[1:]):
        page.mouse.move(*there, steps=4)
    page.mouse.up()
    page.wait_for_timeout(800)
    page.get_by_role("slider", name="Feather").press("ArrowRight")  # one move, so that its time is a move's
    page.mouse.move(x[6], y[6])
    page.evaluate("document.activeElement.blur()")


def choose(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


def keep(page: Any, path: Path) -> None:
    page.wait_for_timeout(1200)
    shot = page.locator(".narcis-bench").screenshot()
    Image.open(io.BytesIO(shot)).convert("RGB").save(path, quality=86, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
