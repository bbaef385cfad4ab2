"""The page of the claims in a browser: it fits a phone, is usable by all, speaks both languages, and asks for nothing."""

from typing import Any

import pytest

from analysis import pictures
from analysis.claims import report
from tests.analysis import stored_claims as stored

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = stored.everything(tmp_path_factory.mktemp("results") / stored.RUN_ID)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PNG_DPI", 20)
        return report.build(folder).as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_asks_for_nothing_and_is_usable_by_all(chromium: Any, url: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(url)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    assert [(one["id"], one["nodes"][0]["html"][:99]) for one in Axe().run(page).response["violations"]] == []
    assert said == []


def test_language_theme_and_place_live_in_the_address(chromium: Any, url: str) -> None:
    page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(url)
    page.select_option("#language", "zh-Hans")
    page.select_option("#theme", "dark")
    page.click("table.lines a[href='#trials-14']")
    assert "lang=zh-Hans&theme=dark&at=trials-14" in page.url
    assert page.inner_text("h1") == "逐一检验的命题"
    assert page.evaluate("document.getElementById('trials-14').open")
    again = page.context.new_page()
    again.goto(page.url)
    assert again.inner_text("h1") == "逐一检验的命题"
    assert again.evaluate("document.documentElement.dataset.theme") == "dark"
    assert again.evaluate("document.getElementById('trials-14').open")


def test_without_a_script_only_the_switches_are_gone(chromium: Any, url: str) -> None:
    with_script = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    without = chromium.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False).new_page()
    for page in (with_script, without):
        page.goto(url)
    assert not without.is_visible("#language")
    assert without.inner_text("main") == with_script.inner_text("main")
