"""What a person sees: 80 columns, and times that read well."""

import io
import random
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from analysis.numbers import estimate
from analysis.stats import estimates
from bench import console, sofar
from bench.console import Progressing, readable, summary


def printed(width: int = 80, *, terminal: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False), out


def trial(stack: str = "a/b/c", scenario: str = "db", **changes: Any) -> dict[str, Any]:
    return {
        "stack": stack, "scenario": scenario, "view": "capacity", "status": "measured", "requests": 1000, "seconds": 2.0,
        "flags": [], **changes,
    }  # fmt: skip


def shown(trials: list[dict[str, Any]], scenarios: list[str]) -> list[str]:
    one, out = printed()
    one.print(summary(trials, scenarios))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (-3, "0 s"), (0.4, "0 s"), (45.2, "45 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"), (3900, "1 h 05 min"), (100_000, "27 h 46 min"),
    ],
)  # fmt: skip
def test_readable(seconds: float, text: str) -> None:
    assert readable(seconds) == text


def test_the_summary_is_total_requests_over_total_time() -> None:
    trials = [trial(requests=1000, seconds=2.0), trial(requests=5000, seconds=4.0), trial(requests=1, view="latency")]
    lines = shown(trials, ["db"])
    assert lines[0].startswith("Capacity, requests/s (closed loop)")
    assert lines[-1].split() == ["a/b/c", "1,000"]


def test_the_summary_marks_what_was_flagged_and_what_failed() -> None:
    trials = [
        trial("one/x/y"), trial("flagged/x/y", flags=["errors"]),
        trial("half/x/y"), trial("half/x/y", status="failed", requests=None, seconds=None),
        trial("none/x/y", status="failed", requests=None, seconds=None), trial("late/x/y", status="skipped"),
        trial("slow/x/y", requests=7), trial("none/x/y", scenario="json", requests=300_000),
    ]  # fmt: skip
    rows = {line.split()[0]: line.split()[1:] for line in shown(trials, ["db", "json"])[2:]}
    assert rows == {
        "one/x/y": ["500", "-"], "flagged/x/y": ["500*", "-"], "half/x/y": ["500!", "-"], "none/x/y": ["failed", "150,000"],
        "late/x/y": ["skipped", "-"], "slow/x/y": ["3.5", "-"],
    }  # fmt: skip


def test_the_summary_fits_80_columns() -> None:
    scenarios = ["plaintext", "json", "db", "queries", "fortunes", "updates", "io", "cpu"]
    name = "django+raw/gunicorn-gthread+threads=16+workers=12/nginx-uwsgi"
    lines = shown([trial(name, scenario, requests=10**6) for scenario in scenarios], scenarios)
    assert max(map(len, lines)) <= 80
    assert [line.split()[1:] for line in lines if line.startswith("stack")] == [scenarios[:4], scenarios[4:]]
    rows = [line.split() for line in lines if line.startswith("django")]
    assert [row[1:] for row in rows] == [["500,000"] * 4] * 2
    assert all(name.startswith(row[0].rstrip("…")) and len(row[0]) > 30 for row in rows)


def test_without_a_terminal_each_cell_is_a_line_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    one, out = printed()
    with Progressing({"a": 10.0, "b": 30.0}, console=one) as progress:
        advance = progress.cell("a", "block 1/1  json capacity")
        advance(0.5)
        now[0] = 20.0  # twice as long as was planned
        advance = progress.cell("b", "block 1/1  db capacity")
        advance(2.0)
        progress.say("  failed: [bold] is no markup")
    assert out.getvalue().splitlines() == [
        "block 1/1  json capacity  (40 s left)", "block 1/1  db capacity  (1 min 00 s left)", "  failed: [bold] is no markup",
    ]  # fmt: skip


def test_on_a_terminal_there_is_a_bar_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    one, out = printed(terminal=True)
    with Progressing({"a": 10.0, "b": 30.0}, console=one) as progress:
        progress.cell("a", "block 1/1  json capacity")(1.0)
        progress.cell("b", "block 1/1  db capacity")(0.5)
        progress.refresh()
        progress.say("a line that stays")
        progress.kept([stored("one/x/y", 0, flags=["errors"]), stored("two/x/y", 0)])
        progress.refresh()
    assert "block 1/1  db capacity" in out.getvalue()
    assert "62%" in out.getvalue()
    assert "a line that stays" in out.getvalue()
    assert "1 flags on trials so far" in out.getvalue()
    assert "db so far, requests/s; no intervals below 6 blocks" in out.getvalue()


def stored(stack: str, block: int, copy: int = 0, **changes: Any) -> dict[str, Any]:
    return trial(stack, block=block, deployment_id=f"{block}-{stack}-{copy}", reason=None, **changes)


def test_what_failed_and_each_new_flag_is_told_when_it_happens() -> None:
    one, out = printed(width=200)
    progress = Progressing({}, console=one)
    progress.kept([stored("a/b/c", 0, flags=["generator-bound"]), stored("d/e/f", 0)])
    progress.kept([stored("a/b/c", 1, flags=["generator-bound"])])
    progress.kept([stored("d/e/f", 1, status="failed", requests=None, seconds=None) | {"reason": "worker exited 70"}])
    assert out.getvalue().splitlines() == [
        "  flagged: a/b/c db capacity: generator-bound",
        "  db so far: a/b/c ≥ 500, d/e/f 500",
        "  db so far: a/b/c ≥ 500, d/e/f 500",
        "  failed: d/e/f db capacity: worker exited 70",
    ]


def test_intervals_narrow_as_blocks_come_in_and_are_those_of_the_analysis() -> None:
    rng = random.Random(3)
    figures, widths, rows = sofar.Figures(), [], []
    for block in range(12):
        trials = [
            stored(name, block, copy, requests=round(rate * rng.lognormvariate(0, 0.02)), seconds=2.0)
            for name, rate in (("a/b/c", 8000), ("d/e/f", 500))
            for copy in range(2)
        ]
        figures.add(trials)
        rows += trials
        first = figures.of("db")[0]
        assert (first.stack, first.blocks, first.deployments) == ("a/b/c", block + 1, 2 * block + 2)
        assert (first.low is None) == (block < 5)
        if first.low is not None and first.high is not None:
            widths.append(first.high / first.low)
    assert widths[-1] < widths[0]
    tidy = pd.DataFrame([
        {"scenario": "db", "view": "capacity", "metric": "capacity_rps", "value": one["requests"] / one["seconds"], "group": 0, "copy": 0}
        | {key: one[key] for key in ("stack", "block", "deployment_id")}
        for one in rows
    ])  # fmt: skip
    expected = {row["stack"]: row for row in estimates(tidy).to_dict("records")}
    for one in figures.of("db"):
        found = expected[one.stack]
        assert (one.rps, one.low, one.high) == pytest.approx((found["value"], found["low"], found["high"]))
        assert str(one) == estimate(found["value"], found["low"], found["high"])


def test_without_a_figure_there_is_none_so_far() -> None:
    figures = sofar.Figures()
    figures.add([
        stored("a/b/c", 0, view="latency"), stored("a/b/c", 0, status="skipped", requests=None, seconds=None),
    ])  # fmt: skip
    assert figures.of("db") == figures.all() == []


def test_quiet_says_nothing_on_a_terminal_either() -> None:
    out = io.StringIO()
    with Progressing({"a": 1.0}, console=Console(file=out, force_terminal=True, quiet=True)) as progress:
        progress.cell("a", "block 1")(0.5)
        progress.kept([stored("a/b/c", 0, flags=["errors"])])
    assert out.getvalue() == ""
