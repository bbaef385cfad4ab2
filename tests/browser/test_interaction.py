"""Everything that can be done on the page, done in Chromium; what it shows is checked against the page's own data, not pixels."""

import csv
import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
from playwright.sync_api import Locator, Page, expect

from analysis.report import build
from tests.browser.conftest import Open, Watched, unpacked

FACETS = ("framework", "server", "model", "front", "tags")


def data(page: Page) -> dict:  # type: ignore[type-arg]
    return json.loads(page.locator("#data").text_content() or "")


def shown(page: Page, table: str = "#heat") -> list[str]:
    """The stacks whose rows are visible, in their order."""
    return [
        text.strip() for text in page.locator(f"{table} tbody tr:not([hidden]) th").all_text_contents() if text.strip()
    ]


def hash_of(page: Page) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(page.evaluate("location.hash.slice(1)")).items()}


@pytest.mark.parametrize("facet", FACETS)
def test_each_filter_leaves_the_stacks_that_fit_it_everywhere(opened: Open, facet: str) -> None:
    page = opened()
    stacks = data(page)["stacks"]
    values = [one[facet] for one in stacks]
    wanted = values[0][0] if facet == "tags" else values[0]
    fit = [one["id"] for one in stacks if wanted == one[facet] or (facet == "tags" and wanted in one[facet])]
    page.select_option(f"[data-facet={facet}]", wanted)
    assert sorted(shown(page)) == sorted(fit)
    open_table = page.locator("table[data-name^=capacity-]:visible").first
    assert sorted(open_table.locator("tbody tr:not([hidden]) th").all_text_contents()) == sorted(fit)
    assert page.locator("details.setup:not([hidden]) > summary").count() == len(fit)
    expect(page.locator("#shown")).to_have_text(f"{len(fit)} of {len(stacks)} stacks shown")
    assert hash_of(page)[facet] == wanted
    page.click("#reset")
    assert len(shown(page)) == len(stacks)
    assert page.evaluate("location.hash") == ""


def test_filters_are_taken_together(opened: Open) -> None:
    page = opened()
    stacks = data(page)["stacks"]
    one = stacks[-1]
    for facet in ("framework", "front"):
        page.select_option(f"[data-facet={facet}]", one[facet])
    fit = [each["id"] for each in stacks if all(each[key] == one[key] for key in ("framework", "front"))]
    assert shown(page) == fit


def test_one_scenario_can_be_looked_at_alone(opened: Open) -> None:
    page = opened()
    names = data(page)["scenarios"]
    page.select_option("[data-facet=scenario]", names[-1])
    heads = page.locator("#heat thead th:not([hidden])").all_text_contents()
    assert [head.strip() for head in heads[1:]] == [names[-1]]
    visible = page.locator("#capacity details.scenario:not([hidden])")
    assert visible.count() == 1
    assert visible.get_attribute("open") is not None, "what is left alone is opened"


