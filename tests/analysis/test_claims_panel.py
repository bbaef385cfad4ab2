"""The first page of a report over stacks shows the newest verdicts of the same machine and mode, and none of another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import frames, index
from analysis.claims import panel, report
from analysis.evidence import gather
from analysis.history import listed
from analysis.page.render import render
from tests.analysis import stored_claims as stored


def claims_run(folder: Path, share: float = 1.0, **head: Any) -> Path:
    arms = [stored.arm("one"), stored.arm("copy")]
    records = [
        one
        for arm, value in (("one", share), ("copy", 0.0))
        for one in stored.several(14, arm, "lost_share", [value] * 6, of=50)
    ]
    checks = [stored.check("lost", "lost_share", "one", ">= 0.9", "< 0.5")]
    table = stored.claim(
        14, arms, checks, [stored.control("none", "lost_share", "copy", "<= 0.1")], title=stored.both("<b>Frozen</b>")
    )
    return stored.write(folder, stored.header({14: table}, **head), records)


@pytest.fixture
def matrix(make_run: Callable[..., Any], tmp_path: Path) -> Path:
    run = make_run(scenarios=["json"], blocks=1)
    run.folder = tmp_path / "results" / "20261126-000000-aaaa"
    return run.write()  # type: ignore[no-any-return]


def found(matrix: Path) -> panel.Panel | None:
    return panel.newest(frames.load(matrix), matrix / "report")


def test_without_a_claims_run_there_is_no_panel(matrix: Path) -> None:
    assert found(matrix) is None
    assert 'id="claims"' not in render(gather(frames.load(matrix)), [], [], data="..")


def test_the_newest_of_the_same_machine_and_mode_is_shown(matrix: Path) -> None:
    results = matrix.parent
    claims_run(results / "20261124-000000-aaaa", 0.0)
    newest = claims_run(results / "20261125-000000-bbbb", run_id="20261125-000000-bbbb")
    claims_run(results / "20261127-000000-cccc", mode="compose")
    claims_run(results / "20261128-000000-dddd", environment={"host": "elsewhere"})
    claims_run(results / "20261129-000000-eeee").joinpath("run.json").write_text("{broken")
    shown = found(matrix)
    assert shown
    assert shown.run_id == "20261125-000000-bbbb"
    assert [(one.number, one.kind, one.href) for one in shown.verdicts] == [(14, "supported", "")]
    (newest / "report").mkdir()
    (newest / "report" / "index.html").touch()
    linked = found(matrix)
    assert linked
    assert linked.verdicts[0].href == "../../20261125-000000-bbbb/report/index.html#claim-14"
    assert (matrix / "report" / linked.href).resolve() == newest.resolve() / "report" / "index.html"


def test_the_page_tells_each_verdict_in_a_word_and_escapes_its_title(matrix: Path) -> None:
    claims_run(matrix.parent / "20261125-000000-bbbb", 0.0)
    html = render(gather(frames.load(matrix)), [], [], data="..", claims=found(matrix))
    strip = html[html.index('id="claims"') : html.index("</section>", html.index('id="claims"'))]
    assert "✕</span> 14. <span lang=en>&lt;b&gt;Frozen&lt;/b&gt;</span>" in strip
    assert "<span lang=en>refuted</span><span lang=zh-Hans>不成立</span>" in strip
    assert "Share" not in strip
    assert "share of requests that were lost: 0.0% [0.0, 1.3], n = 6" in strip


def test_all_runs_lists_it_with_its_verdicts_and_compares_it_with_none(matrix: Path) -> None:
    results = matrix.parent
    folder = claims_run(results / "20261127-000000-bbbb", run_id="20261127-000000-bbbb")
    claims_run(results / "20261128-000000-cccc", run_id="20261128-000000-cccc")
    report.build(folder)
    newest, reported, stacks = listed(results)
    assert (reported.claims, reported.verdicts, reported.counts["measured"], reported.blocks) == (
        True,
        "1 supported",
        12,
        6,
    )
    assert (newest.verdicts, stacks.claims) == ("", False)
    page = index.build(results).read_text("utf-8")
    assert "1 supported" in page
    assert "<option>20261126-000000-aaaa</option>" in page
    assert "<option>20261127-000000-bbbb</option>" not in page
    assert not list(results.glob("compare-*.html"))
