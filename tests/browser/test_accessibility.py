"""axe-core finds nothing on any page, in any theme, language and size."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from analysis import index
from analysis.report import build
from tests.browser.conftest import RUN, Open, unpacked

AXE = Axe()
SIZES = {390: 844, 1024: 768, 1920: 1080}
OPTIONS = {"resultTypes": ["violations"]}


def violations(page: Page) -> list[str]:
    """What axe-core complains of, one line each, with the first place."""
    found = AXE.run(page, options=OPTIONS).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})" for one in found]


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_the_page_as_it_opens(opened: Open, width: int, theme: str, language: str) -> None:
    page = opened(f"theme={theme}&lang={language}", width=width, height=SIZES[width])
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_with_everything_open_and_narrowed(opened: Open, theme: str) -> None:
    page = opened(f"theme={theme}&scale=linear&sort=0")
    page.select_option("[data-facet=front]", "nginx")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.locator("#heat tbody tr:not([hidden]) td").first.hover()
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_over_all_runs(opened: Open, tmp_path: Path, theme: str) -> None:
    second = unpacked(tmp_path).rename(tmp_path / "20261128-000000-0000")
    for run in (unpacked(tmp_path), second):
        build(run)
    page = index.build(tmp_path)
    compared = index.compare_page(tmp_path / RUN, second, tmp_path)
    for path in (page, compared):
        shown = opened(address=path.as_uri(), color_scheme=theme)
        shown.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert violations(shown) == []
