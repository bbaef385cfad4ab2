"""The open loop keeps its schedule whatever the server does, and latency counts from when a request was due."""

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from scripted_servers import GOOD, HANG

from loadtests import opened, stages
from loadtests.recorder import ROW
from loadtests.results import latency_ms


def schedule(*how: Any) -> Any:
    return np.concatenate([np.zeros(0), *opened.schedule(*how)])


def test_constant_arrivals_are_even() -> None:
    times = schedule("constant", 200.0, 1.5, (1,))
    assert len(times) == 300
    assert np.allclose(np.diff(times), 1 / 200)
    assert len(schedule("constant", 10.0, 0.35, (1,))) == 4
    assert len(schedule("constant", 3.0, 1.0, (1,))) == 3


def test_poisson_arrivals_have_exponential_gaps_and_follow_the_seed() -> None:
    times = schedule("poisson", 1000.0, 50.0, (1, 2))
    assert math.isclose(len(times), 50_000, rel_tol=0.03)
    gaps = np.diff(times)
    assert math.isclose(gaps.std(), gaps.mean(), rel_tol=0.05)
    assert times[-1] < 50.0
    assert np.array_equal(times, schedule("poisson", 1000.0, 50.0, (1, 2)))
    assert not np.array_equal(times[:10], schedule("poisson", 1000.0, 50.0, (1, 3))[:10])
    assert len(schedule("poisson", 0.5, 0.1, (1,))) < 5


