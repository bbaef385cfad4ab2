"""What stacks can do, side by side: all arms alive at once, loaded in turn in short slices, scenario after scenario; see docs/claims.md.

The same as a run over the matrix does, so a claim may be answered from the trials of one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import msgspec

from bench import catalog, load, record, trial
from bench.companions import NAMES
from bench.database import data
from bench.deployment import Deployment, died
from bench.experiments import Outcome, _storm
from bench.experiments._asked import Asked, asked, check
from bench.experiments._asked import optional as paths_optional
from bench.experiments._figures import figures
from bench.experiments._storm import SESSIONS_S, TIMEOUT_S, sessions, storm, stormed
from bench.lab import Found, Lab, Loaded, PlannedArm, job_name
from bench.plan import CONNECTIONS, LATENCY_SHARE, WAITING_CONNECTIONS, slots

JOB_S = 1.5
"""Starting the load process, and writing what it recorded: for all arms together."""
MOST_PER_SLOT = 4
"""Requests in flight for each that a stack serves at once, where they only wait: what is left at the end of a window drains."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    scenarios: tuple[str, ...] = ()
    values: dict[str, dict[str, int]] = {}
    """From scenario to parameters of it, instead of its own."""
    paths: dict[str, str] = {}
    """Beside scenarios: from a name to a path, which may be another for each arm; any answer below 400 is right."""
    waits: tuple[str, ...] = ()
    """Those of `paths` whose answers take long, and not for work."""
    companions: tuple[str, ...] = ()
    """What the applications are to find beside them: `upstream`, a service with a settable latency."""
    connections: int = CONNECTIONS
    waiting_connections: int = WAITING_CONNECTIONS
    """Where requests only wait; at most `MOST_PER_SLOT` for each that a stack serves at once."""
    capacity_s: float = 0.5
    warmup_s: float = 0.1
    slice_s: float = 0.1
    window_s: float = 1.5
    """Instead of both, where a request takes long."""
    latency: tuple[str, ...] = ()
    latency_s: float = 2.0
    storm: int = 0
    """So many connections at once, after the rest, on the first scenario; 0: none."""
    storm_s: float = 1.0
    sessions: bool = False
    """Whether to count the database sessions that requests of `db` open."""

    def __post_init__(self) -> None:
        check(self)
        if set(self.companions) - set(NAMES):
            raise ValueError(f"`companions` are some of {', '.join(NAMES)}")
        if set(self.latency) - {*self.scenarios, *self.paths}:
            raise ValueError("`latency` names some of `scenarios` and `paths`")


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    each = {"rps", "bounded", "cpu_ms", "front_cpu_ms", "error_share", "database_connections", "connects_per_request"}
    found = {f"{one.name}_{name}" for one in asked(given) for name in each}
    found |= {f"{scenario}_{name}" for scenario in given.latency for name in ("p50_ms", "p99_ms")}
    found |= _storm.metrics() if given.storm else set()
    return found | {"pss_bytes"} | ({"db_sessions_per_request"} if given.sessions else set())


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    loads = [given.window_s if one.windows else given.capacity_s for one in asked(given)]
    loads += [given.latency_s for _ in given.latency]
    others = (given.storm_s + TIMEOUT_S / 5 if given.storm else 0.0) + (SESSIONS_S + JOB_S if given.sessions else 0.0)
    return sum(loads) + len(loads) * (given.warmup_s + JOB_S / 4) + others


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return paths_optional(given)


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`."""
    given: Parameters = arms[0].parameters
    trials: dict[str, list[dict[str, Any]]] = defaultdict(list)
    others: dict[str, dict[str, float | None]] = defaultdict(dict)
    last: Loaded | None = None
    none: Mapping[str, str] = {}
    beside: AbstractContextManager[Mapping[str, str]] = (
        lab.accompanied(given.companions, arms[0].stack) if given.companions else nullcontext(none)
    )
    with beside as env, lab.deploy_all(arms, replicate, env=env) as up:
        failed: dict[str, Outcome] = dict(up.failed)
        for one in asked(given):
            if lab.database.url and one.touches_database:
                data.settle(lab.database.url)
            if not (ready := _alive(arms, up.deployments, failed)):
                return failed
            last = _measure(lab, ready, up.deployments, one, replicate, trials)
            if one.name in given.latency:
                last = _measure(
                    lab, ready, up.deployments, one, replicate, trials, rate_rps=_rate_rps(trials, one.name)
                )
        for arm in _alive(arms, up.deployments, failed):
            if arm.parameters.sessions:
                others[arm.name] |= sessions(lab, arm, up.deployments[arm.name], replicate)
        if given.storm and (ready := _alive(arms, up.deployments, failed)):
            came = storm(lab, ready, up.deployments, asked(given)[0], replicate)
            for arm in ready:
                others[arm.name] |= stormed(came, up.deployments[arm.name])
        _alive(arms, up.deployments, failed)
    found: dict[str, Outcome] = {}
    for arm in arms:
        made = figures(trials[arm.name], last)
        found[arm.name] = failed.get(arm.name) or replace(made, metrics={**made.metrics, **others[arm.name]})
    return found


def from_trials(
    trials: Sequence[Mapping[str, Any]], arms: Sequence[PlannedArm]
) -> list[dict[str, tuple[Found, Mapping[str, Any]]]]:  # fmt: skip
    """See `Stored`. A replicate is a block, group and copy; where two arms have the same stack, a block and group, and each arm has a
    copy of its own: what was not alive together is not compared.

    Trials of a scenario with other parameters than the claim's are not of it.
    """
    given: Parameters = arms[0].parameters
    known = catalog.scenarios()
    meant = {name: {**known[name].parameters, **given.values.get(name, {})} for name in given.scenarios}
    by_deployment: dict[tuple[str, int, int, int], list[Mapping[str, Any]]] = defaultdict(list)
    for one in trials:
        if one["status"] == "measured" and meant.get(one["scenario"]) == one["parameters"]:
            by_deployment[one["stack"], one["block"], one["group"], one["copy"]].append(one)
    ids = [arm.stack.stack.id for arm in arms]
    twice = len(set(ids)) < len(ids)
    replicates = sorted({(block, group, 0 if twice else copy) for _, block, group, copy in by_deployment})
    found = []
    for block, group, copy in replicates:
        own = {arm.name: (ids[at], block, group, copy + ids[:at].count(ids[at])) for at, arm in enumerate(arms)}
        if all(by_deployment.get(key) for key in own.values()):
            found.append(
                {name: (figures(by_deployment[key], None), by_deployment[key][0]) for name, key in own.items()}
            )
    return found


def _alive(
    arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], failed: dict[str, Outcome]
) -> list[PlannedArm]:
    """Those that run; the others enter `failed`."""
    for arm in arms:
        if arm.name not in failed and (why := died(deployments[arm.name])):
            failed[arm.name] = why
    return [arm for arm in arms if arm.name not in failed]


def _measure(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], one: Asked, replicate: int,
    trials: dict[str, list[dict[str, Any]]], *, rate_rps: float | None = None,
) -> Loaded:  # fmt: skip
    """Ask all arms for one thing, in slices or at a rate, and add a trial for each."""
    given: Parameters = arms[0].parameters
    long = given.window_s if one.windows else None
    view, slice_s = ("latency", None) if rate_rps else ("capacity", long or given.slice_s)
    measure_s = given.latency_s if rate_rps else long or given.capacity_s
    watched = [deployments[arm.name] for arm in arms]
    started, name = record.now(), job_name(arms[0].claim, replicate, f"{one.name}-{view}")
    job = load.Job(
        **one.of_job(arms), mode="open" if rate_rps else "duet", seed=0, warmup_s=given.warmup_s, measure_s=measure_s, slice_s=slice_s,
        rate_rps=rate_rps, workers=load.each(lab.budget),
        targets=[
            load.Target(
                id=deployments[arm.name].id, endpoint=deployments[arm.name].client, connections=(count := _connections(arm, one, view)),
                batch=min(count, one.holds(arm)) if one.windows and rate_rps is None else None,
            )
            for arm in arms
        ],
    )  # fmt: skip
    loaded = lab.load(job, name=name, watched=watched)
    for arm, deployment in zip(arms, watched, strict=True):
        told = loaded.target(deployment.id)
        made = trial.measured(
            {"scenario": one.name, "view": view}, deployment, told, accounts=loaded.accounts(deployment),
            generator=loaded.answer["generator"], slice_s=slice_s, rate_rps=rate_rps, started=started, offset_s=0.0,
            budget=lab.budget,
        )  # fmt: skip
        trials[arm.name].append(made)
    return loaded


def _connections(arm: PlannedArm, one: Asked, view: str) -> int:
    given: Parameters = arm.parameters
    if not one.waits:
        return given.connections if view == "capacity" else WAITING_CONNECTIONS
    served = slots(arm.stack)
    return given.waiting_connections if served is None else min(given.waiting_connections, MOST_PER_SLOT * served)


def _rate_rps(trials: Mapping[str, Sequence[Mapping[str, Any]]], scenario: str) -> float:
    """At which the latency of all arms is read."""
    rates = [one["rps"] for each in trials.values() for one in each if one["scenario"] == scenario and one["rps"]]
    return max(1.0, LATENCY_SHARE * min(rates, default=0.0))
