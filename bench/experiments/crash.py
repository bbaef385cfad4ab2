"""What one request that ends its process takes along: requests that wait, at a steady rate, a fault among them, and who else was lost.

The fault waits in its handler before it happens, so that others are in work by then. See docs/claims.md.
"""

import contextlib
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
import numpy as np
import psutil

from bench.clockwork import Action
from bench.deployment import Deployment, tail
from bench.experiments import Outcome
from bench.experiments._asking import Asked, event, fault, shares
from bench.experiments._turns import TURN_S, Turn, take
from bench.lab import Found, Lab, Loaded, PlannedArm
from bench.model import BenchError, Failed
from bench.recorded import Rows

AT_ONCE_S = 0.02
"""The operating system tells a client at once that its server has died; by so much another of our threads may have seen it earlier."""
SEEN_S = 1.0
"""A process that dies of a fault is gone by then."""
LAST_S = 0.5
"""Whether a stack is back is read from the requests that are due last."""
FRONT_SAYS = (502, 504)
"""What nginx answers in the place of a process that is gone."""
LIMIT_MIB = 96
"""With the fault `memory`: so much more than it has may a process take, and half of that more is asked for."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    fault: Literal["raise", "exit", "segv", "memory"] = "exit"
    """`memory`: the processes get a limit (RLIMIT_AS) and the fault takes more than that."""
    method: Literal["GET", "POST"] = "POST"
    faults: int = 1
    supervised: bool = False
    rate_rps: float = 100.0
    """Its inverse is what recovery is resolved to."""
    wait_ms: int = 100
    """How long each request waits in its handler: rate times wait are in work."""
    connections: int = 400
    before_s: float = 0.5
    after_ms: int = 200
    """So long the fault waits in its handler."""
    each_s: float = 2.2
    """From one fault to the next, and from the last to the end."""
    scenarios: tuple[str, ...] = ("io",)


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    counted = {"collateral_share", "lost_share", "back_share", "before_failed_share"}
    return (
        counted
        | {f"{name}_of" for name in counted}
        | {"collateral", "lost", "recovery_s", "back_after_s", "ended_processes"}
    )


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return TURN_S + measured_s(given)


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"fault"}


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: all stacks are up, which costs nothing while they are idle; one after the other is loaded."""
    supervised = {arm.name for arm in arms if arm.parameters.supervised}
    with lab.deploy_all(arms, replicate, env=lab.faults, supervised=supervised) as up:
        ready = [arm for arm in arms if arm.name in up.deployments]
        return {**up.failed, **crash_all(lab, ready, up.deployments, replicate)}


def crash(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int) -> Outcome:
    """One arm that is up, deployed with faults."""
    return crash_all(lab, [arm], {arm.name: deployment}, replicate)[arm.name]


def crash_all(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], replicate: int
) -> dict[str, Outcome]:
    """Arms that are up, deployed with faults, one after the other: those that are loaded alike in one load."""
    alike: dict[tuple[float, float], list[PlannedArm]] = {}
    for arm in arms:
        alike.setdefault((measured_s(arm.parameters), arm.parameters.rate_rps), []).append(arm)
    found: dict[str, Outcome] = {}
    for number, ((measure_s, rate_rps), group) in enumerate(alike.items()):
        strikes = [_Strikes(lab=lab, arm=arm, deployment=deployments[arm.name]) for arm in group]
        loads = take(
            lab, [one.turn() for one in strikes], replicate, f"crash{number or ''}", measure_s=measure_s, rate_rps=rate_rps,
            timeout_s=8.0,
        )  # fmt: skip
        for one in strikes:
            found[one.arm.name] = one.outcome(loads[one.arm.name])
    return found


def measured_s(given: Parameters) -> float:
    """How long an arm is loaded."""
    return given.before_s + given.faults * given.each_s


