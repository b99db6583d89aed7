"""As a visitor would: studio, photo and words, live progress, portrait, and it appears on a wall that somebody else has
open.  A real browser, a real worker, the real notebook and the embedded model."""

from __future__ import annotations

import importlib.util
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import laboratory
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine

from narcis.jobs import queue
from narcis.jobs.worker import Worker
from narcis.records import queries
from narcis.settings import HOME

pytest_plugins = ["databases"]
pytestmark = [
    pytest.mark.skipif(not laboratory.CHROMIUM, reason=laboratory.WAY_OUT),
    pytest.mark.skipif(not importlib.util.find_spec("playwright"), reason="no playwright here: pip install playwright"),
]

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
CHIARA = HOME / "narcis" / "mini" / "sitters" / "chiara.png"


@pytest.fixture(params=["sqlite"])  # the page is the same on both databases, and a portrait takes a while
def url(sqlite_template: Path, tmp_path: Path) -> str:
    (tmp_path / "narcis.sqlite").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path}/narcis.sqlite"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=laboratory.CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Any]:
    """Opens pages in browsers of their own; at the end none may have complained."""
    contexts, complaints = [], []

    def open_page(path: str, size: dict[str, int], **given: Any) -> Any:
        contexts.append(chromium.new_context(viewport=size, base_url=address, **given))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def worker(engine: Engine, store: Any) -> Iterator[Worker]:
    one = Worker(engine, store)
    thread = threading.Thread(target=one.work)
    thread.start()
    yield one
    one.stop()
    thread.join(60)


def serious(page: Any) -> list[str]:
    """What axe finds that keeps people out."""
    if not (found := importlib.util.find_spec("axe_playwright_python")):
        pytest.skip("no axe here: pip install axe-playwright-python")
    assert found.origin
    page.evaluate((Path(found.origin).parent / "axe.min.js").read_text())
    told = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in told if one["impact"] in ("serious", "critical")]


