"""From recorded rows to the files of a job: every request, every slice, and a summary for each target."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests import parquet
from loadtests.batches import whole_turns
from loadtests.beyond import Account, Beyond
from loadtests.durations import Durations, Histogram
from loadtests.errors import FAULT_NAMES, Fault
from loadtests.job import Job
from loadtests.measured import Measured
from loadtests.parquet import numbers, words
from loadtests.recorder import Window, clock
from loadtests.sums import StageSums, StepSums, places, timed_rows

ENGINE = "forkloop-load 1"
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
PARTS = 12
MOST = 0.99
LATE_SHARE = 0.1
"""A latency of which the generator's lateness is more than this share is marked."""
PHASES = ("warm", "measure", "drain", "lead")
_WARM, _MEASURE, _DRAIN, _LEAD = range(4)


class Table:
    """All rows of a job, with what follows from the windows they lie in."""

    def __init__(self, measured: Measured) -> None:
        measured.recorder.settle()
        self.rows = measured.recorder.since(0)
        """Those kept one by one."""
        self.windows = measured.recorder.windows
        total = len(self.rows)
        starts = [min(window.row, total) for window in self.windows] + [total]
        lengths = np.diff(starts)
        self.window = np.repeat(np.arange(len(self.windows)), lengths)
        self.target = np.repeat(np.array([window.target for window in self.windows], np.int32), lengths)
        ends = [math.inf if window.keeps_late else window.end_s for window in self.windows]
        warm = np.repeat(np.array([window.phase == "warm" for window in self.windows], bool), lengths)
        late = self.rows["end_s"] >= np.repeat(np.array(ends, np.float64), lengths)
        counted = [-math.inf if window.keeps_late else window.counted_s for window in self.windows]
        early = self.rows["end_s"] < np.repeat(np.array(counted, np.float64), lengths)
        self.phase = np.select([warm, late, early], [_WARM, _DRAIN, _LEAD], _MEASURE).astype(np.int8)
        self.measuring = ~warm
        """Rows of measuring windows, lead and drain included."""
        self.correct = (self.rows["fault"] == Fault.OK) & self.measuring & (self.phase == _MEASURE)
        """Rows that count as requests: answered correctly, within the time measured."""
        self.accounts = self._accounts(starts, measured.recorder.beyond)
        """All requests by window, those beyond the kept ones included."""
        self.failed = (self.rows["fault"] != Fault.OK) & self.measuring
        """Failures, those in the drain included: a timeout often ends there."""

    def _accounts(self, starts: list[int], beyond: Beyond | None) -> list[Account]:
        accounts = []
        for number, window in enumerate(self.windows):
            account = beyond.accounts.get(number, Account()).copy() if beyond is not None else Account()
            rows = self.rows[starts[number] : starts[number + 1]]
            if len(rows) and window.phase == "measure":
                account.add(rows, window)
            accounts.append(account)
        return accounts


def write(job: Job, measured: Measured, table: Table) -> None:
    """Write the job's files; each is complete before it has its name."""
    ids = [target.id for target in job.targets]
    if job.requests_path is not None:
        _write_requests(job.requests_path, table, ids, measured)
    beyond = measured.recorder.beyond
    if beyond is not None:
        _write_histograms(job.requests_path or job.result_path, beyond, ids, measured.origin_s)
    if job.slices_path is not None:
        _write_slices(job.slices_path, table, ids, measured.origin_s)
    result = {
        "version": 1,
        "targets": [_summary(job, measured, table, number) for number in range(len(ids))],
        "beside": _beside(job, measured, table),
        "generator": measured.generator,
        "recorded": "requests" if beyond is None else "histograms",
        "engine": ENGINE,
        "stopped": measured.stopped,
        "origin_s": measured.origin_s,
        "workers": _workers(measured, table),
    }
    part = job.result_path.with_name(job.result_path.name + ".part")
    part.write_text(json.dumps(result, indent=1))
    part.replace(job.result_path)


