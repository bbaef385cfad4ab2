"""Requests beyond those that are kept one by one: added up by window, their latencies counted in one histogram for each second.

Memory stays flat at any length of a run: one small block of rows is used again and again, and a second that is over is encoded to a few
hundred bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from loadtests.durations import Histogram
from loadtests.errors import Fault
from loadtests.rows import ROW, Window
from loadtests.stages import Stage
from loadtests.sums import StageSums, StepSums, right_rows, timed_rows

SPILL_ROWS = 1 << 12
"""Adding up so many takes well under a millisecond: the event loop is not away for longer."""


@dataclass(slots=True)
class Account:
    """What requests of one window add up to. `requests` are right and in time, `bytes` are theirs; `answered` have a status; `received`
    are the bytes of all.
    """

    requests: int = 0
    answered: int = 0
    bytes: int = 0
    last_end_s: float = -math.inf
    faults: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Fault), np.int64))
    received: int = 0

    def copy(self) -> "Account":
        """One to add to without changing this one."""
        return replace(self, faults=self.faults.copy())

    def add(self, rows: NDArray[np.void], window: Window) -> None:
        """Add `rows`, all of them `window`'s."""
        right = right_rows(rows, window)
        self.requests += int(right.sum())
        self.answered += int((rows["status"] > 0).sum())
        self.bytes += int(rows["bytes"][right].sum())
        self.received += int(rows["bytes"].sum())
        self.last_end_s = max(self.last_end_s, float(rows["end_s"].max()))
        self.faults += np.bincount(rows["fault"], minlength=len(Fault))


@dataclass(frozen=True, slots=True)
class Second:
    """Latencies of one target's requests that ended within one second of the clock; `histogram` as `Histogram.encode` gives it."""

    target: int
    second: float
    """A whole one on the clock of the process that loaded."""
    count: int
    histogram: bytes
    right: int
    """How many of them were answered right: the others timed out."""


class Beyond:
    """Takes the rows after number `first`; `accounts` by the number of their window, measuring windows only."""

    def __init__(self, *, first: int, stages: Sequence[Stage] = ()) -> None:
        self.first = first
        self.taken = 0
        self.block = np.zeros(SPILL_ROWS, ROW)
        self.accounts: dict[int, Account] = {}
        self.latency: dict[int, Histogram] = {}
        """By target, over all seconds."""
        self.failing: dict[int, Histogram] = {}
        """By target, how long those took whose latency does not count: Locust's own statistics show them too."""
        self.seconds: list[Second] = []
        self.stages: dict[int, StageSums] = {}
        """By target, where the load has stages."""
        self.steps: dict[int, StepSums] = {}
        """By target, of a journey."""
        self._stages = stages
        self._open: dict[int, tuple[int, Histogram]] = {}
        self._right: dict[int, int] = {}
        self._window = 0

    def take(self, count: int, windows: Sequence[Window]) -> None:
        """Add up the first `count` rows of `block`."""
        row, end = self.first + self.taken, self.first + self.taken + count
        self.taken += count
        while row < end:
            while self._window + 1 < len(windows) and windows[self._window + 1].row <= row:
                self._window += 1
            following = windows[self._window + 1].row if self._window + 1 < len(windows) else end
            upto = min(following, end)
            if windows[self._window].phase == "measure":
                begin = row - (end - count)
                self._add(self.block[begin : begin + upto - row], windows[self._window])
            row = upto

    def close(self) -> None:
        """Encode the seconds under way."""
        for target, (second, histogram) in self._open.items():
            self.seconds.append(Second(target, second, histogram.total, histogram.encode(), self._right[target]))
        self._open.clear()

    def _add(self, rows: NDArray[np.void], window: Window) -> None:
        self.accounts.setdefault(self._window, Account()).add(rows, window)
        if self._stages:
            if window.target not in self.stages:
                self.stages[window.target] = StageSums(len(self._stages))
            self.stages[window.target].add(rows, window, self._stages, latency=window.keeps_late)
        if rows["step"].max() >= 0:  # of a journey
            self.steps.setdefault(window.target, StepSums()).add(rows, right_rows(rows, window))
        timed = timed_rows(rows)
        if len(timed) < len(rows):
            failed = rows[(rows["fault"] != Fault.OK) & (rows["fault"] != Fault.TIMEOUT)]
            self.failing.setdefault(window.target, Histogram()).add(failed["end_s"] - failed["intended_s"])
        if not len(timed):
            return
        took_s = timed["end_s"] - timed["intended_s"]
        self.latency.setdefault(window.target, Histogram()).add(took_s)
        seconds = np.floor(timed["end_s"]).astype(np.int64)
        for second in np.unique(seconds).tolist():
            inside = seconds == second
            self._of(window.target, second).add(took_s[inside])
            self._right[window.target] += int((timed["fault"][inside] == Fault.OK).sum())

    def _of(self, target: int, second: int) -> Histogram:
        under_way = self._open.get(target)
        if under_way is not None and under_way[0] == second:
            return under_way[1]
        histogram = Histogram() if under_way is None else under_way[1]
        if under_way is not None:
            self.seconds.append(Second(target, under_way[0], histogram.total, histogram.encode(), self._right[target]))
            histogram.clear()
        self._open[target], self._right[target] = (second, histogram), 0
        return histogram