def until(page: Any, true: str, seconds: float = 20) -> None:
    """Asked from outside: the page's own policy lets nothing evaluate text in it."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not become true: {true}")


def overflows(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_from_a_photo_to_the_wall_that_others_see(open_page, worker, paint, engine):
    for words in ("iron queen", "quiet poet", "golden saint"):
        paint(words)
    wall = open_page("/", DESK)
    wall.wait_for_selector(".drifting .frame")
    phone = open_page("/studio", PHONE, color_scheme="dark", has_touch=True)
    phone.fill("#words", "byzantine emperor")
    phone.set_input_files("#photo", CHIARA)
    assert phone.is_visible(".chosen")
    phone.click("text=Paint it")  # without consent the browser keeps it
    assert phone.url.endswith("/studio")
    phone.check("#consent")
    phone.click("text=Paint it")
    phone.wait_for_url("**/studio/0*")
    phone.wait_for_selector("[data-state=running] .coming", timeout=180_000)
    assert not overflows(phone)
    phone.reload()  # nothing is lost by it
    phone.wait_for_selector("[data-state=succeeded]", timeout=180_000)
    assert wall.locator("text=byzantine emperor").count() == 0
    phone.click("text=Hang it on the wall")
    phone.wait_for_url("**/p/byzantine-emperor-*")
    assert not overflows(phone) and serious(phone) == []

    pill = wall.locator(".pill")
    pill.wait_for()
    assert pill.inner_text() == "1 new"
    pill.click()
    frame = wall.locator(".frame:not([aria-hidden])", has_text="byzantine emperor")
    seen = "f => f.innerText.includes('byzantine') && f.getBoundingClientRect().top > 0"
    until(wall, f"[...document.querySelectorAll('.frame')].some({seen})")
    assert frame.count() == 1 and not pill.is_visible()
    (run,) = queries.page(engine, job="portrait", most=1)
    assert run.state == "succeeded"
    phone.goto("/me")
    assert phone.locator(".frame").count() == 1
    phone.click("text=Delete everything of mine")
    phone.click("button:has-text('Delete everything')")
    phone.wait_for_selector("text=It is gone.")
    assert [one.words for one in queries.wall(engine)] == ["golden saint", "quiet poet", "iron queen"]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["360", "1440"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_anybody_out(open_page, paint, size, scheme):
    hung = [paint(words) for words in ("iron queen", "quiet poet", "golden saint")]
    for path in ("/", "/studio", "/me", f"/p/quiet-poet-{hung[1].id}", "/ops/enter"):
        page = open_page(path, size, color_scheme=scheme)
        assert serious(page) == [], path
        assert not overflows(page), path


def test_no_page_of_the_desk_keeps_operators_out(open_page, paint, engine, store, operator):
    one = paint()
    (store.root / "notebooks").mkdir()
    cookie = {"Cookie": f"narcis={operator.cookies['narcis']}"}
    for path in ("/ops", f"/ops/runs/{one.run}", "/ops/jobs/portrait", "/ops/pictures?place=wall", "/ops/cache"):
        for size in (PHONE, DESK):
            page = open_page(path, size, extra_http_headers=cookie)
            assert serious(page) == [], path
            assert not overflows(page), path


def test_the_wall_drifts_rests_when_it_is_read_and_goes_on(open_page, paint):
    for i in range(12):
        paint(f"word {i}")
    page = open_page("/", DESK)
    where = "document.querySelector('.strip').style.transform"
    until(page, f"{where} !== ''")
    before = page.evaluate(where)
    until(page, f"{where} !== '{before}'")
    page.keyboard.press("PageDown")  # a frame is read
    assert page.evaluate("document.activeElement.closest('.frame') !== null")
    page.wait_for_timeout(2500)
    resting = page.evaluate(where)
    page.wait_for_timeout(500)
    assert page.evaluate(where) == resting
    page.evaluate("document.activeElement.blur()")
    until(page, f"{where} !== '{resting}'")
    page.click(".pause")
    assert page.get_attribute(".pause", "aria-pressed") == "true"


def test_the_wall_has_no_end_and_no_more_frames_than_it_shows(open_page, paint, monkeypatch):
    from narcis.web import wall

    monkeypatch.setattr(wall, "PAGE", 20)
    hung = {paint(f"word {i}").id for i in range(70)}
    page = open_page("/", DESK)
    page.wait_for_selector(".drifting .frame")
    page.mouse.move(720, 500)
    seen: set[str] = set()
    for _ in range(160):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(25)
        seen |= set(page.evaluate("[...document.querySelectorAll('.frame')].map(f => f.dataset.id)"))
        assert page.locator(".frame").count() <= 50
        if seen == hung:
            break
    assert seen == hung
    for _ in range(5):
        page.mouse.wheel(0, -500)
    gaps = page.evaluate(
        "[...document.querySelectorAll('.strip')].map(s => s.getBoundingClientRect().bottom < innerHeight)"
    )
    assert not any(gaps)


def test_where_motion_is_unwelcome_the_wall_stands_still(open_page, paint, monkeypatch):
    from narcis.web import wall

    monkeypatch.setattr(wall, "PAGE", 4)
    for i in range(6):
        paint(f"word {i}")
    page = open_page("/", PHONE, reduced_motion="reduce")
    page.wait_for_timeout(500)
    assert page.locator(".drifting").count() == 0 and page.locator(".frame").count() == 4
    assert not page.is_visible(".pause")
    page.click("text=More portraits")
    until(page, "document.querySelectorAll('.frame').length === 6")
    assert page.evaluate("document.activeElement.closest('.frame') !== null")


def test_without_script_all_is_there(open_page, paint, monkeypatch, engine):
    from narcis.web import wall

    monkeypatch.setattr(wall, "PAGE", 4)
    for i in range(6):
        paint(f"word {i}")
    page = open_page("/", PHONE, java_script_enabled=False)
    assert page.locator(".frame").count() == 4
    page.click("text=More portraits")
    assert page.locator(".frame").count() == 2
    page.goto("/studio")
    page.fill("#words", "iron queen")
    page.click("summary")
    page.check("text=Ada")
    page.click("text=Paint it")
    assert "You are next" in page.content()
    (run,) = queries.page(engine, state="queued")
    queue.cancel(engine, run.id, "me")
    page.wait_for_selector("text=You have called it off")  # the page came again by itself


SHIFT = """new Promise(done => {
  setTimeout(() => done(0), 500);
  const sum = (list) => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0));
  new PerformanceObserver(sum).observe({ type: "layout-shift", buffered: true });
})"""


def test_nothing_moves_while_the_wall_loads(open_page, paint):
    """Layout shift as browsers measure it."""
    for i in range(12):
        paint(f"word {i}")
    page = open_page("/", DESK)
    page.wait_for_timeout(800)
    assert page.evaluate(SHIFT) < 0.02


def test_a_notebook_cannot_run_a_script_here(open_page, paint, store, operator):
    import json

    run = paint().run
    html = "<script>parent.document.title='taken'</script><img src=x onerror=\"document.title='taken'\"><b>harmless</b>"
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    store.put(f"notebooks/{run}.ipynb", json.dumps(notebook).encode())
    page = open_page("/me", DESK, extra_http_headers={"Cookie": f"narcis={operator.cookies['narcis']}"})
    alone = page.context.new_page()  # whose complaints are what is wanted
    alone.goto(f"/ops/runs/{run}/notebook")
    assert alone.locator("text=harmless").count() == 1
    alone.wait_for_timeout(500)
    assert alone.title() != "taken" and alone.evaluate("window.origin") == "null"


def test_pictures_are_shown_as_they_are_stored(open_page, paint, store):
    one = paint()
    page = open_page(f"/p/quiet-poet-{one.id}", DESK)
    until(page, "document.querySelector('.window img:not(.ground)').complete")
    shot = Image.open(io.BytesIO(page.locator(".window").screenshot())).convert("RGB")
    middle = np.asarray(shot)[shot.height // 2, shot.width // 2]
    assert middle[0] > 240 and middle[1] < 20 and middle[2] < 20