def test_arrivals_are_drawn_some_at_a_time_and_are_those_of_one_draw() -> None:
    total = 20_000
    levels = np.cumsum(np.random.default_rng((4, 2)).exponential(1.0, 2 * total))
    assert np.array_equal(schedule("poisson", 1000.0, 20.0, (4, 2)), levels[levels < total] / 1000.0)
    for kind in ("constant", "poisson"):
        endless = opened.schedule(kind, 5000.0, 1e9, (1,))  # type: ignore[arg-type]
        assert sum(len(chunk) for chunk in itertools.islice(endless, 3)) == 3 * stages.CHUNK


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_even_arrivals_interleave_to_the_whole_and_those_of_poisson_add_up_to_its_rate(parts: int) -> None:
    whole = schedule("constant", 5000.0, 1.3, (1,))
    shares = [schedule("constant", 5000.0, 1.3, (1,), part, parts) for part in range(parts)]
    assert np.array_equal(np.sort(np.concatenate(shares)), whole)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    drawn = [schedule("poisson", 1000.0, 30.0, (1,), part, parts) for part in range(parts)]
    assert math.isclose(sum(map(len, drawn)), 30_000, rel_tol=0.03)
    assert not np.array_equal(drawn[0][:10], drawn[1][:10]), "each has a seed of its own"
    gaps = np.diff(np.sort(np.concatenate(drawn)))
    assert math.isclose(gaps.std(), gaps.mean(), rel_tol=0.05)


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_every_arrival_is_sent_and_answered(arrivals: str, serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    outcome = load(server.port, mode="open", arrivals=arrivals, rate_rps=500.0, measure_s=0.4, warmup_s=0.1, seed=3)
    due = schedule(arrivals, 500.0, 0.4, (3, 0, 2))  # type: ignore[arg-type]
    assert outcome.first["requests"] == outcome.first["window_requests"] == len(due)
    assert outcome.first["offered_rps"] == len(due) / 0.4
    assert server.requests == len(outcome.table.rows)
    rows = outcome.table.rows[outcome.table.measuring]
    start = outcome.measured.recorder.windows[-1].start_s
    assert np.allclose(np.sort(rows["intended_s"]) - start, due)


def test_one_straggler_does_not_make_a_load_that_was_reached_one_that_was_not(serve: Any, load: Any) -> None:
    def answer(number: int) -> list[Any]:
        if number == 60:
            time.sleep(0.6)
        return [GOOD]

    outcome = load(serve(answer).port, mode="open", rate_rps=400.0, measure_s=0.3, connections=8, seed=3)
    rows, start = outcome.table.rows, outcome.measured.recorder.windows[-1].start_s
    ends = np.sort(rows["end_s"]) - start
    assert outcome.first["requests"] == len(rows) == outcome.first["window_requests"] > 100
    assert ends[-1] > outcome.first["seconds"] + 0.1
    assert outcome.first["seconds"] == pytest.approx(max(0.3, ends[int(np.ceil(0.99 * len(ends))) - 1]), abs=1e-6)


def test_a_stall_is_seen_by_all_whom_it_hits_in_an_open_loop_and_by_hardly_any_in_a_closed_one(
    stalling: Any, load: Any
) -> None:
    """A stall of S in every P: of even arrivals (S - x) / P wait longer than x. A closed loop sees one for each connection."""
    server = stalling(period_s=0.4, stall_s=0.2)
    opened = load(server.port, mode="open", rate_rps=500.0, measure_s=2.0, connections=8)
    rows, stalls = opened.table.rows, list(server.stalls)
    assert len(rows) == 1000
    latency = rows["end_s"] - rows["intended_s"]
    due = np.sort(rows["intended_s"])
    for x in (0.05, 0.1):
        expected = sum(int(((due > begin) & (due < end - x)).sum()) for begin, end in stalls)
        assert expected > 100
        assert math.isclose((latency > x).sum(), expected, rel_tol=0.25), x
    assert opened.first["queued"] > 100, "arrivals that find no connection free wait, and are counted"
    # The percentiles are those of the waits that these stalls make of this schedule: (S - x) / P again, by arrival.
    waits = np.zeros(len(due))
    for begin, end in stalls:
        inside = (due > begin) & (due < end)
        waits[inside] = end - due[inside]
    for p in (90, 99):  # beyond, one stall of the machine's own is all there is
        truth, found = (float(np.percentile(values, p, method="inverted_cdf")) for values in (waits, latency))
        assert found == pytest.approx(truth, rel=0.25), p

    closed = load(server.port, mode="closed", measure_s=1.2, connections=8)
    rows = closed.table.rows
    slow = (rows["end_s"] - rows["start_s"] > 0.05).sum()
    assert slow / len(rows) < 0.1 * (latency > 0.05).mean(), "as a share: the machine's own stalls count, too"


def test_what_cannot_be_sent_is_timed_out_and_counted_not_dropped(serve: Any, load: Any) -> None:
    server = serve(lambda number: [HANG])
    outcome = load(server.port, mode="open", rate_rps=200.0, measure_s=0.3, connections=2, timeout_s=0.2)
    rows = outcome.table.rows
    assert outcome.first["errors"] == {"timeout": 60}
    assert len(rows) == 60
    assert np.isnan(rows["start_s"]).sum() == 60 - server.requests
    assert outcome.first["latency_ms"]["samples"] == 60
    assert outcome.first["latency_ms"]["p50"] >= 200
    assert outcome.first["requests"] == 0


def test_the_generators_cpu_is_read_as_the_window_ends_and_not_after_the_drain(serve: Any, load: Any) -> None:
    """Waiting for one answer until the timeout costs nothing: a share over that time would look like a generator with CPU to spare."""
    server = serve(lambda number: [GOOD] if number < 49 else [HANG])
    outcome = load(server.port, mode="open", rate_rps=100.0, measure_s=0.5, timeout_s=2.0)
    window = outcome.measured.recorder.windows[-1]
    assert (outcome.first["requests"], outcome.first["errors"]) == (49, {"timeout": 1})
    assert window.drained_s - window.start_s > 2.0
    assert window.end_s <= window.cpu_until_s < window.start_s + 1.5
    assert outcome.first["generator_cpu"] == pytest.approx(window.cpu_s / (window.cpu_until_s - window.start_s))


def test_connections_take_turns(serve: Any, load: Any) -> None:
    """So that a server with several workers is loaded as its many clients would, also at a low rate."""
    server = serve(lambda number: [GOOD])
    load(server.port, mode="open", rate_rps=100.0, measure_s=0.2, connections=5)
    assert server.connections == 5


def test_a_percentile_without_enough_samples_is_null() -> None:
    rows = np.zeros(999, ROW)
    rows["end_s"] = np.arange(999) / 1000
    found = latency_ms(rows)
    assert found["p50"] is not None
    assert found["p90"] is not None
    assert found["p99"] is None
    assert found["p99_9"] is None
    assert found["max"] == 998
    assert latency_ms(np.concatenate([rows, rows[:1]]))["p99"] is not None
    assert latency_ms(rows[:0]) == {"p50": None, "p90": None, "p99": None, "p99_9": None, "max": None, "samples": 0}
