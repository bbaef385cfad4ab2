"""What a deployment consists of, how long it takes to start and what memory it holds, and what clients lose while it is restarted.

Counted and read back from what was really started. See docs/claims.md.
"""

import signal
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from bench import load
from bench.clockwork import Action
from bench.deployment import Deployment, census
from bench.experiments._asking import shares, took_s
from bench.lab import Found, Lab, PlannedArm, job_name
from bench.model import BenchError
from bench.recorded import Rows
from bench.sample import pss_bytes

JOB_S = 2.5
"""Starting the load process, opening connections, writing."""
TARGET = "requests"


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    restart: Literal["hup", "rolling", "again"]
    """`hup`: the server's master is sent SIGHUP. `rolling`: each command is ended and started again, one after the other. `again`: the only
    one is."""
    rate_rps: float = 100.0
    connections: int = 64
    path: str = "/plaintext"
    before_s: float = 0.8
    after_s: float = 4.2
    """From the beginning of the restart on."""


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    return {
        "commands", "processes", "programs", "settings", "startup_s", "pss_bytes", "lost", "lost_share", "lost_share_of", "stall_ms",
        "before_failed_share", "before_failed_share_of", "restart_s", "replaced",
    }  # fmt: skip


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return JOB_S + given.before_s + given.after_s


def run(lab: Lab, arm: PlannedArm, replicate: int) -> Found:
    """See `OneByOne`."""
    given: Parameters = arm.parameters
    with lab.deploy(arm, replicate) as deployment:
        counts = counted(deployment)
        before = {one.pid for one in census(deployment) if one.role == "app"}
        job = load.Job(
            requests=[{"method": "GET", "path": given.path, "headers": {}}], stored=True, mode="open", arrivals="constant",
            rate_rps=given.rate_rps, seed=0, warmup_s=0.2, measure_s=given.before_s + given.after_s, timeout_s=8.0,
            targets=[load.Target(id=TARGET, endpoint=deployment.client, connections=given.connections)],
        )  # fmt: skip
        restart = Action(at_s=given.before_s, name="restart", do=lambda: restarted(lab, deployment, given.restart))
        loaded = lab.load(job, name=job_name(arm, replicate, "restart"), at=[restart])
        at = {str(one["name"]): float(one["at_s"]) for one in loaded.events}
        now = {one.pid for one in census(deployment) if one.role == "app"}
        memory = {role: pss_bytes(deployment.pids(role)) for role in ("app", "front") if deployment.pids(role)}
        known = [one for one in memory.values() if one is not None]
        return Found(
            metrics={
                **counts, **judged(loaded.rows().of(TARGET), at["restart-begin"]), "startup_s": deployment.startup_s,
                "pss_bytes": float(sum(known)) if len(known) == len(memory) else None, "replaced": float(len(before - now)),
                "restart_s": at["restart-end"] - at["restart-begin"] if given.restart != "hup" else None,
            },
            events=loaded.events, requests=loaded.requests, pss_bytes=memory,
        )  # fmt: skip


def restarted(lab: Lab, deployment: Deployment, how: str) -> None:
    """Restart the application's side of a deployment under load. Raises BenchError."""
    apps = [number for number, one in enumerate(deployment.spawned) if one.role == "app"]
    if how == "hup":
        lab.launcher.signal(deployment, apps[0], signal.SIGHUP)
        return
    if (how == "rolling") != (len(apps) > 1):
        raise BenchError(
            f"{deployment.planned.stack.id} has {len(apps)} commands of its own: restart = '{how}' is not for it"
        )
    for number in apps:
        lab.launcher.restart(deployment, number)


def counted(deployment: Deployment) -> dict[str, float | None]:
    """What was started, by the rendered commands and files, and the processes that came of it.

    `programs`: different ones among the commands. `settings`: lines of configuration files, but for blank ones, comments and lone braces,
    and options in command lines.
    """
    rendered = deployment.rendered
    lines = [line.strip() for text in rendered.files.values() for line in text.splitlines()]
    options = [word for command in rendered.commands for word in command.argv[1:] if word.startswith("-")]
    return {
        "commands": float(len(rendered.commands)), "processes": float(len(deployment.census)),
        "programs": float(len({_program(command.argv) for command in rendered.commands})),
        "settings": float(sum(bool(line.strip("{}")) and not line.startswith("#") for line in lines) + len(options)),
    }  # fmt: skip


def _program(argv: tuple[str, ...]) -> str:
    """What runs: an interpreter's script, where it is one."""
    script = next((word for word in argv[1:2] if word.endswith((".py", ".cjs"))), argv[0])
    return Path(script).name


def judged(rows: Rows, began_s: float) -> dict[str, float | None]:
    """The figures of requests around a restart that began at `began_s`: how many failed from then on, how long the slowest other took."""
    failed, after = ~rows.right, rows.intended_s >= began_s
    waited: Any = took_s(rows)[after & rows.right]
    return {
        **shares("lost_share", failed, after), **shares("before_failed_share", failed, ~after), "lost": float(np.sum(failed & after)),
        "stall_ms": float(waited.max() * 1000) if len(waited) else None,
    }  # fmt: skip
