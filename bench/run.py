"""The main job: plan, launch, verify, load and account, store. One pass over the blocks, readable from `execute` down."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import account, ceiling, load, pilot, record, trial
from bench.catalog import ROOT
from bench.ceiling import Ceiling
from bench.console import Progressing
from bench.contract import DATABASE_ENDPOINTS, verify_deployment
from bench.database import data
from bench.deployment import Deployment, died, tail
from bench.launch import Launcher, free_port, nginx_user
from bench.machine import find_nginx
from bench.model import BenchError, Failed, Scenario, Skipped
from bench.plan import CONNECTIONS, Cell, Plan, database_connections
from bench.sample import Snapshot
from bench.service import Database
from bench.session import Session
from bench.site import Site, open_site
from bench.store import RunStore
from bench.verify import Report

LATENCY_SHARE = 0.5
"""Latency is read at one rate for all stacks of a scenario: this share of what the slowest of them can do."""
SHORTEST_S = 0.2
"""A trial shorter than this says nothing; it is skipped instead."""
JOB_OVERHEAD_S = 3.0
"""Starting the load process, opening connections, draining, writing: a first guess of what each job takes beside its measured
time, replaced by what this run's own jobs took."""
WINDOW_S = 1.5
"""Length of a window for services too slow to be loaded in slices."""


@dataclass(kw_only=True)
class Context:
    """What the stages of one run share."""

    plan: Plan
    session: Session
    store: RunStore
    launcher: Launcher
    database: Database
    progress: Progressing
    began: float
    trials: list[Mapping[str, Any]]
    load: Callable[..., dict[str, Any]] = load.run
    """As bench.load.run; tests put another in its place."""
    verify: Callable[[Deployment, str | None], Report] = verify_deployment
    connections: dict[tuple[str, str], int] = field(default_factory=dict)
    """From stack and scenario to what the pilot chose."""
    ceiling: Ceiling | None = None
    calibrate: Callable[["Context", Deployment], Ceiling | None] = lambda context, source: None
    """Starts the null server with the answers of one stack; tests and containers have none."""
    overheads_s: list[float] = field(default_factory=list)
    verified: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def offset_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def keep(self, stored: Mapping[str, Any]) -> None:
        """Store one trial, and say so where it has no figure."""
        self.store.append(stored)
        self.trials.append(stored)
        if stored["status"] == "failed":
            self.progress.say(f"  failed: {stored['stack']} {stored['scenario']} {stored['view']}: {stored['reason']}")


@dataclass(kw_only=True)
class Outcome:
    """What a run has left so far; filled as it goes, so that it is there after an interruption too."""

    folder: Path | None = None
    trials: list[Mapping[str, Any]] = field(default_factory=list)


def execute(plan: Plan, *, results: Path, command: str, progress: Progressing, outcome: Outcome) -> None:
    """Carry out `plan`, storing every trial as it ends. Interrupted, it keeps what is finished and raises on."""
    began = time.monotonic()
    store = RunStore.create(results, record.header(plan, command))
    outcome.folder = store.folder
    status = "failed"
    context: Context | None = None
    try:
        with Session() as session:
            site = open_site(
                session, plan.stacks, plan.budget, mode=plan.mode, logs=store.folder / "logs", configs=store.folder / "configs",
                results=results, connections=database_connections(plan.stacks, plan.profile.copies),
            )  # fmt: skip
            if site.database.failure:
                progress.say(f"  no database: {site.database.failure.reason}")
            store.update({"environment": record.environment(site.tools, site.database, site.docker)})
            context = Context(
                plan=plan, session=session, store=store, launcher=site.launcher, database=site.database,
                progress=progress, began=began, trials=outcome.trials, load=site.load,
                calibrate=partial(_calibrate, site),
            )  # fmt: skip
            run_blocks(context)
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        store.update({"status": status, "ended": record.now(), "verified": context.verified if context else {}})


def run_blocks(context: Context) -> None:
    """All blocks in order. A block is the unit that stands by itself: fresh data, fresh deployments."""
    for block in range(context.plan.profile.blocks):
        run_block(context, block)


