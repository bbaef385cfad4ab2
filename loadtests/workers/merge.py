"""Several workers' parcels as one record: rows by window and worker, on the leader's clock, as one process would have left them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.beyond import Account, Beyond
from loadtests.durations import Durations, Histogram
from loadtests.measured import Side
from loadtests.rows import ROW, Window
from loadtests.steps import Steps
from loadtests.sums import StageSums, StepSums
from loadtests.workers.parcel import Parcel

MOST_PROBLEMS = 10
_TIMES = ("intended_s", "start_s", "first_byte_s", "end_s")


class Gathered:
    """As a `Recorder` that has ended; `worker` says who recorded each row."""

    def __init__(self, planned: Sequence[Window], parcels: Sequence[Parcel]) -> None:
        """`planned`: the windows as ordered, on our clock; every worker began as many of them as it came to."""
        busiest = {
            target: max(parcels, key=lambda parcel: cpu_share(parcel.windows, target) or 0.0)
            for target in {window.target for window in planned}
        }
        self.windows = [
            _merged(number, window, parcels, busiest[window.target]) for number, window in enumerate(planned)
        ]
        self.beyond = _beyond(planned, parcels)
        inside = [_window_of(parcel) for parcel in parcels]
        for parcel, places in zip(parcels, inside, strict=True):
            shift = np.array([_shift_s(planned, parcel, number) for number in range(len(parcel.windows))])
            for name in _TIMES:
                parcel.rows[name] -= shift[places] if len(shift) else 0.0
        every = np.concatenate([np.zeros(0, np.int64), *inside])
        order = np.argsort(every, kind="stable")
        self._rows = np.concatenate([np.zeros(0, ROW), *(parcel.rows for parcel in parcels)])[order]
        workers = [np.full(len(parcel.rows), number, np.int16) for number, parcel in enumerate(parcels)]
        self.worker: NDArray[np.int16] = np.concatenate([np.zeros(0, np.int16), *workers])[order]
        starts = np.searchsorted(every[order], np.arange(len(planned)))
        for window, row in zip(self.windows, starts.tolist(), strict=True):
            window.row = row

    def settle(self) -> None:
        """Nothing is open."""

    def since(self, row: int) -> NDArray[np.void]:
        """See `Recorded`."""
        return self._rows[row:]


def steps(parcels: Sequence[Parcel]) -> Steps:
    """One numbering for all; rows and sums are changed to it."""
    merged = Steps()
    for parcel in parcels:
        numbers = np.array([*(merged.number(method, name) for method, name in parcel.steps), -1], np.int16)
        parcel.rows["step"] = numbers[parcel.rows["step"]]
        if parcel.beyond is not None:
            parcel.beyond.steps = {
                target: _renumbered(sums, numbers[:-1]) for target, sums in parcel.beyond.steps.items()
            }
    return merged


def _renumbered(sums: StepSums, numbers: NDArray[np.int16]) -> StepSums:
    renumbered = StepSums()
    renumbered.absorb(sums.pack(), numbers.tolist())
    return renumbered


def side(parcels: Sequence[Parcel], number: int) -> Side:
    """What is known of one target."""
    told = [parcel.sides[number] for parcel in parcels]
    merged = Side(connecting=Durations(), problems=[])
    for one in told:
        merged.connecting.absorb(one["connecting"])
        fresh = [problem for problem in one["problems"] if problem not in merged.problems]
        merged.problems = [*merged.problems, *fresh][:MOST_PROBLEMS]
        if one["late"] is not None:
            merged.late = merged.late or Durations()
            merged.late.absorb(one["late"])
            merged.queued = (merged.queued or 0) + int(one["queued"])
            merged.unanswered_s = np.concatenate([merged.unanswered_s, np.frombuffer(one["unanswered_s"], np.float64)])
    return merged


def generator(parcels: Sequence[Parcel]) -> dict[str, Any]:
    """The busiest worker's share of a CPU, and the longest lags of any: the slowest part bounds the whole."""
    shares = [parcel.generator["cpu_share"] for parcel in parcels if parcel.generator["cpu_share"] is not None]
    lags = [parcel.generator["loop_lag_ms"] for parcel in parcels if parcel.generator["loop_lag_ms"] is not None]
    lag = {key: max(float(one[key]) for one in lags) for key in ("p50", "p99")} if lags else None
    return {"cpu_share": max(shares, default=None), "loop_lag_ms": lag}


