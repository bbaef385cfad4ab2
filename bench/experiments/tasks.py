"""Slow work inline, or handed to a thread, a process or Celery: when the response comes, when the work is done, and what CPU it all took.

Open loop near capacity, the same rate for all arms of a replicate. See docs/claims.md.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from bench import broker, environments, load, sample
from bench.clockwork import Action
from bench.companions import celery_processes
from bench.deployment import Deployment
from bench.experiments import Outcome
from bench.experiments._asking import ask, monotonic, shares, took_s
from bench.lab import Found, Lab, Loaded, PlannedArm, job_name
from bench.model import BenchError
from bench.recorded import Rows
from bench.render import Endpoint

JOB_S = 3.5
"""Starting the load process, opening connections, writing, and the work that is left when the load is over."""
TARGET = "reports"
COMPANIONS = ("valkey", "celery")
CALIBRATIONS = 7
PATIENCE_S = 20.0
"""For work that was accepted to be done after the load."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    where: Literal["inline", "thread", "process", "celery"] = "inline"
    rounds: int = 400_000
    """How much work a report is."""
    load: float = 0.7
    """The share of the CPUs that the reports alone take: the rate is this over the time that one takes by itself."""
    rate_rps: float | None = None
    """Instead of `load`."""
    connections: int = 64
    measure_s: float = 3.0


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    return {
        "response_p50_ms", "response_p95_ms", "completion_mean_ms", "completion_p50_ms", "completion_p95_ms", "done_share", "done_share_of",
        "failed_share", "failed_share_of", "cpu_ms_per_report", "rate_rps",
    }  # fmt: skip


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return JOB_S + given.measure_s


def optional(given: Parameters) -> set[str]:
    """See `Extended`."""
    return {"report"}


def obstacle(arms: Sequence[PlannedArm]) -> str | None:
    """See `Hindered`."""
    for app in {arm.stack.stack.app.name: arm.stack.stack.app for arm in arms}.values():
        if environments.path_of(app).exists() and not (environments.path_of(app) / "bin" / "celery").exists():
            return f"Celery is not in the environment of {app.name}; run `make setup`"
    return None


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: broker, worker and all stacks are up, and idle but for the one that is loaded.

    Celery makes as many reports at once as the arm with the fewest workers can, so that this arm differs in who makes them alone.
    """
    narrowest = min((arm.stack for arm in arms), key=lambda stack: stack.workers)
    at_once = celery_processes(narrowest, lab.budget)
    with lab.accompanied(COMPANIONS, narrowest) as env, lab.deploy_all(arms, replicate, env=env) as up:
        found: dict[str, Outcome] = dict(up.failed)
        ready = [arm for arm in arms if arm.name in up.deployments]
        if not ready:
            return found
        store = lab.launcher.companion("valkey")
        for arm in ready:  # executors start with their first work
            target = f"/report?rounds=1&where={arm.parameters.where}"
            if ask(up.deployments[arm.name].reached, target).status is None:
                raise BenchError(f"{arm.name}: POST {target} is not answered")
        settle(store, len(ready))
        alone_s: dict[int, float] = {}
        for arm in ready:
            rounds = arm.parameters.rounds
            if rounds not in alone_s:
                alone_s[rounds] = one_report_s(up.deployments[arm.name].reached, rounds)
            rate_rps = arm.parameters.rate_rps or arm.parameters.load * at_once / alone_s[rounds]
            found[arm.name] = try_arm(lab, arm, up.deployments[arm.name], store, rate_rps, replicate)
        return found


def one_report_s(server: Endpoint, rounds: int) -> float:
    """How long a report takes by itself, on an idle stack: the median of a few. Raises BenchError."""
    took = []
    for _ in range(CALIBRATIONS):
        asked = ask(server, f"/report?rounds={rounds}")
        if asked.status != 200:
            raise BenchError(f"POST /report answered {asked.status}")
        took.append(asked.ended_s - asked.sent_s)
    return float(np.median(took))


def try_arm(
    lab: Lab, arm: PlannedArm, deployment: Deployment, store: Endpoint, rate_rps: float, replicate: int
) -> Found:
    """Reports at this rate, until all that were accepted are done."""
    given: Parameters = arm.parameters
    broker.ask(store.host, store.port, "DEL", "reports")

    def groups() -> dict[str, list[int]]:
        """As of now: an executor's process may have started meanwhile."""
        return {"app": deployment.pids("app"), **{name: lab.launcher.companion_pids(name) for name in COMPANIONS}}

    snapshots: list[sample.Snapshot] = []
    path = f"/report?rounds={given.rounds}&where={given.where}"
    job = load.Job(
        requests=[{"method": "POST", "path": path, "headers": {}}], stored=True, mode="open", arrivals="poisson", seed=0,
        rate_rps=rate_rps, targets=[load.Target(id=TARGET, endpoint=deployment.client, connections=given.connections)],
        warmup_s=0.0, measure_s=given.measure_s, timeout_s=PATIENCE_S,
    )  # fmt: skip
    start = Action(at_s=0.0, name="accounts", do=lambda: snapshots.append(sample.take(groups())))
    loaded = lab.load(
        job, name=job_name(arm, replicate, "reports"), watched=[deployment], at=[start],
        drawn_as=job_name(arm.claim, replicate, "reports"),  # where the work is done differs, not when it is asked for
    )  # fmt: skip
    rows = loaded.rows().of(TARGET)
    done = settle(store, int(rows.right.sum()))
    after = groups()
    snapshots.append(sample.take(after))
    used = {name: sample.used(snapshots[0], snapshots[1], name) for name in after}
    known = [seconds for seconds in used.values() if seconds is not None]
    pss = {name: sample.pss_bytes(pids) for name, pids in after.items()}
    return Found(
        metrics={
            **judged(rows, done, loaded, inline=given.where == "inline"), "rate_rps": rate_rps,
            "cpu_ms_per_report": sum(known) * 1000 / len(done) if done and len(known) == len(used) else None,
        },
        events=loaded.events, requests=loaded.requests, cpu_s=used, pss_bytes=pss,
    )  # fmt: skip


