"""Draws README's pictures from a stored run: the report's first screen and its matrix, light and dark, in Chromium.

.venv/bin/python docs/images/report.py results/latest

It rebuilds nothing but a report in a temporary folder, and needs the environment of `make dev` and Chromium (FORKLOOP_CHROMIUM names its
program, if it is not on the path).
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from analysis.report import build

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 800
NARROW, EDGE = 960, 16
"""The matrix is as wide as its table; CSS pixels around it."""


def take(browser: Browser, page_path: Path, theme: str) -> dict[str, bytes]:
    """The pictures of one theme, by the first part of their names."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=2, color_scheme="dark" if theme == "dark" else "light"
    )  # fmt: skip
    page = context.new_page()
    page.goto(page_path.as_uri())
    first = page.screenshot()
    page.locator("#tools").evaluate("one => one.remove()")  # it stays in view, over whatever is photographed
    page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    box = page.locator("#matrix").bounding_box()
    assert box
    matrix = page.screenshot(
        full_page=True, clip={"x": 0, "y": box["y"] - EDGE, "width": NARROW, "height": box["height"] + 2 * EDGE}
    )
    context.close()
    return {"report": first, "matrix": matrix}


def main(run: Path) -> None:
    """Write `report-light.png`, `report-dark.png` and the same of `matrix`, in 256 colours each."""
    program = os.environ.get("FORKLOOP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        page = build(run, out=Path(name))
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for part, picture in take(browser, page, theme).items():
                target = HERE / f"{part}-{theme}.png"
                Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(target, optimize=True)
                print(target.name, target.stat().st_size)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