def run_block(context: Context, block: int) -> None:
    """Deploy every stack afresh, `copies` times each, and take all scenarios through them."""
    plan = context.plan
    if context.database.url:
        try:
            data.restore(context.database.url)
            context.database.failure = None
        except BenchError as error:
            context.database.failure = Failed(reason=str(error))
    wanted = [(planned, copy) for planned in plan.stacks for copy in range(plan.profile.copies)]
    context.progress.say(f"block {block + 1} of {plan.profile.blocks}: starting {len(wanted)} deployments")
    deployments = context.launcher.start(wanted, block=block)
    try:
        if block == 0:
            verify_all(context, [one for one in deployments if one.copy == 0])
            prepare_load(context, deployments)
        for deployment in deployments:
            found = context.verified.get(deployment.planned.stack.id, {})
            if deployment.failure is None and found.get("failures"):
                first = found["failures"][0]
                deployment.failure = Failed(
                    reason=f"breaks the contract at {first['endpoint']}, rule {first['rule']}: "
                    f"expected {first['expected']}, got {first['got']}"
                )
        cells = [cell for cell in plan.cells() if cell.block == block]
        capacities: dict[str, float] = {}
        for cell in cells:
            run_cell(context, cell, deployments, capacities)
        if block == 0:
            context.store.update(
                {
                    "observed": {
                        one.planned.stack.id: record.observed(context.database, one, context.launcher.versions(one))
                        for one in deployments
                        if one.copy == 0
                    }
                }
            )
    finally:
        context.launcher.stop(deployments)


def prepare_load(context: Context, deployments: Sequence[Deployment]) -> None:
    """Once, before anything is measured: the null server, and the number of connections for each stack and scenario."""
    plan, profile = context.plan, context.plan.profile
    ready = [one for one in deployments if one.copy == 0 and one.failure is None]
    if profile.ceiling and ready:
        try:
            context.ceiling = context.calibrate(context, ready[0])
        except BenchError as error:
            context.progress.say(f"  no null server: {error}")
    scenarios = [one for one in plan.scenarios if not (one.journey or one.connections or "waiting" in one.tags)]
    if profile.pilot_s is None:
        return
    found: dict[str, Any] = {}
    for scenario in scenarios:
        fit = [one for one in ready if f"{one.planned.stack.id} {scenario.name}" not in plan.skipped]
        if context.database.failure and scenario.needs & DATABASE_ENDPOINTS:
            continue
        try:
            found[scenario.name] = run_pilot(context, scenario, fit)
        except BenchError as error:
            context.progress.say(f"  no pilot for {scenario.name}, so {CONNECTIONS} connections for all: {error}")
    context.store.update({"pilot": found})
    if context.database.url:
        data.restore(context.database.url)


def run_pilot(context: Context, scenario: Scenario, ready: Sequence[Deployment]) -> dict[str, Any]:
    """Try every number of connections on every stack, in one job; keep what was chosen, and return it with the rates."""
    profile, plan = context.plan.profile, context.plan
    assert profile.pilot_s is not None
    context.progress.say(f"  connections for {scenario.name}: trying {', '.join(map(str, pilot.CANDIDATES))}")
    name = f"pilot-{scenario.name}"
    answer = context.load(
        context.session,
        load.Job(
            scenario=scenario.source, mode="duet", seed=plan.seed, warmup_s=profile.warmup_s, measure_s=profile.pilot_s,
            slice_s=profile.slice_s,
            targets=[
                load.Target(id=pilot.target_id(one.id, count), endpoint=one.client, connections=count)
                for one in ready
                for count in pilot.CANDIDATES
            ],
        ),
        folder=context.store.folder, name=name, log=context.store.folder / "logs" / "load" / f"{name}.log",
        cpus=plan.budget.pins("generator"), work=context.session.scratch,
        on_ready=lambda pid: None, on_measured=lambda pid: None, on_progress=lambda done: None,
    )  # fmt: skip
    rates = pilot.read([one.id for one in ready], {target["id"]: target["rps"] for target in answer["targets"]})
    said: dict[str, Any] = {}
    for one in ready:
        stack = one.planned.stack.id
        context.connections[stack, scenario.name] = chosen = pilot.choose(rates[one.id])
        said[stack] = {"connections": chosen, "rps": {str(count): rate for count, rate in rates[one.id].items()}}
    return said