def cpu_share(windows: Sequence[Window], target: int) -> float | None:
    """The share of one CPU that a worker used while it loaded `target`, drains left out; None where it never did."""
    mine = [(one, one.cpu_until_s) for one in windows if one.target == target and one.phase == "measure"]
    wall_s = sum(until_s - one.start_s for one, until_s in mine if until_s is not None)
    return sum(one.cpu_s for one, _ in mine) / wall_s if wall_s > 0 else None


def _shift_s(planned: Sequence[Window], parcel: Parcel, number: int) -> float:
    """What is taken from the worker's times in window `number`: both began it at the planned moment, each on its own clock."""
    return parcel.windows[number].start_s - planned[number].start_s


def _merged(number: int, planned: Window, parcels: Sequence[Parcel], busiest: Parcel) -> Window:
    """One window of all workers. Its CPU time is that of the worker that was busiest with this target in sum."""
    merged = replace(planned)
    for parcel in parcels:
        if number < len(parcel.windows):
            own = parcel.windows[number]
            # Only what all of them did: a job that was stopped ends a little apart on each.
            merged.end_s = min(merged.end_s, own.end_s - own.start_s + planned.start_s)
    if number < len(busiest.windows):
        own = busiest.windows[number]
        merged.cpu_s = own.cpu_s
        if own.cpu_until_s is not None:
            merged.cpu_until_s = own.cpu_until_s - own.start_s + planned.start_s
    return merged


def _window_of(parcel: Parcel) -> NDArray[np.int64]:
    """The number of the window that each row lies in."""
    total = len(parcel.rows)
    starts = [min(window.row, total) for window in parcel.windows] + [total]
    return np.repeat(np.arange(len(parcel.windows), dtype=np.int64), np.diff(starts))


def _beyond(planned: Sequence[Window], parcels: Sequence[Parcel]) -> Beyond | None:
    if all(parcel.beyond is None for parcel in parcels):
        return None
    merged = Beyond(first=sum(len(parcel.rows) for parcel in parcels))
    for parcel in parcels:
        if parcel.beyond is None:
            continue
        for number, one in parcel.beyond.accounts.items():
            into = merged.accounts.setdefault(number, Account())
            into.requests, into.answered = into.requests + one.requests, into.answered + one.answered
            into.bytes, into.received = into.bytes + one.bytes, into.received + one.received
            into.faults = into.faults + one.faults
            into.last_end_s = max(into.last_end_s, one.last_end_s - _shift_s(planned, parcel, number))
        for own, into_ in ((parcel.beyond.latency, merged.latency), (parcel.beyond.failing, merged.failing)):
            for target, histogram in own.items():
                into_.setdefault(target, Histogram()).absorb(histogram.pack())
        for target, stage_sums in parcel.beyond.stages.items():
            merged.stages.setdefault(target, StageSums(len(stage_sums.answered))).absorb(stage_sums.pack())
        for target, step_sums in parcel.beyond.steps.items():
            merged.steps.setdefault(target, StepSums()).absorb(step_sums.pack())
        for second in parcel.beyond.seconds:
            ahead_s = _ahead_s(planned, parcel, second.target)
            merged.seconds.append(replace(second, second=second.second - ahead_s))
    return merged


def _ahead_s(planned: Sequence[Window], parcel: Parcel, target: int) -> float:
    """By how much the worker's clock was ahead of ours when it began to measure `target`."""
    first = next(number for number, one in enumerate(parcel.windows) if one.target == target and one.phase == "measure")
    return _shift_s(planned, parcel, first)
