"""When a run ends: never before its planned blocks, never for what is narrow, never beyond its time."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import pace
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
    """The scenarios of each block until there is none, each cell taking `seconds`."""
    blocks: list[list[str]] = []
    while cells := one.next(len(blocks)):
        blocks.append(sorted({cell.scenario.name for cell in cells}))
        now[0] += seconds * len(cells)
        one.ended(cells)
        assert len(blocks) < 50
    return blocks


def test_only_what_is_wide_gets_further_blocks_until_all_is_narrow(made: Plan) -> None:
    now = [0.0]
    one, asked = paced(made, ["json", "db"], ["db"], ["db"], [], now=now)
    both = ["db", "json"]
    assert through(one, now, 0.5) == [both, both, both, ["db"], ["db"]]
    assert asked == [0.03] * 4
    assert one.why == "every interval is within 3.0% to either side"


def test_no_block_begins_that_would_end_too_late(made: Plan) -> None:
    now = [0.0]
    one, _ = paced(made, *[["json", "db"]] * 20, now=now)
    assert len(through(one, now, 5.0)) == 5  # a block has 4 cells: 20 s
    assert one.why == "the next block would end after the time budget of 100 s"


def test_a_smaller_block_still_fits_where_a_whole_one_does_not(made: Plan) -> None:
    now = [0.0]
    one, _ = paced(made, *[["json", "db"]] * 2, *[["db"]] * 20, now=now)
    assert through(one, now, 5.5) == [["db", "json"]] * 4 + [["db"]]


def test_a_budget_too_short_for_the_planned_blocks_ends_after_those_that_fit(made: Plan) -> None:
    now = [0.0]
    one, asked = paced(made, now=now)
    assert len(through(one, now, 20.0)) == 1
    assert asked == []


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