def test_the_matrix_is_sorted_by_a_column_and_back(opened: Open) -> None:
    page = opened()
    column = data(page)["metrics"]["capacity"]["columns"][0]
    order = [one["id"] for one in data(page)["stacks"]]
    values = {order[n]: one[2] for n, one in enumerate(column["squares"]) if len(one) > 2}
    head = page.locator("#heat thead th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    first = shown(page)
    assert first[0] == max(values, key=lambda name: values[name])
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown(page)[0] == min(values, key=lambda name: values[name])
    assert hash_of(page)["sort"] == "0-up"
    page.reload()
    assert shown(page)[0] == min(values, key=lambda name: values[name])
    page.click("#reset")
    assert shown(page) == order


def test_a_table_of_figures_is_sorted_by_a_click(opened: Open) -> None:
    page = opened()
    table = page.locator("table[data-name^=capacity-]:visible").first
    button = table.locator("th", has_text="Memory").locator("button").first
    for times in (1, 2):
        button.click()
        column = table.locator("th", has_text="Memory").first.get_attribute("aria-sort")
        texts = [row.locator("td").nth(9).text_content() or "" for row in table.locator("tbody tr").all()]
        figures = [float(found[0].replace(",", "")) for text in texts if (found := re.match(r"[\d,.]+", text))]
        assert figures == sorted(figures, reverse=column == "descending"), times


def test_the_readers_baseline_changes_every_ratio_and_no_verdict(opened: Open) -> None:
    page = opened()
    stacks = [one["id"] for one in data(page)["stacks"]]
    first, other = data(page)["base"], len(stacks) - 1 if data(page)["base"] != len(stacks) - 1 else 0
    cells = f"#heat tr[data-stack='{other}'] td"
    before = page.locator(cells).first.text_content() or ""
    page.select_option("#baseline", stacks[other])
    expect(page.locator("#heat caption .baseline")).to_have_text(stacks[other])
    assert page.locator(cells).first.text_content() == "1"
    turned = page.locator(f"#heat tr[data-stack='{first}'] td").first.text_content() or ""
    ratios = [float(re.sub(r"[^\d.]", "", text)) for text in (before, turned)]
    assert ratios[0] * ratios[1] == pytest.approx(1, rel=0.05)
    for sign in "≈?":
        assert (sign in before) == (sign in turned), "the same two stacks, the other way round"
    assert hash_of(page) == {"v": "1", "base": stacks[other]}
    against = page.locator(f"table[data-name^=capacity-]:visible tr[data-stack='{other}'] td.against").first
    assert against.text_content() == "1"


def test_what_the_matrix_shows_can_be_chosen(opened: Open) -> None:
    page = opened()
    for metric in data(page)["metrics"]:
        page.select_option("#metric", metric)
        states = page.locator("#heat td.heat").evaluate_all("cells => cells.map((one) => one.className)")
        assert any("base" in one for one in states), metric
        assert (
            page.locator("#heat caption .metric").text_content()
            == page.locator("#metric option:checked").text_content()
        )
    assert hash_of(page)["metric"] == metric


def test_python_and_the_script_write_the_same_squares(opened: Open) -> None:
    with_script = opened()
    with_script.select_option("#metric", index=1)
    with_script.select_option("#metric", index=0)
    without = opened(java_script_enabled=False)
    read = "cells => cells.map((one) => [one.className.trim(), one.textContent])"
    rows = with_script.locator("#heat td").evaluate_all(read)
    plain = without.locator("#heat td")
    assert rows == [[cell.get_attribute("class"), cell.text_content()] for cell in plain.all()]


def test_marks_move_from_a_logarithmic_to_a_linear_axis(opened: Open) -> None:
    page = opened()
    marks = page.locator("table[data-name^=capacity-]:visible").first.locator(".rail .at")
    places = "marks => marks.map((one) => one.getBoundingClientRect().left)"
    before = marks.evaluate_all(places)
    page.select_option("#scale", "linear")
    after = marks.evaluate_all(places)
    assert before != after
    assert hash_of(page)["scale"] == "linear"
    figures = [float(text.split()[0].replace(",", "")) for text in page.locator(
        "table[data-name^=capacity-]:visible").first.locator("td.main").all_text_contents() if text[:1].isdigit()]  # fmt: skip
    assert (after[0] - after[1]) / (after[0] - after[-1]) == pytest.approx(
        (figures[0] - figures[1]) / (figures[0] - figures[-1]), abs=0.03
    ), "distances are as the figures"


def test_pointing_at_a_square_tells_figure_interval_and_n(opened: Open) -> None:
    page = opened()
    cell = page.locator("#heat tbody tr").first.locator("td").first
    cell.hover()
    tip = page.locator("#tip")
    expect(tip).to_be_visible()
    lines = (tip.text_content() or "").splitlines()
    assert lines[0] in [one["id"] for one in data(page)["stacks"]]
    assert re.fullmatch(r"[\d,.]+ req/s, interval [\d,.]+ to [\d,.]+, n = \d+", lines[2])
    assert "baseline" in lines[-1]
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_pointing_at_a_stack_that_failed_now_and_then_tells_how_often(opened: Open, tmp_path: Path) -> None:
    stored = unpacked(tmp_path) / "trials.jsonl"
    trials = [json.loads(line) for line in stored.read_text("utf-8").splitlines()]
    one = next(trial for trial in trials if (trial["view"], trial["status"]) == ("capacity", "measured"))
    one |= {"status": "failed", "reason": "worker exited 70"}
    stored.write_text("".join(f"{json.dumps(trial)}\n" for trial in trials), "utf-8")
    page = opened(address=build(stored.parent).as_uri())
    stack, scenario, view = (one[key] for key in ("stack", "scenario", "view"))
    tried = sum((trial["stack"], trial["scenario"], trial["view"]) == (stack, scenario, view) for trial in trials)
    page.locator("#heat tbody tr", has_text=stack).locator(f"td[data-scenario='{scenario}']").hover()
    expect(page.locator("#tip")).to_contain_text(f"failed in 1 of {tried} trials: worker exited 70")
    expect(page.locator("#tip")).to_contain_text(f"n = {tried - 1}")


def test_pointing_at_a_mark_tells_the_same(opened: Open) -> None:
    page = opened()
    for place in ("#answers .dots tbody .rail", "table[data-name^=capacity-] tbody .rail"):
        page.locator(f"{place}:visible").first.hover()
        expect(page.locator("#tip")).to_be_visible()
        assert re.search(r" req/s, interval .* to .*, n = \d+", page.locator("#tip").text_content() or "")


def test_pointing_at_a_mark_of_a_load_of_its_own_tells_the_row(opened: Open) -> None:
    page = opened()
    page.evaluate("for (const one of document.querySelectorAll('#latency details')) one.open = true")
    row = page.locator("table[data-name^=latency-80-] tbody tr").first
    row.locator(".rail").hover()
    lines = (page.locator("#tip").text_content() or "").splitlines()
    assert lines[0] == (row.locator("th").text_content() or "").strip()
    assert re.fullmatch(r"p50: [\d,.]+ \[[\d,.]+, [\d,.]+\]", next(line for line in lines if line.startswith("p50:")))


def test_pointing_at_a_mark_of_a_picture_tells_its_values(opened: Open) -> None:
    page = opened()
    mark = page.locator("figure:visible svg [data-stack]:has(title)").first
    title = mark.locator("title").text_content()
    mark.scroll_into_view_if_needed()
    mark.dispatch_event("pointerover")  # others may lie over its middle
    assert page.locator("#tip").text_content() == title
    expect(page.locator("#tip")).to_be_visible()


def test_a_tap_does_it_too(opened: Open) -> None:
    page = opened(width=390, height=844, has_touch=True, is_mobile=True)
    page.locator("#heat tbody td").nth(1).tap()
    expect(page.locator("#tip")).to_be_visible()
    box = page.locator("#tip").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_the_matrix_is_walked_through_with_arrow_keys(opened: Open) -> None:
    page = opened()
    page.locator("#heat tbody td").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    at = page.evaluate("[document.activeElement.parentNode.rowIndex, document.activeElement.cellIndex]")
    assert at == [2, 2]
    expect(page.locator("#tip")).to_be_visible()
    assert page.locator("#heat td[tabindex='0']").count() == 1, "Tab enters the table once"


def test_everything_can_be_reached_with_the_keyboard(opened: Open) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "answers"
    page.locator("#metric").focus()
    page.keyboard.press("ArrowDown")
    page.locator("#capacity details.scenario summary").last.focus()
    page.keyboard.press("Enter")
    assert page.locator("#capacity details.scenario").last.get_attribute("open") is not None
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"


def test_an_address_is_a_view(opened: Open) -> None:
    page = opened()
    stacks = data(page)["stacks"]
    base, framework = stacks[-1]["id"], stacks[0]["framework"]
    page = opened(
        f"v=1&base={quote(base, safe='')}&metric=memory&scale=linear&framework={framework}&theme=dark&lang=zh-Hans&sort=name"
    )
    assert page.input_value("#baseline") == base
    assert page.input_value("#metric") == "memory"
    assert page.input_value("#scale") == "linear"
    assert page.input_value("[data-facet=framework]") == framework
    assert page.evaluate("[document.documentElement.dataset.theme, document.documentElement.lang]") == [
        "dark",
        "zh-Hans",
    ]
    assert shown(page) == sorted(one["id"] for one in stacks if one["framework"] == framework)
    page.evaluate("location.hash = 'scale=log'")
    expect(page.locator("#scale")).to_have_value("log")
    expect(page.locator("#baseline")).to_have_value(stacks[data(page)["base"]]["id"])


def test_what_an_address_holds_that_the_page_does_not_know_is_told(opened: Open) -> None:
    page = opened(
        "v=2&base=no/such/stack&colour=red&scale=cubic&theme=&lang=fr&sort=99x&metric=__proto__&framework=none"
    )
    said = page.locator("#said").text_content() or ""
    for part in (
        "v=2",
        "base=no/such/stack",
        "colour=red",
        "scale=cubic",
        "lang=fr",
        "sort=99x",
        "metric=__proto__",
        "framework=none",
    ):
        assert part in said
    assert len(shown(page)) == len(data(page)["stacks"]), "nothing of it was taken for a filter"


def test_links_within_the_page_open_what_they_lead_to_and_keep_the_view(opened: Open) -> None:
    page = opened("scale=linear")
    page.locator("#heat tbody th a").first.click()
    assert page.locator("details.setup").first.get_attribute("open") is not None
    found = hash_of(page)
    assert found["scale"] == "linear"
    assert found["at"].startswith("stack-")
    assert page.evaluate("document.activeElement.id") == found["at"]
    page.go_back()
    page.wait_for_url("**#scale=linear")
    other = opened(found["at"])
    assert other.locator(f"#{found['at']}").get_attribute("open") is not None, "an anchor alone works too"


def test_a_stack_has_its_configuration_commands_and_processes(opened: Open) -> None:
    page = opened()
    stacks = [one["id"] for one in data(page)["stacks"]]
    number = next(n for n, one in enumerate(stacks) if one.endswith("/nginx"))
    section = page.locator(f"details.setup[data-stack='{number}']")
    section.locator("> summary").click()
    text = section.inner_text()
    for said in ("Processes, as observed", "Commands, as started", "worker model", "nginx.conf"):
        assert said in text
    section.get_by_text("nginx.conf", exact=True).click()
    assert "proxy_pass" in section.inner_text()


def copied(page: Page, button: Locator, begins: str) -> str:
    """What is on the clipboard once it begins like this: writing it takes a moment."""
    button.click()
    for _ in range(50):
        text = str(page.evaluate("navigator.clipboard.readText()"))
        if text.startswith(begins):
            return text
        page.wait_for_timeout(100)
    raise AssertionError(f"the clipboard holds {text[:80]!r}")


def test_a_table_is_copied_as_csv_and_as_markdown_as_it_is_shown(opened: Open) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    framework = data(page)["stacks"][0]["framework"]
    page.select_option("[data-facet=framework]", framework)
    fit = [one["id"] for one in data(page)["stacks"] if one["framework"] == framework]
    tools = page.locator("#matrix .copy")
    tools.locator("[data-copy=csv]").click()
    expect(page.locator("#said")).to_have_text("Copied")
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert [row[0] for row in rows] == ["Stack", *fit]
    assert rows[0][1:] == data(page)["scenarios"]
    lines = copied(page, tools.locator("[data-copy=markdown]"), "|").splitlines()
    assert [line.count("|") for line in lines] == [len(rows[0]) + 1] * (len(fit) + 2)
    again = copied(page, page.locator("#capacity details[open] .copy [data-copy=csv]").first, "Stack,")
    head, *body = csv.reader(io.StringIO(again))
    assert "CPU per request, ms app" in head
    assert {len(row) for row in body} == {len(head)}


def test_the_language_is_switched_in_place(opened: Open) -> None:
    page = opened()
    before = page.locator("#answers").inner_text()
    page.select_option("#language", "zh-Hans")
    after = page.locator("#answers").inner_text()
    assert "该部署什么" in after
    assert "What to deploy" not in after
    figures = [sorted(re.findall(r"\d[\d,.]*\d|\d", text)) for text in (before, after)]
    assert figures[0] == figures[1], "no language lacks a figure"
    assert page.locator("#theme option").all_text_contents() == ["跟随系统", "浅色", "深色"]
    assert page.locator("nav").first.get_attribute("aria-label") == "章节"
    assert page.locator("#heat caption .metric").inner_text() == "容量，每秒请求数"
    page.locator("#heat tbody td").first.hover()
    assert "区间" in (page.locator("#tip").text_content() or "")
    page.select_option("#language", "en")
    assert page.locator("#answers").inner_text() == before


def test_the_theme_follows_the_system_until_one_is_chosen(opened: Open) -> None:
    page = opened(color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark, light = "rgb(15, 20, 26)", "rgb(255, 255, 255)"
    assert page.evaluate(colour) == dark
    page.select_option("#theme", "light")
    assert page.evaluate(colour) == light
    page.emulate_media(color_scheme="light")
    page.select_option("#theme", "dark")
    assert page.evaluate(colour) == dark
    page.select_option("#theme", "system")
    assert page.evaluate(colour) == light


def test_no_request_leaves_the_page(opened: Open, watched: Watched, url: str) -> None:
    page = opened()
    page.select_option("#language", "zh-Hans")
    page.select_option("#theme", "dark")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_load_state("networkidle")
    assert watched.asked == [url]
