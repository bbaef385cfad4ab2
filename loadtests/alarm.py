"""A timer that is late by tens of microseconds rather than by up to a millisecond.

libev's timers wait in `epoll_wait`, which counts whole milliseconds. A timer of the kernel that is read like a file (timerfd) does not
have that limit, and the event loop can watch it. Where there is none (before Python 3.13, or not on Linux) the loop's own has to do.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from loadtests.recorder import clock


class Alarm:
    """Calls `ring` from the event loop at a time set before; one time at once.

    Where `ring` sets the next time itself, the timer is not read: setting it does as well, and costs a system call less. An expiry that the
    loop had seen before the time was set anew then rings too early: `ring` looks at the clock.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop: Any = gevent.get_hub().loop
        self._fd = _timerfd()
        self._is_set = False
        self._watcher: Any = None
        if self._fd >= 0:
            self._watcher = self._loop.io(self._fd, 1)
            self._watcher.start(self._expired)

    def set(self, at_s: float) -> None:
        """Ring once at `at_s` on `clock()` (at once if that has passed); replaces a time set before."""
        self._is_set = True
        if sys.platform == "linux" and sys.version_info >= (3, 13):
            os.timerfd_settime(self._fd, flags=os.TFD_TIMER_ABSTIME, initial=max(at_s, 1e-9))
        else:
            self._stop_watching()
            self._loop.update_now()
            self._watcher = self._loop.timer(max(at_s - clock(), 0.0))
            self._watcher.start(self._ring)

    def close(self) -> None:
        """Never ring again."""
        self._stop_watching()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _expired(self) -> None:
        self._is_set = False
        self._ring()
        if not self._is_set and self._fd >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 8)

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None


def sleep_until(at_s: float) -> None:
    """Block the calling greenlet until `at_s` on `clock()`, to a fraction of a millisecond."""
    reached = Event()
    alarm = Alarm(lambda: reached.set() if clock() >= at_s else alarm.set(at_s))
    alarm.set(at_s)
    try:
        reached.wait()
    finally:
        alarm.close()


def _timerfd() -> int:
    """A timerfd, or -1 where this Python or this system has none."""
    if sys.platform == "linux" and sys.version_info >= (3, 13):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    return -1
