"""What each deployment used while it was loaded, who of its processes did the work, and which were replaced."""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from bench import sample
from bench.deployment import Deployment, application_name
from bench.model import Role
from bench.processes import Table, table
from bench.service import Database
from bench.whoami import answering

ROLES: tuple[Role, ...] = ("app", "front")
_KEEPER = "multiprocessing.resource_tracker"
"""Beside the workers of servers that start them through `multiprocessing`."""
ASKED_PER_WORKER = 8
"""So many fresh connections for each worker, where only asking tells which processes work."""


class Sampling:
    """Counts the CPU time that reading accounts takes of this process: it must not be mistaken for what stacks cost."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def __call__[**P, T](self, read: Callable[P, T], *args: P.args, **how: P.kwargs) -> T:
        """What `read` gives."""
        began_s = time.thread_time()
        try:
            return read(*args, **how)
        finally:
            self.cpu_s += time.thread_time() - began_s


Idle = Mapping[str, Mapping[str, float | None]]
"""From deployment to role to the share of a CPU that it takes while nothing is asked of anyone; null where that is not known."""


def idle(deployments: Sequence[Deployment], before: sample.Snapshot, after: sample.Snapshot) -> Idle:
    """What timers and watchers of each deployment take, between two snapshots without any load."""
    took_s = after.at - before.at
    return {
        one.id: {role: None if spent is None else spent / took_s for role, spent in _used(one, before, after).items()}
        for one in deployments
    }


def accounts(
    deployment: Deployment, snapshots: Sequence[sample.Snapshot], now: Table | None = None, *, idle: Idle = MappingProxyType({}),
    loaded_s: float = math.inf,
) -> dict[str, Any]:  # fmt: skip
    """CPU seconds by role over the measured window, by worker as shares, memory right after it, and the host's steal.

    The window is that of all deployments, each of which is loaded for `loaded_s` of it: what `idle` says that it takes in the rest is none
    of its requests' and is left out. Where that leaves nothing of who answered, it is null: they took some. `now`: the processes, where
    they are read for several deployments at once.
    """
    before, after = snapshots
    rates, waiting_s = idle.get(deployment.id, {}), max(after.at - before.at - loaded_s, 0.0)
    used: dict[str, float | None] = {}
    for role, spent in _used(deployment, before, after).items():
        own_s = (rates.get(role) or 0.0) * waiting_s
        left_s = None if spent is None else spent - own_s
        if own_s and left_s is not None and left_s <= 0:
            left_s = 0.0 if role == "database" else None
        used[role] = left_s
    used["generator"] = sample.used(before, after, "generator")
    pids = {role: deployment.pids(role, now) for role in ROLES}
    open_now = None if after.connections is None else after.connections.get(application_name(deployment.id), 0)
    return {
        "cpu_s": used,
        "idle_cpu": dict(rates) or None,
        "worker_shares": worker_shares(deployment, before, after),
        "restarts": restarts(deployment, {pid for role in ROLES for pid in pids[role]}),
        "database_connections": open_now,
        "pss_bytes": {role: sample.pss_bytes(found) for role, found in pids.items() if found},
        "processes": {role: len(found) for role, found in pids.items() if found},
        "context_switches": _all_switches(deployment, used, before, after),
        "open_files": {role: sample.open_files(found) for role, found in pids.items() if found},
        "host": _host(before, after, near=any(pids.values())),
        "startup_s": deployment.startup_s,
    }


def _used(deployment: Deployment, before: sample.Snapshot, after: sample.Snapshot) -> dict[str, float | None]:
    """CPU seconds by role; None where a role has no processes, or it is not known what they used."""
    used: dict[str, float | None] = {
        role: sample.used(before, after, f"{deployment.id} {role}") for role in (*ROLES, "database")
    }
    if not before.cpu_s.get(f"{deployment.id} database"):
        used["database"] = None  # sessions that were opened since may have had others before them, which have ended
    if not deployment.planned.stack.front.processes:
        used["front"] = None
    return used


def _host(before: sample.Snapshot, after: sample.Snapshot, *, near: bool) -> dict[str, float | int | None]:
    """Of this machine; what runs out of its sight is on another, of which nothing is known."""
    found = {
        "steal": sample.steal_share(before, after),
        "load1": sample.load_average(),
        "listen_overflows": _counted(before, after, "ListenOverflows"),
        "retransmits": _counted(before, after, "RetransSegs"),
    }
    return found if near else dict.fromkeys(found)


def _all_switches(
    deployment: Deployment, used: Mapping[str, float | None], before: sample.Snapshot, after: sample.Snapshot
) -> dict[str, dict[str, int] | None]:
    """By role, for roles with processes in sight; unknown wherever their CPU time is, and where a thread ended."""
    groups = {role: "generator" if role == "generator" else f"{deployment.id} {role}" for role in used}
    return {
        role: None if used[role] is None else _switches(group, before, after)
        for role, group in groups.items()
        if after.cpu_s.get(group)
    }


def _switches(group: str, before: sample.Snapshot, after: sample.Snapshot) -> dict[str, int] | None:
    first, last = before.switches.get(group), after.switches.get(group)
    ended = before.threads.get(group, frozenset()) - after.threads.get(group, frozenset())
    if first is None or last is None or ended:
        return None
    return {"voluntary": last[0] - first[0], "involuntary": last[1] - first[1]}


def _counted(before: sample.Snapshot, after: sample.Snapshot, name: str) -> int | None:
    return after.network[name] - before.network[name] if name in before.network and name in after.network else None


def snapshot(database: Database, ready: Sequence[Deployment], generator: int | None) -> sample.Snapshot:
    """CPU accounts of the deployments by role, of their own database connections, and of the generator."""
    groups: dict[str, list[int]] = {"generator": [] if generator is None else sample.family(generator)}
    backends, now = database.backends(), table()
    for deployment in ready:
        for role in ROLES:
            groups[f"{deployment.id} {role}"] = deployment.pids(role, now)
        name = application_name(deployment.id)
        groups[f"{deployment.id} database"] = [pid for pid, owner in backends.items() if owner == name]
    return replace(sample.take(groups), connections=database.connections())


def worker_shares(deployment: Deployment, before: sample.Snapshot, after: sample.Snapshot) -> list[float] | None:
    """Each worker's share of the CPU time that all of them used between the snapshots, the busiest first.

    Where all requests of a trial are alike (`Scenario.is_even`), a worker's share of the time is its share of the requests, and nothing has
    to be counted in the way of them; elsewhere it is what it says, and no more. None where a worker was replaced in between, or where it is
    not known which processes are workers.
    """
    first, last = (one.cpu_s.get(f"{deployment.id} app", {}) for one in (before, after))
    workers = _workers(deployment, list(last))
    if workers is None or not set(workers) <= first.keys():
        return None
    used = [last[pid] - first[pid] for pid in workers]
    return sorted((seconds / sum(used) for seconds in used), reverse=True) if sum(used) > 0 else None


def restarts(deployment: Deployment, now: Collection[int]) -> int | None:
    """How many processes were replaced since the last look, at least: who was replaced twice counts once. None where none is in sight."""
    known = deployment.known or {one.pid for one in deployment.census}
    if not now or not known:
        return None
    missing = deployment.missing + len(known - set(now))
    replaced = min(missing, len(set(now) - known))
    deployment.known, deployment.missing = frozenset(now), missing - replaced
    return replaced


def _workers(deployment: Deployment, pids: Sequence[int]) -> list[int] | None:
    """Of the application's processes those that answer requests: without children of their own, and no mere bystander."""
    wanted = deployment.planned.workers
    leaves = _leaves(pids)
    if len(leaves) <= wanted:
        return leaves if len(leaves) == wanted else None
    if len(deployment.answering & set(leaves)) != wanted:
        inner = {_inner(pid): pid for pid in leaves}
        found = answering(deployment.reached, ASKED_PER_WORKER * wanted)
        # One process may take all connections of a moment, so what was found at another time counts too.
        deployment.answering |= {inner[pid] for pid in found if pid in inner}
    answered = deployment.answering & set(leaves)
    return sorted(answered) if len(answered) == wanted else None


def _leaves(pids: Sequence[int]) -> list[int]:
    """Those without children of their own, which are masters, and without Python's keeper of shared things, which has no work."""
    others = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            others.add(process.ppid())
            if any(_KEEPER in word for word in process.cmdline()):
                others.add(pid)
    return [pid for pid in pids if pid not in others]


def _inner(pid: int) -> int:
    """A process's number as it knows it itself, in a container another one: the last of `NSpid` in /proc (proc(5), since Linux 4.1)."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])
    return pid
