"""What one request that computes does to the others: probes at a low rate, one computation of known length, and who of the probes waited.

When the computation began and ended is known from itself, so what the probes find is held against the truth. See docs/claims.md.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from bench.clockwork import Action
from bench.deployment import Deployment, died
from bench.experiments import Outcome
from bench.experiments._asking import Asked, event, fault, monotonic, shares, took_s
from bench.experiments._turns import JOB_S, TURN_S, Turn, take
from bench.lab import Found, Lab, Loaded, PlannedArm
from bench.model import Failed
from bench.recorded import Rows


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
    fault: Literal["burn", "hang"] = "burn"
    """`hang`: instead of computing, the handler blocks, which is known to stop a loop: what that delays is a check of the instrument."""
    where: Literal["inline", "thread", "process"] = "inline"
    """Who computes: the handler itself, or an executor that it awaits."""
    before_s: float = 0.5
    after_s: float = 0.5
    delayed_ms: float = 100.0
    """A probe that took longer was delayed."""

    def __post_init__(self) -> None:
        if self.fault == "hang" and self.where != "inline":
            raise ValueError("`hang` blocks the handler itself: leave `where` out")


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    counted = {"delayed_share", "before_delayed_share", "delayed_of_all_share", "failed_share"}
    return counted | {f"{name}_of" for name in counted} | {"largest_delay_ms", "largest_delay_per_burn", "burn_ms"}


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return TURN_S + given.before_s + given.burn_ms / 1000 + given.after_s + (JOB_S if given.loop == "closed" else 0.0)


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: all stacks are up, which costs nothing while they are idle; one after the other is probed."""
    with lab.deploy_all(arms, replicate, env=lab.faults) as up:
        ready = [arm for arm in arms if arm.name in up.deployments]
        return {**up.failed, **probe_all(lab, ready, up.deployments, replicate)}


def probe(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int) -> Outcome:
    """One arm that is up, deployed with faults."""
    return probe_all(lab, [arm], {arm.name: deployment}, replicate)[arm.name]


def probe_all(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], replicate: int
) -> dict[str, Outcome]:
    """Arms that are up, deployed with faults, one after the other: those that are probed alike in one load."""
    alike: dict[tuple[object, ...], list[PlannedArm]] = {}
    for arm in arms:
        given: Parameters = arm.parameters
        key = (given.loop, given.rate_rps, given.before_s, given.burn_ms, given.after_s)
        alike.setdefault(key, []).append(arm)
    found: dict[str, Outcome] = {}
    for number, group in enumerate(alike.values()):
        found |= _probe_alike(lab, group, deployments, replicate, f"burn{number or ''}")
    return found


def _probe_alike(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], replicate: int, part: str
) -> dict[str, Outcome]:
    given: Parameters = arms[0].parameters
    asked: dict[str, Asked] = {}
    turns = [_turn(lab, arm, deployments[arm.name], asked) for arm in arms]
    burn_s = given.burn_ms / 1000
    loads = take(
        lab, turns, replicate, part, mode=given.loop, rate_rps=given.rate_rps if given.loop == "open" else None,
        measure_s=given.before_s + burn_s + given.after_s, timeout_s=burn_s + 8.0, watched=[one.deployment for one in turns],
    )  # fmt: skip
    return {one.arm.name: _outcome(one, loads[one.arm.name], asked.get(one.arm.name)) for one in turns}


def _turn(lab: Lab, arm: PlannedArm, deployment: Deployment, asked: dict[str, Asked]) -> Turn:
    """One arm's turn; when the computation is over, `asked` has what came of it."""
    given: Parameters = arm.parameters
    if given.where != "inline":  # its executor starts with its first work
        fault(deployment.reached, "burn", lab.secret, ms=1, where=given.where)

    def burn() -> None:
        how = {"where": given.where} if given.fault == "burn" else {}
        asked[arm.name] = fault(deployment.reached, given.fault, lab.secret, ms=given.burn_ms, **how)

    return Turn(
        arm=arm, deployment=deployment, path=given.path, headers={}, connections=given.connections,
        actions=[Action(at_s=given.before_s, name="asked", do=burn)],
    )  # fmt: skip


def _outcome(turn: Turn, loaded: Loaded, asked: Asked | None) -> Outcome:
    if asked is None or asked.status != 200:
        said = "never asked for" if asked is None else asked.status
        return died(turn.deployment) or Failed(reason=f"the computation was not answered ({said})")
    given: Parameters = turn.arm.parameters
    began, ended = lasted(given, asked)
    events = [event("burn-begin", began, loaded), event("burn-end", ended, loaded)]
    began_s, ended_s = (float(one["at_s"]) for one in events)
    used = loaded.accounts(turn.deployment)
    return Found(
        metrics=judged(loaded.rows().of(turn.deployment.id), began_s, ended_s, given.delayed_ms / 1000),
        events=[*loaded.events, *events], requests=loaded.requests, cpu_s=used["cpu_s"], pss_bytes=used["pss_bytes"],
    )  # fmt: skip


def lasted(given: Parameters, asked: Asked) -> tuple[float, float]:
    """From when to when it lasted, on the monotonic clock. A block does not say so: then the time that it certainly covers."""
    if given.fault == "hang":
        return asked.ended_s - given.burn_ms / 1000, asked.sent_s + given.burn_ms / 1000
    return monotonic(asked.body["began"]), monotonic(asked.body["ended"])


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