def _workers(measured: Measured, table: Table) -> list[dict[str, Any]] | None:
    """What each worker did, with its requests for each target; None where there was one process."""
    if measured.worker is None:
        return None
    told = []
    for one in measured.workers:
        mine = table.correct & (measured.worker == one["number"])
        counts = [int((mine & (table.target == number)).sum()) for number in range(len(one["targets"]))]
        kept = measured.recorder.beyond is None
        targets = [
            {**target, "requests": count if kept else None}
            for target, count in zip(one["targets"], counts, strict=True)
        ]
        told.append({**one, "targets": targets})
    return told


def _summary(job: Job, measured: Measured, table: Table, number: int) -> dict[str, Any]:
    mine = [
        (window, account)
        for window, account in zip(table.windows, table.accounts, strict=True)
        if window.target == number and window.phase == "measure"
    ]
    windows, accounts = [window for window, _ in mine], [account for _, account in mine]
    side = measured.sides[number]
    late = side.late
    if late is not None:
        seconds = _answered_s(table, measured.recorder.beyond, number, mine)
    else:
        seconds = sum(_seconds(window, account.last_end_s) for window, account in mine)
    requests = sum(account.requests for account in accounts)
    faults = sum((account.faults for account in accounts), np.zeros(len(Fault), np.int64))
    latency = _latency_ms(table, measured, number) if late is not None else None
    offered_s = job.measure_s if not measured.stopped else sum(max(one.end_s - one.start_s, 0.0) for one in windows)
    return {
        "id": job.targets[number].id,
        "requests": requests,
        "seconds": seconds,
        "rps": requests / seconds if seconds else None,
        "batches": _batches(job, table, measured, number),
        "errors": _errors(faults),
        "problems": side.problems,
        "bytes": sum(account.bytes for account in accounts),
        "connects": side.connecting.count,
        "connect_ms": _connect_ms(side.connecting),
        "connections": job.targets[number].connections,
        "window_requests": sum(account.answered for account in accounts),
        "slices": len(windows),
        "generator_cpu": _generator_cpu(windows),
        "parts": _parts(job, measured, table, mine),
        "offered_rps": late.count / offered_s if late is not None and offered_s else None,
        "queued": side.queued,
        "unanswered": (len(side.unanswered_s) if windows else 0) if late is not None else None,
        "late_ms": lateness_ms(late) if late is not None else None,
        "latency_ms": latency,
        "late": _late(latency, late) if late is not None and latency else None,
        "late_moved": _unsafe(latency, late) if late is not None and latency else None,
        "left_out": side.left_out,
        "steps": _steps(measured, table, number),
        "stages": _stages(job, measured, table, number) if job.stages else None,
    }


def _beside(job: Job, measured: Measured, table: Table) -> dict[str, Any] | None:
    """What has become of the clients beside the requests, and how the requests fared while they arrived."""
    if measured.beside is None:
        return None
    rows = table.rows[table.window == measured.arrival]
    faults = np.bincount(rows["fault"], minlength=len(Fault))
    arrival = {
        "requests": int(faults[Fault.OK]),
        "errors": _errors(faults),
        "latency_ms": latency_ms(rows) if job.mode == "open" else None,
    }
    return {**measured.beside, "arrival": arrival}


def _late(latency: Mapping[str, float | int | None], late: Durations) -> list[str]:
    """The percentiles of which the p99 of the generator's own lateness is more than a tenth: the least that a reader must know."""
    p99_s = late.percentile_s(0.99)
    if p99_s is None:
        return []
    return [name for name in PERCENTILES if (value := latency[name]) is not None and p99_s * 1000 > LATE_SHARE * value]


def _unsafe(latency: Mapping[str, float | int | None], late: Durations) -> list[str]:
    """The percentiles p in which the generator's own lateness may be more than a tenth: where more than half of the share beyond p was
    late by that much. With at most half, what was found lies below the true percentile (1 + p) / 2 and that tenth.
    """
    found = []
    for name, p in PERCENTILES.items():
        value, late_s = latency[name], late.percentile_s((1 + p) / 2)
        if value is not None and late_s is not None and late_s * 1000 > LATE_SHARE * value:
            found.append(name)
    return found


