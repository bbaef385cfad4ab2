"""Who gives most for its memory: told by differences alone."""

from collections.abc import Callable
from typing import Any

from analysis.evidence import gather
from analysis.frames import load
from analysis.page.frontiers import frontiers
from analysis.stats.frontier import frontier

DJANGO, FLASK, TORNADO, AIOHTTP = (
    "django/gunicorn-sync/nginx", "flask/gunicorn-sync/nginx", "tornado/multi/nginx", "aiohttp/multi/nginx",
)  # fmt: skip
KEYS = [("db", "capacity", metric) for metric in ("capacity_rps", "pss_bytes")]


def run_with(make_run: Callable[..., Any], memory: dict[str, float], *, noise: float = 0.0) -> Any:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    for number, trial in enumerate(run.trials):
        factor = 1 + noise * (-1 if trial["block"] % 2 else 1) * (1 if number % 3 else -1) + 0.001 * (number % 5)
        trial["pss_bytes"] = {"app": int(memory[trial["stack"]] * 2**20 * factor), "front": 0}
    return gather(load(run.write()))


def test_a_stack_is_dominated_by_one_that_is_better_in_both_or_equal_in_one(make_run: Callable[..., Any]) -> None:
    evidence = run_with(make_run, {AIOHTTP: 100, TORNADO: 60, FLASK: 100, DJANGO: 60})
    found = frontier(*(evidence.comparisons.get(key) for key in KEYS))
    assert found == {AIOHTTP: (), TORNADO: (), FLASK: (AIOHTTP, TORNADO), DJANGO: (TORNADO,)}
    said = frontiers(evidence)["db"].plain("en")
    assert said.startswith(f"Most for its memory: {AIOHTTP} and {TORNADO}. Each of the others compared (2)")


def test_what_is_unresolved_dominates_nothing(make_run: Callable[..., Any]) -> None:
    evidence = run_with(make_run, {AIOHTTP: 100, TORNADO: 100, FLASK: 100, DJANGO: 100}, noise=0.3)
    found = frontier(*(evidence.comparisons.get(key) for key in KEYS))
    assert set(found) == {AIOHTTP, TORNADO, FLASK, DJANGO}
    assert not any(found.values()), "all are faster or slower, but which of them holds less memory is open"


def test_without_intervals_there_is_no_frontier(make_run: Callable[..., Any]) -> None:
    evidence = gather(load(make_run(scenarios=["db"], blocks=2).write()))
    assert frontier(*(evidence.comparisons.get(key) for key in KEYS)) == {}
    assert frontiers(evidence) == {}
