"""Locust's own statistics, fed in batches, are what its request event would have made of the same requests."""

import time

import numpy as np
from locust.stats import RequestStats

from loadtests.errors import FAULT_NAMES, Fault
from loadtests.recorder import ROW, Recorder, clock
from loadtests.stats_feed import StatsFeed, feed


def rows(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    made = np.zeros(count, ROW)
    made["end_s"] = clock() - np.sort(rng.uniform(0, 3, count))[::-1]
    made["intended_s"] = made["end_s"] - rng.exponential(0.05, count)
    made["bytes"] = 13
    made["status"] = 200
    made["fault"][::9] = Fault.STATUS
    made["fault"][::13] = Fault.TIMEOUT
    return made


def test_batches_equal_single_requests() -> None:
    made, batched, single = rows(5000), RequestStats(), RequestStats()
    for part in np.array_split(made, 7):
        feed(batched, part, name="/x", method="GET")
    for row in made:
        single.log_request("GET", "/x", (row["end_s"] - row["intended_s"]) * 1000, int(row["bytes"]))  # type: ignore[arg-type]
        if row["fault"]:
            single.log_error("GET", "/x", FAULT_NAMES[row["fault"] - 1])
    for ours, theirs in ((batched.total, single.total), (batched.get("/x", "GET"), single.get("/x", "GET"))):
        assert ours.num_requests == theirs.num_requests == 5000
        assert ours.num_failures == theirs.num_failures
        assert np.isclose(ours.total_response_time, theirs.total_response_time)
        assert ours.min_response_time == theirs.min_response_time
        assert ours.max_response_time == theirs.max_response_time
        assert ours.total_content_length == theirs.total_content_length
        assert sum(ours.response_times.values()) == sum(theirs.response_times.values())
        for percent in (0.5, 0.9, 0.99):
            mine, other = ours.get_response_time_percentile(percent), theirs.get_response_time_percentile(percent)
            assert abs(mine - other) <= max(1, 0.02 * other)
        assert sum(ours.num_reqs_per_sec.values()) == 5000
        assert len(ours.num_reqs_per_sec) >= 3, "each request in the second in which it ended"
        assert ours.last_request_timestamp is not None
        assert abs(ours.last_request_timestamp - time.time()) < 60
    errors = {error.error: error.occurrences for error in batched.errors.values()}
    assert errors == {error.error: error.occurrences for error in single.errors.values()}
    assert set(errors) == {"status", "timeout"}


def test_each_row_is_fed_once() -> None:
    stats, recorder = RequestStats(), Recorder()
    stats_feed = StatsFeed(stats, recorder, name="/x", method="GET")
    stats_feed.flush()
    assert stats.num_requests == 0
    for total in (10, 70_000, 70_001):
        while recorder.rows < total:
            recorder.add(1.0, 1.0, 1.5, 2.0, 5, 200, 0)
        stats_feed.flush()
        assert stats.num_requests == total
