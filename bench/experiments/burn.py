"""What one request that computes does to the others: probes at a low rate, one computation of known length, and who of the probes waited.

When the computation began and ended is known from itself, so what the probes find is held against the truth. See docs/claims.md.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from bench import load
from bench.clockwork import Action
from bench.deployment import Deployment, died
from bench.experiments import Outcome
from bench.experiments._asking import Asked, event, fault, monotonic, shares, took_s
from bench.lab import Found, Lab, Loaded, PlannedArm, job_name
from bench.model import Failed
from bench.recorded import Rows

JOB_S = 2.5
"""Starting the load process, opening connections, writing."""
TARGET = "probes"


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    rate_rps: float = 100.0
    """Of the probes, evenly spaced."""
    connections: int = 256
    """More than arrive during the computation: none of them waits for a connection."""
    loop: Literal["open", "closed"] = "open"
    """`closed`: each connection waits for its answer before it asks again, which hides a stall."""
    path: str = "/plaintext"
    burn_ms: int = 2000
    where: Literal["inline", "thread", "process"] = "inline"
    """Who computes: the handler itself, or an executor that it awaits."""
    before_s: float = 0.5
    after_s: float = 0.7
    delayed_ms: float = 100.0
    """A probe that took longer was delayed."""


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    counted = {"delayed_share", "before_delayed_share", "delayed_of_all_share", "failed_share"}
    return counted | {f"{name}_of" for name in counted} | {"largest_delay_ms", "largest_delay_per_burn", "burn_ms"}


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return JOB_S + given.before_s + given.burn_ms / 1000 + given.after_s


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: all stacks are up, which costs nothing while they are idle; one after the other is probed."""
    with lab.deploy_all(arms, replicate, env=lab.faults) as up:
        found: dict[str, Outcome] = dict(up.failed)
        for arm in arms:
            if arm.name in up.deployments:
                found[arm.name] = probe(lab, arm, up.deployments[arm.name], replicate)
        return found


def probe(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int) -> Outcome:
    """One arm: probes, with the computation among them."""
    given: Parameters = arm.parameters
    if given.where != "inline":  # its executor starts with its first work
        fault(deployment.reached, "burn", lab.secret, ms=1, where=given.where)
    asked: list[Asked] = []

    def burn() -> None:
        asked.append(fault(deployment.reached, "burn", lab.secret, ms=given.burn_ms, where=given.where))

    job = load.Job(
        requests=[{"method": "GET", "path": given.path, "headers": {}}], stored=True, mode=given.loop, arrivals="constant",
        targets=[load.Target(id=TARGET, endpoint=deployment.client, connections=given.connections)], seed=0, warmup_s=0.2,
        measure_s=given.before_s + given.burn_ms / 1000 + given.after_s, timeout_s=given.burn_ms / 1000 + 8.0,
        rate_rps=given.rate_rps if given.loop == "open" else None,
    )  # fmt: skip
    loaded = lab.load(
        job, name=job_name(arm, replicate, "burn"), watched=[deployment], at=[Action(at_s=given.before_s, name="asked", do=burn)]
    )  # fmt: skip
    if not asked or asked[0].status != 200:
        return died(deployment) or Failed(
            reason=f"the computation was not answered ({asked[0].status if asked else 'never asked for'})"
        )
    return _found(given, deployment, loaded, asked[0])


def _found(given: Parameters, deployment: Deployment, loaded: Loaded, asked: Asked) -> Found:
    events = [
        event("burn-begin", monotonic(asked.body["began"]), loaded),
        event("burn-end", monotonic(asked.body["ended"]), loaded),
    ]
    began_s, ended_s = (float(one["at_s"]) for one in events)
    used = loaded.accounts(deployment)
    return Found(
        metrics=judged(loaded.rows().of(TARGET), began_s, ended_s, given.delayed_ms / 1000), events=[*loaded.events, *events],
        requests=loaded.requests, cpu_s=used["cpu_s"], pss_bytes=used["pss_bytes"],
    )  # fmt: skip


def judged(rows: Rows, began_s: float, ended_s: float, delayed_s: float) -> dict[str, float | None]:
    """The figures of probes around a computation from `began_s` to `ended_s`.

    A probe fell into it if it was due before its last `delayed_s`: one that is due later cannot wait so long. One that failed was delayed.
    """
    took, failed = took_s(rows), ~rows.right
    delayed = (took > delayed_s) | failed
    inside = (rows.intended_s >= began_s) & (rows.intended_s < ended_s - delayed_s)
    before = rows.intended_s + delayed_s < began_s
    waited = took[inside & rows.right]
    largest_ms = float(waited.max() * 1000) if len(waited) else None
    burn_ms = (ended_s - began_s) * 1000
    return {
        **shares("delayed_share", delayed, inside), **shares("before_delayed_share", delayed, before),
        **shares("delayed_of_all_share", delayed, rows.intended_s > -1e9), **shares("failed_share", failed, inside),
        "largest_delay_ms": largest_ms, "largest_delay_per_burn": None if largest_ms is None else largest_ms / burn_ms,
        "burn_ms": burn_ms,
    }  # fmt: skip
