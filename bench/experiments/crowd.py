"""Quick requests beside slow clients: how many of them fail or wait, while so many others read or send slowly. See docs/claims.md.

Arriving and holding are two effects: the probes are counted once all that can be in place are and the stack is at rest, and what happened
meanwhile is told apart. A reader's first byte is not enough: behind a buffering front the rest of its answer is still being made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import msgspec
import numpy as np

from bench import load
from bench.deployment import Deployment, died
from bench.experiments import Outcome
from bench.experiments._rest import LOOK_S, LOOKS, rest
from bench.lab import ArmFailedError, Found, Lab, Loaded, PlannedArm, job_name
from bench.model import Failed

JOB_S = 1.5
"""Starting the load process, and writing what it recorded."""
DELAYED_S = 0.1
"""A probe that takes longer than this was delayed."""
RAMP_S = 1.0
"""Over how long the slow clients arrive."""
CONNECTIONS = 64
"""Of the probes: each that waits holds one."""

SlowKind = Literal["readers", "slow-heads", "slow-bodies"]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    kind: SlowKind = "readers"
    levels: list[int]
    """Numbers of slow clients; a fresh deployment for each."""
    bytes: int = 8_000_000
    """Of a reader's answer: beyond all buffers between, or it is not slow; of a body that is sent slowly."""
    rate_bytes_s: float | None = None
    """Of each; None: the engine's own for the kind."""
    probe_rps: float = 50.0
    probe_timeout_s: float = 1.5
    probe_s: float = 3.0
    settle_s: float = 1.0
    """How long is waited at most for those that never get in place: where all workers are held, that is most of them."""
    rest_s: float = 6.0
    """How long after that is waited at most until the stack is at rest, which it is once it only holds them."""
    finish_s: float = 3.0
    scenarios: tuple[str, ...] = ("plaintext",)
    """What the probes ask for."""

    def __post_init__(self) -> None:
        if not self.levels or min(self.levels) < 1:
            raise ValueError("`levels` are numbers of slow clients, 1 or more")


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    names = (
        "probe_failed_share",
        "probe_delayed_share",
        "probe_p50_ms",
        "probe_p90_ms",
        "slow_held_share",
        "slow_present_share",
        "slow_truncated_share",
        "arrival_failed_share",
        "arrival_work_s",
        "at_rest_share",
        "pss_bytes",
    )
    return {f"{name}_at_{level}" for name in names for level in given.levels}


def seconds(given: Parameters) -> float:
    """See `Kind`; arms are side by side, so an arm takes little more than its load process's start."""
    each = RAMP_S + given.settle_s / 2 + LOOKS * LOOK_S + given.rest_s / 4 + given.probe_s + given.probe_timeout_s / 2
    return JOB_S * len(given.levels) + each * (len(given.levels) - 1) + each / 4


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: slow clients and few probes leave the CPUs idle, so all arms are tried at the same time, level by level."""
    found: dict[str, Outcome] = {}
    for turn in range(max(len(arm.parameters.levels) for arm in arms)):
        now = [arm for arm in arms if turn < len(arm.parameters.levels) and not isinstance(found.get(arm.name), Failed)]
        if not now:
            break
        with lab.deploy_all(now, replicate) as up:
            found |= up.failed
            works = {
                arm.name: partial(_try, lab, arm, up.deployments[arm.name], replicate, arm.parameters.levels[turn])
                for arm in now if arm.name in up.deployments
            }  # fmt: skip
            came = lab.side_by_side(works) if works else {}
        for name, one in came.items():
            before = found.get(name)
            both = isinstance(one, Found) and isinstance(before, Found)
            found[name] = _both(before, one) if both else one
    return found


def _both(one: Outcome | None, other: Outcome) -> Outcome:
    """The figures of several levels; the rest is the last one's."""
    assert isinstance(one, Found)
    assert isinstance(other, Found)
    return replace(
        other, metrics={**one.metrics, **other.metrics}, flags=list(dict.fromkeys([*one.flags, *other.flags]))
    )


