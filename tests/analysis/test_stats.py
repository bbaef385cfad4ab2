"""Estimates from trials: known answers, computed apart from the code under test."""

import math
import statistics
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import StoredRun, unmeasured

from analysis.frames import load
from analysis.stats import (
    ALL_SCENARIOS,
    MIN_REPLICATES,
    TooFewReplicates,
    estimates,
    geometric_mean,
    load_not_reached,
    ratio_interval,
    replicates,
)


def test_interval_is_students_t_on_logarithms() -> None:
    ratios = [1.02, 0.98, 1.05, 1.01, 0.99, 1.04]
    logs = [math.log(ratio) for ratio in ratios]
    half = 2.570581835636314 * statistics.stdev(logs) / math.sqrt(6)  # t of 0.975 with 5 degrees, from a table
    found = ratio_interval(logs)
    assert found.n == 6
    assert found.estimate == pytest.approx(statistics.geometric_mean(ratios))
    assert (found.low, found.high) == pytest.approx(
        (math.exp(statistics.mean(logs) - half), math.exp(statistics.mean(logs) + half))
    )


def test_a_higher_level_is_a_wider_interval() -> None:
    logs = [0.01 * n for n in range(8)]
    assert ratio_interval(logs, level=0.99).high > ratio_interval(logs, level=0.95).high


@pytest.mark.parametrize("n", range(MIN_REPLICATES))
def test_too_few_replicates_give_no_interval(n: int) -> None:
    with pytest.raises(TooFewReplicates, match=f"needs 6 replicates, there are {n}"):
        ratio_interval([0.0] * n)


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        ratio_interval([0.0, 0.1, 0.2, math.inf, 0.1, 0.0])
    with pytest.raises(ValueError, match="level"):
        ratio_interval([0.0] * 6, level=95)


@given(st.lists(st.floats(0.01, 1e6), min_size=MIN_REPLICATES, max_size=20), st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_the_unit_of_a_figure_does_not_matter(values: list[float], unit: float) -> None:
    plain, scaled = geometric_mean(values), geometric_mean([value * unit for value in values])
    assert scaled == pytest.approx(tuple(bound * unit for bound in plain), rel=1e-6)
    assert plain[1] <= plain[0] * (1 + 1e-9)
    assert plain[0] <= plain[2] * (1 + 1e-9)


def _one(frame: pd.DataFrame, **keys: str) -> pd.Series:  # type: ignore[type-arg]
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_capacity_is_total_requests_over_total_time_within_a_deployment(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    first = run.find("flask/gunicorn-sync/nginx", "db", "capacity") | {"requests": 3000, "seconds": 1.0}
    second = first | {"trial_id": "again", "requests": 1000, "seconds": 3.0}
    run.trials = [first, second]
    found = _one(estimates(replicates(load(run.write()).trials)), metric="capacity_rps")
    assert found["value"] == pytest.approx(1000)  # not 1,667, the mean of both rates
    assert found["n"] == 1


def test_replicates_are_deployments_and_their_mean_is_geometric(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=2, copies=2)
    rates = [t["requests"] / t["seconds"] for t in run.trials if t["view"] == "capacity"]
    found = _one(estimates(replicates(load(run.write()).trials)), metric="capacity_rps")
    assert found["n"] == 4
    assert found["value"] == pytest.approx(statistics.geometric_mean(rates))
    assert math.isnan(found["low"])


def test_six_blocks_give_an_interval_around_the_estimate(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=6, copies=2)
    found = _one(estimates(replicates(load(run.write()).trials)), metric="capacity_rps")
    assert found["low"] < found["value"] < found["high"]
    assert (found["n"], found["blocks"]) == (12, 6)


def test_replicates_stand_in_one_order_and_have_one_type_each(make_run: Callable[..., StoredRun]) -> None:
    stacks = ["flask/gunicorn-sync/nginx", "aiohttp/multi/nginx"]
    table = replicates(load(make_run(scenarios=["json", "db"], stacks=stacks, blocks=2).write()).trials)
    assert table.index.equals(pd.RangeIndex(len(table)))
    assert {name: str(kind) for name, kind in table.dtypes.items()} == (
        dict.fromkeys(("scenario", "view", "stack"), "str")
        | dict.fromkeys(("block", "group", "copy"), "int64")
        | {"deployment_id": "str", "metric": "str", "value": "float64"}
    )
    metrics = [metric for metric, _ in groupby(table["metric"])]
    assert metrics == [
        "capacity_rps", "cpu_app_ms", "cpu_front_ms", "cpu_database_ms", "cpu_ms", "p50_ms", "p90_ms", "p99_ms", "offered_rps",
        *("pss_app_bytes", "pss_front_bytes", "pss_bytes") * 2,
    ]  # fmt: skip
    held = table[table["metric"] == "pss_bytes"]
    cells = [
        (view, block, scenario, stack)
        for view in ("capacity", "latency")
        for block in range(2)
        for scenario in ("json", "db")
        for stack in stacks
    ]
    cells += [("peak", block, ALL_SCENARIOS, stack) for block in range(2) for stack in stacks]
    assert list(zip(held["view"], held["block"], held["scenario"], held["stack"], strict=True)) == cells


def test_copies_of_one_block_are_no_replicates_of_each_other(make_run: Callable[..., object]) -> None:
    """They met the same drift: 3 blocks of 4 copies have no interval, and 6 blocks have that of their 6 means."""
    few = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=3, copies=4)
    assert math.isnan(_one(estimates(replicates(load(few.write()).trials)), metric="capacity_rps")["low"])
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=6, copies=2)
    rates = [math.log(t["requests"] / t["seconds"]) for t in run.trials if t["view"] == "capacity"]
    found = _one(estimates(replicates(load(run.write()).trials)), metric="capacity_rps")
    wanted = ratio_interval([statistics.mean(pair) for pair in zip(rates[::2], rates[1::2], strict=True)])
    assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("unknown", [None, "app", "front", "database"])
