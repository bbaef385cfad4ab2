"""Durations: exact while few, and to three digits in a histogram that other tools read."""

import base64
import os

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from scripted_servers import CLOSE, GOOD, head

from loadtests.durations import HIGHEST_US, Durations, Histogram


def test_a_histogram_counts_as_the_library_does() -> None:
    values_us = np.unique(np.r_[0:5000, np.geomspace(1, HIGHEST_US, 3000)].astype(np.int64))
    ours, theirs = Histogram(), HdrHistogram(1, HIGHEST_US, 3)
    ours.add(values_us / 1e6)
    for value in values_us:
        assert theirs.record_value(int(value))
    assert ours.encode() == theirs.encode()
    assert base64.b64decode(ours.encode(), validate=True)
    for p in (0.5, 0.9, 0.99, 0.999, 1.0):
        assert ours.percentile_s(p) == pytest.approx(
            np.percentile(values_us, 100 * p, method="inverted_cdf") / 1e6, rel=1e-3
        )


def test_few_are_exact_and_many_are_within_a_thousandth() -> None:
    seconds = np.random.default_rng(1).exponential(0.01, 5000)
    exact, spilled = Durations(), Durations(exact=100)
    for value in seconds:
        exact.add(value)
        spilled.add(value)
    assert exact.percentile_s(0.99) == pytest.approx(np.percentile(seconds, 99), rel=1e-12)
    assert spilled.percentile_s(0.99) == pytest.approx(np.percentile(seconds, 99), rel=5e-3)
    assert spilled.count == 5000
    assert spilled.mean_s == pytest.approx(seconds.mean())
    spilled.forget()
    assert (spilled.count, spilled.mean_s, spilled.percentile_s(0.5)) == (0, None, None)


def test_reconnects_are_counted_and_timed_and_the_cpu_is_read_for_each_target(serve, load) -> None:  # type: ignore[no-untyped-def]
    closing = serve(lambda number: [head(extra=b"Connection: close\r\n") + b"Hello, World!", CLOSE])
    keeping = serve(lambda number: [GOOD])
    outcome = load(closing.port, keeping.port, mode="duet", slice_s=0.05, measure_s=0.2, warmup_s=0.05)
    first, second = outcome.targets
    assert first["connect_ms"]["count"] == first["connects"] == first["window_requests"]
    assert 0 < first["connect_ms"]["p50"] <= 1000
    assert first["connect_ms"]["mean"] > 0
    assert (second["connects"], second["connect_ms"]) == (0, None)
    for target in outcome.targets:
        # The scripted servers are threads of this process and count too; beyond all CPUs, with room for the clock, is nonsense.
        assert 0 < target["generator_cpu"] <= 1.2 * (os.cpu_count() or 1)


def test_a_histogram_that_was_cleared_is_as_new() -> None:
    used, fresh = Histogram(), Histogram()
    used.add(np.array([0.5, 3.0, 1e-6]))
    used.encode()
    used.clear()
    for one in (used, fresh):
        one.add(np.array([0.001, 0.002]))
    assert used.encode() == fresh.encode()
    assert used.percentile_s(1.0) == fresh.percentile_s(1.0)


def test_packed_durations_add_up_to_those_of_one() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(0.01, 900)
    whole, merged = Durations(exact=10_000), Durations(exact=10_000)
    for part, exact in ((values[:300], 10_000), (values[300:600], 10_000)):
        other = Durations(exact=exact)
        for value in part.tolist():
            other.add(value)
            whole.add(value)
        merged.absorb(other.pack())
    assert (merged.count, merged.mean_s) == (600, pytest.approx(whole.mean_s))
    assert merged.percentile_s(0.9) == whole.percentile_s(0.9)
    counted = Durations(exact=50)
    for value in values[600:].tolist():
        counted.add(value)
    merged.absorb(counted.pack())
    assert merged.count == 900
    assert merged.percentile_s(0.5) == pytest.approx(np.percentile(values, 50), rel=0.02)
