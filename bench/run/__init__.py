"""The main job: plan, launch, verify, load and account, store. One pass over the blocks, readable from `execute` down."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import account, estimate, pace, provenance, record
from bench.catalog import ROOT
from bench.connections import most_together
from bench.console import Progressing
from bench.database import data
from bench.deployment import Deployment
from bench.model import BenchError, Failed
from bench.plan import Cell, Plan
from bench.run.cells import run_cell
from bench.run.context import Context
from bench.run.prepare import calibrate, prepare, unprepared
from bench.session import Session
from bench.site import open_site
from bench.store import Earlier, RunStore

SHARE_NOTED = 0.05
"""A change of the load's share that a reader is told."""
STARTING = 0.01
"""A deployment that takes more of a CPU than this while nobody asks is not idle: workers that are not the first to answer still start."""
IDLE_READINGS = 5
"""How often that is waited for at the most."""


@dataclass(kw_only=True)
class Outcome:
    """What a run has left so far; filled as it goes, so that it is there after an interruption too."""

    folder: Path | None = None
    trials: list[Mapping[str, Any]] = field(default_factory=list)


def execute(
    plan: Plan, *, results: Path, command: str, progress: Progressing, outcome: Outcome, hashes: Mapping[str, Any] | None = None,
    resumed: Path | None = None, after_block: Callable[[Path], object] | None = None,
) -> None:  # fmt: skip
    """Carry out `plan`, storing every trial as it ends. Interrupted, it keeps what is finished and raises on.

    `hashes`: see `bench.provenance`. `resumed`: the folder of an interrupted run of the same plan, which is gone on with.
    `after_block` is called with the run's folder between blocks.
    """
    began = time.monotonic()
    earlier = Earlier()
    if resumed:
        store, earlier = RunStore.reopen(resumed, command)
        outcome.trials.extend(earlier.trials)
    else:
        store = RunStore.create(results, record.header(plan, command, hashes))
    outcome.folder = store.folder
    status = "failed"
    context: Context | None = None
    try:
        with Session() as session:
            site = open_site(
                session, plan.stacks, plan.budget, mode=plan.mode, logs=store.folder / "logs", configs=store.folder / "configs",
                results=results, connections=most_together(plan),
            )  # fmt: skip
            if site.database.failure:
                progress.say(f"  no database: {site.database.failure.reason}")
            environment = record.environment(site.tools, site.database, site.docker, site.machine)
            if resumed:
                others = provenance.runtimes(plan.stacks) if plan.mode == "native" else {}
                provenance.refuse_other_tools(earlier.header, environment, others)
                known = earlier.header.get("environment") or {}
                environment = {key: known.get(key) if one is None else one for key, one in environment.items()}
            store.update({"environment": environment})
            if site.notes:
                store.update({"notes": list(dict.fromkeys([*plan.notes, *site.notes]))})
            context = Context(
                verified=dict(store.header.get("verified") or {}), observed=dict(store.header.get("observed") or {}),
                pilots=dict(store.header.get("pilot") or {}), capacities=earlier.capacities, connections=earlier.connections,
                plan=plan, session=session, store=store, launcher=site.launcher, database=site.database,
                progress=progress, began=began, trials=outcome.trials, load=site.load, verify=site.verify,
                calibrate=partial(calibrate, site), earlier=earlier, after_block=after_block,
            )  # fmt: skip
            run_blocks(context)
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if resumed and not context:  # not gone on with after all: it stays as it was
            store.update({key: earlier.header.get(key) for key in ("status", "ended", "parts")})
        else:
            offset_s = context.offset_s if context else 0.0
            kept: dict[str, Any] = {}
            if context:
                cpu_s = (store.header.get("sampling_cpu_s") or 0.0) + context.sampling.cpu_s
                kept = {"verified": context.verified, "sampling_cpu_s": round(cpu_s, 3)}
            store.update({"status": status, "ended": record.now(), "elapsed_s": round(offset_s, 1), **kept})
        store.close()


def run_blocks(context: Context) -> None:
    """Block after block until the plan is done, or what is still wide is narrow, or time is up."""
    paced = pace.Pace(
        plan=context.plan, folder=context.store.folder, now_s=lambda: context.offset_s, ask=context.ask
    )  # fmt: skip
    context.progress.skip(context.earlier.cells)
    context.progress.earlier(context.earlier.trials)
    block = 0
    while cells := paced.next(block):
        left = [cell for cell in cells if cell.name not in context.earlier.cells]
        if left:
            set_share(context, block, paced.share)
            context.progress.plan(estimate.planned_seconds(context.plan, left, context.share))
            for group in range(len(context.plan.groups())):
                run_block(context, block, group, [cell for cell in left if cell.group == group])
            paced.ended(left)
            if context.after_block:
                context.after_block(context.store.folder)
            if jumped := context.clock.jumped():
                note(context, jumped)
        block += 1
    context.store.update({"blocks_done": block, "stopped": paced.why})
    if context.plan.profile.precision is not None:
        context.progress.say(f"stopped after {block} blocks: {paced.why}")


