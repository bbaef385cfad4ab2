"""Actions at set times while load goes on, each in a thread of its own, and when they began and ended."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.model import BenchError

PATIENCE_S = 30.0
"""How long an action may go on after the load is over."""

Event = Mapping[str, Any]
"""`name`, and `at_s` on the clock of the recorded requests."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something done while load goes on, `at_s` after the measuring began, in a thread of its own."""

    at_s: float
    name: str
    """`NAME-begin` and `NAME-end` are stored as events."""
    do: Callable[[], None]


class Clockwork:
    """Actions at their times, each in a thread, and when they began and ended."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._timers = [threading.Timer(one.at_s, self._do, (one,)) for one in actions]
        self._told: list[tuple[str, float]] = []
        self._failed: list[BenchError] = []
        self._started = False

    def start(self) -> None:
        """The measuring begins."""
        self._started = True
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def finish(self) -> None:
        """Wait until all are done. Raises BenchError where one failed."""
        if not self._started:
            return
        deadline = time.monotonic() + PATIENCE_S
        for timer in self._timers:
            timer.join(max(deadline - time.monotonic(), 0.0))
            timer.cancel()
        if self._failed:
            raise self._failed[0]

    def events(self, origin_s: float) -> list[Event]:
        """On the clock whose zero is `origin_s` on this machine's."""
        return [{"name": name, "at_s": at - origin_s} for name, at in sorted(self._told, key=lambda told: told[1])]

    def _do(self, action: Action) -> None:
        self._told.append((f"{action.name}-begin", time.perf_counter()))
        try:
            action.do()
        except BenchError as error:
            self._failed.append(error)
        self._told.append((f"{action.name}-end", time.perf_counter()))
