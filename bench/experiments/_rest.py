"""When a stack has taken up what came to it: it is at rest, whatever it holds."""

import contextlib
import time
from collections.abc import Callable

import psutil

from bench import sample
from bench.deployment import Deployment
from bench.model import Role

BUSY = 0.05
"""CPUs that a stack at rest takes less of: beside ten others that are at work on one CPU, one at work would get more."""
LOOK_S = 0.25
LOOKS = 2
"""In a row in which it is at rest: a pause is none."""
_ROLES: tuple[Role, ...] = ("app", "front")
_DISK = "disk-sleep"
"""Of a process that takes no CPU time because the disk is slow: a front that writes down what it holds is at work."""


def rest(deployment: Deployment, most_s: float) -> float | None:
    """Wait until application and front are at rest, and say how long they were not; None where that never was, or they are not in sight."""
    pids = [pid for role in _ROLES for pid in deployment.pids(role)]
    return until_rest(lambda: _used(pids), most_s) if pids else None


def until_rest(
    used: Callable[[], tuple[float, bool]], most_s: float, *, now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> float | None:  # fmt: skip
    """`used` says the CPU seconds so far, and whether anyone waits for a disk."""
    began_s = last_s = rests_s = now()
    cpu_s, _ = used()
    looks = 0
    while looks < LOOKS:
        if last_s - began_s >= most_s:
            return None
        pause(LOOK_S)
        at_s, (more_s, waits) = now(), used()
        if waits or more_s - cpu_s >= BUSY * (at_s - last_s):
            looks, rests_s = 0, at_s
        else:
            looks += 1
        cpu_s, last_s = more_s, at_s
    return rests_s - began_s


def _used(pids: list[int]) -> tuple[float, bool]:
    total, waits = 0.0, False
    for pid in pids:
        with contextlib.suppress(OSError, psutil.Error):
            total += sample.cpu_seconds(pid)
            waits = waits or psutil.Process(pid).status() == _DISK
    return total, waits
