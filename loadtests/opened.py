"""Open loop: requests are due at set times, whether or not the server keeps up.

A request's latency counts from when it was due, so a stall is seen by all whom it would have hit. An arrival that finds no connection free
waits in a queue and is sent when one is; one that could not be sent within the timeout is recorded as timed out. None is dropped.
"""

import math
from collections import deque
from typing import Literal

import numpy as np
from gevent.event import Event
from numpy.typing import NDArray

from loadtests.alarm import Alarm
from loadtests.connection import Connection
from loadtests.durations import Durations
from loadtests.errors import Fault
from loadtests.pool import Pool
from loadtests.recorder import Window, clock

Arrivals = Literal["constant", "poisson"]


def schedule(kind: Arrivals, rate_rps: float, seconds: float, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """When requests are due, in seconds from the start: evenly spaced, or with exponential gaps (a Poisson process), seeded."""
    if kind == "constant":
        return np.arange(math.ceil(rate_rps * seconds - 1e-9), dtype=np.float64) / rate_rps
    rng = np.random.default_rng(seed)
    likely = rate_rps * seconds
    times = np.cumsum(rng.exponential(1 / rate_rps, int(likely + 6 * math.sqrt(likely) + 20)))
    while times[-1] < seconds:
        times = np.append(times, times[-1] + np.cumsum(rng.exponential(1 / rate_rps, 1000)))
    due: NDArray[np.float64] = times[times < seconds]
    return due


class OpenLoop:
    """Drives a pool through one schedule; see `run`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._due: list[float] = []
        self._next = 0
        self._free: deque[Connection] = deque()
        self._queue: deque[float] = deque()
        self._unanswered = 0
        self._drained = Event()
        self.ended = 0
        """Requests that ended, in sum: for progress, not for figures."""
        self.queued = 0
        """Arrivals that found no connection free, in sum."""
        self.late = Durations()
        """How late each arrival was handed to a connection or the queue: the generator's own share of a latency."""

    def run(self, window: Window, offsets_s: NDArray[np.float64]) -> None:
        """Let requests arrive at `window.start_s + offsets_s`, and wait until each has ended. Blocks the calling greenlet only.

        Free connections take turns, so that all are used alike at any rate; one that the server closes is opened again when its turn comes.
        """
        self._due = (window.start_s + offsets_s).tolist()
        if not self._due:
            return
        self._next, self._unanswered = 0, len(self._due)
        self._free.extend(self._pool.connections)
        self._drained.clear()
        self._pool.drive(self)
        self._pool.on_sweep = self._expire
        alarm = Alarm(lambda: self._arrive(alarm))
        alarm.set(self._due[0])
        try:
            self._drained.wait()
        finally:
            alarm.close()
            self._pool.on_sweep = None
            self._free.clear()
            self._queue.clear()

    def settled(self, connection: Connection, now_s: float) -> None:
        """See `Driver`."""
        if self._queue:
            connection.submit(self._queue.popleft())
        else:
            self._free.append(connection)
        self._end_one()

    def _arrive(self, alarm: Alarm) -> None:
        due, free = self._due, self._free
        while self._next < len(due):
            intended = due[self._next]
            late = clock() - intended
            if late < 0:
                alarm.set(intended)
                return
            self._next += 1
            self.late.add(late)
            if free:
                free.popleft().submit(intended)
            else:
                self.queued += 1
                self._queue.append(intended)

    def _expire(self, now_s: float) -> None:
        """Give up those who have waited for a connection longer than the timeout."""
        latest = now_s - self._pool.timeout_s
        while self._queue and self._queue[0] < latest:
            intended = self._queue.popleft()
            self._pool.recorder.add(intended, math.nan, math.nan, now_s, 0, 0, Fault.TIMEOUT)
            self._end_one()

    def _end_one(self) -> None:
        self.ended += 1
        self._unanswered -= 1
        if not self._unanswered:
            self._drained.set()
