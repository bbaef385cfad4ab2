"""All runs of a folder on one page: none left out, like ones side by side, what changed linked, and nothing from outside as markup."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import StoredRun

from analysis import exports, index
from analysis.__main__ import main
from analysis.evidence import gather
from analysis.frames import load
from analysis.history import kinds, listed
from bench.model import BenchError

FLASK = "flask/gunicorn-sync/nginx"
Make = Callable[..., StoredRun]


def add(results: Path, name: str, run: StoredRun, *, report: bool = True, **header: Any) -> Path:
    """Store `run` under another name, with its exports and a page where `report`."""
    run.folder = results / name
    run.header = {**run.header, "run_id": name, **header}
    run.write()
    if report:
        exports.write(gather(load(run.folder)), run.folder / "report")
        (run.folder / "report" / "index.html").write_text("<p>a report</p>")
    return run.folder


def page(results: Path) -> str:
    return index.build(results).read_text("utf-8")


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("<tr>") and name in line)


@pytest.fixture(scope="module")
def stored(make_run: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two like runs with intervals, and one in containers; not to be changed."""
    folder = tmp_path_factory.mktemp("stored")
    for number, blocks, changes in ((1, 6, {}), (2, 6, {}), (3, 1, {"mode": "compose"})):
        made = make_run(scenarios=["db", "json"], blocks=blocks, copies=2, seed=number)
        add(folder, f"2026112{number}-120000-aaaa", made, started=f"2026-11-2{number}T12:00:00+00:00", **changes)
    (folder / "latest").symlink_to("20261123-120000-aaaa")
    return folder


@pytest.fixture(scope="module")
def two_small(make_run: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two like runs of one cell each; not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    for number in (1, 2):
        made = make_run(scenarios=["db"], stacks=[FLASK], seed=number)
        add(folder, f"2026112{number}-120000-aaaa", made, started=f"2026-11-2{number}T12:00:00+00:00")
    return folder


@pytest.fixture
def small(two_small: Path, tmp_path: Path) -> Path:
    """A copy of `two_small`, to do with as one likes."""
    return shutil.copytree(two_small, tmp_path / "small")


@pytest.fixture
def results(stored: Path, tmp_path: Path) -> Path:
    """A copy of `stored`, to do with as one likes."""
    return shutil.copytree(stored, tmp_path / "results", symlinks=True)


def test_every_run_is_listed_once_the_newest_first_and_linked(results: Path) -> None:
    text = page(results)
    names = re.findall(r'<a href="(2026[^"]*)/report/index.html">', text)
    assert names == [f"2026112{number}-120000-aaaa" for number in (3, 2, 1)]
    assert "23 November 2026" in row(text, "20261123")
    assert "compose" in row(text, "20261123")
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row(text, "20261122"))
    assert cells[-6:-1] == ["6", "192", "0", "0", "0"]


def test_how_far_each_run_may_be_trusted_is_told_with_the_reasons(results: Path) -> None:
    text = page(results)
    assert "✕ Do not cite" in row(text, "20261123")
    assert "<li>1 block: no intervals, no ranks (an interval needs 6 blocks)</li>" in row(text, "20261123")
    assert "! With care" in row(text, "20261122")
    assert "<li>The database shares the generator&#39;s CPU" in row(text, "20261122")


def test_the_counts_of_what_went_wrong_are_there(mixed_run: StoredRun, tmp_path: Path) -> None:
    # Other tests build a report in that folder, before this one or after.
    shutil.copytree(mixed_run.folder, tmp_path / "20261125-120000-bbbb", ignore=shutil.ignore_patterns("report"))
    found = re.findall(r"<td[^>]*>([^<]*)</td>", row(page(tmp_path), "20261125"))
    assert found[5:11] == ["–", "1", "32", "2", "1", "2"], "without a report there is no verdict"
    assert "no report" in page(tmp_path)


def test_the_newest_run_is_compared_with_the_last_one_like_it(results: Path, make_run: Make) -> None:
    shutil.rmtree(results / "20261123-120000-aaaa")
    text = page(results)
    name = "compare-20261121-120000-aaaa-20261122-120000-aaaa.html"
    assert f'<a href="{name}"' in row(text, "20261122")
    compared = (results / name).read_text("utf-8")
    assert "Throughput" in compared
    assert compared.count(FLASK) >= 6
    assert re.search(r"[+-]\d+\.\d% \[[+-]\d+\.\d, [+-]\d+\.\d\]", compared)
    assert "These runs are unlike" not in compared


def test_a_run_links_what_changed_since_the_newest_of_the_earlier_ones(results: Path) -> None:
    one, two, three = (f"2026112{number}-120000-aaaa" for number in (1, 2, 3))
    for first, second in ((one, three), (two, three), (three, two), (three, one)):
        (results / index.page_name(first, second)).write_text("<p>compared</p>")
    text = page(results)
    assert f'<a href="{index.page_name(two, three)}"' in row(text, f"{three}/report")
    assert all("since an earlier run" not in row(text, f"{name}/report") for name in (one, two)), "those are later ones"


