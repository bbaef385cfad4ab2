"""Judging the facts. `bad` means that a run fails or its figures mean nothing, `warn` that they mean less."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.doctor.facts import Facts

Status = Literal["ok", "warn", "bad"]

FILES_NEEDED = 4096
"""A run of all stacks: connections of the generator, of nginx to both sides, and of the applications."""
FILES_FOR_MANY_CONNECTIONS = 20_000
"""Claim 3 holds 10,000 connections; nginx has two descriptors for each."""
BACKLOG = 2048
"""The backlog that our manifests ask for; the kernel cuts it to somaxconn."""
GIB = 1024**3
NOT_VISIBLE = "not visible here"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor's: what was found, and, unless `ok`, what to do about it."""

    name: str
    status: Status
    value: str
    remedy: str | None = None


def checks(facts: Facts) -> tuple[Check, ...]:
    """All of them, in the order in which they are shown."""
    return tuple(check(facts) for check in CHECKS)


def verdict(results: Sequence[Check]) -> int:
    """The command's exit status: 1 if anything is `bad`, else 0. Warnings do not count."""
    return int(any(check.status == "bad" for check in results))


def _cpus(facts: Facts) -> Check:
    count = len(facts.topology.cpus)
    cores = len(facts.topology.cores)
    value = str(count) if cores == count or not facts.topology.can_pin else f"{count}, threads of {cores} cores"
    if count == 1:
        remedy = "give the machine 3 CPUs or more: server, load generator and database share this one"
    elif count == 2:
        remedy = "give the machine 3 CPUs or more: the database shares the load generator's"
    elif cores < 3:
        remedy = "give the machine 3 cores or more: sides that share a core slow each other"
    else:
        return Check(name="CPUs", status="ok", value=value)
    return Check(name="CPUs", status="warn", value=value, remedy=remedy)


def _quota(facts: Facts) -> Check:
    quota, count = facts.topology.quota_cpus, len(facts.topology.cpus)
    if quota is None or quota >= count:
        return Check(name="CPU quota", status="ok", value="none" if quota is None else f"{quota:g} CPUs")
    remedy = (
        f"raise the container's or cgroup's limit to {count} CPUs, or take it off: throttling stops all sides at once"
    )
    return Check(
        name="CPU quota", status="bad" if quota < 1 else "warn", value=f"{quota:g} of {count} CPUs", remedy=remedy
    )


def _pinning(facts: Facts) -> Check:
    if facts.topology.can_pin:
        return Check(name="pinning", status="ok", value="processes can be bound to CPUs")
    remedy = "measure on Linux: here server, generator and database compete for all CPUs"
    return Check(name="pinning", status="warn", value=f"{facts.platform} cannot bind processes to CPUs", remedy=remedy)


def _steal(facts: Facts) -> Check:
    if facts.steal is None:
        return Check(name="steal", status="ok", value=NOT_VISIBLE)
    status: Status = "bad" if facts.steal >= 0.10 else "warn" if facts.steal >= 0.02 else "ok"
    remedy = "wait, or use a machine of your own or with dedicated CPUs: the hypervisor gives the time to others"
    return _judged("steal", status, f"{facts.steal:.1%} of CPU time, over the last second", remedy)


def _load(facts: Facts) -> Check:
    count = len(facts.topology.cpus)
    remedy = (
        "stop other programs, or wait until they are done: they take CPU time from what is measured, and being `nice` does not "
        "help where kernel.sched_autogroup_enabled is 1, since each session then gets an equal share"
    )
    return _judged("load average", "warn" if facts.load1 > 0.25 * count else "ok", f"{facts.load1:.2f}", remedy)


def _files(facts: Facts) -> Check:
    value = f"{_files_text(facts.files_soft)} (hard limit {_files_text(facts.files_hard)})"
    name = "open files"
    if facts.files_hard < FILES_NEEDED:
        remedy = (
            f"raise the hard limit to {FILES_FOR_MANY_CONNECTIONS} in /etc/security/limits.conf (or the container's)"
        )
        return Check(name=name, status="bad", value=value, remedy=f"{remedy}: a run needs {FILES_NEEDED}")
    if facts.files_soft < FILES_NEEDED:
        wanted = min(facts.files_hard, FILES_FOR_MANY_CONNECTIONS)
        return Check(name=name, status="warn", value=value, remedy=f"run `ulimit -n {wanted}` in this shell first")
    remedy = (
        f"10,000 connections need {FILES_FOR_MANY_CONNECTIONS}: raise it (`ulimit -n`; the hard limit in limits.conf)"
    )
    return _judged(name, "ok" if facts.files_soft >= FILES_FOR_MANY_CONNECTIONS else "warn", value, remedy)


