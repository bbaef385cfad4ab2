"""Feeds Locust's own statistics from recorded rows, many at a time, so that its console, CSV, JSON, HTML and web UI show our totals.

Locust's `request` event costs more than a whole request of ours. A batch becomes one `StatsEntry`, merged like those of a worker.
As Locust counts: every request that ended is a request, and the faulty ones are failures too.
"""

import time
from collections.abc import Sequence
from typing import Any

import gevent
import numpy as np
from locust import stats as locust_stats
from locust.env import Environment
from locust.runners import LocalRunner
from locust.stats import RequestStats, StatsEntry, StatsError
from numpy.typing import NDArray

from loadtests.beyond import Beyond
from loadtests.errors import FAULT_NAMES, Fault
from loadtests.recorder import Recorder, clock
from loadtests.rows import Window
from loadtests.steps import Steps

_WRITING_S = 0.1


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
    _merge(stats, entry, np.bincount(rows["fault"], minlength=len(Fault)))


def feed_beyond(
    stats: RequestStats, beyond: Beyond, windows: Sequence[Window], *, target: int, name: str, method: str
) -> None:
    """Add what has become of a target's requests that were not kept one by one: counts exactly, times to three digits."""
    beyond.close()
    accounts = [one for number, one in beyond.accounts.items() if windows[number].target == target]
    faults = sum((one.faults for one in accounts), np.zeros(len(Fault), np.int64))
    entry = StatsEntry(stats, name, method)
    entry.num_requests, entry.num_failures = int(faults.sum()), int(faults[1:].sum())
    if not entry.num_requests:
        return
    to_wall_s = time.time() - clock()
    entry.last_request_timestamp = max(one.last_end_s for one in accounts) + to_wall_s
    entry.total_content_length = sum(one.received for one in accounts)
    for second in beyond.seconds:
        if second.target == target:
            entry.num_reqs_per_sec[int(second.second + to_wall_s)] += second.count
    took = [held[target].values_s() for held in (beyond.latency, beyond.failing) if target in held]
    values_ms, counts = (np.concatenate(parts) for parts in zip(*took, strict=True))
    values_ms = values_ms * 1000
    entry.total_response_time = float(values_ms @ counts)  # type: ignore[assignment]  # Locust says int and stores floats
    entry.min_response_time, entry.max_response_time = float(values_ms.min()), float(values_ms.max())  # type: ignore[assignment]
    for value_ms, count in zip(values_ms.tolist(), counts.tolist(), strict=True):
        entry.response_times[locust_stats.bucket_response_time(value_ms)] += count
    _merge(stats, entry, faults)


def complete_files(environment: Environment) -> None:
    """When Locust quits: it writes its CSV files every second and not at the end, so stop, and wait until it has written once more."""
    options: Any = environment.parsed_options
    if isinstance(environment.runner, LocalRunner) and getattr(options, "csv_prefix", None):
        environment.runner.stop()  # the last rows are fed by that
        gevent.sleep(locust_stats.CSV_STATS_INTERVAL_SEC + _WRITING_S)


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


def _merge(stats: RequestStats, entry: StatsEntry, faults: NDArray[np.int64]) -> None:
    """Add `entry` to its own kind and to the total, and its failures to the errors."""
    for merged in (stats.entries[(entry.name, entry.method)], stats.total):
        entry.start_time = merged.start_time
        merged.extend(entry)
    for fault, count in enumerate(faults.tolist()):
        if fault and count:
            _add_error(stats, entry.method, entry.name, FAULT_NAMES[fault - 1], count)


def _counts(seconds: NDArray[np.float64]) -> dict[int, int]:
    return {int(second): int(count) for second, count in zip(*np.unique(seconds, return_counts=True), strict=True)}


def _add_error(stats: RequestStats, method: str, name: str, kind: str, count: int) -> None:
    key = StatsError.create_key(method, name, kind)
    error = stats.errors.setdefault(key, StatsError(method, name, kind))
    error.occurred()
    error.occurrences += count - 1
