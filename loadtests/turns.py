"""Many things to be done at times of their own, by one timer."""

import heapq
import itertools
from collections.abc import Callable

from loadtests.alarm import Alarm
from loadtests.recorder import clock


class Turns:
    """Calls back from the event loop, in the order of the times asked for."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._alarm = Alarm(self._ring)
        self._ringing = False

    def at(self, due_s: float, what: Callable[[], None]) -> None:
        """Call `what` at `due_s` on `clock()`, or as soon as can be."""
        heapq.heappush(self._due, (due_s, next(self._number), what))
        if not self._ringing and self._due[0][2] is what:
            self._alarm.set(due_s)

    def close(self) -> None:
        """Call nobody any more."""
        self._due.clear()
        self._alarm.close()

    def _ring(self) -> None:
        now_s, self._ringing = clock(), True
        while self._due and self._due[0][0] <= now_s:
            heapq.heappop(self._due)[2]()
        self._ringing = False
        if self._due:
            self._alarm.set(self._due[0][0])
