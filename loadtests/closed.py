"""Closed loop: each connection sends its next request when the last one has ended, until the time is over."""

import heapq
import itertools
import math
import random
from collections.abc import Sequence
from typing import Literal

from gevent.event import Event

from loadtests.alarm import Alarm
from loadtests.connection import Connection
from loadtests.duet import TURNS
from loadtests.pool import Pool
from loadtests.recorder import Window, clock
from loadtests.stages import Stage

STORM = 64
"""Of a large crowd so many open at once, the next soon after: a crowd in one instant overruns a listening queue, which no server chose."""
STORM_GAP_S = 0.005
FEW, STEPS, STEP_GAP_S = 4, 16, 0.005
"""In a warm-up `FEW` open at once, or a sixteenth of them where that is more, every `STEP_GAP_S`: all are open within 0.08 s. Opened all at
once they would be answered, and ask again, together for hundreds of turns, which makes Tornado faster than it is in the long run; one by
one it would be slower. And Python's `socketserver`, so Django's development server, queues 10; a client that finds the queue full tries
again after 1 s, then 3 s (tcp(7), tcp_syn_retries)."""
RESUMES_WITHIN = 1 / TURNS
"""Of a slice, at the most, is what a connection waits before it resumes: a turn of the slowest of which a slice holds `TURNS`."""


class ClosedLoop:
    """Drives a pool's connections; see `run`, and `join`/`leave` for connections that come and go.

    With `think_s` a connection waits that long between an answer and its next request (or exponentially long with that mean).
    Of several `parts` that load together, `part` (from 0) has every so many-th connection, which matters where they join one by one.
    """

    def __init__(
        self, pool: Pool, *, think_s: float = 0.0, think: Literal["constant", "exponential"] = "constant", seed: int = 0, part: int = 0,
        parts: int = 1,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._part, self._parts = part, parts
        self._think_s, self._think = think_s, think
        self._rng = random.Random(seed)
        self._end_s = math.inf
        self._window: Window | None = None
        self._active = 0
        self._drained = Event()
        self._due: list[tuple[float, int, Connection]] = []
        """Connections that wait for their next turn, by its time."""
        self._number = itertools.count()
        self._alarm: Alarm | None = None
        self._stages: Sequence[Stage] = ()
        self._place: dict[Connection, int] = {}
        self._drained_after_s: dict[Connection, float] = {}
        """How long after the end of the last window what each had in flight ended."""
        self.ended = 0
        """Requests that ended within their window, in sum: for progress, not for figures."""

    def run(self, window: Window, stages: Sequence[Stage] = ()) -> None:
        """Load the target until `window.end_s`, then wait until what is in flight has ended. Blocks the calling greenlet only.

        In a window with a lead each connection resumes where it was when the window before ended: it sends as long after the start as
        what it had in flight then took to end, within the lead, so that connections are no more in step than in one long window. Else all
        send from the start, those that must be opened first a crowd at a time, and in a warm-up a few. With `stages` so many connections
        send as these say. What ends after `end_s` is the drain, and enters no figure.
        """
        self._window, self._end_s, self._stages = window, window.end_s, stages
        self._drained.clear()
        self._pool.drive(self)
        connections = self._pool.connections
        self._active = len(connections)
        self._begin(window, connections)
        self._drained_after_s.clear()
        try:
            self._drained.wait()
        finally:
            if self._alarm is not None:
                self._alarm.close()
                self._alarm = None
            self._due.clear()

    def join(self, connection: Connection) -> None:
        """One connection begins to send, without an end set."""
        connection.driver = self
        connection.submit(clock())

    def leave(self, connection: Connection) -> None:
        """One that had joined goes; what it has in flight is forgotten with it."""

    def close(self) -> None:
        """Nothing is left to be ended: those that joined are closed with their pool."""

    def settled(self, connection: Connection, now_s: float) -> None:
        """See `Driver`."""
        if now_s < self._end_s:
            self.ended += 1
            if self._alarm is not None and (self._think_s or self._stages):
                self._wait(connection, now_s + self._pause_s())
            else:
                connection.submit(clock())
            return
        self._drained_after_s[connection] = now_s - self._end_s
        if self._window is not None:
            self._window.read_cpu(now_s)
        self._leave()

    def _begin(self, window: Window, connections: Sequence[Connection]) -> None:
        closed = self._parts * sum(not one.is_open for one in connections)
        at_once, gap_s = _gently(closed) if window.phase == "warm" else (STORM, STORM_GAP_S)
        if closed <= at_once:
            gap_s = 0.0
        latest_s = min(RESUMES_WITHIN * (window.end_s - window.start_s), window.counted_s - window.start_s)
        self._alarm = Alarm(self._ring)
        self._place = {connection: self._part + self._parts * place for place, connection in enumerate(connections)}
        for connection, place in self._place.items():
            resumes_s = min(self._drained_after_s.get(connection, 0.0), latest_s)
            first_s = self._first_pause_s() if self._think_s else resumes_s
            after_s = max(first_s, place // at_once * gap_s, _joins_s(self._stages, place))
            heapq.heappush(self._due, (window.start_s + after_s, next(self._number), connection))
        self._ring()

    def _pause_s(self) -> float:
        return (
            self._rng.expovariate(1 / self._think_s)
            if self._think_s and self._think == "exponential"
            else self._think_s
        )

    def _first_pause_s(self) -> float:
        """What is left of a thought in which a user is found at the start: not all begin theirs then. A constant one has as much left as it
        has behind it, anything up to the whole; an exponential one has as much left as it ever had, since it knows no age.
        """
        return self._pause_s() if self._think == "exponential" else self._think_s * self._rng.random()

    def _wait(self, connection: Connection, until_s: float) -> None:
        if self._stages and self._window is not None:
            place, since_s = self._place[connection], clock() - self._window.start_s
            until_s = max(until_s, self._window.start_s + _joins_s(self._stages, place, since_s))
        if until_s <= clock():
            connection.submit(clock())
            return
        heapq.heappush(self._due, (until_s, next(self._number), connection))
        if self._due[0][2] is connection and self._alarm is not None:
            self._alarm.set(min(until_s, self._end_s))

    def _ring(self) -> None:
        now_s = clock()
        while self._due and self._due[0][0] <= now_s < self._end_s:
            heapq.heappop(self._due)[2].submit(clock())
        if now_s >= self._end_s:
            if self._window is not None:
                self._window.read_cpu(now_s)
            while self._due:
                self._due.pop()
                self._leave()
        elif self._due and self._alarm is not None:
            self._alarm.set(min(self._due[0][0], self._end_s))

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self._drained.set()


def _gently(closed: int) -> tuple[int, float]:
    """How many of so many connections are opened at once in a warm-up, and how long after each other."""
    return (max(FEW, -(-closed // STEPS)), STEP_GAP_S) if closed <= STORM * STEPS else (STORM, STORM_GAP_S)


def _joins_s(stages: Sequence[Stage], place: int, from_s: float = 0.0) -> float:
    """The first time, `from_s` or later, at which more than `place` connections are to send; never: infinity."""
    if not stages:
        return from_s
    began_s = 0.0
    for stage in stages:
        ended_s = began_s + stage.seconds
        if ended_s > from_s:
            inside = max(from_s - began_s, 0.0)
            value = stage.start + (stage.end - stage.start) * inside / stage.seconds
            if value > place:
                return began_s + inside
            if stage.end > place:
                return began_s + stage.seconds * (place - stage.start) / (stage.end - stage.start) + 1e-9
        began_s = ended_s
    return math.inf