@dataclass(kw_only=True)
class _Strikes:
    """The faults of one arm: asked for at their times, and what came of each."""

    lab: Lab
    arm: PlannedArm
    deployment: Deployment
    asked: list[Asked] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    """How many processes each ended."""
    failed: Failed | None = None

    def turn(self) -> Turn:
        """The load, with the faults in it."""
        given: Parameters = self.arm.parameters
        times = [given.before_s + number * given.each_s for number in range(given.faults)]
        return Turn(
            arm=self.arm, deployment=self.deployment, path=f"/io?ms={given.wait_ms}", headers={}, connections=given.connections,
            actions=[Action(at_s=at, name="asked", do=self.strike) for at in times],
        )  # fmt: skip

    def strike(self) -> None:
        """Ask for the fault once."""
        given: Parameters = self.arm.parameters
        name, more = str(given.fault), dict[str, int]()
        if given.fault == "memory":
            name, more = "leak", {"mib": LIMIT_MIB * 3 // 2}
            try:
                limit(self.deployment.pids("app"))
            except BenchError as error:  # the failure of this arm, and not of those that are loaded with it
                self.failed = Failed(reason=str(error))
                return
        before = living(self.deployment)
        self.asked.append(
            fault(self.deployment.reached, name, self.lab.secret, method=given.method, after_ms=given.after_ms, **more)
        )
        deadline = time.monotonic() + SEEN_S
        while not (gone := before - living(self.deployment)) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.ended.append(len(gone))

    def outcome(self, loaded: Loaded) -> Outcome:
        """What the requests say."""
        given: Parameters = self.arm.parameters
        failed = self.failed
        if failed is None and len(self.ended) < given.faults:
            failed = Failed(reason="the fault was not asked for")
        for one, ended in zip(self.asked, self.ended, strict=True) if failed is None else ():
            if not happened(given.fault, one.status, ended, self.arm.stack.stack.app.language):
                failed = Failed(
                    reason=f"the fault '{given.fault}' did not happen: it was answered {one.status or 'by nothing'}"
                )
        if failed:
            return replace(failed, log_tail=tail(self.deployment.spawned[0].log))
        return _found(given, loaded, self.deployment.id, self.asked, self.ended)


def happened(fault: str, status: int | None, ended: int, language: str) -> bool:
    """Whether the answer to the request for a fault, and how many processes it ended, are those of one that happened.

    An exception, and a memory limit that was reached, are answered 500; Go closes the connection instead. Either may end the process after
    all, which is for the figures to tell. A fault that ends its process leaves nobody to answer, or a front that says so.
    """
    unanswered = status is None or status in FRONT_SAYS
    if fault in ("raise", "memory"):
        return status == 500 or (unanswered and (ended > 0 or language == "go"))
    return unanswered


def living(deployment: Deployment) -> set[int]:
    """The application's processes; one that has ended and was not waited for yet is none."""
    found = set()
    for pid in deployment.pids("app"):
        with contextlib.suppress(psutil.Error):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.add(pid)
    return found


def limit(pids: Sequence[int]) -> None:
    """Let each process take `LIMIT_MIB` more than it has. Raises BenchError where the system has no such limits, or sets none of them."""
    if not hasattr(psutil.Process, "rlimit"):
        raise BenchError("this system does not limit the memory of a process that runs; try it on Linux")
    limited = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            most = process.memory_info().vms + (LIMIT_MIB << 20)
            process.rlimit(resource.RLIMIT_AS, (most, most))
            limited += 1
        except psutil.NoSuchProcess:
            continue
        except (psutil.Error, OSError) as error:
            raise BenchError(f"process {pid} cannot be given a memory limit: {error}") from None
    if not limited:
        raise BenchError("no process of the application is there to be given a memory limit")


def _found(given: Parameters, loaded: Loaded, target: str, asked: Sequence[Asked], ended: Sequence[int]) -> Found:
    events = [event("fault", one.sent_s, loaded) for one in asked]
    rows = loaded.rows().of(target)
    after_s = given.after_ms / 1000
    starts = [float(one["at_s"]) for one in events]
    ends = [*starts[1:], float("inf")]
    each = [
        struck(rows, start, end, start + after_s, given.wait_ms / 1000) for start, end in zip(starts, ends, strict=True)
    ]
    in_work, lost_in_work = (sum(int(one[key] or 0) for one in each) for key in ("in_work", "collateral"))
    failed = ~rows.right
    return Found(
        metrics={
            "collateral_share": lost_in_work / in_work if in_work else None, "collateral_share_of": float(in_work),
            "collateral": lost_in_work / len(each), "lost": float(np.sum(failed)) / len(each),
            **shares("lost_share", failed, rows.intended_s > -1e9),
            **shares("before_failed_share", failed, rows.intended_s < starts[0] - given.wait_ms / 1000),
            **{name: _mean([one[name] for one in each]) for name in ("recovery_s", "back_after_s")},
            **shares("back_share", ~failed, rows.intended_s >= rows.intended_s.max() - LAST_S),
            "ended_processes": float(np.mean(ended)),
        },
        events=[*loaded.events, *events], requests=loaded.requests,
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def struck(rows: Rows, asked_s: float, until_s: float, due_s: float, wait_s: float) -> dict[str, Any]:
    """What a fault, asked for at `asked_s` and due at `due_s`, did before the next one at `until_s`, to requests that wait `wait_s`.

    `in_work`: requests that were under way at the moment of the fault, by when the first of them failed, or when it was due. `collateral`:
    those of them that failed. `recovery_s`: from when the first request that failed was due to the first right answer to one due then or
    later, so at least one wait where what was in work was lost. `back_after_s`: from the fault itself to the first right answer to one due
    since, less the wait. Both are 0 where none failed, None where there is no such answer.
    """
    mine = rows.where((rows.end_s >= asked_s) & (rows.intended_s < until_s))
    failed = ~mine.right
    at_s = float(mine.end_s[failed].min()) if failed.any() else due_s
    lost = failed & (mine.start_s < at_s) & (mine.end_s <= at_s + AT_ONCE_S)
    in_work = lost | ((mine.start_s < at_s) & (mine.end_s > at_s))
    found: dict[str, Any] = {
        "in_work": int(in_work.sum()),
        "collateral": int(lost.sum()),
        "recovery_s": 0.0,
        "back_after_s": 0.0,
    }
    if failed.any():
        first_s = float(mine.intended_s[failed].min())
        found["recovery_s"] = _first_answer_s(mine, first_s)
        back_s = _first_answer_s(mine, at_s)
        found["back_after_s"] = None if back_s is None else max(back_s - wait_s, 0.0)
    return found


def _first_answer_s(rows: Rows, since_s: float) -> float | None:
    """How long after `since_s` the first right answer comes to a request due then or later."""
    ended_s = rows.end_s[rows.right & (rows.intended_s >= since_s)]
    return float(ended_s.min()) - since_s if len(ended_s) else None
