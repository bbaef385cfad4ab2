"""When a run ends: never before its planned blocks, never for what is narrow, never beyond its time."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import estimate, pace
from bench.model import BenchError
from bench.plan import Plan


@pytest.fixture
def made(tree: Tree) -> Plan:
    return plan(three_stacks(tree), [scenario("json"), scenario("db")], blocks=2, precision=0.03, budget_s=100.0)


def paced(made: Plan, *answers: list[str], now: list[float]) -> tuple[pace.Pace, list[float]]:
    asked: list[float] = []
    left = list(answers)

    def ask(folder: Path, precision: float) -> Mapping[str, Any]:
        asked.append(precision)
        return {"wide": left.pop(0)}

    return pace.Pace(plan=made, folder=Path("x"), now_s=lambda: now[0], ask=ask), asked


def through(one: pace.Pace, now: list[float], seconds: float) -> list[list[str]]:
    """What each block holds, until there is none, each cell taking `seconds` of load."""
    blocks: list[list[str]] = []
    while cells := one.next(len(blocks)):
        blocks.append(sorted(f"{cell.scenario.name}{'' if cell.is_capacity else ' latency'}" for cell in cells))
        now[0] += one.share * seconds * len(cells)
        one.ended(cells)
        assert len(blocks) < 50
    return blocks


BOTH = ["db", "db latency", "json", "json latency"]


def test_only_what_is_wide_gets_further_blocks_of_its_capacity_until_all_is_narrow(made: Plan) -> None:
    now = [0.0]
    one, asked = paced(made, ["json", "db"], ["db"], ["db"], [], now=now)
    assert through(one, now, 0.5) == [BOTH, BOTH, ["db", "json"], ["db"], ["db"]]
    assert asked == [0.03] * 4
    assert one.why == "every interval is within 3.0% to either side"


def test_no_block_begins_that_would_end_too_late(made: Plan) -> None:
    now = [0.0]
    one, _ = paced(made, *[["json", "db"]] * 20, now=now)
    blocks = through(one, now, 5.0)
    assert now[0] <= 100.0
    assert now[0] + 2 * 5.0 * 2 > 100.0, "another one would not have fitted"
    assert blocks[:2] == [BOTH, BOTH]
    assert one.why == "the next block would end after the time budget of 100 s"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "the analysis did not say how wide the intervals are, so there are no further blocks"),
        ({"wide": "json"}, "the analysis did not say how wide the intervals are, so there are no further blocks"),
        (
            {"wide": [], "scenarios": [{"scenario": "json", "widest": None}]},
            "no two stacks could be compared, so there is no interval to make narrower",
        ),
        (
            {"wide": [], "scenarios": [{"scenario": "json", "widest": 0.02}, {"scenario": "db", "widest": None}]},
            "every interval is within 3.0% to either side",
        ),
    ],
)
def test_narrow_is_only_what_is_known_to_be(made: Plan, answer: dict[str, Any], why: str) -> None:
    one = pace.Pace(plan=made, folder=Path("x"), now_s=lambda: 0.0, ask=lambda *_: answer)
    assert one.next(2) == []
    assert one.why == why


def test_without_a_budget_what_stays_wide_ends_after_the_most_blocks(made: Plan) -> None:
    now = [0.0]
    one, asked = paced(replace(made, profile=replace(made.profile, budget_s=None)), *[["json", "db"]] * 50, now=now)
    assert len(through(one, now, 0.5)) == pace.MOST_BLOCKS
    assert len(asked) == pace.MOST_BLOCKS - 2 + 1
    assert one.why == "24 blocks are the most; still wider than 3.0% to either side: json, db"


def test_what_is_wide_is_asked_for_no_more_than_planned_where_that_is_the_most(made: Plan) -> None:
    planned = replace(made.profile, blocks=pace.MOST_BLOCKS + 2, budget_s=None)
    now = [0.0]
    one, _ = paced(replace(made, profile=planned), ["json"], now=now)
    assert len(through(one, now, 0.5)) == pace.MOST_BLOCKS + 2


def test_of_what_is_wide_the_widest_that_fits_is_taken(made: Plan) -> None:
    now = [85.0]
    one, _ = paced(made, *[["json", "db"]] * 3, now=now)
    one.blocks = 2
    assert [cell.name for cell in one.next(2)] == ["2-json-capacity"]
    now[0] = 80.0
    assert [cell.name for cell in one.next(2)] == ["2-json-capacity", "2-db-capacity"]
    now[0] = 90.0
    assert one.next(2) == []
    assert one.why == "the next block would end after the time budget of 100 s"


def test_where_time_is_scarce_it_goes_where_the_middle_pair_is_known_least_and_where_it_is_nearly_as_wide(
    tree: Tree,
) -> None:
    names = ("cpu", "db", "json", "plaintext")
    made = plan(three_stacks(tree), [scenario(name) for name in names], precision=0.03, budget_s=1000.0)
    block_s = estimate.block_s(made, made.block_cells(6, names), 1.0, 1.0)
    widths = {"db": 0.08, "cpu": None, "json": 0.061, "plaintext": 0.059}
    answer = {
        "wide": list(names),
        "scenarios": [{"scenario": name, "half_width": width, "widest": 0.2} for name, width in widths.items()],
    }
    now = [1000.0 - (pace.SCARCE - 0.5) * block_s]
    one = pace.Pace(plan=made, folder=Path("x"), now_s=lambda: now[0], ask=lambda *_: answer)

    def chosen() -> list[str]:
        return [cell.scenario.name for cell in one.next(6)]

    assert chosen() == ["cpu", "db", "json"], "what is not known counts as wide"
    one.plan = replace(made, profile=replace(made.profile, first=("plaintext", "json", "io")))
    assert chosen() == ["json", "plaintext"], "what comes first, though others are wider"
    now[0] = 1000.0 - (pace.SCARCE + 0.5) * block_s
    assert chosen() == list(names), "while there is time, all that is wide"
    one.plan = replace(one.plan, profile=replace(one.plan.profile, budget_s=None))
    assert chosen() == list(names)
    one.plan, now[0], answer["wide"] = (
        replace(made, profile=replace(made.profile, first=("io",))),
        1000.0 - block_s,
        ["db"],
    )
    assert chosen() == ["db"], "nothing that comes first is wide"


def test_blocks_get_shorter_rather_than_fewer(made: Plan) -> None:
    """On a machine where all that is not load takes 1.5 times as long as was thought."""
    made = replace(made, profile=replace(made.profile, blocks=6, budget_s=216.0))
    now = [1.5 * estimate.once_s(made)]
    one, _ = paced(made, *[["json", "db"]] * 20, now=now)
    shares = []
    while cells := one.next(len(shares)):
        shares.append(one.share)
        now[0] += estimate.block_s(made, cells, one.share, 1.5)
        one.ended(cells)
    assert len(shares) == 6
    assert shares[0] == 1.0
    assert 0.5 <= shares[-1] < 1.0
    assert one.slow == pytest.approx(1.5)
    assert 0.9 * 216 <= now[0] <= 1.03 * 216


def test_a_budget_too_short_for_the_planned_blocks_ends_after_those_that_fit(made: Plan) -> None:
    now = [0.0]
    one, asked = paced(made, now=now)
    assert len(through(one, now, 24.0)) == 1
    assert asked == []


def test_a_run_that_is_resumed_counts_its_blocks_from_then(made: Plan) -> None:
    now = [50.0]
    one, _ = paced(made, [], now=now)
    one.blocks = 1
    one.next(1)
    now[0] += 20.0
    one.ended(made.block_cells(1))
    assert one.slow < 1.0, "the 50 s before are no part of this block"


def test_the_time_is_said_before(tree: Tree) -> None:
    made = plan(three_stacks(tree), [scenario("json")], blocks=6, budget_s=1000.0)
    takes_s, share = pace.expected_s(made)
    job_s = estimate.JOB_OVERHEAD_S + 3 * (1.0 + 0.1 + estimate.TARGET_OVERHEAD_S)
    blocks_s = 6 * (2 * job_s + estimate.BLOCK_OVERHEAD_S + 3 * estimate.START_S)
    assert share == 1.0
    assert takes_s == pytest.approx(estimate.once_s(made) + blocks_s + estimate.report_s(made))
    short, less = pace.expected_s(replace(made, profile=replace(made.profile, budget_s=takes_s - 20)))
    assert 0.5 < less < 1.0
    assert short - estimate.report_s(made) == pytest.approx(takes_s - 20, rel=0.01)


def test_a_budget_too_short_for_one_block_is_one_clear_line(made: Plan) -> None:
    pace.refuse_too_short(made)
    pace.refuse_too_short(replace(made, profile=replace(made.profile, budget_s=None)))
    with pytest.raises(
        BenchError, match=r"^a time budget of 9 s is too short: one block of these .* takes about \d+ s; give more"
    ):
        pace.refuse_too_short(replace(made, profile=replace(made.profile, budget_s=9.0)))


def test_without_a_precision_the_plan_is_all(tree: Tree) -> None:
    now = [0.0]
    one, asked = paced(plan(three_stacks(tree), [scenario("json")], blocks=3), now=now)
    assert len(through(one, now, 1.0)) == 3
    assert (asked, one.why) == ([], "3 blocks, as planned")


@pytest.mark.parametrize(
    ("output", "found"), [('{"wide": ["db"]}', {"wide": ["db"]}), ("Traceback", {}), ("[1]", {}), ("", {})]
)
def test_an_analysis_that_fails_asks_for_no_more(monkeypatch: pytest.MonkeyPatch, output: str, found: Any) -> None:
    asked: list[Any] = []
    answer = SimpleNamespace(stdout=output)
    monkeypatch.setattr(subprocess, "run", lambda words, **_: asked.append(words) or answer)
    assert pace.ask(Path("run"), 0.03) == found
    assert asked[0][1:] == ["-m", "analysis", "precision", "run", "--precision", "0.03", "--json"]