def run_cell(context: Context, cell: Cell, deployments: Sequence[Deployment], capacities: dict[str, float]) -> None:
    """One scenario seen one way: every deployment gets a record, measured or with its reason."""
    plan, scenario = context.plan, cell.scenario
    index = plan.cells().index(cell)
    advance = context.progress.cell(index, f"block {cell.block + 1}/{plan.profile.blocks}  {scenario.name} {cell.view}")
    ready = []
    for deployment in deployments:
        why = _unfit(context, cell, deployment)
        if why is None:
            ready.append(deployment)
        else:
            context.keep(trial.without_figures(_named(plan, cell, deployment), why, offset_s=context.offset_s))
    if not ready:
        return
    measure_s = _measure_s(context, cell, len(ready) + (context.ceiling is not None), index)
    rate = _rate(ready, capacities) if cell.view == "latency" else None
    stop: Failed | Skipped | None = None
    if measure_s < SHORTEST_S:
        stop = Skipped(reason=f"no time left: load stops {plan.profile.load_until_s:.0f} s after the start")
    elif cell.view == "latency" and rate is None:
        stop = Skipped(reason="no capacity was measured to derive an offered load from")
    if cell.view == "capacity":
        capacities.clear()  # those of another scenario say nothing here
    if stop is None:
        try:
            if context.database.url and scenario.needs & DATABASE_ENDPOINTS:
                data.settle(context.database.url)
            run_job(context, cell, ready, measure_s=measure_s, rate=rate, advance=advance, capacities=capacities)
            return
        except BenchError as error:
            log = error.log if isinstance(error, load.LoadFailedError) else None
            stop = Failed(reason=str(error), log_tail=tail(log) if log else None)
    for deployment in ready:
        context.keep(trial.without_figures(_named(plan, cell, deployment), stop, offset_s=context.offset_s))


def run_job(
    context: Context, cell: Cell, ready: Sequence[Deployment], *, measure_s: float, rate: float | None,
    advance: Callable[[float], None], capacities: dict[str, float],
) -> None:  # fmt: skip
    """Load the deployments, keep accounts of what they use meanwhile, and store a trial for each."""
    plan, profile, scenario = context.plan, context.plan.profile, cell.scenario
    slice_s = WINDOW_S if scenario.windows else profile.slice_s
    if scenario.windows and cell.view == "capacity":
        measure_s = max(measure_s, WINDOW_S)
    started, offset_s = record.now(), context.offset_s
    snapshots: list[Snapshot] = []
    name = f"{cell.block}-{scenario.name}-{cell.view}"
    targets = [
        load.Target(id=one.id, endpoint=one.client, connections=_connections(context, cell, one)) for one in ready
    ]
    null = context.ceiling
    if (
        null
        and cell.view == "capacity"
        and not scenario.windows
        and not scenario.journey
        and scenario.url.partition("?")[0] in null.paths
    ):
        most = max(target.connections for target in targets)
        targets.append(load.Target(id=ceiling.ID, endpoint=null.endpoint, connections=most))
    answer = context.load(
        context.session,
        load.Job(
            scenario=scenario.source, mode="open" if rate else "duet", seed=plan.seed + plan.cells().index(cell),
            targets=targets,
            warmup_s=profile.warmup_s, measure_s=measure_s, slice_s=None if rate else slice_s, rate_rps=rate,
        ),
        folder=context.store.folder, name=name, log=context.store.folder / "logs" / "load" / f"{name}.log",
        cpus=plan.budget.pins("generator"), work=context.session.scratch,
        on_ready=lambda pid: snapshots.append(account.snapshot(context.database, ready, pid)),
        on_measured=lambda pid: snapshots.append(account.snapshot(context.database, ready, pid)),
        on_progress=advance,
    )  # fmt: skip
    context.overheads_s.append(context.offset_s - offset_s - len(targets) * (measure_s + profile.warmup_s))
    by_id = {target["id"]: target for target in answer["targets"]}
    for deployment in ready:
        found = by_id[deployment.id]
        ended = died(deployment)
        named = _named(plan, cell, deployment)
        if ended and not found["requests"]:
            context.keep(trial.without_figures(named, ended, offset_s=offset_s))
            continue
        stored = trial.measured(
            named, deployment, found, accounts=account.accounts(deployment, snapshots), generator=answer["generator"],
            slice_s=None if rate else slice_s, rate_rps=rate, started=started, offset_s=offset_s,
            ceiling_rps=(by_id.get(ceiling.ID) or {}).get("rps"),
        )  # fmt: skip
        if ended:
            stored |= {"flags": [*stored["flags"], "died"], "log_tail": ended.log_tail}
            deployment.failure = ended
        context.keep(stored)
        if cell.view == "capacity" and stored["rps"]:
            capacities[deployment.id] = stored["rps"]