def settle(store: Endpoint, wanted: int) -> list[tuple[float, float, float]]:
    """Wait until so many reports are done, as long as more of them come; when each was asked for, begun and ended (seconds since 1970)."""
    count, deadline = -1, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        now = broker.ask(store.host, store.port, "LLEN", "reports")
        count = now if isinstance(now, int) else 0
        if count >= wanted:
            break
        time.sleep(0.05)
    return read(broker.ask(store.host, store.port, "LRANGE", "reports", "0", "-1"))


def read(listed: broker.Value) -> list[tuple[float, float, float]]:
    """The lines that apps/flask/tasks.py wrote."""
    lines = [line.split() for line in listed if isinstance(line, bytes)] if isinstance(listed, list) else []
    return [(float(asked), float(began), float(ended)) for asked, began, ended in lines]


def judged(
    rows: Rows, done: Sequence[tuple[float, float, float]], loaded: Loaded | Any, *, inline: bool
) -> dict[str, float | None]:
    """The figures of one arm. Inline, the response is the completion. Else the n-th report asked for is that of the n-th request answered:
    whoever is mistaken for whom, the mean is right.
    """
    right = rows.where(rows.right)
    response_ms = took_s(right) * 1000
    completion_ms = response_ms
    if not inline:
        due = np.sort(right.intended_s)
        origin_s = float(loaded.answer["origin_s"])
        ended = np.array([monotonic(ended) - origin_s for _, _, ended in sorted(done)])
        both = min(len(due), len(ended))
        completion_ms = (ended[:both] - due[:both]) * 1000
    finished = np.arange(len(right)) < len(done)
    return {
        **shares("done_share", finished, np.ones(len(right), bool)), **shares("failed_share", ~rows.right, rows.intended_s > -1e9),
        "response_p50_ms": _at(response_ms, 50), "response_p95_ms": _at(response_ms, 95), "completion_p50_ms": _at(completion_ms, 50),
        "completion_p95_ms": _at(completion_ms, 95),
        "completion_mean_ms": float(np.mean(completion_ms)) if len(completion_ms) else None,
    }  # fmt: skip


def _at(values: Any, percent: int) -> float | None:
    return float(np.percentile(values, percent)) if len(values) else None