def _try(
    lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int, level: int, gate: Callable[[], object]
) -> Found:  # fmt: skip
    given: Parameters = arm.parameters
    rested: list[float | None] = []

    def in_place() -> None:
        rested.append(rest(deployment, given.rest_s))
        gate()

    loaded = lab.load(
        job(given, deployment, level), name=job_name(arm, replicate, f"{level}"), watched=[deployment], gate=in_place
    )
    if why := died(deployment):
        raise ArmFailedError(why)
    used = loaded.accounts(deployment)
    sizes = [size for size in used["pss_bytes"].values() if size is not None]
    # Of processes on another machine nobody here can say whether they rest.
    at_rest = float(rested[0] is not None) if deployment.pids("app") else None
    metrics = {
        **at_level(given, deployment, loaded, level), f"arrival_work_s_at_{level}": rested[0],
        f"at_rest_share_at_{level}": at_rest, f"pss_bytes_at_{level}": sum(sizes) if sizes else None,
    }  # fmt: skip
    return Found(
        metrics=metrics, requests=loaded.requests, cpu_s=used["cpu_s"], pss_bytes=used["pss_bytes"],
        flags=["generator-late"] if loaded.target(deployment.id)["late"] else [],
    )  # fmt: skip


def job(given: Parameters, deployment: Deployment, level: int) -> load.Job:
    """The probes, and so many slow clients beside them."""
    path = (
        f"/blob?bytes={given.bytes}"
        if given.kind == "readers"
        else "/upload"
        if given.kind == "slow-bodies"
        else "/plaintext"
    )
    beside = load.Beside(
        kind=given.kind, count=level, path=path, bytes=given.bytes if given.kind == "slow-bodies" else None,
        rate_bytes_s=given.rate_bytes_s, ramp_s=RAMP_S, settle_s=given.settle_s, finish_s=given.finish_s,
    )  # fmt: skip
    return load.Job(
        scenario=given.scenarios[0], mode="open", rate_rps=given.probe_rps, arrivals="constant", seed=0, warmup_s=0.3,
        measure_s=given.probe_s, timeout_s=given.probe_timeout_s, beside=beside,
        targets=[load.Target(id=deployment.id, endpoint=deployment.client, connections=CONNECTIONS)],
    )  # fmt: skip


def at_level(given: Parameters, deployment: Deployment, loaded: Loaded, level: int) -> dict[str, float | None]:
    """What became of the probes, and of the slow clients."""
    rows = loaded.rows().of(deployment.id)
    right, took_s = rows.right, rows.end_s - rows.intended_s
    beside = loaded.answer["beside"]
    failed = sum(beside["arrival"]["errors"].values())
    came = failed + beside["arrival"]["requests"]
    whole = {f"{name}_at_{level}_of": float(len(rows)) for name in ("probe_failed_share", "probe_delayed_share")}
    took_ms = {
        f"probe_p{p}_ms_at_{level}": float(np.percentile(took_s, p, method="inverted_cdf")) * 1000 if len(rows) >= 100 else None
        for p in (50, 90)
    }  # fmt: skip
    return {
        f"probe_failed_share_at_{level}": float(1 - right.mean()) if len(rows) else None,
        f"probe_delayed_share_at_{level}": float((took_s > DELAYED_S).mean()) if len(rows) else None,
        **took_ms, **whole,
        f"arrival_failed_share_at_{level}": failed / came if came else None, f"arrival_failed_share_at_{level}_of": float(came),
        f"slow_held_share_at_{level}": beside["held"] / level, f"slow_held_share_at_{level}_of": float(level),
        f"slow_present_share_at_{level}": beside["present"] / level, f"slow_present_share_at_{level}_of": float(level),
        f"slow_truncated_share_at_{level}": beside["outcomes"].get("truncated", 0) / level,
        f"slow_truncated_share_at_{level}_of": float(level),
    }  # fmt: skip