def test_runs_that_are_unlike_are_not_compared_unasked_and_said_to_be_unlike_when_asked(results: Path) -> None:
    text = page(results)
    assert "compare-20261122-120000-aaaa-20261123-120000-aaaa.html" not in text
    done = index.compare_page(results / "20261122-120000-aaaa", results / "20261123-120000-aaaa", results)
    said = done.read_text("utf-8")
    assert "These runs are unlike" in said
    assert "mode: native and compose" in said
    assert "no intervals, and no answers" in said
    assert "▲" not in said
    assert done.name in page(results)


def test_the_history_holds_like_runs_only_and_says_where_files_changed(results: Path, make_run: Make) -> None:
    hashes = {"contract": "c", "stacks": {FLASK: {"app": "one"}}}
    for number, stacks in ((4, hashes), (5, hashes), (6, hashes | {"stacks": {FLASK: {"app": "two"}}})):
        made = make_run(scenarios=["db"], blocks=1, seed=number)
        add(results, f"2026112{number}-120000-aaaa", made, hashes=stacks)
    found = kinds(listed(results))
    assert len(found) == 1, "the run in containers has none like it"
    (history,) = [one for one in found[0][1] if one.stack == FLASK]
    assert [name[:8] for _, name, _, _ in history.rows] == ["20261126", "20261125", "20261124", "20261122", "20261121"]
    assert [since for _, _, since, _ in history.rows] == ["changed", "as before", "not known", "not known", ""]
    assert history.scenarios == ("db", "json")
    assert history.rows[0][3][1] == "not in this run"
    assert re.fullmatch(r"[\d,]+ \[[\d,]+, [\d,]+\]", history.rows[-1][3][0])
    mine = page(results).split(f"<summary>{FLASK}")[1]
    assert '<span class="warn">changed</span>' in row(mine, "20261126")


def test_bounds_and_failures_are_told_in_the_place_of_figures(mixed_run: StoredRun, tmp_path: Path) -> None:
    for name in ("20261125-120000-bbbb", "20261126-120000-bbbb"):
        shutil.copytree(mixed_run.folder, tmp_path / name)
        exports.write(gather(load(tmp_path / name)), tmp_path / name / "report")
    by = {one.stack: one for _, histories in kinds(listed(tmp_path)) for one in histories}
    flask, aiohttp = by[FLASK], by["aiohttp/multi/nginx"]
    assert flask.rows[0][3][flask.scenarios.index("db")] == "failed"
    assert aiohttp.rows[0][3][aiohttp.scenarios.index("plaintext")].startswith("at least ")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"schema": 99}', '{"schema": 1, "estimates": 7}', '{"schema": 1, "estimates": [4]}']
)
def test_a_report_that_cannot_be_read_costs_only_the_history(small: Path, content: str) -> None:
    nothing = "There are no two runs of one kind"
    assert nothing not in page(small)
    for folder in small.glob("2026*"):
        (folder / "report" / "report.json").write_text(content)
    text = page(small)
    assert nothing in text
    assert len(re.findall(r'<a href="2026[^"]*/report/index.html">', text)) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}', "\xff"])
def test_a_run_that_cannot_be_read_is_listed_with_the_reason(small: Path, content: str) -> None:
    bad = small / "20261130-120000-aaaa"
    bad.mkdir()
    (bad / "run.json").write_bytes(content.encode("latin-1"))
    text = page(small)
    assert "cannot be read" in row(text, "20261130")
    assert len(re.findall(r'<a href="2026[^"]*/report/index.html">', text)) == 2


def test_a_header_of_nearly_nothing_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "20261130-120000-aaaa"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"schema": 1, "status": "interrupted", "started": 7, "plan": []}))
    text = row(page(tmp_path), "20261130")
    assert "interrupted" in text
    assert "not recorded" in text


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    assert "make bench" in page(tmp_path)


def test_nothing_from_outside_is_markup_and_nothing_asks_the_network(results: Path, make_run: Make) -> None:
    evil = make_run(scenarios=["db"])
    evil.header["environment"] = {"host": "<script>alert(1)</script>"}
    evil.header["profile"] = "</script><img src=x onerror=alert(1)>"
    for record in [*evil.trials, *evil.header["plan"]["stacks"]]:
        for key in ("stack", "id"):
            if record.get(key) == FLASK:
                record[key] = "<b>bold</b>/x/y"
    for name in ("20261201-120000-aaaa", "20261202-120000-aaaa"):
        add(results, name, evil)
    text = page(results) + "".join(path.read_text("utf-8") for path in results.glob("compare-*"))
    assert "&lt;b&gt;bold" in text
    assert not re.search(r"<(img|b>bold|script>alert)", text)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)
    assert not re.search(r"url\(|@import", text)


def test_the_commands(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", str(results)]) == 0
    assert capsys.readouterr().out == f"{results / 'index.html'}\n"
    both = [str(results / f"2026112{number}-120000-aaaa") for number in (1, 2)]
    assert main(["between", *both, "--html", str(results)]) == 0
    assert Path(capsys.readouterr().out.strip()).name == "compare-20261121-120000-aaaa-20261122-120000-aaaa.html"
    with pytest.raises(BenchError, match="cannot write the index"):
        index.build(results / "nowhere")
