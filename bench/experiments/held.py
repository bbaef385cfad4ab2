"""How many connections a process holds, waiting or idle, and what each of them takes of memory. See docs/claims.md.

First requests that wait, at rising numbers of connections, as in `slots`; then a crowd of connections that have had one answer and stay,
while a few probes ask for something small.
"""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench import load, sample
from bench.clockwork import Action
from bench.deployment import Deployment, died
from bench.experiments import Outcome, slots
from bench.lab import ArmFailedError, Found, Lab, Loaded, PlannedArm, job_name
from bench.model import Role

MOST, MOST_FRONTED = 10_000, 5_000
"""Idle connections to one server, and to one front, which takes two descriptors for each client while it asks."""
SPARE_FILES = 128
"""Descriptors of a process beside its connections."""
PROBE_CONNECTIONS = 16
SETTLE_S, SETTLE_RPS = 5.0, 1000.0
"""How long those that come are waited for after the last has begun: so long, and so many a second. It ends when all are in place."""
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ROLES: tuple[Role, ...] = ("app", "front")


class Parameters(slots.Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment; beside these, those of `slots`."""

    levels: list[int] = []  # noqa: RUF012 (msgspec copies it)
    idle: int = 0
    """Connections that stay idle; 0: none. Each takes a descriptor of the server and one of the generator, behind nginx one of nginx."""
    idle_ramp_s: float = 5.0
    """Over how long they come."""
    probe_rps: float = 50.0
    probe_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.levels and not self.idle:
            raise ValueError("give `levels`, `idle` or both")


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    found = slots.metrics(given) if given.levels else set()
    if given.idle:
        found |= {
            "idle_held_share",
            "idle_arrived_share",
            "idle_arrival_s",
            "idle_probe_p50_ms",
            "idle_probe_failed_share",
        }
        found |= {f"idle_{role}_per_connection_bytes" for role in _ROLES}
    return found


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    idle_s = given.idle_ramp_s + given.probe_s + 2 * slots.JOB_S if given.idle else 0.0
    return idle_s + (slots.seconds(given) if given.levels else 0.0)


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return slots.optional(given)


def obstacle(arms: Sequence[PlannedArm]) -> str | None:
    """See `Hindered`: descriptors and local ports."""
    for arm in arms:
        front = arm.stack.stack.front
        limit = MOST_FRONTED if front.processes else MOST
        if arm.parameters.idle > limit:
            asked = f"{arm.name}: {arm.parameters.idle} idle connections"
            return f"{asked} are more than {limit}, the most that are tried with {front.name}; give fewer"
    most = max(max([arm.parameters.idle, *arm.parameters.levels], default=0) for arm in arms)
    needed = most + PROBE_CONNECTIONS + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        return (
            f"{most} connections need {needed} open files in one process, the hard limit here is {hard} (ulimit -Hn); "
            f"raise it: sudo prlimit --pid $$ --nofile={needed}:{needed}"
        )
    ports = _local_ports()
    if ports is not None and ports < needed:
        return (
            f"{most} connections to one address need as many local ports, net.ipv4.ip_local_port_range has {ports}; "
            "widen it: sudo sysctl -w net.ipv4.ip_local_port_range='32768 60999'"
        )
    return None


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: first those that wait, one window after the other; then the crowds, one after the other."""
    most = max(max([arm.parameters.idle, *arm.parameters.levels]) for arm in arms)
    allow_files(most + PROBE_CONNECTIONS + SPARE_FILES)
    with lab.deploy_all(arms, replicate, env=slots.environment(lab, arms)) as up:
        found: dict[str, Outcome] = dict(up.failed)
        waiting = [arm for arm in arms if arm.name in up.deployments and arm.parameters.levels]
        if waiting:
            loaded = slots.sweep(lab, waiting, up.deployments, job_name(arms[0].claim, replicate, "waiting"))
            rows = loaded.rows()
            for arm in waiting:
                found[arm.name] = slots.found(arm, up.deployments[arm.name], loaded, rows)
        for arm in arms:
            if arm.name in up.deployments and arm.parameters.idle:
                found[arm.name] = _idle(lab, arm, up.deployments[arm.name], replicate, found.get(arm.name))
        for name, deployment in up.deployments.items():
            found[name] = died(deployment) or found[name]
        return found


def _idle(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int, before: Outcome | None) -> Outcome:
    """The crowd's figures beside those of waiting; one crowd that fails leaves the other arms theirs."""
    try:
        found = idle(lab, arm, deployment, replicate)
    except ArmFailedError as error:
        return error.failed
    if not isinstance(before, Found):
        return found
    return replace(found, metrics={**before.metrics, **found.metrics}, flags=[*before.flags, *found.flags])


def allow_files(needed: int) -> None:
    """Raise this process's soft limit, which those it starts inherit; `obstacle` has looked at the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def idle(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int) -> Found:
    """The crowd, and probes beside it; memory before any came, and while all are there."""
    given: Parameters = arm.parameters
    during: list[dict[str, int | None]] = []
    before = _memory(deployment)
    look = Action(at_s=given.probe_s / 2, name="look", do=lambda: during.append(_memory(deployment)))
    job = load.Job(
        scenario="plaintext", mode="open", rate_rps=given.probe_rps, arrivals="constant", seed=0, warmup_s=0.2,
        measure_s=given.probe_s,
        targets=[load.Target(id=deployment.id, endpoint=deployment.client, connections=PROBE_CONNECTIONS)],
        beside=load.Beside(
            kind="idle", count=given.idle, path="/plaintext", ramp_s=given.idle_ramp_s, finish_s=10.0,
            settle_s=SETTLE_S + given.idle / SETTLE_RPS,
        ),
    )  # fmt: skip
    loaded = lab.load(job, name=job_name(arm, replicate, "idle"), watched=[deployment], at=[look])
    return _idle_found(given, deployment, loaded, before, during[0])


def _idle_found(
    given: Parameters, deployment: Deployment, loaded: Loaded, before: dict[str, int | None], during: dict[str, int | None]
) -> Found:  # fmt: skip
    mine, beside, used = loaded.target(deployment.id), loaded.answer["beside"], loaded.accounts(deployment)
    failed = sum(mine["errors"].values())
    # Who was still on the way says how fast they are taken, not how many are held; who was refused or closed was not held.
    arrived = given.idle - beside["on_the_way"]
    each = {
        f"idle_{role}_per_connection_bytes": (more - less) / beside["held"]
        if (more := during.get(role)) and (less := before.get(role)) and beside["held"] else None
        for role in _ROLES
    }  # fmt: skip
    return Found(
        metrics={
            "idle_held_share": beside["held"] / arrived if arrived else None, "idle_held_share_of": float(arrived),
            "idle_arrived_share": arrived / given.idle, "idle_arrived_share_of": float(given.idle),
            "idle_arrival_s": beside["settled_s"],
            "idle_probe_p50_ms": mine["latency_ms"]["p50"], "idle_probe_failed_share": failed / (mine["requests"] + failed),
            "idle_probe_failed_share_of": float(mine["requests"] + failed), **each,
        },
        events=loaded.events, requests=loaded.requests, cpu_s=used["cpu_s"], pss_bytes=during,
        flags=["generator-late"] if mine["late"] else [],
    )  # fmt: skip


def _memory(deployment: Deployment) -> dict[str, int | None]:
    """Proportional set size by role, now."""
    return {role: sample.pss_bytes(pids) for role in _ROLES if (pids := deployment.pids(role))}


def _local_ports() -> int | None:
    try:
        low, high = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return high - low + 1
