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
    target: str | None = None
    """Then `at_s` counts from when the turn of this target begins, where several are loaded one after the other."""


class Clockwork:
    """Actions at their times, each in a thread, and when they began and ended."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = actions
        self._timers: list[threading.Timer] = []
        self._told: list[tuple[str, float, str | None]] = []
        self._failed: list[BenchError] = []

    def start(self) -> None:
        """The measuring begins."""
        self.turn(None)

    def turn(self, target: str | None) -> None:
        """The turn of `target` begins."""
        for action in self._actions:
            if action.target == target:
                self._timers.append(threading.Timer(action.at_s, self._do, (action,)))
                self._timers[-1].daemon = True
                self._timers[-1].start()

    def stop(self) -> None:
        """The load has failed: what has not begun is not begun any more."""
        for timer in self._timers:
            timer.cancel()

    def finish(self) -> None:
        """Wait until all that were begun are done. Raises BenchError where one failed, or is not done by then."""
        deadline = time.monotonic() + PATIENCE_S
        for timer in self._timers:
            timer.join(max(deadline - time.monotonic(), 0.0))
        if self._failed:
            raise self._failed[0]
        if any(timer.is_alive() for timer in self._timers):
            begun, done = (
                {name.removesuffix(end) for name, _, _ in self._told if name.endswith(end)}
                for end in ("-begin", "-end")
            )
            late = ", ".join(sorted(begun - done)) or "an action"
            raise BenchError(f"{late} was not done {PATIENCE_S:.0f} s after the load")

    def events(self, origin_s: float) -> list[Event]:
        """On the clock whose zero is `origin_s` on this machine's."""
        return [
            {"name": name, "at_s": at - origin_s, **({"target": target} if target else {})}
            for name, at, target in sorted(self._told, key=lambda told: told[1])
        ]

    def _do(self, action: Action) -> None:
        self._told.append((f"{action.name}-begin", time.perf_counter(), action.target))
        try:
            action.do()
        except BenchError as error:
            self._failed.append(error)
        self._told.append((f"{action.name}-end", time.perf_counter(), action.target))
