"""What the generator itself does while it measures: its CPU, and how long its event loop is away."""

import time

from loadtests.alarm import Alarm
from loadtests.durations import Durations
from loadtests.recorder import clock

_EVERY_S = 0.02


class Meter:
    """From `start` to `stop`: CPU seconds of this process, and the lag of the event loop, sampled 50 times a second."""

    def __init__(self) -> None:
        self._lags = Durations()
        self._due_s = 0.0
        self._wall_s = self._cpu_s = 0.0
        self._alarm = Alarm(self._ring)

    def start(self) -> None:
        """Begin."""
        self._wall_s, self._cpu_s = clock(), time.process_time()
        self._due_s = self._wall_s + _EVERY_S
        self._alarm.set(self._due_s)

    def stop(self) -> dict[str, object]:
        """`cpu_share` (1: one CPU fully used) and `loop_lag_ms` (p50 and p99; null where nothing was sampled)."""
        wall = clock() - self._wall_s
        share = (time.process_time() - self._cpu_s) / wall if self._wall_s and wall > 0 else None
        self._alarm.close()
        p50_s, p99_s = self._lags.percentile_s(0.5), self._lags.percentile_s(0.99)
        lag = None if p50_s is None or p99_s is None else {"p50": p50_s * 1000, "p99": p99_s * 1000}
        return {"cpu_share": share, "loop_lag_ms": lag}

    def _ring(self) -> None:
        now = clock()
        self._lags.add(now - self._due_s)
        self._due_s = max(self._due_s + _EVERY_S, now)
        self._alarm.set(self._due_s)