def set_share(context: Context, block: int, share: float) -> None:
    """Load for `share` of the planned time from this block on; a share far from the last one is noted."""
    if abs(share - context.share) >= SHARE_NOTED:
        why = "as planned" if share == 1.0 else "so that the planned blocks end in time"
        note(
            context, f"From block {block + 1} on each deployment is loaded for {share:.0%} of the planned time, {why}."
        )
    context.share = share


def note(context: Context, text: str) -> None:
    """What a reader must know of this run: said, and stored."""
    context.progress.say(f"note: {text}")
    context.store.update({"notes": [*context.store.header.get("notes", []), text]})


def run_block(context: Context, block: int, group: int, cells: Sequence[Cell]) -> None:
    """Deploy the group's stacks afresh, `copies` times each, and take `cells` through them."""
    plan = context.plan
    if not cells:
        return
    stacks, groups = plan.groups()[group], len(plan.groups())
    # An id of its own for every deployment that ever ran: a replicate is a deployment.
    mark = f"{f'g{group}' if group else ''}{f'r{context.earlier.parts}' if context.earlier.parts else ''}"
    restore(context)
    unfit: dict[str, Failed] = {}
    if first := unprepared(context, stacks):
        several = "s" if len(first) > 1 else ""
        context.progress.say(f"trying {len(first)} stack{several} before anything is measured: contract, connections")
        deployments = context.launcher.start([(planned, 0) for planned in first], block=block, mark=f"v{mark}")
        try:
            unfit = prepare(context, deployments)
        finally:
            context.launcher.stop(deployments)
        restore(context)
    wanted = [(planned, copy) for planned in stacks for copy in range(plan.profile.copies)]
    context.progress.say(
        f"block {block + 1}{f', group {group + 1} of {groups}' if groups > 1 else ''}: starting {len(wanted)} deployments"
    )
    deployments = context.launcher.start(wanted, block=block, mark=mark)
    try:
        for deployment in deployments:
            deployment.failure = deployment.failure or refusal(context, deployment, unfit)
        context.idle = idle(context, [one for one in deployments if one.failure is None])
        for cell in cells:
            run_cell(context, cell, deployments)
        observe(context, [one for one in deployments if one.copy == 0])
    finally:
        context.launcher.stop(deployments)
        for one in deployments:
            seen = context.observed.get(one.planned.stack.id)
            if not seen or "failure" in seen:
                continue
            if one.copy == 0 and seen.get("stop_s") is None:
                seen["stop_s"] = one.stop_s
            seen["stops_s"] = [*seen.get("stops_s", []), one.stop_s]
        context.store.update({"observed": context.observed})


def restore(context: Context) -> None:
    """The tables as they were filled. Where that fails there is no database for what follows, and everything else goes on."""
    if context.database.url:
        try:
            data.restore(context.database.url)
            context.database.failure = None
        except BenchError as error:
            context.database.failure = Failed(reason=str(error))


def refusal(context: Context, deployment: Deployment, unfit: Mapping[str, Failed]) -> Failed | None:
    """Why a deployment that runs is not loaded all the same: its stack breaks the contract, or could not be held to it."""
    stack = deployment.planned.stack.id
    if failures := context.verified.get(stack, {}).get("failures"):
        rule = failures[0]
        return Failed(
            reason=f"breaks the contract at {rule['endpoint']}, rule {rule['rule']}: expected {rule['expected']}, got {rule['got']}"
        )
    return unfit.get(stack)


def idle(context: Context, deployments: Sequence[Deployment]) -> account.Idle:
    """What each deployment uses of the CPU while nobody asks anything; read again while one of them is still starting its workers."""
    idle_s = context.plan.profile.idle_s
    if not deployments or not idle_s:
        return {}
    found: account.Idle = {}
    for _ in range(IDLE_READINGS):
        before = context.sampling(account.snapshot, context.database, deployments, None)
        time.sleep(idle_s)
        after = context.sampling(account.snapshot, context.database, deployments, None)
        found = account.idle(deployments, before, after)
        if all((share or 0.0) < STARTING for shares in found.values() for share in shares.values()):
            break
    return found


def observe(context: Context, deployments: Sequence[Deployment]) -> None:
    """Read back and store what ran of each stack, once for each, of a deployment that did run."""
    for one in deployments:
        stack = one.planned.stack.id
        if "failure" not in context.observed.get(stack, {"failure": None}):
            continue
        try:
            versions = context.launcher.versions(one)
        except BenchError as error:
            context.progress.say(f"  {stack}: its versions cannot be read: {error}")
            versions = {}
        context.observed[stack] = record.observed(context.database, one, versions)
    context.store.update({"observed": context.observed})


def write_report(folder: Path, say: Callable[[str], None], *, language: str = "en") -> bool:
    """Build the report, and the index of all runs beside it, in a process of its own (bench imports no pandas); whether that worked."""
    run = subprocess.run(
        [sys.executable, "-m", "analysis", "report", str(folder), "--index", "--lang", language],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        say(f"the report could not be made: {(run.stderr or run.stdout).strip()[-800:]}")
    return run.returncode == 0
