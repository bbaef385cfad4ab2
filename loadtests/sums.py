"""What the requests of each stage, and of each step of a journey, add up to: alike whether they were kept one by one or not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.durations import Histogram
from loadtests.errors import Fault
from loadtests.rows import Window
from loadtests.stages import Stage

STEPS = 256
"""More than there ever are: `steps.MOST`, and one for each method beyond."""
_KINDS = len(Fault)
_EDGE_S = 1e-9
"""What is due where a stage begins may have been rounded down."""


def timed_rows(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Those whose latency counts: right answers, and timeouts, without which a stalling server would look fast."""
    timed: NDArray[np.void] = rows[(rows["fault"] == Fault.OK) | (rows["fault"] == Fault.TIMEOUT)]
    return timed


def right_rows(rows: NDArray[np.void], window: Window) -> NDArray[np.bool_]:
    """Which of `rows`, all of them `window`'s, are right and in time."""
    right: NDArray[np.bool_] = rows["fault"] == Fault.OK
    if not window.keeps_late:
        right &= (rows["end_s"] >= window.counted_s) & (rows["end_s"] < window.end_s)
    return right


def places(times_s: NDArray[np.float64], stages: Sequence[Stage], start_s: float) -> NDArray[np.intp]:
    """The place in `stages`, the first of which began at `start_s`, that each of `times_s` lies in; `len(stages)` where in none."""
    edges_s = start_s + np.cumsum([0.0, *(stage.seconds for stage in stages)]) - _EDGE_S
    found = np.searchsorted(edges_s, times_s, "right") - 1
    return np.where(found < 0, len(stages), found)


class StageSums:
    """Of one target's stages, by their place: `faults` counts the requests that belong to it by `Fault`, those without one included;
    `answered` the right ones that ended within it, whichever they belong to. In the open loop a request belongs to the stage in which it
    was due, in the closed loop to the one in which it ended.
    """

    def __init__(self, count: int) -> None:
        self.answered = np.zeros(count, np.int64)
        self.faults = np.zeros((count, _KINDS), np.int64)
        self.latency: dict[int, Histogram] = {}
        """Where asked for, by place."""

    def add(
        self, rows: NDArray[np.void], window: Window, stages: Sequence[Stage], *, latency: bool
    ) -> NDArray[np.intp]:
        """Add `rows`, all of them `window`'s; with `latency` their latencies too. Returns which stage each belongs to, as `places` does."""
        count = len(stages)
        ended = places(rows["end_s"], stages, window.start_s)
        own = places(rows["intended_s"], stages, window.start_s) if window.keeps_late else ended
        right = rows["fault"] == Fault.OK
        self.answered += np.bincount(ended[right], minlength=count + 1)[:count]
        self.faults += np.bincount(own * _KINDS + rows["fault"], minlength=(count + 1) * _KINDS).reshape(-1, _KINDS)[
            :count
        ]
        if latency:
            for place in np.unique(own[own < count]).tolist():
                timed = timed_rows(rows[own == place])
                self.latency.setdefault(place, Histogram()).add(timed["end_s"] - timed["intended_s"])
        return own

    def pack(self) -> dict[str, Any]:
        """For a message."""
        latency = [[place, histogram.pack()] for place, histogram in self.latency.items()]
        return {"answered": self.answered.tobytes(), "faults": self.faults.tobytes(), "latency": latency}

    def absorb(self, packed: Mapping[str, Any]) -> None:
        """Count what another one had counted. Raises KeyError, IndexError or ValueError for what is none of as many stages."""
        self.answered += np.frombuffer(packed["answered"], np.int64).reshape(self.answered.shape)
        self.faults += np.frombuffer(packed["faults"], np.int64).reshape(self.faults.shape)
        for place, histogram in packed["latency"]:
            self.latency.setdefault(int(place), Histogram()).absorb(histogram)


class StepSums:
    """Of the steps that one target's users took, by number: `requests` are right and in time, `took_s` is how long these took in sum from
    sending to the end, `faults` counts all by `Fault`, those without one included.
    """

    def __init__(self) -> None:
        self.requests = np.zeros(STEPS, np.int64)
        self.took_s = np.zeros(STEPS, np.float64)
        self.faults = np.zeros((STEPS, _KINDS), np.int64)

    def add(self, rows: NDArray[np.void], right: NDArray[np.bool_]) -> None:
        """Add those of `rows` that are of a step; `right` says which are right and in time."""
        of_step = rows["step"] >= 0
        rows, right = rows[of_step], right[of_step]
        step = rows["step"].astype(np.intp)
        took_s = rows["end_s"][right] - rows["start_s"][right]
        self.requests += np.bincount(step[right], minlength=STEPS)
        self.took_s += np.bincount(step[right], took_s, minlength=STEPS)
        self.faults += np.bincount(step * _KINDS + rows["fault"], minlength=STEPS * _KINDS).reshape(-1, _KINDS)

    def pack(self) -> dict[str, bytes]:
        """For a message."""
        return {"requests": self.requests.tobytes(), "took_s": self.took_s.tobytes(), "faults": self.faults.tobytes()}

    def absorb(self, packed: Mapping[str, bytes], numbers: Sequence[int] = range(STEPS)) -> None:
        """Count what another one had counted, whose step i is our step `numbers[i]`; several may be one. Raises KeyError or ValueError for
        what is none.
        """
        ours = np.asarray(numbers, np.intp)
        np.add.at(self.requests, ours, np.frombuffer(packed["requests"], np.int64)[: len(ours)])
        np.add.at(self.took_s, ours, np.frombuffer(packed["took_s"], np.float64)[: len(ours)])
        np.add.at(self.faults, ours, np.frombuffer(packed["faults"], np.int64).reshape(STEPS, _KINDS)[: len(ours)])
