"""Which CPUs each side gets: by rule from the machine's topology, or as `--cpus` says; in words; and read back from what runs."""

import contextlib
import os
import sys
from collections.abc import Collection, Iterable, Mapping

from bench.machine.budget import NOT_PINNED, SHARED_DATABASE, default_budget
from bench.machine.topology import Topology, cpu_list
from bench.manifest import nearest
from bench.model import BenchError, Budget

SIDES: Mapping[str, str] = {"server": "the stacks", "front": "fronts", "db": "the database", "load": "the generator"}
"""What `--cpus` may name, and what that is."""


def place(topology: Topology, given: str | None = None) -> Budget:
    """The placement by rule, or with the sides that `given` names, such as `server=0-3,db=4,load=5-7`, where it says.

    A side that is left out gets what is left: the server all of it, generator and database a core each, or the generator all of it where
    the server is named. Where nothing is left the database shares the generator's CPUs; fronts always share the server's unless named.
    Raises BenchError for CPUs that do not exist or are given twice, and where a side would have none.
    """
    if given is None:
        return default_budget(topology)
    where = f"--cpus {given}"
    if not topology.can_pin:
        raise BenchError(f"{where}: {NOT_PINNED} Leave --cpus out here")
    named = _named(where, given)
    _check(where, named, topology)
    sides, notes = _filled(where, named, topology)
    return Budget(
        server_cpus=sides["server"], load_cpus=sides["load"], database_cpus=sides["db"],
        front_cpus=named.get("front", frozenset()), notes=(*notes, *_warnings(sides, topology)),
    )  # fmt: skip


def words(budget: Budget) -> str:
    """One line for people."""
    front = f", fronts {ranges(budget.front_cpus)}" if budget.front_cpus else " (fronts included)"
    line = (
        f"CPUs: stacks {ranges(budget.server_cpus)}{front}, "
        f"database {ranges(budget.database_cpus)}, generator {ranges(budget.load_cpus)}"
    )
    return line if budget.pinned else f"{line}; meant so, not bound"


def ranges(cpus: Iterable[int]) -> str:
    """Ids in the kernel's notation, such as `0-3,8`."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][-1] == cpu - 1:
            parts[-1][1:] = [cpu]
        else:
            parts.append([cpu])
    return ",".join("-".join(map(str, part)) for part in parts)


def check(pids: Iterable[int], cpus: Collection[int], what: str) -> None:
    """Read back where processes may run. Raises BenchError if it is elsewhere; nothing is asked where `cpus` is empty, or off Linux."""
    if not cpus or sys.platform != "linux":
        return
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            found = os.sched_getaffinity(pid)
            if found != set(cpus):
                raise BenchError(
                    f"{what} (process {pid}) may use CPUs {ranges(found)}, and {ranges(cpus)} were planned; "
                    "see what binds it: a cpuset of its cgroup, or taskset"
                )


def _named(where: str, given: str) -> dict[str, frozenset[int]]:
    texts: dict[str, list[str]] = {}
    side = ""
    for part in given.replace(" ", "").split(","):
        if "=" in part:
            side, _, part = part.partition("=")
            if side not in SIDES:
                raise BenchError(f"{where}: unknown side '{side}'.{nearest(side, list(SIDES))}")
            if side in texts:
                raise BenchError(f"{where}: {side} is named twice; give all its CPUs at once, as in {side}=0-3,6")
        if not side:
            raise BenchError(f"{where}: expected SIDE=CPUS, as in server=0-3,db=4,load=5-7")
        texts.setdefault(side, []).append(part)
    found = {}
    for side, parts in texts.items():
        try:
            found[side] = cpu_list(",".join(parts))
        except ValueError:
            found[side] = frozenset()
        if not found[side]:
            raise BenchError(f"{where}: {side}={','.join(parts)} is no list of CPUs; write it as in {side}=0-3,6")
    return found


def _check(where: str, named: Mapping[str, frozenset[int]], topology: Topology) -> None:
    usable = set(topology.cpus)
    for side, cpus in named.items():
        if cpus - usable:
            raise BenchError(
                f"{where}: CPU {ranges(cpus - usable)} of {side} does not exist or may not be used here; usable: {ranges(usable)}"
            )
    sides = list(named)
    for number, side in enumerate(sides):
        for other in sides[number + 1 :]:
            if both := named[side] & named[other]:
                shared = {"front": "the server's", "db": "the generator's where none is left"}
                spare = next((one for one in (side, other) if one in shared), None)
                hint = f", or leave {spare} out: it then has {shared[spare]}" if spare else ""
                raise BenchError(
                    f"{where}: CPU {ranges(both)} is given to both {side} and {other}; give each its own{hint}"
                )


def _filled(
    where: str, named: Mapping[str, frozenset[int]], topology: Topology
) -> tuple[dict[str, frozenset[int]], tuple[str, ...]]:
    taken = frozenset().union(*named.values())
    cores = [left for core in topology.cores if (left := tuple(cpu for cpu in core if cpu not in taken))]
    wanted = [side for side in ("server", "load", "db") if side not in named]
    shares = "db" in wanted and sum(map(len, cores)) < len(wanted)
    if shares:
        wanted.remove("db")
    parts = cores if len(cores) >= len(wanted) else [(cpu,) for core in cores for cpu in core]
    if len(parts) < len(wanted):
        raise BenchError(
            f"{where}: no CPU is left for {SIDES[wanted[-1]]}; give the other sides fewer of {ranges(topology.cpus)}"
        )
    sides = dict(named)
    if "db" in wanted:
        sides["db"] = frozenset(parts.pop())
    if "load" in wanted and "server" in wanted:
        sides["load"] = frozenset(parts.pop())
    rest = frozenset(cpu for part in parts for cpu in part)
    for side in ("server", "load"):
        if side not in sides:
            sides[side], rest = rest, frozenset()
    if shares:
        sides["db"] = sides["load"]
    notes = [SHARED_DATABASE] if shares else []
    if rest:
        notes.append(f"CPUs {ranges(rest)} stay unused, as --cpus says.")
    return sides, tuple(notes)


def _warnings(sides: Mapping[str, frozenset[int]], topology: Topology) -> list[str]:
    """What makes the sides slow each other although their CPUs are not the same."""
    found = []
    for core in topology.cores:
        on = {side: cpus & set(core) for side, cpus in sides.items() if cpus & set(core)}
        if len(set(on.values())) > 1:
            found.append(
                f"CPUs {' and '.join(map(str, core))} are threads of one core, shared by {' and '.join(on)}: each slows the other."
            )
    used = frozenset().union(*sides.values())
    if topology.quota_cpus is not None and topology.quota_cpus < len(used):
        found.append(
            f"A cgroup allows {topology.quota_cpus:g} CPUs and --cpus names {len(used)}: everything is throttled together."
        )
    return found