def _stages(job: Job, measured: Measured, table: Table, number: int) -> list[dict[str, Any]]:
    """What was offered and answered stage by stage.

    In the open loop a request belongs to the stage in which it was due, however late it was answered; in the closed loop to the one in
    which it ended. Rates are of the time that a stage lasted: it may have been cut off, or never have begun.
    """
    beyond, is_open = measured.recorder.beyond, job.mode == "open"
    mine = [window for window in table.windows if window.target == number and window.phase == "measure"]
    rows = table.rows[(table.target == number) & table.measuring]
    sums, own = StageSums(len(job.stages)), np.zeros(0, np.intp)
    if mine:
        own = sums.add(rows, mine[0], job.stages, latency=is_open and beyond is not None)
    if beyond is not None and number in beyond.stages:
        sums.absorb(beyond.stages[number].pack())
    # Those without an answer were due all the same: they are in what was offered.
    waiting = np.bincount(places(measured.sides[number].unanswered_s, job.stages, 0.0), minlength=len(job.stages))
    found, began_s = [], mine[0].start_s if mine else 0.0
    until_s = math.inf if mine and not measured.stopped else mine[0].end_s if mine else 0.0
    for place, stage in enumerate(job.stages):
        lasted_s = min(max(until_s - began_s, 0.0), stage.seconds)
        faults = sums.faults[place]
        offered = int(faults.sum() + waiting[place])
        latency = None
        if is_open:
            latency = latency_ms(rows[own == place]) if beyond is None else _histogram_ms(sums.latency.get(place))
        found.append({
            "seconds": stage.seconds, "lasted_s": lasted_s, "start": stage.start, "end": stage.end,
            "offered_rps": offered / lasted_s if is_open and lasted_s else None, "requests": int(faults[Fault.OK]),
            # All answered in it: behind a queue, what is answered now was due before, and the server is none the slower for that.
            "rps": int(sums.answered[place]) / lasted_s if lasted_s else None,
            "errors": _errors(faults),
            "latency_ms": latency,
        })  # fmt: skip
        began_s += stage.seconds
    return found


def _steps(measured: Measured, table: Table, number: int) -> list[dict[str, Any]] | None:
    """A journey's steps, by name: what was right in time, what failed, and how long an answer took; None for one request."""
    names, beyond = measured.steps.names, measured.recorder.beyond
    if not names:
        return None
    mine, sums = table.measuring & (table.target == number), StepSums()
    sums.add(table.rows[mine], table.correct[mine])
    if beyond is not None and number in beyond.steps:
        sums.absorb(beyond.steps[number].pack())
    found = []
    for step, name in enumerate(names):
        requests = int(sums.requests[step])
        found.append({
            "name": name, "method": measured.steps.methods[step], "requests": requests, "errors": _errors(sums.faults[step]),
            "mean_ms": float(sums.took_s[step]) / requests * 1000 if requests else None,
        })  # fmt: skip
    return found


def _errors(faults: NDArray[np.int64]) -> dict[str, int]:
    """From kind to count, where `faults` has counts by `Fault`; right answers are none."""
    return {FAULT_NAMES[fault - 1]: int(count) for fault, count in enumerate(faults) if fault and count}


def _latency_ms(table: Table, measured: Measured, number: int) -> dict[str, float | int | None]:
    rows = table.rows[(table.target == number) & table.measuring]
    beyond = measured.recorder.beyond
    if beyond is None or number not in beyond.latency:
        return latency_ms(rows)
    histogram, timed = Histogram(), timed_rows(rows)
    histogram.absorb(beyond.latency[number].pack())
    histogram.add(timed["end_s"] - timed["intended_s"])
    return _histogram_ms(histogram)


def _histogram_ms(histogram: Histogram | None) -> dict[str, float | int | None]:
    """As `latency_ms`, of what was not kept one by one."""
    total = histogram.total if histogram is not None else 0
    if histogram is None or not total:
        return {**dict.fromkeys(PERCENTILES), "max": None, "samples": 0}
    found: dict[str, float | int | None] = {
        name: histogram.percentile_s(p) * 1000 if _enough(total, p) else None for name, p in PERCENTILES.items()
    }
    return {**found, "max": histogram.percentile_s(1.0) * 1000, "samples": total}