def test_cpu_per_request_is_split_by_role_and_adds_up(make_run: Callable[..., object], unknown: str | None) -> None:
    """Over the deployments that have the sum: a role that one of them lacks takes its other roles out as well."""
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=3)
    whole = capacity = [t for t in run.trials if t["view"] == "capacity"]
    if unknown:
        capacity[0]["cpu_s"][unknown], whole = None, capacity[1:]
    totals = [
        sum(t["cpu_s"][role] for role in ("app", "front", "database")) * 1000 / t["window_requests"] for t in whole
    ]
    table = estimates(replicates(load(run.write()).trials))
    metrics = ("cpu_ms", "cpu_app_ms", "cpu_front_ms", "cpu_database_ms")
    found = {metric: _one(table, view="capacity", metric=metric)["value"] for metric in metrics}
    assert found["cpu_ms"] == pytest.approx(statistics.geometric_mean(totals))
    assert found["cpu_app_ms"] + found["cpu_front_ms"] + found["cpu_database_ms"] == pytest.approx(found["cpu_ms"])
    assert found["cpu_front_ms"] / found["cpu_app_ms"] == pytest.approx(0.5 / 2.4)
    rows = [_one(table, view="capacity", metric=metric) for metric in metrics]
    assert {(row["n"], row["blocks"]) for row in rows} == {(len(whole), len(whole))}