def _ports(facts: Facts) -> Check:
    if facts.ports is None:
        return Check(name="ephemeral ports", status="ok", value=NOT_VISIBLE)
    first, last = facts.ports
    count = last - first + 1
    status: Status = "bad" if count < 2_000 else "warn" if count < 20_000 else "ok"
    remedy = (
        "run `sysctl -w net.ipv4.ip_local_port_range='32768 60999'`: servers that close each connection use them up"
    )
    return _judged("ephemeral ports", status, f"{count:,} ({first} to {last})", remedy)


def _somaxconn(facts: Facts) -> Check:
    if facts.somaxconn is None:
        return Check(name="somaxconn", status="ok", value=NOT_VISIBLE)
    remedy = "run `sysctl -w net.core.somaxconn=4096`: it caps every server's queue of new connections"
    return _judged("somaxconn", "ok" if facts.somaxconn >= BACKLOG else "warn", str(facts.somaxconn), remedy)


def _frequency(facts: Facts) -> Check:
    if facts.governor is None:
        return Check(name="governor", status="ok", value=NOT_VISIBLE)
    remedy = "run `cpupower frequency-set -g performance`: the clock follows the load otherwise"
    return _judged("governor", "ok" if facts.governor == "performance" else "warn", facts.governor, remedy)


def _turbo(facts: Facts) -> Check:
    if facts.turbo is None:
        return Check(name="turbo", status="ok", value=NOT_VISIBLE)
    remedy = (
        "write 1 to /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to /sys/devices/system/cpu/cpufreq/boost: "
        "the clock depends on heat and neighbours otherwise"
    )
    return _judged("turbo", "warn" if facts.turbo else "ok", "on" if facts.turbo else "off", remedy)


def _memory(facts: Facts) -> Check:
    gib = facts.memory_available_bytes / GIB
    status: Status = "bad" if gib < 0.5 else "warn" if gib < 2 else "ok"
    return _judged(
        "memory", status, f"{gib:.1f} GiB available", "stop other programs: prefork servers of all stacks need 2 GiB"
    )


def _disk(facts: Facts) -> Check:
    gib = facts.disk_free_bytes / GIB
    status: Status = "bad" if gib < 0.25 else "warn" if gib < 2 else "ok"
    remedy = f"delete old runs under {facts.results}: request samples of a long run take 2 GiB"
    return _judged("disk for results", status, f"{gib:.1f} GiB free", remedy)


def _python(facts: Facts) -> Check:
    value = ".".join(map(str, facts.python))
    remedy = "run `make setup`, which brings a Python of its own"
    return _judged("Python", "ok" if facts.python >= (3, 12) else "bad", value, remedy)


def _nginx(facts: Facts) -> Check:
    part = facts.nginx
    return _judged("nginx", "ok" if part.found else "bad", part.found or "none that can be used", part.problem)


def _postgresql(facts: Facts) -> Check:
    part = facts.postgresql
    return _judged("PostgreSQL", "ok" if part.found else "bad", part.found or "none that can be used", part.problem)


def _docker(facts: Facts) -> Check:
    client, daemon, compose = facts.docker_client, facts.docker_daemon, facts.docker_compose
    name, optional = "Docker (optional)", "only runs in containers need it"
    if client.found is None:
        remedy = f"install Docker Engine with Compose v2; {optional}"
        return Check(name=name, status="warn", value=client.problem or "not installed", remedy=remedy)
    if daemon.found is None:
        remedy = f"start the Docker daemon, or let this user reach it ({daemon.problem}); {optional}"
        return Check(name=name, status="warn", value=f"{client.found}; no daemon", remedy=remedy)
    if compose.found is None or not compose.found.lstrip("v").startswith(("2", "3", "4", "5")):
        remedy = f"install the plugin docker-compose, version 2 or newer; {optional}"
        return Check(name=name, status="warn", value=f"engine {daemon.found}; no Compose v2", remedy=remedy)
    return Check(name=name, status="ok", value=f"engine {daemon.found}, Compose {compose.found.lstrip('v')}")


def _judged(name: str, status: Status, value: str, remedy: str | None) -> Check:
    return Check(name=name, status=status, value=value, remedy=None if status == "ok" else remedy)


def _files_text(limit: int) -> str:
    return "unlimited" if limit == sys.maxsize else f"{limit:,}"


CHECKS: tuple[Callable[[Facts], Check], ...] = (
    _cpus,
    _quota,
    _pinning,
    _steal,
    _load,
    _files,
    _ports,
    _somaxconn,
    _frequency,
    _turbo,
    _memory,
    _disk,
    _python,
    _nginx,
    _postgresql,
    _docker,
)
