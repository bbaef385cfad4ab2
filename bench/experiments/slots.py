"""How many requests a stack serves at once: a closed loop over rising numbers of connections, on an endpoint that only waits.

A stack with so many slots answers at most slots / wait requests a second, however many ask. See docs/claims.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from bench import faults, load
from bench.deployment import Deployment, died
from bench.experiments import Outcome
from bench.lab import Found, Lab, Loaded, PlannedArm, job_name
from bench.plan import slots as slots_at_once
from bench.recorded import Rows

MOST_PER_SLOT = 16
"""So many requests for each slot at most: one that waits for its turn longer than that says nothing more, and takes long."""
JOB_S = 1.5
"""Starting the load process, and writing what it recorded."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    levels: list[int]
    """Numbers of connections; those above `MOST_PER_SLOT` times the slots are left out."""
    slots: int | None = None
    """How many requests at once the claim says it serves; None: as its worker model says, workers times threads."""
    wait_ms: int = 100
    window_s: float = 1.2
    """At each level."""
    scenarios: tuple[str, ...] = ("io",)
    path: str | None = None
    """What is asked for instead of the scenario, at any answer below 400."""


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    at = {f"{name}_at_{level}" for name in ("rps", "rps_per_ideal", "p90_ms") for level in given.levels}
    return at | {"plateau_rps", "plateau_per_prediction", "alone_per_prediction"}


def seconds(given: Parameters) -> float:
    """See `Kind`. What is in flight at the end of a window drains, up to `MOST_PER_SLOT` waits."""
    return len(given.levels) * (given.window_s + 2 * given.wait_ms / 1000) + JOB_S / 4


def levels_of(arm: PlannedArm) -> list[int]:
    """The numbers of connections that an arm is tried with."""
    given: Parameters = arm.parameters
    slots = slots_at_once(arm.stack)
    return [one for one in given.levels if slots is None or one <= MOST_PER_SLOT * slots]


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: all stacks are up, which costs nothing while they are idle; one window after the other."""
    with lab.deploy_all(arms, replicate, env=environment(lab, arms)) as up:
        ready = [arm for arm in arms if arm.name in up.deployments]
        if not ready:
            return up.failed
        loaded = sweep(lab, ready, up.deployments, job_name(ready[0].claim, replicate, "slots"))
        outcomes: dict[str, Outcome] = dict(up.failed)
        rows = loaded.rows()
        for arm in ready:
            outcomes[arm.name] = died(up.deployments[arm.name]) or found(arm, up.deployments[arm.name], loaded, rows)
        return outcomes


def sweep(lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], name: str) -> Loaded:
    """Each of `arms` at each of its levels, in one load."""
    given: Parameters = arms[0].parameters
    asked = [(arm, level) for arm in arms for level in levels_of(arm)]
    own = any(arm.parameters.path for arm in arms)
    what: dict[str, Any] = {"scenario": given.scenarios[0], "parameters": {"ms": given.wait_ms}}
    if own:
        headers = faults.headers(lab.secret)
        paths = [arm.parameters.path or f"/io?ms={arm.parameters.wait_ms}" for arm, _ in asked]
        what = {"requests": [{"path": path, "headers": headers} for path in paths], "stored": True}
    job = load.Job(
        **what, mode="closed", seed=0, warmup_s=0.0, measure_s=given.window_s,
        timeout_s=4 * MOST_PER_SLOT * given.wait_ms / 1000 + 2.0,
        targets=[
            load.Target(
                id=target(deployments[arm.name], level), endpoint=deployments[arm.name].client, connections=level,
                batch=min(level, slots_at_once(arm.stack) or level),
            )
            for arm, level in asked
        ],
    )  # fmt: skip
    return lab.load(job, name=name, watched=[deployments[arm.name] for arm in arms])


def environment(lab: Lab, arms: Sequence[PlannedArm]) -> Mapping[str, str]:
    """What switches on the endpoints that are asked for."""
    return lab.faults if any(optional(arm.parameters) for arm in arms) else {}


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"} if (given.path or "").startswith("/fault/") else set()


def target(deployment: Deployment, level: int) -> str:
    """How the load names one deployment with so many connections."""
    return f"{deployment.id}|{level}"


def at_levels(arm: PlannedArm, deployment: Deployment, loaded: Loaded, rows: Rows) -> dict[str, float | None]:
    """What is known of each level."""
    given: Parameters = arm.parameters
    found: dict[str, float | None] = {}
    for level in given.levels:
        name = target(deployment, level)
        mine = rows.of(name)
        rate = (loaded.target(name)["batches"] or {}).get("rps") if level in levels_of(arm) else None
        took_ms = (mine.end_s - mine.intended_s)[mine.right] * 1000
        found |= {
            f"rps_at_{level}": rate,
            f"rps_per_ideal_at_{level}": None if rate is None else rate * given.wait_ms / 1000 / level,
            f"p90_ms_at_{level}": float(np.percentile(took_ms, 90)) if len(took_ms) >= 100 else None,
        }
    return found


def found(arm: PlannedArm, deployment: Deployment, loaded: Loaded, rows: Rows) -> Found:
    """The figures of one arm."""
    given: Parameters = arm.parameters
    each = at_levels(arm, deployment, loaded, rows)
    slots = given.slots or slots_at_once(arm.stack)
    rates = {level: rate for level in given.levels if (rate := each[f"rps_at_{level}"]) is not None}
    plateau = max((rate for level, rate in rates.items() if level >= (slots or 1)), default=None)
    one_at_a_time, used = 1000 / given.wait_ms, loaded.accounts(deployment)
    return Found(
        metrics={
            **each, "plateau_rps": plateau,
            "plateau_per_prediction": plateau / (slots * one_at_a_time) if plateau is not None and slots else None,
            "alone_per_prediction": rates[1] / one_at_a_time if 1 in rates else None,
        },
        requests=loaded.requests, flags=flags(loaded, deployment), cpu_s=used["cpu_s"], pss_bytes=used["pss_bytes"],
    )  # fmt: skip


def flags(loaded: Loaded, deployment: Deployment) -> list[str]:
    """What to know of the figures of one deployment."""
    mine = [one for one in loaded.answer["targets"] if str(one["id"]).partition("|")[0] == deployment.id]
    return ["errors"] if any(sum(one["errors"].values()) for one in mine) else []
