"""A target and its pool of connections."""

import logging
from collections.abc import Callable
from typing import Any

import gevent

from loadtests.address import Address
from loadtests.connection import Connection, Driver, Tally
from loadtests.expect import Expectation
from loadtests.parser import Heads
from loadtests.recorder import Recorder, clock
from loadtests.scenario import Request

_SWEEP_S = 0.05
_SWEEP_SHARE = 0.01
"""Of the timeout: to look more often over thousands of connections than it takes to be so exact would cost and tell nothing."""


class Pool:
    """`connections` connections to one target, none of them open yet; all send the same request.

    A request is given up `timeout_s` after its intended start; this is looked for every 50 ms, or every hundredth of the timeout if that
    is more, not with a timer for each.
    """

    def __init__(
        self, *, address: Address, request: Request, connections: int, recorder: Recorder, timeout_s: float
    ) -> None:
        self.recorder = recorder
        self.timeout_s = timeout_s
        self.tally = Tally()
        self.expect = Expectation(request)
        self.address = address
        self._request = request.encode(address.host)
        # A journey's users judge for themselves: every request of theirs expects something else.
        self._heads = Heads(self.expect.judge_head) if request.journey is None else Heads()
        self.connections: list[Connection] = []
        self.on_sweep: Callable[[float], None] | None = None
        """Called with the time at every sweep: for what else may time out."""
        self._told: set[str] = set()
        for _ in range(connections):
            self.add()
        every_s = max(_SWEEP_S, _SWEEP_SHARE * timeout_s)
        self._timer: Any = gevent.get_hub().loop.timer(every_s, every_s)
        self._timer.start(self._sweep)

    def add(self) -> Connection:
        """One more connection, not open yet."""
        connection = Connection(
            address=self.address,
            request=self._request,
            expect=self.expect,
            heads=self._heads,
            recorder=self.recorder,
            tally=self.tally,
        )
        self.connections.append(connection)
        return connection

    def remove(self, connection: Connection) -> None:
        """Close one connection and forget it, with what it has in flight."""
        connection.close()
        self.connections.remove(connection)

    def drive(self, driver: Driver) -> None:
        """From now on `driver` is told when a connection is free."""
        for connection in self.connections:
            connection.driver = driver

    @property
    def problems(self) -> list[str]:
        """What was wrong with answers, and why connections could not be made, in words: the first few different ones."""
        return [*self.expect.problems, *self.tally.notes]

    def tell(self) -> None:
        """Log each problem once: by hand there is no result that has them."""
        for problem in self.problems:
            if problem not in self._told:
                self._told.add(problem)
                logging.getLogger(__name__).warning("%s", problem)

    def close(self) -> None:
        """Close everything; requests in flight are forgotten."""
        self._timer.stop()
        self._timer.close()
        for connection in self.connections:
            connection.close()

    def _sweep(self) -> None:
        now = clock()
        latest = now - self.timeout_s
        for connection in list(self.connections):
            if connection.busy and connection.intended_s < latest:
                connection.expire(now)
        if self.on_sweep is not None:
            self.on_sweep(now)
