"""What a deployment costs: CPU time, memory and processes by role, and how busy the host is, read from the kernel's own accounts."""

import contextlib
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """CPU seconds used so far, process by process; `at` is on the monotonic clock."""

    at: float
    cpu_s: Mapping[str, Mapping[int, float]]
    """From group (a deployment's role, `database`, ...) to process id to seconds."""
    steal: tuple[float, float] = field(default=(0.0, 0.0))
    """Seconds stolen by the host's other guests, and seconds in all, over all CPUs."""
    connections: Mapping[str, int] | None = None
    """Open database connections by application name; None without a database."""
    switches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """From group to voluntary and involuntary context switches so far; a group is absent where the system does not tell."""
    threads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """From group to the threads that these are of: one that ends takes its count along."""
    network: Mapping[str, int] = field(default_factory=dict)
    """This machine's `ListenOverflows` and `RetransSegs` so far; empty off Linux."""


def take(groups: Mapping[str, Iterable[int]]) -> Snapshot:
    """Read the accounts of the processes in each group. Processes that are gone are left out."""
    read: dict[str, dict[int, float]] = {}
    for group, pids in groups.items():
        read[group] = {}
        for pid in pids:
            with contextlib.suppress(OSError, psutil.Error):
                read[group][pid] = cpu_seconds(pid)
    switches = {group: found for group, cpu in read.items() if (found := context_switches(cpu)) is not None}
    threads = {group: frozenset(_threads(read[group])) for group in switches}
    return Snapshot(
        at=time.monotonic(), cpu_s=read, steal=_steal(), switches=switches, threads=threads, network=_network()
    )


def _threads(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        with contextlib.suppress(OSError):
            yield from (task.name for task in Path(f"/proc/{pid}/task").iterdir())


def context_switches(pids: Iterable[int]) -> tuple[int, int] | None:
    """Voluntary and involuntary switches of all threads of the processes so far; None where the system does not tell."""
    voluntary = involuntary = 0
    try:
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                    text = (task / "status").read_text(encoding="ascii", errors="replace")
                    for line in text.splitlines():
                        name, _, value = line.partition(":")
                        voluntary += int(value) if name == "voluntary_ctxt_switches" else 0
                        involuntary += int(value) if name == "nonvoluntary_ctxt_switches" else 0
    except OSError:
        return None
    return voluntary, involuntary


def open_files(pids: Iterable[int]) -> int | None:
    """Descriptors that the processes hold open together; None where the system does not tell."""
    total = 0
    for pid in pids:
        try:
            total += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return None
    return total or None


def used(before: Snapshot, after: Snapshot, group: str) -> float | None:
    """CPU seconds that a group used between two snapshots; None where a process ended in between, so that its share is unknown.

    A process that started in between counts in full.
    """
    first, last = before.cpu_s.get(group, {}), after.cpu_s.get(group, {})
    if not last or not first.keys() <= last.keys():
        return None
    return sum(seconds - first.get(pid, 0.0) for pid, seconds in last.items())


def steal_share(before: Snapshot, after: Snapshot) -> float | None:
    """The share of all CPU time between two snapshots that the hypervisor gave to others; None where it is not accounted."""
    total = after.steal[1] - before.steal[1]
    return (after.steal[0] - before.steal[0]) / total if total > 0 else None


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, threads that have ended included, from the scheduler's own nanosecond account.

    On Linux every process has a clock whose id follows from its number (clock_getcpuclockid(3)): it sums the run time of all its
    threads, where /proc/<pid>/stat counts in ticks of 10 ms. Raises OSError or psutil.Error when the process is gone.
    """
    if platform.system() == "Linux":
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def family(pid: int) -> list[int]:
    """A process and all that it has started; itself alone where it is gone."""
    with contextlib.suppress(psutil.Error):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return [pid]


def pss_bytes(pids: Iterable[int]) -> int | None:
    """Proportional set size of the processes together: pages they share are counted once. None where the system does not tell."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return None
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total or None


def load_average() -> float | None:
    """The host's 1-minute load average, None where there is none."""
    with contextlib.suppress(OSError):
        return psutil.getloadavg()[0]
    return None


def _steal() -> tuple[float, float]:
    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))


def _network() -> dict[str, int]:
    found: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        for file, wanted in (("netstat", "ListenOverflows"), ("snmp", "RetransSegs")):
            lines = Path(f"/proc/net/{file}").read_text(encoding="ascii").splitlines()
            for names, values in zip(lines[::2], lines[1::2], strict=False):
                row = dict(zip(names.split(), values.split(), strict=False))
                if wanted in row:
                    found[wanted] = int(row[wanted])
    return found
