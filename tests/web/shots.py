"""The pictures of docs/web.md, taken of a running house: `python tests/web/shots.py http://localhost:8080 docs KEY`.

The house should have some dozen portraits on its wall and a worker beside it; `narcis up` is enough.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
import laboratory

from narcis.settings import HOME

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}


def main(address: str, folder: Path, key: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=laboratory.CHROMIUM, args=["--no-sandbox"])

        def opened(path: str, size: Any, scheme: Any = "light") -> Any:
            context = browser.new_context(viewport=size, color_scheme=scheme, base_url=address, device_scale_factor=1.5)
            page = context.new_page()
            page.goto(path)
            page.wait_for_timeout(1500)
            return page

        kept(folder / "web-wall.webp", opened("/", DESK), opened("/", PHONE, "dark"))
        first = opened("/", DESK).get_attribute(".frame a", "href")
        kept(folder / "web-picture.webp", opened(first, DESK), opened(first, PHONE, "dark"))
        kept(folder / "web-studio.webp", *sittings(opened))
        desk = opened("/ops/enter", DESK)
        desk.fill("#key", key)
        desk.click("text=Enter")
        desk.wait_for_timeout(1000)
        kept(folder / "web-ops.webp", desk)
        browser.close()


def sittings(opened: Any) -> tuple[Any, Any]:
    """The form, filled in; and on a phone a portrait while it is painted."""
    desk, phone = opened("/studio", DESK), opened("/studio", PHONE, "dark")
    for page in (desk, phone):
        page.fill("#words", "winter queen")
        page.set_input_files("#photo", HOME / "narcis" / "mini" / "sitters" / "chiara.png")
        page.check("#consent")
    phone.click("text=Paint it")
    phone.wait_for_selector(".coming", timeout=120_000)
    phone.wait_for_timeout(1500)
    return desk, phone


def kept(path: Path, *pages: Any) -> None:
    """What the pages show, side by side."""
    shots = [Image.open(io.BytesIO(page.screenshot())).convert("RGB") for page in pages]
    height = min(shot.height for shot in shots)
    shots = [shot.resize((shot.width * height // shot.height, height), Image.Resampling.LANCZOS) for shot in shots]
    gap = height // 40 if len(shots) > 1 else 0
    sheet = Image.new("RGB", (sum(shot.width for shot in shots) + gap * (len(shots) - 1), height), "#8a8178")
    left = 0
    for shot in shots:
        sheet.paste(shot, (left, 0))
        left += shot.width + gap
    sheet.save(path, quality=84, method=6)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
