"""Sharing the CPUs out among the server under test, the load generator and the database."""

import itertools
import math
from collections.abc import Iterable

from bench.machine.topology import Topology
from bench.model import Budget

NOT_PINNED = "This platform cannot pin processes: the sides compete for all CPUs, and the operating system decides."
ONE_CPU = "One CPU carries server, load generator and database: the figures can only compare stacks with each other."
SHARED_DATABASE = "The database shares the generator's CPU: what it uses, the generator cannot."


def default_budget(topology: Topology) -> Budget:
    """One core for the generator, one for the database, all others for the server; the sets are disjoint.

    From three cores on, a core goes to one side with all its threads; below, single CPUs are shared out. With two CPUs
    the database shares the generator's, with one everything shares it, and the notes say so. Where a cgroup's quota is
    below the number of CPUs the rest stay unused, since throttling would stop all sides at once.
    """
    cores, notes = _within_quota(topology)
    cpus = tuple(cpu for core in cores for cpu in core)
    if not topology.can_pin:
        notes += (NOT_PINNED,)
    if len(cpus) == 1:
        return _budget(topology, cpus, cpus, cpus, (*notes, ONE_CPU))
    if len(cpus) == 2:
        notes = (*notes, *_one_core(cores, *cpus), SHARED_DATABASE)
        return _budget(topology, cpus[:1], cpus[1:], cpus[1:], notes)
    if len(cores) >= 3:
        return _budget(topology, cpus[: -len(cores[-2] + cores[-1])], cores[-2], cores[-1], notes)
    # Taken from the larger core, so that the server has the other to itself.
    *server, load, database = [cpu for core in sorted(cores, key=len) for cpu in core]
    return _budget(topology, server, (load,), (database,), (*notes, *_one_core(cores, load, database)))


def _within_quota(topology: Topology) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """As many CPUs as the quota can keep busy, grouped by core: one thread of each core before a second of any."""
    total, quota = len(topology.cpus), topology.quota_cpus
    if quota is None or quota >= total:
        return topology.cores, ()
    usable = max(1, math.floor(quota))
    taken: set[int] = set()
    for threads in itertools.zip_longest(*topology.cores):
        taken.update([cpu for cpu in threads if cpu is not None][: usable - len(taken)])
    cores = tuple(tuple(cpu for cpu in core if cpu in taken) for core in topology.cores)
    if quota < usable:
        note = f"A cgroup allows {quota:g} of a CPU: everything is throttled together, and figures are rough."
    else:
        note = f"A cgroup allows {quota:g} of {total} CPUs, so {usable} are used."
    return tuple(core for core in cores if core), (note,)


def _one_core(cores: tuple[tuple[int, ...], ...], *cpus: int) -> tuple[str, ...]:
    if len(cores) == 1:
        return ("All CPUs are threads of one core: each side slows the others.",)
    if any(set(cpus) <= set(core) for core in cores):
        return (f"CPUs {' and '.join(map(str, cpus))} are threads of one core: one side slows the other.",)
    return ()


def _budget(
    topology: Topology, server: Iterable[int], load: Iterable[int], database: Iterable[int], notes: tuple[str, ...]
) -> Budget:
    return Budget(
        server_cpus=frozenset(server),
        load_cpus=frozenset(load),
        database_cpus=frozenset(database),
        notes=notes,
        pinned=topology.can_pin,
    )
