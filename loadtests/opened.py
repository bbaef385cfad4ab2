"""Open loop: requests are due at set times, whether or not the server keeps up.

A request's latency counts from when it was due, so a stall is seen by all whom it would have hit. An arrival that finds no connection free
waits in a queue and is sent when one is; one that could not be sent within the timeout is recorded as timed out. None is dropped.
"""

import math
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import gevent
import numpy as np
from gevent.event import Event
from numpy.typing import NDArray

from loadtests import stages
from loadtests.alarm import Alarm
from loadtests.connection import Connection
from loadtests.durations import Durations
from loadtests.errors import Fault
from loadtests.pool import Pool
from loadtests.recorder import Window, clock

Arrivals = Literal["constant", "poisson"]
_LOOK_S = 0.02
"""How often a drain is looked at."""


def schedule(
    kind: Arrivals, rate_rps: float, seconds: float, seed: tuple[int, ...], part: int = 0, parts: int = 1
) -> Iterator[NDArray[np.float64]]:
    """`stages.arrivals` at one rate: evenly spaced, or with exponential gaps (a Poisson process), seeded."""
    steady = stages.Stage(seconds=seconds, start=rate_rps, end=rate_rps)
    return stages.arrivals([steady], poisson=kind == "poisson", seed=seed, part=part, parts=parts)


class OpenLoop:
    """Drives a pool through one schedule; see `run`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._coming: Iterator[NDArray[np.float64]] = iter(())
        self._start_s = 0.0
        self._due: list[float] = []
        """Those of the arrivals that are next; the rest are drawn as they are needed."""
        self._next = 0
        self._free: deque[Connection] = deque()
        self._queue: deque[float] = deque()
        self._unanswered = 0
        self._all_came = False
        self._drained = Event()
        self.ended = 0
        """Requests that ended, in sum: for progress, not for figures."""
        self.queued = 0
        """Arrivals that found no connection free, in sum."""
        self.unanswered_s: list[float] = []
        """Of a run that was broken off: when those arrivals were due that had no answer yet, counted from its start."""
        self.late = Durations()
        """How late each arrival was handed to a connection or the queue: the generator's own share of a latency."""

    def run(self, window: Window, offsets_s: Iterable[NDArray[np.float64]]) -> None:
        """Let requests arrive at `window.start_s` and `offsets_s`, and wait until each has ended. Blocks the calling greenlet only.

        Free connections take turns, so that all are used alike at any rate; one that the server closes is opened again when its turn comes.
        """
        self._coming, self._start_s = iter(offsets_s), window.start_s
        self._unanswered, self._all_came, self.unanswered_s = 0, False, []
        if not self._draw():
            return
        self._free.extend(self._pool.connections)
        self._drained.clear()
        self._pool.drive(self)
        self._pool.on_sweep = self._expire
        alarm = Alarm(lambda: self._arrive(alarm, window))
        alarm.set(self._due[0])
        try:
            self._drained.wait()
        finally:
            alarm.close()
            self._pool.on_sweep = None
            self._free.clear()
            self._break_off()

    def settled(self, connection: Connection, now_s: float) -> None:
        """See `Driver`."""
        if self._queue:
            connection.submit(self._queue.popleft())
        else:
            self._free.append(connection)
        self._end_one()

    def _draw(self) -> bool:
        """Take the next arrivals; False where there are no more."""
        self._next = 0
        for offsets_s in self._coming:
            if len(offsets_s):
                self._due = (self._start_s + offsets_s).tolist()
                return True
        self._due = []
        return False

    def _arrive(self, alarm: Alarm, window: Window) -> None:
        free = self._free
        while self._next < len(self._due) or self._draw():
            intended = self._due[self._next]
            late = clock() - intended
            if late < 0:
                alarm.set(intended)
                return
            self._next += 1
            self._unanswered += 1
            self.late.add(late)
            if free:
                free.popleft().submit(intended)
            else:
                self.queued += 1
                self._queue.append(intended)
        self._all_came = True
        if not self._unanswered:
            self._drained.set()
        # What is waited for from now on is the drain, which may take as long as the timeout and costs hardly any CPU.
        now_s = clock()
        if now_s >= window.end_s:
            window.read_cpu(now_s)
        else:
            alarm.set(window.end_s)

    def _break_off(self) -> None:
        """Note who has no answer: nobody, where the run has come to its end. What is in flight is closed, so that it stays so."""
        in_flight = [connection for connection in self._pool.connections if connection.busy]
        due = [*(connection.intended_s for connection in in_flight), *self._queue]
        self.unanswered_s = [intended_s - self._start_s for intended_s in due]
        self._queue.clear()
        for connection in in_flight:
            connection.close()

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
        if not self._unanswered and self._all_came:
            self._drained.set()


class EndlessLoop:
    """Arrivals at one rate without an end, on connections that come and go: for Locust by hand. Begins with the first connection.

    What arrived is answered, times out, or is `unanswered`: as in `OpenLoop` none is dropped.
    """

    def __init__(self, pool: Pool, arrivals: Arrivals, rate_rps: float, seed: int = 0) -> None:
        self._pool = pool
        self._gap_s = 1 / rate_rps
        self._rng = random.Random(seed) if arrivals == "poisson" else None
        self._free: deque[Connection] = deque()
        self._queue: deque[float] = deque()
        self._next_s = 0.0
        self._alarm = Alarm(self._arrive)
        self._over = False
        self.queued = 0
        """Arrivals that found no connection free, in sum."""
        self.unanswered = 0
        """Arrivals that were in flight on a connection that left, or had no answer when the loop was closed."""
        pool.on_sweep = self._expire

    def join(self, connection: Connection) -> None:
        """One more connection that requests may be sent on."""
        connection.driver = self
        if not self._next_s and not self._over:
            self._next_s = clock()
            self._alarm.set(self._next_s)
        self._offer(connection)

    def leave(self, connection: Connection) -> None:
        """It is not used again; what it has in flight is not answered any more."""
        self.unanswered += connection.busy
        if connection in self._free:
            self._free.remove(connection)

    def drain(self, patience_s: float) -> None:
        """No more arrivals; wait until all that came have ended, so long at most. Blocks the calling greenlet only."""
        self._end()
        until_s = clock() + patience_s
        while (self._queue or self._in_flight()) and clock() < until_s:
            gevent.sleep(_LOOK_S)

    def close(self) -> None:
        """No more arrivals, and no answers: those that are waited for are `unanswered`."""
        self._end()
        self._pool.on_sweep = None
        self.unanswered += len(self._queue) + self._in_flight()
        self._queue.clear()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._alarm.close()

    def _in_flight(self) -> int:
        return sum(connection.busy for connection in self._pool.connections)

    def settled(self, connection: Connection, now_s: float) -> None:
        """See `Driver`."""
        self._offer(connection)

    def _offer(self, connection: Connection) -> None:
        if self._queue:
            connection.submit(self._queue.popleft())
        else:
            self._free.append(connection)

    def _arrive(self) -> None:
        while self._next_s <= clock():
            intended = self._next_s
            self._next_s += self._rng.expovariate(1 / self._gap_s) if self._rng else self._gap_s
            if self._free:
                self._free.popleft().submit(intended)
            else:
                self.queued += 1
                self._queue.append(intended)
        self._alarm.set(self._next_s)

    def _expire(self, now_s: float) -> None:
        while self._queue and self._queue[0] < now_s - self._pool.timeout_s:
            self._pool.recorder.add(self._queue.popleft(), math.nan, math.nan, now_s, 0, 0, Fault.TIMEOUT)
