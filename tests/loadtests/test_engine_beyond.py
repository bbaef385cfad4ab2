"""Beyond a set number of requests memory stays flat, and nothing of the totals is lost."""

import gc
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from locust.stats import RequestStats
from scripted_servers import GOOD, head

from loadtests import beyond, recorder, results
from loadtests.asked import requests_of
from loadtests.durations import Durations
from loadtests.errors import Fault
from loadtests.job import Job, Target
from loadtests.measured import Measured, Side
from loadtests.results import _most_s
from loadtests.rows import ROW
from loadtests.scenario import resolve
from loadtests.stages import Stage
from loadtests.stats_feed import feed, feed_beyond
from loadtests.steps import Steps
from loadtests.sums import StageSums, StepSums


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


STAGES = (Stage(seconds=1.0, start=1200.0, end=1200.0), Stage(seconds=1.0, start=100.0, end=100.0))


def stages_of(mode: Literal["open", "closed"], keep_rows: int | None) -> list[dict[str, Any]]:
    """Of a server that answers 400 requests a second, every tenth wrong, where 1,200 are due in one second and 100 in the next."""
    kept = recorder.Recorder(keep_rows=keep_rows, stages=STAGES)
    kept.open(target=0, phase="measure", slice=0, start_s=5.0, seconds=2.0, keeps_late=mode == "open")
    for number in range(1300):
        due_s = 5.0 + (number / 1200 if number < 1200 else 1 + (number - 1200) / 100)
        end_s = 5.0 + (number + 0.5) / 400
        fault = Fault.OK if number % 10 else Fault.STATUS
        kept.add(due_s, end_s - 0.001, end_s, end_s, 13, 200 if number % 10 else 500, int(fault))
    job = Job(
        version=1, mode=mode, scenario="plaintext", measure_s=2.0, stages=STAGES, requests_path=None, slices_path=None,
        result_path=Path("none"), targets=(Target(id="t", host="127.0.0.1", port=1, connections=1),),
    )  # fmt: skip
    side = Side(connecting=Durations(), problems=[])
    measured = Measured(
        request=requests_of(job)[0], recorder=kept, origin_s=5.0, sides=[side], generator={}, steps=Steps()
    )
    return results._stages(job, measured, results.Table(measured), 0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("keep_rows", [None, 200])
def test_behind_a_queue_a_stage_has_the_rate_of_all_that_was_answered_in_it(keep_rows: int | None) -> None:
    """No request that is due in the second stage is answered within it, while the server is as busy as it can be. In the closed loop
    requests belong to the stage in which they ended.
    """
    first, second = stages_of("open", keep_rows)
    assert (first["offered_rps"], first["requests"], first["errors"]) == (1200.0, 1080, {"status": 120})
    assert (second["offered_rps"], second["requests"], second["errors"]) == (100.0, 90, {"status": 10})
    assert (first["latency_ms"]["samples"], second["latency_ms"]["samples"]) == (1080, 90)
    assert (first["rps"], second["rps"]) == (360.0, 360.0)
    for stage in stages_of("closed", keep_rows):
        assert (stage["requests"], stage["rps"], stage["errors"]) == (360, 360.0, {"status": 40})
        assert (stage["offered_rps"], stage["latency_ms"]) == (None, None)


@pytest.mark.usefixtures("small_blocks")
def test_beyond_what_is_kept_a_stages_latency_is_the_same_to_three_digits() -> None:
    for exact, counted in zip(stages_of("open", None), stages_of("open", 200), strict=True):
        assert exact["latency_ms"]["p50"] > 0
        for name, value in exact["latency_ms"].items():
            assert counted["latency_ms"][name] == (value and pytest.approx(value, rel=0.002))


@pytest.mark.usefixtures("small_blocks")
def test_beyond_what_is_kept_stages_are_told_apart_and_one_without_requests_is_empty(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    rates = ((0.2, 400.0, 400.0), (0.05, 0.0, 0.0), (0.2, 400.0, 1200.0))
    stages = tuple(Stage(seconds=seconds, start=start, end=end) for seconds, start, end in rates)
    outcome = load(server.port, mode="open", stages=stages, measure_s=0.45, keep_requests=100)
    assert outcome.result["recorded"] == "histograms"
    told = outcome.first["stages"]
    assert [one["requests"] for one in told] == [one["latency_ms"]["samples"] for one in told] == [80, 0, 160]
    assert (told[1]["offered_rps"], told[1]["latency_ms"]["p50"]) == (0.0, None)
    assert outcome.first["requests"] == server.requests == 240


@pytest.mark.usefixtures("small_blocks")
def test_beyond_what_is_kept_a_journeys_steps_are_told_apart() -> None:
    """Two slices of 5 s, the first second of each uncounted, and what ends after them a drain."""
    ends = [(number + 0.5) / 100 for number in range(1200)]

    def steps_of(keep_rows: int | None) -> Any:
        kept, steps = recorder.Recorder(keep_rows=keep_rows), Steps()
        for name in ("list", "open", "edit"):
            steps.number("GET", name)
        for number, end_s in enumerate(ends):
            if number in (0, 600):
                start_s = 6.0 * (number > 0)
                kept.open(target=0, phase="measure", slice=number, start_s=start_s, seconds=5.0, lead_s=1.0)
            fault = Fault.OK if number % 7 else Fault.STATUS
            kept.add(end_s - 0.02, end_s - 0.02, end_s, end_s, 13, 200, int(fault), number % 3)
        measured = Measured(
            request=resolve("plaintext"), recorder=kept, origin_s=0.0, sides=[], generator={}, steps=steps
        )
        return results._steps(measured, results.Table(measured), 0)

    counted = [number for number, end_s in enumerate(ends) if 1 <= end_s % 6 < 5]
    for keep_rows in (None, 200):
        assert steps_of(keep_rows) == [
            {
                "name": name, "method": "GET", "requests": sum(1 for number in counted if number % 3 == step and number % 7),
                "errors": {"status": sum(1 for number in range(1200) if number % 3 == step and not number % 7)},
                "mean_ms": pytest.approx(20.0),
            }
            for step, name in enumerate(("list", "open", "edit"))
        ]  # fmt: skip


def test_who_takes_no_step_is_in_none() -> None:
    sums, rows = StepSums(), np.zeros(3, ROW)
    rows["step"] = [-1, 0, 1]
    sums.add(rows, np.ones(3, bool))
    assert sums.requests[:3].tolist() == [1, 1, 0]


def test_sums_of_other_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        StageSums(2).absorb(StageSums(1).pack())
