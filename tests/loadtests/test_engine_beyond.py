"""Beyond a set number of requests memory stays flat, and nothing of the totals is lost."""

import gc
import sys
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from locust.stats import RequestStats
from scripted_servers import GOOD, head

from loadtests import beyond, recorder
from loadtests.errors import Fault
from loadtests.results import _most_s
from loadtests.stats_feed import feed, feed_beyond


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "BLOCK_ROWS", 128)
    monkeypatch.setattr(beyond, "SPILL_ROWS", 32)


def test_memory_is_flat_beyond_what_is_kept() -> None:
    kept = recorder.Recorder(keep_rows=1)
    kept.open(target=0, phase="measure", slice=0, start_s=0.0, seconds=1e9)

    def add(rows: int) -> int:
        for number in range(rows):
            kept.add(0.0, 0.0, 0.0, 0.001 * (1 + number % 7), 13, 200, 0)
        gc.collect()
        return sys.getallocatedblocks()

    before = add(recorder.BLOCK_ROWS + 3 * beyond.SPILL_ROWS)
    after = add(40 * beyond.SPILL_ROWS)
    assert after - before < 40 * beyond.SPILL_ROWS / 100, "blocks of memory: not one for a hundred requests more"
    kept.settle()
    assert kept.rows == recorder.BLOCK_ROWS + 43 * beyond.SPILL_ROWS
    assert len(kept.since(0)) == recorder.BLOCK_ROWS
    assert kept.beyond is not None
    assert kept.beyond.accounts[0].requests == 43 * beyond.SPILL_ROWS


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("mode", ["duet", "open"])
def test_totals_are_those_of_the_server(mode: str, serve: Any, load: Any) -> None:
    """One in nine fails; the first 200 requests are kept, and the counts are of all."""
    servers = [serve(lambda number: [GOOD] if number % 9 else [head(0, status=b"500 Oops")]) for _ in range(2)]
    keys = {"slice_s": 0.03} if mode == "duet" else {"rate_rps": 800.0}
    outcome = load(*[server.port for server in servers], mode=mode, measure_s=0.6, keep_requests=200, **keys)
    assert outcome.result["recorded"] == "histograms"
    kept = pq.read_table(outcome.job.requests_path)
    assert kept.num_rows == 256
    for target, server in zip(outcome.targets, servers, strict=True):
        assert target["window_requests"] == server.requests
        assert target["errors"] == {"status": (server.requests + 8) // 9}
        assert target["requests"] <= server.requests - target["errors"]["status"]
        assert target["bytes"] == 13 * target["requests"]
    slices = pq.read_table(outcome.job.slices_path).to_pylist()
    assert sum(row["requests"] for row in slices) == sum(target["requests"] for target in outcome.targets)
    assert sum(row["errors"] for row in slices) == sum(target["errors"]["status"] for target in outcome.targets)
    rows = pq.read_table(outcome.job.requests_path.with_suffix(".histograms.parquet")).to_pylist()
    decoded = [HdrHistogram.decode(row["histogram"].encode()) for row in rows]
    assert [each.get_total_count() for each in decoded] == [row["count"] for row in rows]
    right = sum(server.requests - (server.requests + 8) // 9 for server in servers)
    assert sum(row["count"] for row in rows) + pq.read_table(outcome.job.requests_path)["error"].null_count == right
    shown = RequestStats()
    for number, server in enumerate(servers):
        own = outcome.table.rows[outcome.table.measuring & (outcome.table.target == number)]
        feed(shown, own, name=f"t{number}", method="GET")
        feed_beyond(
            shown,
            outcome.measured.recorder.beyond,
            outcome.table.windows,
            target=number,
            name=f"t{number}",
            method="GET",
        )
        entry, failed = shown.get(f"t{number}", "GET"), (server.requests + 8) // 9
        assert (entry.num_requests, entry.num_failures) == (server.requests, failed)
        assert sum(entry.response_times.values()) == server.requests
        assert entry.total_content_length == 13 * (server.requests - failed)
        assert 0 < entry.min_response_time < entry.avg_response_time < entry.max_response_time
    assert shown.total.num_requests == sum(server.requests for server in servers)
    assert sum(one.occurrences for one in shown.errors.values()) == shown.total.num_failures
    if mode == "open":
        assert outcome.targets[1]["latency_ms"]["samples"] == outcome.targets[1]["requests"]
        assert outcome.targets[1]["latency_ms"]["p50"] > 0


@pytest.mark.usefixtures("small_blocks")
def test_beyond_what_is_kept_one_straggler_does_not_make_the_load_longer_either(serve: Any, load: Any) -> None:
    """As where all are kept: the time is that of 99 in 100, here from the counts of each second."""

    def answer(number: int) -> list[Any]:
        if number == 450:
            time.sleep(1.5)
        return [GOOD]

    outcome = load(serve(answer).port, mode="open", rate_rps=800.0, measure_s=0.6, connections=8, keep_requests=200)
    assert outcome.result["recorded"] == "histograms"
    last_s = outcome.table.accounts[0].last_end_s - outcome.measured.recorder.windows[-1].start_s
    assert last_s > 1.5
    assert outcome.first["requests"] == outcome.first["window_requests"] > 300
    assert outcome.first["seconds"] < last_s - 0.4


@pytest.mark.usefixtures("small_blocks")
def test_beyond_what_is_kept_the_end_is_that_of_most_answers_to_a_second() -> None:
    """100 answers a second for 10 s: of 1,000 the 990th, with kept ones and others, and with timeouts that are none."""
    kept = recorder.Recorder(keep_rows=128)
    kept.open(target=0, phase="measure", slice=0, start_s=5.0, seconds=10.0, keeps_late=True)
    ends = 5.0 + (np.arange(1000) + 1) / 100
    for end_s in ends.tolist():
        kept.add(end_s, end_s, end_s, end_s, 13, 200, 0)
    for _ in range(500):
        kept.add(14.0, 14.0, 14.0, 24.0, 0, 0, int(Fault.TIMEOUT))
    kept.settle()
    assert kept.beyond is not None
    rows = kept.since(0)
    found_s = _most_s(np.sort(rows["end_s"]), kept.beyond, 0, 24.0)
    assert found_s == pytest.approx(ends[989], abs=0.1)


def test_few_requests_are_kept_one_by_one(serve: Any, load: Any) -> None:
    outcome = load(serve(lambda number: [GOOD]).port)
    assert outcome.result["recorded"] == "requests"
    assert not outcome.job.requests_path.with_suffix(".histograms.parquet").exists()
    account = outcome.table.accounts[0]
    assert account.requests == outcome.table.correct.sum()
    assert np.array_equal(account.faults, [len(outcome.table.rows), *[0] * 7])