def test_a_stack_without_front_is_charged_with_its_app_alone(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/direct"])
    for trial in run.trials:
        trial["cpu_s"]["front"] = trial["pss_bytes"]["front"] = None
    table = estimates(replicates(load(run.write()).trials))
    assert "cpu_front_ms" not in set(table["metric"])
    trial = run.find("flask/gunicorn-sync/direct", "db", "capacity")
    assert _one(table, view="capacity", metric="cpu_ms")["value"] == pytest.approx(
        3.0 * 1000 / trial["window_requests"]
    )
    assert _one(table, view="capacity", metric="pss_bytes")["value"] == pytest.approx(trial["pss_bytes"]["app"])


@pytest.mark.parametrize("planned", [True, False])
def test_a_front_that_was_not_measured_is_not_free(make_run: Callable[..., object], planned: bool) -> None:
    """A worker of nginx that was replaced leaves its share unknown. Without a plan the id says that there is a front."""
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx+workers=2"])
    for trial in run.trials:
        trial["cpu_s"]["front"] = trial["pss_bytes"]["front"] = None
    run.header["plan"]["stacks"] = [stack | {"front": "nginx"} for stack in run.header["plan"]["stacks"] if planned]
    metrics = set(estimates(replicates(load(run.write()).trials))["metric"])
    assert {"cpu_app_ms", "pss_app_bytes"} <= metrics
    assert metrics.isdisjoint({"cpu_ms", "pss_bytes"})


def test_where_the_database_works_its_share_must_be_known(make_run: Callable[..., object]) -> None:
    """Sessions that end before they can be counted would make a stack cheaper than the others by all that the database did for it."""
    one, other = "flask/gunicorn-sync/nginx", "aiohttp/multi/nginx"
    run = make_run(scenarios=["db", "json"], stacks=[one, other])
    for trial in run.trials:
        if trial["scenario"] == "json":
            trial["cpu_s"]["database"] = 0.0
        if trial["stack"] == one:
            trial["cpu_s"]["database"] = None
    table = replicates(load(run.write()).trials)
    sums = table[(table["metric"] == "cpu_ms") & (table["view"] == "capacity")]
    assert set(zip(sums["scenario"], sums["stack"], strict=True)) == {("db", other), ("json", one), ("json", other)}
    assert one in set(table[table["metric"] == "cpu_app_ms"]["stack"])


def test_without_the_apps_own_figure_there_is_no_sum(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    for trial in run.trials:
        trial["cpu_s"]["app"] = None
        trial["pss_bytes"] = None
    metrics = set(estimates(replicates(load(run.write()).trials))["metric"])
    assert "cpu_ms" not in metrics
    assert "pss_bytes" not in metrics


def test_peak_memory_is_that_of_the_scenario_that_held_most(make_run: Callable[..., object]) -> None:
    run = make_run(stacks=["flask/gunicorn-sync/nginx"])
    most = max(sum(t["pss_bytes"].values()) for t in run.trials)
    table = estimates(replicates(load(run.write()).trials))
    assert _one(table, scenario=ALL_SCENARIOS, view="peak", metric="pss_bytes")["value"] == pytest.approx(most)


def test_peak_memory_is_of_whole_blocks_and_the_same_where_one_was_taken_up_again(
    make_run: Callable[..., object],
) -> None:
    """A block for precision holds few scenarios, one that was cut off lacks some: the most of fewer is less, by no merit of the stack."""

    def peaks(change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> dict[tuple[int, int], float]:
        run = make_run(stacks=["flask/gunicorn-sync/nginx"], blocks=7, copies=2)
        run.trials = [made for trial in run.trials if (made := change(trial))]
        table = replicates(load(run.write()).trials)
        found = table[(table["view"] == "peak") & (table["metric"] == "pss_bytes")]
        return dict(zip(zip(found["block"], found["copy"], strict=True), found["value"], strict=True))

    def wide_only(trial: dict[str, Any]) -> dict[str, Any] | None:
        wide = (trial["scenario"], trial["view"]) == ("fortunes", "capacity")
        return trial if trial["block"] < 6 or wide else None

    def taken_up(trial: dict[str, Any]) -> dict[str, Any] | None:
        again = trial["block"] > 2 or (trial["block"] == 2 and trial["scenario"] in ("db", "fortunes"))
        return wide_only(trial | {"deployment_id": f"r1{trial['deployment_id']}"} if again else trial)

    def failed(trial: dict[str, Any]) -> dict[str, Any] | None:
        broken = (trial["block"], trial["copy"], trial["scenario"], trial["view"]) == (1, 0, "plaintext", "capacity")
        return unmeasured(trial, "failed", "it says no") if broken else trial

    def skipped(trial: dict[str, Any]) -> dict[str, Any] | None:
        slow = (trial["block"], trial["scenario"], trial["view"]) == (1, "db", "latency")
        return unmeasured(trial, "skipped", "too few requests") if slow else trial

    whole = peaks(lambda trial: trial)
    assert len(whole) == 14
    planned = {place: value for place, value in whole.items() if place[0] < 6}
    assert peaks(wide_only) == peaks(taken_up) == planned
    assert peaks(failed) == {place: value for place, value in whole.items() if place != (1, 0)}
    assert peaks(skipped).keys() == whole.keys()
    assert peaks(lambda trial: wide_only(trial) if trial["block"] == 6 else None), "all that there is, is whole"


def test_a_percentile_that_was_not_measured_has_no_estimate(make_run: Callable[..., object]) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    metrics = set(estimates(replicates(load(run.write()).trials))["metric"])
    assert "p99_ms" in metrics
    assert "p99_9_ms" not in metrics


@pytest.mark.parametrize(
    ("requests", "short"),
    [
        (1200, False),
        (1080, False),
        (1060, True),
        (600, True),
    ],  # 1,200 are expected, three deviations of that count are 104
)
def test_a_shortfall_is_told_from_chance_arrivals(make_run: Callable[..., object], requests: int, short: bool) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.find("flask/gunicorn-sync/nginx", "db", "latency")["requests"] = requests
    assert bool(load_not_reached(load(run.write()).trials)) == short


def test_waiting_as_asked_is_no_shortfall(make_run: Callable[..., object]) -> None:
    """The seconds of an open loop end with the last answer: 200 ms late, where every answer takes 200 ms."""
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"], blocks=6, copies=2)
    for trial in run.trials:
        if trial["view"] == "latency":
            trial |= {"seconds": 1.2, "offered_rps": 250.0, "requests": 250}
            trial["latency_ms"] |= {"p50": 200.0, "max": 210.0}
    assert not load_not_reached(load(run.write()).trials)
    for trial in run.trials:
        if trial["view"] == "latency":
            trial["latency_ms"] |= {"p50": None, "p90": None, "p99": None}
    assert not load_not_reached(load(run.write()).trials), "few answers: the longest stands for the median"
    for trial in run.trials:
        if trial["view"] == "latency":
            trial |= {"requests": 20}
            trial["latency_ms"] |= {"max": 1200.0}
    assert load_not_reached(load(run.write()).trials), "hardly anything was answered, and late"
