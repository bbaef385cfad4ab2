"""Who belongs to whom among this machine's processes: all read at once, since one by one took 5 ms for each of a run's 50 families."""

import contextlib
import os
import platform
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Known:
    """Of one process: its parent, its session, and when it started (see `started_s`)."""

    parent: int
    session: int
    started: float


class Table:
    """All processes as of one moment."""

    def __init__(self, known: Mapping[int, Known]) -> None:
        self._known = known
        self._children: dict[int, list[int]] = defaultdict(list)
        self._sessions: dict[int, list[int]] = defaultdict(list)
        for pid, one in known.items():
            self._children[one.parent].append(pid)
            self._sessions[one.session].append(pid)

    def family(self, pid: int, started: float) -> set[int]:
        """The process `pid`, if it is still the one that started at `started`, and all in its session or below it."""
        if not pid:
            return set()  # out of sight; and 0 is the session of kernel threads
        leader = self._known.get(pid)
        if leader and abs(leader.started - started) >= 1.0:
            return set()  # the number was given to a stranger: then nothing of ours is left in that session
        found = {one for one in self._sessions[pid] if leader or self._known[one].started >= started - 1}
        below = [pid] if leader else []
        while below:
            one = below.pop()
            found.add(one)
            below.extend(child for child in self._children[one] if child != one)
        return found


def table() -> Table:
    """All processes now."""
    known = {}
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            known[pid] = _known(pid)
    return Table(known)


def started_s(pid: int) -> float:
    """When a process started, as what tells it from another one that gets its number later. Raises psutil.NoSuchProcess.

    On Linux in seconds since the machine's start (proc_pid_stat(5)): setting the clock moves all times of day, and not this.
    """
    return _known(pid).started


def _known(pid: int) -> Known:
    if platform.system() != "Linux":
        process = psutil.Process(pid)
        return Known(parent=process.ppid(), session=os.getsid(pid), started=process.create_time())
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        raise psutil.NoSuchProcess(pid) from None
    fields = text.rpartition(b")")[2].split()  # from the third one on: state, parent, group, session, ...
    return Known(parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]) / os.sysconf("SC_CLK_TCK"))