def _enough(samples: int, p: float) -> bool:
    return samples >= round(10 / (1 - p), 6)


def _parts(
    job: Job, measured: Measured, table: Table, mine: Sequence[tuple[Window, Account]]
) -> list[dict[str, float]] | None:
    """Duet: requests and seconds of consecutive parts of the run: the replicates of a comparison, `PARTS` or as many as there are slices of
    the target that has fewest.
    """
    if job.mode != "duet":
        return None
    slices = Counter(window.target for window in table.windows if window.phase == "measure")
    fewest = min((slices[number] for number, side in enumerate(measured.sides) if not side.left_out), default=0)
    bounds = np.linspace(0, len(mine), min(PARTS, fewest) + 1).round().astype(int).tolist()
    return [
        {
            "requests": sum(account.requests for _, account in mine[begin:end]),
            "seconds": sum(_seconds(window, account.last_end_s) for window, account in mine[begin:end]),
        }
        for begin, end in pairwise(bounds)
    ]


def _batches(job: Job, table: Table, measured: Measured, number: int) -> dict[str, float | None] | None:
    """The rate of a target with a `batch`, over whole ones (see `batches`), with what it is made of; None for others."""
    batch = job.targets[number].batch
    if batch is None or measured.recorder.beyond is not None:
        return None
    requests, seconds = 0, 0.0
    for at, window in enumerate(table.windows):
        if window.target == number and window.phase == "measure":
            ends_s = table.rows["end_s"][table.correct & (table.window == at)]
            if found := whole_turns(ends_s, batch, window.end_s - window.counted_s):
                requests, seconds = requests + found[0], seconds + found[1]
    return {"requests": requests, "seconds": seconds, "rps": requests / seconds if seconds else None}


def _answered_s(table: Table, beyond: Beyond | None, number: int, mine: Sequence[tuple[Window, Account]]) -> float:
    """How long an open loop took until `MOST` of its requests had been answered, and at least as long as they came: a single straggler
    does not make a load that was reached one that was not.
    """
    if not mine:
        return 0.0
    began_s, until_s = mine[0][0].start_s, min(mine[-1][0].end_s, clock())
    ends = np.sort(table.rows["end_s"][(table.target == number) & table.measuring & (table.rows["fault"] == Fault.OK)])
    if beyond is not None:
        most_s = _most_s(ends, beyond, number, max(account.last_end_s for _, account in mine))
    else:
        most_s = float(ends[math.ceil(MOST * len(ends)) - 1]) if len(ends) else until_s
    return max(most_s, until_s) - began_s


def _most_s(ends: NDArray[np.float64], beyond: Beyond, number: int, last_s: float) -> float:
    """When `MOST` of the right answers had come, where only those at `ends` were kept: the others are known by the second, and taken to
    be even within it. `last_s` is when the last one came.
    """
    beyond.close()
    kept, counts = np.unique(np.floor(ends), return_counts=True)
    mine: list[tuple[float, int]] = sorted(
        [*zip(kept.tolist(), counts.tolist(), strict=True)]
        + [(each.second, each.right) for each in beyond.seconds if each.target == number]
    )
    missing = MOST * sum(count for _, count in mine)
    for second, count in mine:
        if missing <= count:
            return second + (min(second + 1, last_s) - second) * missing / max(count, 1)
        missing -= count
    return last_s


def _seconds(window: Window, last_end_s: float) -> float:
    """How long a window counted. In the open loop it lasts until the last of its requests has ended, if that is later."""
    end = max(window.end_s, last_end_s) if window.keeps_late else window.end_s
    return max(min(end, clock()) - (window.start_s if window.keeps_late else window.counted_s), 0.0)


