"""From recorded rows to the files of a job: every request, every slice, and a summary for each target."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests import parquet
from loadtests.errors import FAULT_NAMES, Fault
from loadtests.job import Job
from loadtests.opened import OpenLoop
from loadtests.parquet import numbers, words
from loadtests.recorder import Window, clock
from loadtests.session import Measured

ENGINE = "forkloop-load 1"
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
PHASES = ("warm", "measure", "drain")
_WARM, _MEASURE, _DRAIN = range(3)


class Table:
    """All rows of a job, with what follows from the windows they lie in."""

    def __init__(self, measured: Measured) -> None:
        self.rows = measured.recorder.since(0)
        self.windows = measured.recorder.windows
        total = len(self.rows)
        starts = [window.row for window in self.windows] + [total]
        lengths = np.diff(starts)
        self.window = np.repeat(np.arange(len(self.windows)), lengths)
        self.target = np.repeat(np.array([window.target for window in self.windows], np.int32), lengths)
        ends = [math.inf if window.keeps_late else window.end_s for window in self.windows]
        warm = np.repeat(np.array([window.phase == "warm" for window in self.windows], bool), lengths)
        late = self.rows["end_s"] >= np.repeat(np.array(ends, np.float64), lengths)
        self.phase = np.where(warm, _WARM, np.where(late, _DRAIN, _MEASURE)).astype(np.int8)
        self.measuring = ~warm
        """Rows of measuring windows, their drain included."""
        self.correct = (self.rows["fault"] == Fault.OK) & self.measuring & (self.phase == _MEASURE)
        """Rows that count as requests: answered correctly, within the time measured."""
        self.failed = (self.rows["fault"] != Fault.OK) & self.measuring
        """Failures, those in the drain included: a timeout often ends there."""


def write(job: Job, measured: Measured, table: Table) -> None:
    """Write the job's files; each is complete before it has its name."""
    ids = [target.id for target in job.targets]
    if job.requests_path is not None:
        _write_requests(job.requests_path, table, ids, measured.origin_s)
    if job.slices_path is not None:
        _write_slices(job.slices_path, table, ids, measured.origin_s)
    result = {
        "version": 1,
        "targets": [_summary(job, measured, table, number) for number in range(len(ids))],
        "generator": measured.generator,
        "engine": ENGINE,
        "stopped": measured.stopped,
    }
    part = job.result_path.with_name(job.result_path.name + ".part")
    part.write_text(json.dumps(result, indent=1))
    part.replace(job.result_path)


def _summary(job: Job, measured: Measured, table: Table, number: int) -> dict[str, Any]:
    mine = table.target == number
    rows = table.rows[mine & table.measuring]
    correct = table.rows[mine & table.correct]
    windows = [window for window in table.windows if window.target == number and window.phase == "measure"]
    seconds = sum(_seconds(window, rows["end_s"]) for window in windows)
    faults = np.bincount(table.rows["fault"][mine & table.failed], minlength=len(Fault))
    loop, pool = measured.loops[number], measured.pools[number]
    is_open = isinstance(loop, OpenLoop)
    return {
        "id": job.targets[number].id,
        "requests": len(correct),
        "seconds": seconds,
        "rps": len(correct) / seconds if seconds else None,
        "errors": {FAULT_NAMES[fault - 1]: int(count) for fault, count in enumerate(faults) if count},
        "problems": pool.expect.problems,
        "bytes": int(correct["bytes"].sum()),
        "connects": measured.connects[number],
        "connections": job.targets[number].connections,
        "window_requests": int((rows["status"] > 0).sum()),
        "slices": len(windows),
        "offered_rps": len(loop.late_s) / job.measure_s if isinstance(loop, OpenLoop) else None,
        "queued": loop.queued if isinstance(loop, OpenLoop) else None,
        "late_ms": lateness_ms(loop.late_s) if isinstance(loop, OpenLoop) else None,
        "latency_ms": latency_ms(rows) if is_open else None,
    }


def _seconds(window: Window, ends_s: NDArray[np.float64]) -> float:
    """How long a window was. In the open loop it lasts until the last of its requests has ended, if that is later."""
    end = max(window.end_s, float(ends_s.max())) if window.keeps_late and len(ends_s) else window.end_s
    return max(min(end, clock()) - window.start_s, 0.0)


def latency_ms(rows: NDArray[np.void]) -> dict[str, float | int | None]:
    """Percentiles of the time from the intended start to the end, in ms; null where there are fewer than 10/(1-p) samples.

    Over correct answers, and timeouts at the time when they were given up: to leave them out would make a stalling server look fast.
    """
    kept = rows[(rows["fault"] == Fault.OK) | (rows["fault"] == Fault.TIMEOUT)]
    values = (kept["end_s"] - kept["intended_s"]) * 1000
    result: dict[str, float | int | None] = {}
    for name, p in PERCENTILES.items():
        enough = len(values) >= round(10 / (1 - p), 6)
        result[name] = float(np.percentile(values, 100 * p, method="inverted_cdf")) if enough else None
    result["max"] = float(values.max()) if len(values) else None
    result["samples"] = len(values)
    return result


def lateness_ms(late_s: Sequence[float]) -> dict[str, float] | None:
    """How late the generator handed out arrivals, in ms: p50 and p99."""
    if not late_s:
        return None
    p50, p99 = np.percentile(np.array(late_s) * 1000, [50, 99])
    return {"p50": float(p50), "p99": float(p99)}


def _write_requests(path: Path, table: Table, ids: list[str], origin_s: float) -> None:
    rows = table.rows
    slices = np.array([window.slice for window in table.windows], np.int32)
    columns = {
        "target": words(table.target, ids),
        **{name: numbers(rows[name] - origin_s) for name in ("intended_s", "start_s", "first_byte_s", "end_s")},
        "status": numbers(rows["status"].astype(np.int16)),
        "bytes": numbers(rows["bytes"]),
        "error": words(rows["fault"] - 1, FAULT_NAMES),
        "phase": words(table.phase, PHASES),
        "slice": numbers(slices[table.window]),
    }
    parquet.write(path, columns)


def _write_slices(path: Path, table: Table, ids: list[str], origin_s: float) -> None:
    count = len(table.windows)
    correct = np.bincount(table.window[table.correct], minlength=count)
    failed = np.bincount(table.window[table.failed], minlength=count)
    kept = [number for number, window in enumerate(table.windows) if window.phase == "measure"]
    windows = [table.windows[number] for number in kept]
    columns = {
        "target": words(np.array([window.target for window in windows], np.int32), ids),
        "slice": numbers(np.array([window.slice for window in windows], np.int32)),
        "start_s": numbers(np.array([window.start_s for window in windows], np.float64) - origin_s),
        "end_s": numbers(np.array([window.end_s for window in windows], np.float64) - origin_s),
        "requests": numbers(correct[kept]),
        "errors": numbers(failed[kept]),
        "preceded_by": words(np.array([window.preceded_by for window in windows], np.int32), ids),
    }
    parquet.write(path, columns)
