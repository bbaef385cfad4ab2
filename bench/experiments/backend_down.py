"""What clients see when one of several processes behind a front is killed, and how evenly these were asked before. See docs/claims.md."""

import signal
import time
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from bench import faults, whoami
from bench.clockwork import Action
from bench.deployment import Deployment
from bench.experiments import Outcome
from bench.experiments._asking import event, shares
from bench.experiments._turns import TURN_S, Turn, take
from bench.lab import Found, Lab, PlannedArm
from bench.model import Failed
from bench.recorded import Rows

ASKED = 100
"""Requests at once on fresh connections while the load goes on, to see who answers them."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    method: Literal["GET", "POST"] = "GET"
    """`POST` may not be repeated once it was sent."""
    rate_rps: float = 200.0
    wait_ms: int = 50
    """How long each request waits in its handler: rate times wait are in work."""
    connections: int = 128
    kill: bool = True
    """Whether one is killed; without, all live on."""
    before_s: float = 0.7
    after_s: float = 1.5
    """Both are those of the first arm, for all."""


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    counted = {"lost_share", "before_failed_share", "largest_share"}
    return counted | {f"{name}_of" for name in counted} | {"lost", "recovery_s"}


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return TURN_S + given.before_s + given.after_s


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: all stacks are up; one after the other is loaded.

    What waits is the fault that hangs for no time, after a wait: it takes GET and POST alike, and waits as /io does.
    """
    with lab.deploy_all(arms, replicate, env=lab.faults) as up:
        found: dict[str, Outcome] = dict(up.failed)
        ready = []
        for arm in arms:
            if arm.name in up.deployments:
                if lacking := _too_few(up.deployments[arm.name]):
                    found[arm.name] = lacking
                else:
                    ready.append(arm)
        return {**found, **_kill_all(lab, ready, up.deployments, replicate)} if ready else found


def _too_few(deployment: Deployment) -> Failed | None:
    if len(_commands(deployment)) > 1:
        return None
    return Failed(
        reason=f"{deployment.planned.stack.id} has one process at one address; "
        "take a stack with several, such as tornado/multi+workers=2/nginx"
    )


def _commands(deployment: Deployment) -> list[int]:
    return [number for number, one in enumerate(deployment.spawned) if one.role == "app"]


def _kill_all(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], replicate: int
) -> dict[str, Outcome]:
    given: Parameters = arms[0].parameters
    killed: dict[str, float] = {}
    evenness: dict[str, dict[str, float | None]] = {}
    turns = [_turn(lab, arm, deployments[arm.name], killed, evenness) for arm in arms]
    loads = take(
        lab, turns, replicate, "down", measure_s=given.before_s + given.after_s, rate_rps=given.rate_rps, timeout_s=8.0
    )
    found: dict[str, Outcome] = {}
    for one in turns:
        name, loaded = one.arm.name, loads[one.arm.name]
        events = [event("fault", killed[name], loaded)] if name in killed else []
        at_s = float(events[0]["at_s"]) if events else float("inf")
        metrics = {**judged(loaded.rows().of(one.deployment.id), at_s), **evenness[name]}
        found[name] = Found(metrics=metrics, events=[*loaded.events, *events], requests=loaded.requests)
    return found


def _turn(
    lab: Lab,
    arm: PlannedArm,
    deployment: Deployment,
    killed: dict[str, float],
    evenness: dict[str, dict[str, float | None]],
) -> Turn:
    """One arm's turn; `killed` has the time of the kill, once it was done, `evenness` who answered a crowd before."""
    given: Parameters = arm.parameters

    def ask() -> None:
        evenness[arm.name] = largest_share(deployment, whoami.answering(deployment.reached, ASKED))

    def kill() -> None:
        killed[arm.name] = time.perf_counter()
        lab.launcher.signal(deployment, _commands(deployment)[0], signal.SIGKILL)

    return Turn(
        arm=arm, deployment=deployment, path=f"/fault/hang?after_ms={given.wait_ms}&ms=0", method=given.method,
        headers=faults.headers(lab.secret), connections=given.connections,
        actions=[
            Action(at_s=given.before_s / 2, name="asked", do=ask),
            *([Action(at_s=given.before_s, name="kill", do=kill)] if given.kill else []),
        ],
    )  # fmt: skip


def largest_share(deployment: Deployment, answers: Mapping[int, int]) -> dict[str, float | None]:
    """Of `answers`, from process id to how many it gave, the share of the process that gave most, and how many they are.

    None where some of the crowd had no answer, which would count for whoever gave the rest; and where the numbers are not those of this
    machine: in containers each process has a number of its own container, the same as others.
    """
    told = sum(answers.values())
    known = told == ASKED and answers.keys() <= set(deployment.pids("app"))
    return {
        "largest_share": max(answers.values()) / told if known else None, "largest_share_of": float(told) if known else 0.0,
    }  # fmt: skip


def judged(rows: Rows, killed_s: float) -> dict[str, float | None]:
    """The figures of requests around a kill at `killed_s`: those under way at it or due later, and those that had ended."""
    failed = ~rows.right
    after = rows.end_s >= killed_s
    lost = failed & after
    recovery_s: float | None = 0.0
    if lost.any():
        first_s = float(rows.intended_s[lost].min())
        answered = rows.end_s[rows.right & (rows.intended_s >= first_s)]
        recovery_s = float(answered.min()) - first_s if len(answered) else None
    return {
        **shares("lost_share", failed, after), **shares("before_failed_share", failed, ~after), "lost": float(np.sum(lost)),
        "recovery_s": recovery_s,
    }  # fmt: skip