def latency_ms(rows: NDArray[np.void]) -> dict[str, float | int | None]:
    """Percentiles of the time from the intended start to the end, in ms; null where there are fewer than 10/(1-p) samples.

    Over correct answers, and timeouts at the time when they were given up: to leave them out would make a stalling server look fast.
    """
    kept = timed_rows(rows)
    values = (kept["end_s"] - kept["intended_s"]) * 1000
    result: dict[str, float | int | None] = {}
    for name, p in PERCENTILES.items():
        enough = _enough(len(values), p)
        result[name] = float(np.percentile(values, 100 * p, method="inverted_cdf")) if enough else None
    result["max"] = float(values.max()) if len(values) else None
    result["samples"] = len(values)
    return result


def lateness_ms(late: Durations) -> dict[str, float] | None:
    """How late the generator handed out arrivals, in ms: p50 and p99."""
    p50, p99 = late.percentile_s(0.5), late.percentile_s(0.99)
    return None if p50 is None or p99 is None else {"p50": p50 * 1000, "p99": p99 * 1000}


def _connect_ms(connecting: Durations) -> dict[str, float | int] | None:
    """How long connections took to open: p50, mean and how many there were, those of the warm-up left out."""
    p50, mean = connecting.percentile_s(0.5), connecting.mean_s
    if p50 is None or mean is None:
        return None
    return {"p50": p50 * 1000, "mean": mean * 1000, "count": connecting.count}


def _generator_cpu(windows: Sequence[Window]) -> float | None:
    """The share of one CPU that this process used while it loaded one target, drains left out; None where it never did."""
    wall_s = sum(window.cpu_until_s - window.start_s for window in windows if window.cpu_until_s is not None)
    return sum(window.cpu_s for window in windows) / wall_s if wall_s > 0 else None


def _write_requests(path: Path, table: Table, ids: list[str], measured: Measured) -> None:
    rows, origin_s, steps = table.rows, measured.origin_s, measured.steps.names
    slices = np.array([window.slice for window in table.windows], np.int32)
    columns = {
        "target": words(table.target, ids),
        **{name: numbers(rows[name] - origin_s) for name in ("intended_s", "start_s", "first_byte_s", "end_s")},
        "status": numbers(rows["status"].astype(np.int16)),
        "bytes": numbers(rows["bytes"]),
        "error": words(rows["fault"] - 1, FAULT_NAMES),
        "phase": words(table.phase, PHASES),
        "slice": numbers(slices[table.window]),
        "step": words(rows["step"].astype(np.int32), steps),
        **({"worker": numbers(measured.worker)} if measured.worker is not None else {}),
    }
    parquet.write(path, columns)


def _write_histograms(beside: Path, beyond: Beyond, ids: list[str], origin_s: float) -> None:
    beyond.close()
    seconds = beyond.seconds
    columns = {
        "target": words(np.array([each.target for each in seconds], np.int32), ids),
        "second_s": numbers(np.array([each.second for each in seconds], np.float64) - origin_s),
        "count": numbers(np.array([each.count for each in seconds], np.int64)),
        "histogram": words(np.arange(len(seconds), dtype=np.int32), [each.histogram.decode() for each in seconds]),
    }
    parquet.write(beside.with_suffix(".histograms.parquet"), columns)


def _write_slices(path: Path, table: Table, ids: list[str], origin_s: float) -> None:
    kept = [number for number, window in enumerate(table.windows) if window.phase == "measure"]
    windows = [table.windows[number] for number in kept]
    columns = {
        "target": words(np.array([window.target for window in windows], np.int32), ids),
        "slice": numbers(np.array([window.slice for window in windows], np.int32)),
        "loaded_s": numbers(np.array([window.start_s for window in windows], np.float64) - origin_s),
        "start_s": numbers(np.array([window.counted_s for window in windows], np.float64) - origin_s),
        "end_s": numbers(np.array([window.end_s for window in windows], np.float64) - origin_s),
        "requests": numbers(np.array([table.accounts[number].requests for number in kept], np.int64)),
        "errors": numbers(np.array([table.accounts[number].faults[1:].sum() for number in kept], np.int64)),
        "preceded_by": words(np.array([window.preceded_by for window in windows], np.int32), ids),
    }
    parquet.write(path, columns)
