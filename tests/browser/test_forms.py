"""The page in all its forms: no script, print, a phone, hostile text, the pages over all runs."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from analysis import index
from analysis.report import build
from bench.viewer import Viewer
from tests.browser.conftest import RUN, Open, unpacked

EVIL = """<script>window.hacked=1</script><img src=x onerror="window.hacked=1">"><svg onload=window.hacked=1>'--></style></script>"""


def test_without_a_script_nothing_is_missing_and_nothing_is_dead(opened: Open) -> None:
    page = opened(java_script_enabled=False)
    for control in page.locator("select, button").all():
        assert not control.is_visible()
    assert page.locator("#heat tbody tr").count() > 2
    page.locator("#stacks details.setup summary").first.click()
    assert page.locator("#stacks details.setup dl").first.is_visible()
    assert page.locator("figure svg").count() > 0
    assert page.locator("#answers article").first.is_visible()


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
@pytest.mark.parametrize("width", [390, 768, 1024, 1920])
def test_the_page_itself_never_scrolls_sideways(opened: Open, width: int, language: str) -> None:
    page = opened(f"lang={language}", width=width, height=844)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= width


def test_the_first_screen_of_a_phone_answers_both_questions(opened: Open) -> None:
    page = opened(width=390, height=844)
    for number, question in enumerate(("A page from the database", "Waiting on slow services")):
        answer = page.locator("#answers > article").nth(number)
        assert question in answer.inner_text()
        box = answer.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 844


def test_the_first_screen_of_a_desk_has_answers_and_trust(opened: Open) -> None:
    page = opened()
    for selector in ("#answers > article >> nth=0", "#answers > article >> nth=1", "#trust .verdict"):
        box = page.locator(selector).bounding_box()
        assert box
        assert box["y"] + box["height"] <= 800


def test_print_shows_everything_and_no_control(opened: Open) -> None:
    page = opened(color_scheme="dark", width=1046, height=718)  # A4 on its side, less the margins
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 1046, "or all of it would be printed smaller"
    for control in page.locator("select, #tools, nav, .copy button").all():
        assert not control.is_visible()
    assert page.locator("#capacity table").last.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0, "what was closed is closed again"


def test_it_opens_in_the_language_that_was_asked_for(opened: Open, results: Path, tmp_path: Path) -> None:
    build(results / RUN, out=tmp_path, language="zh-Hans")
    page = opened(address=(tmp_path / "index.html").as_uri(), java_script_enabled=False)
    assert "该部署什么" in page.locator("#answers").inner_text()
    assert "What to deploy" not in page.locator("#answers").inner_text()
    page = opened(address=(tmp_path / "index.html").as_uri())
    assert page.input_value("#language") == "zh-Hans"


def test_text_from_outside_changes_nothing(opened: Open, tmp_path: Path) -> None:
    run = unpacked(tmp_path)
    header = json.loads((run / "run.json").read_text("utf-8"))
    stack = header["plan"]["stacks"][0]
    stack |= {"title": EVIL, "tags": [EVIL], "model": EVIL, "options": {EVIL: EVIL}}
    header["environment"]["host"] = header["command"] = header["profile"] = EVIL
    header["plan"]["titles"] = dict.fromkeys(header["plan"]["titles"], EVIL)
    header["observed"][stack["id"]] |= {"versions": {EVIL: EVIL}, "failure": EVIL}
    header["verified"][stack["id"]] = {
        "status": "failed", "rules": 1, "failures": [{"endpoint": EVIL, "rule": EVIL, "expected": EVIL, "got": EVIL}],
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(header), "utf-8")
    trials = [json.loads(line) for line in (run / "trials.jsonl").read_text("utf-8").splitlines()]
    for one in trials:
        if one["stack"] == stack["id"]:
            one |= {"status": "failed", "reason": EVIL, "log_tail": EVIL, "flags": [EVIL], "errors": {EVIL: 1}}
    (run / "trials.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in trials), "utf-8")
    page = opened(address=build(run).as_uri())
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.select_option("#language", "zh-Hans")
    page.select_option("[data-facet=framework]", EVIL)
    page.locator("#heat tbody tr:not([hidden]) td").first.hover()
    expect(page.locator("#tip")).to_contain_text("<script>window.hacked=1</script>")
    page.reload()
    assert page.input_value("[data-facet=framework]") == EVIL, "the address holds it too"
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0


@pytest.fixture
def all_runs(tmp_path: Path) -> Path:
    """A folder with two runs that are alike, their reports, the index and the comparison of the two."""
    first = unpacked(tmp_path)
    second = first.rename(tmp_path / "20261128-000000-0000")
    unpacked(tmp_path)
    for run in (tmp_path / RUN, second):
        build(run)
    index.build(tmp_path)
    return tmp_path


def test_the_pages_over_all_runs_list_compare_and_tell_the_history(opened: Open, all_runs: Path) -> None:
    with Viewer(all_runs) as viewer:
        page = opened(address=viewer.url())
        rows = page.locator("table").first.locator("tbody tr")
        assert [row.locator("th").inner_text() for row in rows.all()] == ["20261128-000000-0000", RUN]
        assert re.search(r"Trusted|With care|Do not cite", rows.first.inner_text())
        page.locator("#choose select").first.select_option("20261128-000000-0000")
        expect(page.locator("#chosen")).to_have_text("Choose two different runs.")
        page.locator("#choose select").first.select_option(RUN)
        page.locator("#chosen a").click()
        assert "What changed from" in page.locator("h1").inner_text()
        assert "equivalent" in page.locator("table").first.inner_text()
        page.locator("a", has_text="All runs").click()
        page.locator("details:has(table) > summary").first.click()
        assert page.locator("details table").first.is_visible()
        page.locator("tbody th a").first.click()
        assert "What to deploy" in page.locator("#answers").inner_text()


def test_the_files_beside_the_page_are_there(opened: Open, url: str) -> None:
    page = opened()
    for link in page.locator("#reproduce a").all():
        assert page.request.get(f"{url.rpartition('/')[0]}/{link.get_attribute('href')}").ok


def test_a_growing_report_is_loaded_again_by_itself_and_keeps_the_view(opened: Open, tmp_path: Path) -> None:
    run = unpacked(tmp_path)
    header = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps(header | {"status": "running"}), "utf-8")
    build(run)
    with Viewer(tmp_path) as shown:
        page = opened("scale=linear", address=shown.url(run))
        assert "still running" in page.locator(".top").inner_text()
        page.clock.install()
        page.reload()
        with page.expect_event("load"):
            page.clock.fast_forward(11_000)
        assert page.input_value("#scale") == "linear"
