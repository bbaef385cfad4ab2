"""What clients see when one of several processes behind a front is killed, and how evenly these were asked before. See docs/claims.md."""

import signal
import time
from typing import Literal

import msgspec
import numpy as np

from bench import faults, load
from bench.clockwork import Action
from bench.deployment import Deployment
from bench.experiments._asking import event, shares
from bench.lab import Found, Lab, PlannedArm, job_name
from bench.model import BenchError
from bench.recorded import Rows
from bench.whoami import answering

JOB_S = 2.5
"""Starting the load process, opening connections, writing."""
TARGET = "requests"
ASKED = 60
"""Fresh connections, to see who answers them."""


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
    before_s: float = 1.0
    after_s: float = 2.0


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    counted = {"lost_share", "before_failed_share"}
    return counted | {f"{name}_of" for name in counted} | {"lost", "largest_share", "recovery_s"}


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return JOB_S + given.before_s + given.after_s


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def run(lab: Lab, arm: PlannedArm, replicate: int) -> Found:
    """See `OneByOne`. What waits is the fault that hangs for no time, after a wait: it takes GET and POST alike, and waits as /io does."""
    given: Parameters = arm.parameters
    with lab.deploy(arm, replicate, env=lab.faults) as deployment:
        apps = [number for number, one in enumerate(deployment.spawned) if one.role == "app"]
        if len(apps) < 2:
            raise BenchError(
                f"{arm.stack.stack.id} has one process at one address; take a stack with several, such as tornado/multi+workers=2/nginx"
            )
        evenness = largest_share(deployment)
        killed: list[float] = []

        def kill() -> None:
            killed.append(time.perf_counter())
            lab.launcher.signal(deployment, apps[0], signal.SIGKILL)

        job = load.Job(
            requests=[{
                "method": given.method, "path": f"/fault/hang?after_ms={given.wait_ms}&ms=0", "headers": faults.headers(lab.secret),
            }],
            stored=True, mode="open", arrivals="constant", rate_rps=given.rate_rps, seed=0, warmup_s=0.2,
            targets=[load.Target(id=TARGET, endpoint=deployment.client, connections=given.connections)],
            measure_s=given.before_s + given.after_s, timeout_s=8.0,
        )  # fmt: skip
        actions = [Action(at_s=given.before_s, name="kill", do=kill)] if given.kill else []
        loaded = lab.load(job, name=job_name(arm, replicate, "down"), at=actions)
        events = [event("fault", at, loaded) for at in killed]
        at_s = float(events[0]["at_s"]) if events else float("inf")
        found = judged(loaded.rows().of(TARGET), at_s)
        return Found(
            metrics={**found, "largest_share": evenness}, events=[*loaded.events, *events], requests=loaded.requests
        )


def largest_share(deployment: Deployment) -> float | None:
    """Of requests on fresh connections, the share that the process answered which answered most of them."""
    seen = answering(deployment.reached, ASKED)
    return max(seen.values()) / seen.total() if seen else None


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
