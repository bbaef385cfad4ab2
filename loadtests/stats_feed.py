"""Feeds Locust's own statistics from recorded rows, many at a time, so that its console, CSV, JSON, HTML and web UI show our totals.

Locust's `request` event costs more than a whole request of ours. A batch becomes one `StatsEntry`, merged like those of a worker.
As Locust counts: every request that ended is a request, and the faulty ones are failures too.
"""

import time

import numpy as np
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError
from numpy.typing import NDArray

from loadtests.errors import FAULT_NAMES, Fault
from loadtests.recorder import Recorder, clock
from loadtests.steps import Steps


def feed(stats: RequestStats, rows: NDArray[np.void], *, name: str, method: str) -> None:
    """Add `rows` to the entry `name` and to the total."""
    if not len(rows):
        return
    entry = StatsEntry(stats, name, method)
    to_wall_s = time.time() - clock()
    ends_s = rows["end_s"] + to_wall_s
    elapsed_ms = (rows["end_s"] - rows["intended_s"]) * 1000
    failed = rows["fault"] != Fault.OK
    entry.num_requests = len(rows)
    entry.num_failures = int(failed.sum())
    entry.total_response_time = float(elapsed_ms.sum())  # type: ignore[assignment]  # Locust says int and stores floats
    entry.min_response_time = float(elapsed_ms.min())  # type: ignore[assignment]
    entry.max_response_time = float(elapsed_ms.max())  # type: ignore[assignment]
    entry.total_content_length = int(rows["bytes"].sum())
    entry.last_request_timestamp = float(ends_s.max())
    entry.num_reqs_per_sec = _counts(np.floor(ends_s))
    entry.num_fail_per_sec = _counts(np.floor(ends_s[failed]))
    for value, count in zip(*np.unique(np.round(elapsed_ms, 2), return_counts=True), strict=True):
        bucket = locust_stats.bucket_response_time(float(value))
        entry.response_times[bucket] += int(count)
    for merged in (stats.entries[(name, method)], stats.total):
        entry.start_time = merged.start_time
        merged.extend(entry)
    for fault, count in enumerate(np.bincount(rows["fault"], minlength=len(Fault))):
        if fault and count:
            _add_error(stats, method, name, FAULT_NAMES[fault - 1], int(count))


class StatsFeed:
    """Feeds one recorder's rows, each once; `flush` as often as the statistics should be fresh."""

    def __init__(self, stats: RequestStats, recorder: Recorder, *, name: str, method: str) -> None:
        self._stats, self._recorder = stats, recorder
        self._name, self._method = name, method
        self._row = 0

    def flush(self) -> None:
        """Feed what has ended since the last time, and forget it."""
        rows = self._recorder.since(self._row)
        self._row += len(rows)
        feed(self._stats, rows, name=self._name, method=self._method)
        self._recorder.drop()


class StepFeed:
    """Feeds one recorder's rows, each once, under the names of a journey's steps."""

    def __init__(self, stats: RequestStats, recorder: Recorder, steps: Steps) -> None:
        self._stats, self._recorder, self._steps = stats, recorder, steps
        self._row = 0

    def flush(self) -> None:
        """Feed what has ended since the last time, and forget it."""
        rows = self._recorder.since(self._row)
        self._row += len(rows)
        feed_steps(self._stats, rows, self._steps)
        self._recorder.drop()


def feed_steps(stats: RequestStats, rows: NDArray[np.void], steps: Steps) -> None:
    """Add `rows` to the entries of their steps, and to the total."""
    for step, (name, method) in enumerate(zip(steps.names, steps.methods, strict=True)):
        feed(stats, rows[rows["step"] == step], name=name, method=method)


def _counts(seconds: NDArray[np.float64]) -> dict[int, int]:
    return {int(second): int(count) for second, count in zip(*np.unique(seconds, return_counts=True), strict=True)}


def _add_error(stats: RequestStats, method: str, name: str, kind: str, count: int) -> None:
    key = StatsError.create_key(method, name, kind)
    error = stats.errors.setdefault(key, StatsError(method, name, kind))
    error.occurred()
    error.occurrences += count - 1