def verify_all(context: Context, deployments: Sequence[Deployment]) -> None:
    """Hold each deployed stack to the contract, side by side: it is checked for truth here, not for speed."""
    healthy = [one for one in deployments if one.failure is None]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for deployment, report in zip(healthy, pool.map(lambda one: _verified(context, one), healthy), strict=True):
            if isinstance(report, Failed):
                deployment.failure = report
                continue
            stack = deployment.planned.stack
            failures = [
                {"endpoint": one.endpoint, "rule": one.rule, "expected": one.expected, "got": one.got}
                for one in report.failures
            ]
            context.verified[stack.id] = {
                "status": "passed" if report.passed else "failed", "rules": len(report.checks), "failures": failures,
            }  # fmt: skip
            if failures:
                context.progress.say(
                    f"  {stack.id} breaks the contract: {len(failures)} rules; `bench verify {stack.id}` lists them"
                )
    context.store.update({"verified": context.verified})


def _verified(context: Context, deployment: Deployment) -> Report | Failed:
    try:
        return context.verify(deployment, context.database.url)
    except BenchError as error:
        return Failed(reason=f"could not be verified: {error}")


def write_report(folder: Path, say: Callable[[str], None]) -> bool:
    """Build the report in a process of its own (bench imports no pandas); whether that worked."""
    run = subprocess.run(
        [sys.executable, "-m", "analysis", "report", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode:
        say(f"the report could not be made: {(run.stderr or run.stdout).strip()[-800:]}")
    return run.returncode == 0


def planned_seconds(plan: Plan) -> list[float]:
    """How long each cell should take, for the time that is shown as left."""
    targets = len(plan.stacks) * plan.profile.copies + plan.profile.ceiling

    def seconds(cell: Cell) -> float:
        each = plan.profile.capacity_s if cell.view == "capacity" else plan.profile.latency_s
        if cell.scenario.windows and cell.view == "capacity":
            each = max(each, WINDOW_S)
        return JOB_OVERHEAD_S + targets * (each + plan.profile.warmup_s)

    planned = [seconds(cell) for cell in plan.cells()]
    limit = plan.profile.load_until_s
    return planned if limit is None or sum(planned) <= limit else [one * limit / sum(planned) for one in planned]


def _unfit(context: Context, cell: Cell, deployment: Deployment) -> Failed | Skipped | None:
    stack = deployment.planned.stack
    skipped = context.plan.skipped.get(f"{stack.id} {cell.scenario.name}")
    if skipped:
        return skipped
    if deployment.failure:
        return deployment.failure
    if context.database.failure and cell.scenario.needs & DATABASE_ENDPOINTS:
        return context.database.failure
    deployment.failure = died(deployment)
    return deployment.failure


def _measure_s(context: Context, cell: Cell, targets: int, index: int) -> float:
    """The profile's time for each target, or less where the run must end by a set time."""
    profile = context.plan.profile
    wanted = profile.capacity_s if cell.view == "capacity" else profile.latency_s
    if profile.load_until_s is None:
        return wanted
    rest = profile.load_until_s - context.offset_s
    cells = len(context.plan.cells()) - index
    overhead_s = sum(context.overheads_s) / len(context.overheads_s) if context.overheads_s else JOB_OVERHEAD_S
    return min(wanted, (rest / cells - overhead_s) / targets - profile.warmup_s)


def _rate(ready: Sequence[Deployment], capacities: Mapping[str, float]) -> float | None:
    known = [capacities[one.id] for one in ready if one.id in capacities]
    return max(1.0, LATENCY_SHARE * min(known)) if known else None


def _connections(context: Context, cell: Cell, deployment: Deployment) -> int:
    planned = context.plan.connections(cell.scenario, cell.view)
    if cell.view == "latency":
        return planned
    return context.connections.get((deployment.planned.stack.id, cell.scenario.name), planned)


def _calibrate(site: Site, context: Context, source: Deployment) -> Ceiling | None:
    """The null server of a run on this machine. Raises BenchError where it cannot be had."""
    if context.plan.mode != "native":
        raise BenchError("in containers the generator's ceiling is not measured, only its CPU")
    nginx = str(find_nginx().path)
    paths = {
        one.url.partition("?")[0]: one.url
        for one in context.plan.scenarios
        if one.method == "GET" and not one.windows and not one.journey
    }
    return ceiling.start(
        context.session, context.plan.budget, nginx=nginx, source=source.client, paths=paths, port=free_port(),
        user=nginx_user(), log=context.store.folder / "logs" / "null-server.log",
    )  # fmt: skip


def _named(plan: Plan, cell: Cell, deployment: Deployment) -> dict[str, Any]:
    return trial.identity(plan, cell, deployment.id, deployment.planned.stack.id, deployment.copy)
