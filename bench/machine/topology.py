"""Which CPUs this process may use, which of them are threads of one core, and how much of them a cgroup grants."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CORE_SIBLINGS = "sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The usable CPU ids, grouped by physical core; how many CPUs' time a cgroup allows, None without a limit; and
    whether the platform can bind processes to CPUs.
    """

    cores: tuple[tuple[int, ...], ...]
    quota_cpus: float | None = None
    can_pin: bool = True

    @property
    def cpus(self) -> tuple[int, ...]:
        """The usable CPU ids, in ascending order."""
        return tuple(sorted(cpu for core in self.cores for cpu in core))


def topology(root: Path = Path("/")) -> Topology:
    """This machine's, without the CPUs that our own affinity excludes. `root` is the folder with `proc` and `sys`."""
    if sys.platform != "linux":
        return Topology(cores=tuple((cpu,) for cpu in range(os.cpu_count() or 1)), can_pin=False)
    return Topology(cores=_cores(os.sched_getaffinity(0), root), quota_cpus=quota(root))


def cpu_list(text: str) -> frozenset[int]:
    """The ids in the kernel's notation, such as `0-3,8`. Raises `ValueError` for anything else."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def quota(root: Path = Path("/")) -> float | None:
    """The smallest CPU limit among our cgroup and those above it, in CPUs; None if there is none.

    Version 2's `cpu.max` and version 1's `cpu.cfs_quota_us`, see the kernel's cgroup-v2.rst and sched-bwc.rst.
    """
    limits = [_limit(folder) for folder in _cgroups(root)]
    return min((limit for limit in limits if limit is not None), default=None)


def grouped(usable: Iterable[int], siblings: Mapping[int, frozenset[int]]) -> tuple[tuple[int, ...], ...]:
    """The usable ids by core, from what the threads of each one's core are."""
    left, cores = set(usable), []
    for cpu in sorted(left):
        if cpu in left:
            core = (siblings.get(cpu, frozenset()) | {cpu}) & left
            left -= core
            cores.append(tuple(sorted(core)))
    return tuple(cores)


def _cores(usable: Iterable[int], root: Path) -> tuple[tuple[int, ...], ...]:
    found = set(usable)
    return grouped(found, {cpu: _siblings(cpu, root) for cpu in found})


def _siblings(cpu: int, root: Path) -> frozenset[int]:
    try:
        return cpu_list((root / CORE_SIBLINGS.format(cpu=cpu)).read_text())
    except (OSError, ValueError):
        return frozenset()


def _cgroups(root: Path) -> list[Path]:
    """The folders of our cgroup and all above it, in every hierarchy that can limit CPUs."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (controllers, "cpu", "cpu,cpuacct") if controllers else ("", "unified")
        inside = PurePosixPath(path.lstrip("/"))
        for mount in dict.fromkeys(mounts):
            folders += [root / "sys/fs/cgroup" / mount / part for part in (inside, *inside.parents)]
    return folders


def _limit(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            allowed, period = (folder / "cpu.max").read_text().split()
        else:
            allowed = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
    except (OSError, ValueError):
        return None
    if allowed in ("max", "-1"):
        return None
    return int(allowed) / int(period)
