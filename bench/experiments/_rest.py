"""When a stack has taken up what came to it: it is at rest, whatever it holds."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench import sample
from bench.deployment import Deployment
from bench.model import Role

BUSY = 0.2
"""CPUs that a stack at rest wants less of; one at work wants a whole one, and so waits for it where others are at work as well."""
LOOK_S = 0.25
LOOKS = 2
"""In a row in which it is at rest: a pause is none."""
PROC = Path("/proc")
_ROLES: tuple[Role, ...] = ("app", "front")
_AT_WORK = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
"""Of a process that has a CPU or waits for one, or for a disk, whatever it was given lately: a front writes down what it holds."""


def rest(deployment: Deployment, most_s: float) -> float | None:
    """Wait until application and front are at rest, and say how long they were not; None where that never was, or they are not in sight."""
    pids = [pid for role in _ROLES for pid in deployment.pids(role)]
    return until_rest(lambda: used(pids), most_s) if pids else None


def until_rest(
    used: Callable[[], tuple[float, bool]], most_s: float, *, now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> float | None:  # fmt: skip
    """`used` says the seconds so far for which a CPU was had or waited for, and whether anyone has one, or waits for one or a disk, now."""
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


def used(pids: list[int]) -> tuple[float, bool]:
    """As `until_rest` asks."""
    total, waits = 0.0, False
    for pid in pids:
        with contextlib.suppress(OSError, psutil.Error):
            total += wanted_s(pid)
            waits = waits or psutil.Process(pid).status() in _AT_WORK
    return total, waits


def wanted_s(pid: int) -> float:
    """Seconds for which the threads of a process ran or waited for a CPU (Documentation/scheduler/sched-stats.rst); else those it ran."""
    try:
        found = [
            (task / "schedstat").read_text(encoding="ascii").split() for task in (PROC / str(pid) / "task").iterdir()
        ]
        return sum(int(ran) + int(waited) for ran, waited, _ in found) / 1e9
    except (OSError, ValueError):
        return sample.cpu_seconds(pid)
