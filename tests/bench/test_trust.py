"""What `bench trust` plants and loads; that it is found is shown on the machine (`make bench-trust`), not in a test."""

import asyncio
import itertools
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench import environments, slices, trust
from bench.model import App, Scenario, Stack


def test_planted_variants_are_stacks_that_differ_in_pace_alone() -> None:
    with trust.planted({"same": 200.0, "five": 210.0}) as found:
        stacks = {one: found.stacks[trust.STACK.format(variant=f"+{one}")] for one in ("same", "five")}
        assert {one: stack.variant and dict(stack.variant.env) for one, stack in stacks.items()} == {
            "same": {"PLANTED_US": "200"}, "five": {"PLANTED_US": "210"},
        }  # fmt: skip
        folder = found.apps[trust.NAME].folder
        assert "planted:make_app" in (folder / "app.toml").read_text()
    assert not folder.exists()


@dataclass
class Clock:
    """Reads 1 ns more each time it is read: what asks it in a loop is sure to get there."""

    now_ns: int = 10**9

    def perf_counter_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Load the planted application as a process would, with a clock of ours; aiohttp's is not there, and need not be."""
    with trust.planted({}) as found:
        source = (found.apps[trust.NAME].folder / "planted.py").read_text()

    def load(**env: str) -> Any:
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        made = SimpleNamespace(middlewares=[])
        monkeypatch.setitem(sys.modules, "app", SimpleNamespace(make_app=lambda: made))
        monkeypatch.setitem(
            sys.modules, "aiohttp", SimpleNamespace(web=SimpleNamespace(middleware=lambda function: function))
        )
        module = ModuleType("planted")
        exec(compile(source, "planted.py", "exec"), module.__dict__)
        module.__dict__["time"] = Clock()
        assert module.make_app() is made
        assert made.middlewares == [module.pace]
        return module

    return load


async def _answers(application: Any, count: int) -> list[int]:
    """When each of so many requests got to the framework's handler."""
    clock, at = application.time, []

    async def handler(request: object) -> str:
        at.append(clock.now_ns)
        return f"to {request}"

    for number in range(count):
        assert await application.pace(number, handler) == f"to {number}"
    return at


def test_no_answer_begins_earlier_than_its_pace_after_the_one_before(application: Callable[..., Any]) -> None:
    found = application(PLANTED_US="2")
    at = asyncio.run(_answers(found, 50))
    assert {later - earlier for earlier, later in itertools.pairwise(at)} == {math.ceil(found.PACE_NS)}
    found.time.now_ns += 10**6
    first, second = asyncio.run(_answers(found, 2))
    assert second - first == math.ceil(found.PACE_NS), "what a wait put off is not made up for"


def test_deployments_of_one_pace_draw_theirs_by_the_law_that_is_planted(
    application: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = random.Random(5)
    monkeypatch.setattr(random, "gauss", drawn.gauss)
    logs = [math.log(application(PLANTED_US="210").PACE_NS / 210_000) for _ in range(400)]
    assert statistics.fmean(logs) == pytest.approx(0.0, abs=4 * trust.SPREAD / 20)
    assert statistics.stdev(logs) == pytest.approx(trust.SPREAD, rel=0.2)


def test_without_a_variant_the_pace_is_the_one_that_the_others_are_slower_than(
    application: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "gauss", lambda middle, spread: middle)
    monkeypatch.delenv("PLANTED_US", raising=False)
    assert application().PACE_NS == 1000 * trust.PACE_US


def test_unlike_pairs_are_loaded_in_long_windows_that_are_cut_at_the_length_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    asked: dict[str, Any] = {}

    def windows(pairs: Sequence[tuple[Stack, Stack]], scenario: Scenario, **how: Any) -> None:
        asked.update(how, pairs=[tuple(one.id for one in pair) for pair in pairs], scenario=scenario.name)

    def prepare(found: Any, apps: Iterable[App], say: Any) -> None:
        prepared.extend(one.name for one in apps)

    monkeypatch.setattr(slices, "windows", windows)
    monkeypatch.setattr(environments, "prepare", prepare)
    said: list[str] = []
    folder = trust.lengths(results=tmp_path, rounds=3, say=said.append)
    assert (asked["folder"], folder.parent) == (folder, tmp_path)
    assert asked["pairs"] == [*trust.PAIRS.values()]
    assert (asked["scenario"], asked["rounds"], asked["windows"]) == ("json", 3, 4)
    assert (asked["cuts_s"], asked["window_s"]) == (pytest.approx((0.1, 0.2, 0.4)), 1.0)
    assert asked["warmup_s"] > 0, "as in a run"
    assert asked["connections"] == 16, "no stack has fewer in a run"
    assert set(prepared) == {"flask", "django", "aiohttp", "tornado"}
    assert said == ["slices of 100, 200, 400 and 1000 ms on 3 pairs: about 1 min"]
