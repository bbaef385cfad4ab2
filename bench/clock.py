"""The time of day may be set while a run goes on; every duration here is read from the monotonic clock, which is not."""

import time
from collections.abc import Callable

NOTICED_S = 2.0
"""What clocks are slewed by (adjtime(3)) stays below it within a block."""


class Clock:
    """Notices when the time of day no longer goes with the monotonic clock."""

    def __init__(self, ahead: Callable[[], float] = lambda: time.time() - time.monotonic()) -> None:
        self._ahead = ahead
        self._known_s = ahead()

    def jumped(self) -> str | None:
        """By how much it was set since the last call, in words; None where it was not."""
        by_s = self._ahead() - self._known_s
        if abs(by_s) < NOTICED_S:
            return None
        self._known_s += by_s
        way = "forward" if by_s > 0 else "back"
        return (
            f"The clock was set {way} by {abs(by_s):.0f} s during the run: times of day in it do not fit together; "
            "figures do not depend on them."
        )
