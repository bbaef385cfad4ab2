"""What a deployment consists of, how long it takes to start and what memory it holds, and what clients lose while it is restarted.

Counted and read back from what was really started. See docs/claims.md.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from bench.catalog import ROOT
from bench.clockwork import Action
from bench.deployment import Deployment, census
from bench.experiments import Outcome
from bench.experiments._asking import shares, took_s
from bench.experiments._turns import TURN_S, Turn, take
from bench.lab import Found, Lab, Loaded, PlannedArm
from bench.model import BenchError, Failed
from bench.recorded import Rows
from bench.sample import pss_bytes

RUNNERS = ROOT / "deploy" / "runners"
_SETTING = re.compile(r"^(?:(?:const )?[A-Z][A-Z0-9_]*(?::[^=\n]+)? = |\s*logging\.)", re.MULTILINE)
START_S = 1.5
"""Starting one stack."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this kind of experiment."""

    restart: Literal["hup", "rolling", "again"]
    """`hup`: the server's master is sent SIGHUP. `rolling`: each command is ended and started again, one after the other. `again`: the only
    one is."""
    rate_rps: float = 100.0
    connections: int = 64
    path: str = "/plaintext"
    before_s: float = 0.5
    after_s: float = 3.0
    """From the beginning of the restart on. Both are those of the first arm, for all."""


def metrics(given: Parameters) -> set[str]:
    """See `Kind`."""
    return {
        "commands", "processes", "programs", "settings", "startup_s", "pss_bytes", "lost", "lost_share", "lost_share_of", "stall_ms",
        "before_failed_share", "before_failed_share_of", "restart_s", "replaced",
    }  # fmt: skip


def seconds(given: Parameters) -> float:
    """See `Kind`."""
    return START_S + TURN_S + given.before_s + given.after_s


def together(lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    """See `Together`: each is started by itself, so that its time to start is its own; then one after the other is loaded and restarted."""
    found: dict[str, Outcome] = {}
    deployments: dict[str, Deployment] = {}
    with ExitStack() as held:
        for arm in arms:
            up = held.enter_context(lab.deploy_all([arm], replicate))
            found |= up.failed
            deployments |= up.deployments
        ready = [arm for arm in arms if arm.name in deployments]
        return {**found, **_restart_all(lab, ready, deployments, replicate)} if ready else found


def _restart_all(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], replicate: int
) -> dict[str, Outcome]:
    given: Parameters = arms[0].parameters
    before = {arm.name: _processes(deployments[arm.name]) for arm in arms}
    failed: dict[str, Outcome] = {}
    turns = [_turn(lab, arm, deployments[arm.name], failed) for arm in arms]
    loads = take(
        lab, turns, replicate, "restart", measure_s=given.before_s + given.after_s, rate_rps=given.rate_rps, timeout_s=8.0
    )  # fmt: skip
    return {
        one.arm.name: failed.get(one.arm.name) or _found(one, loads[one.arm.name], before[one.arm.name])
        for one in turns
    }


def _turn(lab: Lab, arm: PlannedArm, deployment: Deployment, failed: dict[str, Outcome]) -> Turn:
    """One arm's turn; `failed` says so where it did not come back."""
    given: Parameters = arm.parameters

    def restart() -> None:
        try:
            restarted(lab, deployment, given.restart)
        except BenchError as error:
            failed[arm.name] = Failed(reason=str(error))

    return Turn(
        arm=arm, deployment=deployment, path=given.path, headers={}, connections=given.connections,
        actions=[Action(at_s=given.before_s, name="restart", do=restart)],
    )  # fmt: skip


def _found(turn: Turn, loaded: Loaded, before: set[int]) -> Found:
    deployment, given = turn.deployment, turn.arm.parameters
    at = {str(one["name"]): float(one["at_s"]) for one in loaded.events}
    memory = {role: pss_bytes(deployment.pids(role)) for role in ("app", "front") if deployment.pids(role)}
    known = [one for one in memory.values() if one is not None]
    rows = loaded.rows().of(deployment.id)
    return Found(
        metrics={
            **counted(deployment), **judged(rows, at["restart-begin"]), "startup_s": deployment.startup_s,
            "pss_bytes": float(sum(known)) if known and len(known) == len(memory) else None,
            "replaced": float(len(before - _processes(deployment))) if before else None,
            "restart_s": at["restart-end"] - at["restart-begin"] if given.restart != "hup" else None,
        },
        events=loaded.events, requests=loaded.requests, pss_bytes=memory,
    )  # fmt: skip


def _processes(deployment: Deployment) -> set[int]:
    return {one.pid for one in census(deployment) if one.role == "app"}


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
    options in command lines, and what scripts of ours that host an application settle themselves: a server would be told it by options.
    """
    rendered = deployment.rendered
    lines = [line.strip() for text in rendered.files.values() for line in text.splitlines()]
    options = [word for command in rendered.commands for word in command.argv[1:] if word.startswith("-")]
    programs = {_program(command.argv) for command in rendered.commands}
    configured = sum(bool(line.strip("{}")) and not line.startswith("#") for line in lines)
    return {
        "commands": float(len(rendered.commands)), "processes": float(len(deployment.census)),
        "programs": float(len(programs)),
        "settings": float(configured + len(options) + sum(map(settled, programs))),
    }  # fmt: skip


def settled(script: str) -> int:
    """How many settings a script under `RUNNERS` holds: its constants, and what it does to logging. 0 of any other program."""
    path = RUNNERS / script
    return len(_SETTING.findall(path.read_text("utf-8"))) if path.suffix in (".py", ".cjs") and path.exists() else 0


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
