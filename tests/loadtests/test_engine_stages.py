"""Loads that change over time: exact schedules, connections that join and leave, think time; each told apart in the results."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted_servers import GOOD, HANG

from loadtests import closed
from loadtests import job as job_file
from loadtests import stages as engine_stages
from loadtests.closed import ClosedLoop, _joins_s
from loadtests.durations import Durations
from loadtests.errors import LoadError
from loadtests.results import _late, _unsafe
from loadtests.stages import Stage, check, when

UP = Stage(seconds=10.0, start=0.0, end=100.0)
FLAT = Stage(seconds=5.0, start=100.0, end=100.0)
DOWN = Stage(seconds=10.0, start=100.0, end=0.0)


def arrivals(stages: list[Stage], **how: Any) -> Any:
    return np.concatenate(list(engine_stages.arrivals(stages, **how)))


def test_a_ramps_arrivals_come_where_the_integral_of_the_rate_reaches_each() -> None:
    """From 0 to 100/s within 10 s: the integral is 5 t^2, so the k-th comes at sqrt(k / 5)."""
    times = arrivals([UP], poisson=False, seed=())
    assert len(times) == 500
    assert np.allclose(times, np.sqrt(np.arange(500) / 5))


def test_stages_follow_each_other_without_a_gap() -> None:
    times = arrivals([UP, FLAT, DOWN], poisson=False, seed=())
    assert len(times) == 500 + 500 + 500
    assert (np.diff(times) > 0).all()
    assert np.allclose(np.diff(times[501:999]), 0.01)
    # Down is up seen from its end, but for the one arrival that lies on the edge.
    assert np.allclose(25.0 - times[1001:][::-1], np.sqrt(np.arange(1, 500) / 5))
    assert when([UP], np.array([])).size == 0


def test_a_pause_between_stages_has_no_arrivals() -> None:
    pause = Stage(seconds=3.0, start=0.0, end=0.0)
    times = arrivals([FLAT, pause, FLAT], poisson=False, seed=())
    assert len(times) == 1000
    assert not ((times >= 5.0) & (times < 8.0)).any()


def test_a_poisson_ramp_has_the_counts_of_its_rate_and_follows_the_seed() -> None:
    times = [arrivals([UP, DOWN], poisson=True, seed=(number,)) for number in range(300)]
    counts = np.array([[((one >= begin) & (one < begin + 5)).sum() for begin in (0, 5, 10, 15)] for one in times])
    assert np.allclose(counts.mean(axis=0), [125, 375, 375, 125], rtol=0.03)
    assert np.allclose(counts.var(axis=0), counts.mean(axis=0), rtol=0.35), "a Poisson count's variance is its mean"
    assert np.array_equal(times[0], arrivals([UP, DOWN], poisson=True, seed=(0,)))


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([], "at least one stage"),
        ([Stage(seconds=0.0, start=1.0, end=1.0)], "lasts more than 0 s"),
        ([Stage(seconds=1.0, start=-1.0, end=1.0)], "not negative"),
        ([Stage(seconds=1.0, start=0.0, end=0.0)], "more than 0"),
    ],
)
def test_wrong_stages_are_one_clear_line(stages: list[Stage], says: str) -> None:
    with pytest.raises(LoadError, match=says):
        check(stages, "here")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"mode": "duet", "slice_s": 0.1}, "not for 'duet'"),
        ({"mode": "open", "rate_rps": 5.0}, "either rate_rps or stages"),
        ({"mode": "open", "measure_s": 2.0}, "the stages last 1 s, measure_s says 2"),
        ({"mode": "closed", "stages": [{"seconds": 1, "start": 1, "end": 9}]}, "connections is below the stages' 9"),
        ({"mode": "open", "stages": [], "rate_rps": 5.0, "think_s": 0.1}, "think_s is for the closed loop"),
        ({"mode": "closed", "stages": [], "think_s": -1.0}, "must not be negative"),
    ],
)
def test_jobs_with_wrong_stages_are_refused(keys: dict[str, Any], says: str, tmp_path: Path) -> None:
    orders = {
        "version": 1, "mode": "open", "targets": [{"id": "a", "host": "127.0.0.1", "port": 80, "connections": 4}], "measure_s": 1.0,
        "request": {"path": "/"}, "requests_path": None, "slices_path": None, "result_path": str(tmp_path / "r.json"),
        "stages": [{"seconds": 1.0, "start": 5.0, "end": 5.0}], **keys,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(orders))
    with pytest.raises(LoadError, match=says):
        job_file.read(tmp_path / "job.json")


def test_the_open_loop_reports_each_stage(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    stages = (Stage(seconds=0.2, start=100.0, end=100.0), Stage(seconds=0.3, start=100.0, end=500.0))
    outcome = load(server.port, mode="open", stages=stages, measure_s=0.5)
    first, second = outcome.first["stages"]
    assert (first["requests"], second["requests"]) == (20, 90)
    assert first["offered_rps"] == pytest.approx(100.0)
    assert second["offered_rps"] == pytest.approx(300.0)
    assert first["latency_ms"]["samples"] == 20
    assert outcome.first["requests"] == server.requests == 110
    assert outcome.first["offered_rps"] == pytest.approx(220.0)


def test_connections_join_and_leave_as_the_stages_say(serve: Any, load: Any) -> None:
    """One, then four, then one again: nobody else sends meanwhile."""
    server = serve(lambda number: [GOOD])
    stages = tuple(Stage(seconds=0.2, start=count, end=count) for count in (1.0, 4.0, 1.0))
    outcome = load(server.port, mode="closed", stages=stages, measure_s=0.6, connections=4)
    rows = outcome.table.rows
    began = outcome.measured.recorder.windows[-1].start_s
    assert server.connections == 4

    def overlapping(after_s: float, before_s: float) -> bool:
        """Of those sent in that stretch, any two: one sent before it may be late on a busy machine, and is none of them."""
        sent_s = rows["start_s"] - began
        mine = np.sort(rows[(sent_s > after_s) & (sent_s < before_s)], order="start_s")
        assert len(mine)
        return bool((mine["start_s"][1:] < np.maximum.accumulate(mine["end_s"])[:-1]).any())

    # In a stretch where one connection sends, requests do not overlap; where four do, they must.
    assert [overlapping(0.0, 0.19), overlapping(0.2, 0.4), overlapping(0.41, 0.6)] == [False, True, False]
    assert [stage["latency_ms"] for stage in outcome.first["stages"]] == [None] * 3
    assert sum(stage["requests"] for stage in outcome.first["stages"]) == outcome.first["requests"]


def test_when_a_connection_joins() -> None:
    ramp = [Stage(seconds=10.0, start=0.0, end=5.0), Stage(seconds=1.0, start=1.0, end=1.0)]
    assert [round(_joins_s(ramp, place), 6) for place in range(5)] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert _joins_s(ramp, 5) == math.inf
    assert _joins_s(ramp, 0, 10.5) == 10.5
    assert _joins_s(ramp, 1, 10.5) == math.inf
    assert _joins_s([], 3, 1.5) == 1.5


@pytest.mark.parametrize("think", ["constant", "exponential"])
def test_who_thinks_sends_less(think: str, serve: Any, load: Any) -> None:
    """8 connections that think 40 ms ask about 8 / 40 ms x 0.6 s = 120 times, whatever the server could do."""
    server = serve(lambda number: [GOOD])
    outcome = load(server.port, mode="closed", think_s=0.04, think=think, measure_s=0.6, connections=8, seed=3)
    assert 8 < outcome.first["requests"] < 160, "and fewer where the machine is busy"
    rows = outcome.table.rows
    assert (rows["end_s"] - rows["intended_s"]).max() < 0.6, "the thought is no latency"
    again = load(server.port, mode="closed", measure_s=0.3, connections=8)
    assert again.first["requests"] > 2 * outcome.first["requests"]


@pytest.mark.parametrize(("think", "mean", "shorter"), [("constant", 0.5, 1.0), ("exponential", 1.0, 0.632)])
def test_users_begin_somewhere_within_a_thought(think: Any, mean: float, shorter: float) -> None:
    """What is left of one of 1 s: even up to that of a constant one, and of an exponential one as much as of a new one."""
    loop = ClosedLoop(None, think_s=1.0, think=think, seed=5)  # type: ignore[arg-type]
    left_s = np.array([loop._first_pause_s() for _ in range(10_000)])
    assert left_s.mean() == pytest.approx(mean, rel=0.03)
    assert (left_s < 1.0).mean() == pytest.approx(shorter, rel=0.03)


def test_a_crowd_of_connections_opens_by_and_by(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    outcome = load(server.port, mode="closed", measure_s=0.5, connections=200)
    assert server.connections == 200
    assert outcome.first["errors"] == {}
    hanging = serve(lambda number: [HANG])
    outcome = load(hanging.port, mode="closed", measure_s=0.2, connections=200, timeout_s=0.5)
    after_s = np.sort(outcome.table.rows["start_s"]) - outcome.measured.recorder.windows[-1].start_s
    assert len(after_s) == 200, "one of each"
    for group in range(4):  # none sooner; later where the machine is busy
        assert after_s[64 * group] >= 0.005 * group - 1e-6


def test_a_warm_up_opens_connections_a_few_at_a_time(serve: Any, load: Any) -> None:
    server = serve(lambda number: [HANG])
    outcome = load(server.port, mode="duet", warmup_s=0.1, slice_s=0.1, measure_s=0.1, connections=32, timeout_s=0.3)
    began_s = outcome.measured.recorder.windows[0].start_s
    after_s = np.sort(outcome.measured.recorder.since(0)["start_s"])[:32] - began_s
    for group in range(8):  # none sooner; later where the machine is busy
        assert after_s[4 * group] >= 0.005 * group - 1e-6
    assert closed._gently(256) == (16, 0.005)
    assert closed._gently(4096) == (64, 0.005), "a large crowd opens no slower than after the warm-up"


def test_lateness_of_few_requests_touches_no_percentile_but_the_last() -> None:
    late = Durations()
    for number in range(1000):
        late.add(0.005 if number % 50 == 0 else 0.00001)  # one in fifty
    assert _unsafe({"p50": 1.0, "p90": 3.0, "p99": 11.0, "p99_9": None}, late) == ["p99"]
    assert _unsafe({"p50": 1.0, "p90": 3.0, "p99": 60.0, "p99_9": None}, late) == []
    assert _late({"p50": 1.0, "p90": 3.0, "p99": 60.0, "p99_9": None}, late) == ["p50", "p90"], "by its p99, 5 ms"


def test_a_percentile_that_is_mostly_the_generators_lateness_is_named() -> None:
    late = Durations()
    for _ in range(1000):
        late.add(0.001)
    assert _unsafe({"p50": 2.0, "p90": 9.0, "p99": 11.0, "p99_9": None}, late) == ["p50", "p90"]
    for rule in (_late, _unsafe):
        assert rule({"p50": 2.0, "p90": 9.0, "p99": 11.0, "p99_9": None}, Durations()) == []
