"""Closed loop: each connection sends its next request when the last one has ended, until the time is over."""

import math

from gevent.event import Event

from loadtests.connection import Connection
from loadtests.pool import Pool
from loadtests.recorder import Window, clock


class ClosedLoop:
    """Drives a pool's connections; see `run`, and `join`/`leave` for connections that come and go."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._end_s = math.inf
        self._window: Window | None = None
        self._active = 0
        self._drained = Event()
        self.ended = 0
        """Requests that ended within their window, in sum: for progress, not for figures."""

    def run(self, window: Window) -> None:
        """Load the target until `window.end_s`, then wait until what is in flight has ended. Blocks the calling greenlet only.

        All connections send at once at the start. What ends after `end_s` is the drain, and enters no figure.
        """
        self._window, self._end_s = window, window.end_s
        self._drained.clear()
        self._pool.drive(self)
        self._active = len(self._pool.connections)
        for connection in self._pool.connections:
            connection.submit(clock())
        self._drained.wait()

    def join(self, connection: Connection) -> None:
        """One connection begins to send, without an end set."""
        connection.driver = self
        connection.submit(clock())

    def settled(self, connection: Connection, now_s: float) -> None:
        """See `Driver`."""
        if now_s < self._end_s:
            self.ended += 1
            connection.submit(clock())
            return
        if self._window is not None:
            self._window.read_cpu(now_s)
        self._active -= 1
        if not self._active:
            self._drained.set()
