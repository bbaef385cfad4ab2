"""The main job: plan, launch, verify, load and account, store. One pass over the blocks, readable from `execute` down."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import account, ceiling, estimate, load, pace, pilot, record, trial
from bench.catalog import ROOT
from bench.ceiling import Ceiling
from bench.clock import Clock
from bench.connections import most_together
from bench.console import Progressing
from bench.contract import DATABASE_ENDPOINTS, verify_deployment
from bench.database import data
from bench.deployment import Deployment, died, tail
from bench.launch import Launcher, free_port, nginx_user
from bench.machine import find_nginx
from bench.model import BenchError, Failed, Scenario, Skipped
from bench.plan import CONNECTIONS, ENOUGH, LATENCY_SHARE, SHORTEST_S, Cell, Plan
from bench.processes import table
from bench.sample import Snapshot
from bench.service import Database
from bench.session import Session
from bench.site import Site, open_site
from bench.store import Earlier, RunStore
from bench.verify import Report

SHARE_NOTED = 0.05
"""A change of the load's share that a reader is told."""


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
    pilots: dict[str, Any] = field(default_factory=dict)
    """From scenario and stack to what the pilot tried and chose, as in `run.json`."""
    capacities: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """From the name of a cell of capacity, stack and copy to requests a second."""
    calibrated: bool = False
    """Whether the null server was tried."""
    ceiling: Ceiling | None = None
    calibrate: Callable[["Context", Deployment], Ceiling | None] = lambda context, source: None
    """Starts the null server with the answers of one stack; tests and containers have none."""
    overheads_s: list[float] = field(default_factory=list)
    after_block: Callable[[Path], object] | None = None
    """Called with the run's folder when all cells of a block are stored and its deployments have ended: nothing is measured meanwhile."""
    share: float = 1.0
    """Of the planned load that each deployment gets: less where the blocks would not fit into the budget."""
    sampling: account.Sampling = field(default_factory=account.Sampling)
    clock: Clock = field(default_factory=Clock)
    ask: pace.Ask = pace.ask
    """Asks the analysis how wide intervals are; tests put another in its place."""
    earlier: Earlier = field(default_factory=Earlier)
    """What an interrupted run had finished before it was taken up again."""
    verified: dict[str, dict[str, Any]] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)

    @property
    def offset_s(self) -> float:
        """Seconds since the run began; of one that was interrupted, without the time in between."""
        return self.earlier.seconds + time.monotonic() - self.began

    def keep(self, unit: Sequence[Mapping[str, Any]]) -> None:
        """Store all trials of one cell at once, so that a cut leaves a cell whole or to be repeated; say how they came out."""
        stored = trial.unit(unit, part=self.earlier.parts, hashes=self.store.header.get("hashes") or {})
        self.store.append(stored)
        self.trials.extend(stored)
        self.progress.kept(stored)


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
            store.update({"environment": record.environment(site.tools, site.database, site.docker, site.machine)})
            if site.notes:
                store.update({"notes": [*plan.notes, *site.notes]})
            context = Context(
                verified=dict(store.header.get("verified") or {}), observed=dict(store.header.get("observed") or {}),
                pilots=dict(store.header.get("pilot") or {}), capacities=earlier.capacities, connections=earlier.connections,
                plan=plan, session=session, store=store, launcher=site.launcher, database=site.database,
                progress=progress, began=began, trials=outcome.trials, load=site.load, verify=site.verify,
                calibrate=partial(_calibrate, site), earlier=earlier, after_block=after_block,
            )  # fmt: skip
            run_blocks(context)
        status = "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
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
        said = f"From block {block + 1} on each deployment is loaded for {share:.0%} of the planned time"
        note(context, f"{said}, so that the planned blocks end in time.")
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
    if context.database.url:
        try:
            data.restore(context.database.url)
            context.database.failure = None
        except BenchError as error:
            context.database.failure = Failed(reason=str(error))
    wanted = [(planned, copy) for planned in plan.groups()[group] for copy in range(plan.profile.copies)]
    groups = len(plan.groups())
    context.progress.say(
        f"block {block + 1}{f', group {group + 1} of {groups}' if groups > 1 else ''}: starting {len(wanted)} deployments"
    )
    # An id of its own for every deployment that ever ran: a replicate is a deployment.
    mark = f"{f'g{group}' if group else ''}{f'r{context.earlier.parts}' if context.earlier.parts else ''}"
    deployments = context.launcher.start(wanted, block=block, mark=mark)
    try:
        fresh = [one for one in deployments if one.copy == 0 and one.planned.stack.id not in context.verified]
        if fresh:
            verify_all(context, fresh)
            prepare_load(context, fresh)
        for deployment in deployments:
            found = context.verified.get(deployment.planned.stack.id, {})
            if deployment.failure is None and found.get("failures"):
                first = found["failures"][0]
                deployment.failure = Failed(
                    reason=f"breaks the contract at {first['endpoint']}, rule {first['rule']}: "
                    f"expected {first['expected']}, got {first['got']}"
                )
        for cell in cells:
            run_cell(context, cell, deployments)
        if fresh:
            for one in fresh:
                context.observed[one.planned.stack.id] = record.observed(
                    context.database, one, context.launcher.versions(one)
                )
            context.store.update({"observed": context.observed})
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


def prepare_load(context: Context, deployments: Sequence[Deployment]) -> None:
    """Before these are measured for the first time: the null server, and the number of connections for each stack and scenario."""
    plan, profile = context.plan, context.plan.profile
    ready = [one for one in deployments if one.failure is None]
    if not ready:
        return
    if profile.ceiling and not context.calibrated:
        context.calibrated = True
        try:
            context.ceiling = context.calibrate(context, ready[0])
        except BenchError as error:
            context.progress.say(f"  no null server: {error}")
    if profile.pilot_s is None:
        return
    for scenario in [one for one in plan.scenarios if plan.is_piloted(one)]:
        fit = [
            one for one in ready
            if f"{one.planned.stack.id} {scenario.name}" not in plan.skipped
            and (one.planned.stack.id, scenario.name) not in context.connections
        ]  # fmt: skip
        if not fit or (context.database.failure and scenario.needs & DATABASE_ENDPOINTS):
            continue
        try:
            found = run_pilot(context, scenario, fit)
            context.pilots[scenario.name] = {**context.pilots.get(scenario.name, {}), **found}
        except BenchError as error:
            context.progress.say(f"  no pilot for {scenario.name}, so {CONNECTIONS} connections for all: {error}")
    context.store.update({"pilot": context.pilots})
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
            slice_s=profile.slice_s, workers=load.each(plan.budget),
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


def run_cell(context: Context, cell: Cell, deployments: Sequence[Deployment]) -> None:
    """One scenario seen one way: every deployment gets a record, measured or with its reason."""
    plan, scenario = context.plan, cell.scenario
    planned = f" of {plan.profile.blocks}" if cell.block < plan.profile.blocks else ""
    advance = context.progress.cell(cell.name, f"block {cell.block + 1}{planned}  {scenario.name} {cell.view}")
    unfit = {one.id: why for one in deployments if (why := _unfit(context, cell, one))}
    ready = [one for one in deployments if one.id not in unfit]
    rates = _rates(context, cell, ready)
    unfit |= {name: _too_few(plan, rate) for name, rate in rates.items() if not plan.is_enough(rate)}
    ready = [one for one in ready if one.id not in unfit]
    measured: dict[str, Mapping[str, Any]] = {}
    if ready:
        try:
            measured = _measure(context, cell, ready, rates, advance)
        except _NotMeasured as error:
            unfit |= {one.id: error.why for one in ready}
    offset_s = context.offset_s
    context.keep([
        measured[one.id] if one.id in measured
        else trial.without_figures(_named(plan, cell, one), unfit[one.id], offset_s=offset_s)
        for one in deployments
    ])  # fmt: skip


class _NotMeasured(Exception):
    """A whole cell gave no figure."""

    def __init__(self, why: Failed | Skipped) -> None:
        super().__init__(why.reason)
        self.why = why


def _too_few(plan: Plan, rate_rps: float) -> Skipped:
    return Skipped(
        reason=f"{plan.profile.latency_s:g} s at {rate_rps:.3g} requests a second hold fewer than the {ENOUGH} that a median takes"
    )


def _measure(
    context: Context,
    cell: Cell,
    ready: Sequence[Deployment],
    rates: Mapping[str, float],
    advance: Callable[[float], None],
) -> dict[str, Mapping[str, Any]]:
    """The records of one cell, by deployment. Raises _NotMeasured."""
    plan, scenario = context.plan, cell.scenario
    measure_s = _measure_s(context, cell, len(ready) + (context.ceiling is not None))
    if measure_s < SHORTEST_S:
        raise _NotMeasured(
            Skipped(reason=f"no time left: load stops {plan.profile.load_until_s:.0f} s after the start")
        )
    if not cell.is_capacity and not rates:
        raise _NotMeasured(Skipped(reason="no capacity was measured to derive an offered load from"))
    try:
        if context.database.url and scenario.needs & DATABASE_ENDPOINTS:
            data.settle(context.database.url)
        return run_job(context, cell, ready, measure_s=measure_s, rates=rates, advance=advance)
    except BenchError as error:
        log = error.log if isinstance(error, load.LoadFailedError) else None
        raise _NotMeasured(Failed(reason=str(error), log_tail=tail(log) if log else None)) from None


def run_job(
    context: Context, cell: Cell, ready: Sequence[Deployment], *, measure_s: float, rates: Mapping[str, float],
    advance: Callable[[float], None],
) -> dict[str, Mapping[str, Any]]:  # fmt: skip
    """Load the deployments, keep accounts of what they use meanwhile; the record of each, by id. `rates` is empty for a closed loop."""
    plan, profile, scenario = context.plan, context.plan.profile, cell.scenario
    slice_s = measure_s if scenario.windows else profile.slice_s
    started, offset_s = record.now(), context.offset_s
    snapshots: list[Snapshot] = []
    targets = [
        load.Target(
            id=one.id, endpoint=one.client, connections=_connections(context, cell, one), rate_rps=rates.get(one.id)
        )
        for one in ready
    ]
    if null := _null(context, cell):
        most = max(target.connections for target in targets)
        targets.append(load.Target(id=ceiling.ID, endpoint=null.endpoint, connections=most))
    answer = context.load(
        context.session,
        load.Job(
            scenario=scenario.source, mode="open" if rates else "duet", seed=plan.seed + cell.seed, targets=targets,
            warmup_s=plan.warmup_s(cell), measure_s=measure_s, slice_s=None if rates else slice_s,
            workers=load.each(plan.budget),
        ),
        folder=context.store.folder, name=cell.name, log=context.store.folder / "logs" / "load" / f"{cell.name}.log",
        cpus=plan.budget.pins("generator"), work=context.session.scratch,
        on_ready=lambda pid: snapshots.append(context.sampling(account.snapshot, context.database, ready, pid)),
        on_measured=lambda pid: snapshots.append(context.sampling(account.snapshot, context.database, ready, pid)),
        on_progress=advance,
    )  # fmt: skip
    context.overheads_s.append(context.offset_s - offset_s - len(targets) * (measure_s + plan.warmup_s(cell)))
    by_id = {target["id"]: target for target in answer["targets"]}
    records: dict[str, Mapping[str, Any]] = {}
    now = context.sampling(table)
    for deployment in ready:
        found = by_id[deployment.id]
        ended = died(deployment)
        named = _named(plan, cell, deployment)
        if ended and not found["requests"]:
            records[deployment.id] = trial.without_figures(named, ended, offset_s=offset_s)
            continue
        stored = trial.measured(
            named, deployment, found, generator=answer["generator"],
            accounts=context.sampling(account.accounts, deployment, snapshots, now),
            slice_s=None if rates else slice_s, rate_rps=rates.get(deployment.id), started=started, offset_s=offset_s,
            ceiling_rps=(by_id.get(ceiling.ID) or {}).get("rps"), budget=plan.budget,
        )  # fmt: skip
        if ended:
            stored |= {"flags": [*stored["flags"], "died"], "log_tail": ended.log_tail}
            deployment.failure = ended
        records[deployment.id] = stored
        if cell.is_capacity and stored["rps"]:
            context.capacities[cell.name, deployment.planned.stack.id, deployment.copy] = stored["rps"]
    return records


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


def write_report(folder: Path, say: Callable[[str], None], *, language: str = "en") -> bool:
    """Build the report, and the index of all runs beside it, in a process of its own (bench imports no pandas); whether that worked."""
    run = subprocess.run(
        [sys.executable, "-m", "analysis", "report", str(folder), "--index", "--lang", language],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        say(f"the report could not be made: {(run.stderr or run.stdout).strip()[-800:]}")
    return run.returncode == 0


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
    if deployment.failure is None and cell.own_share is not None:
        source = replace(cell, view="capacity").name
        if (source, stack.id, deployment.copy) not in context.capacities:
            return Skipped(reason="its own capacity was not measured, so there is no share of it to offer")
    return deployment.failure


def _measure_s(context: Context, cell: Cell, targets: int) -> float:
    """The profile's time for each target, or less where the run must end by a set time."""
    plan, profile = context.plan, context.plan.profile
    wanted = plan.measure_s(cell, context.share)
    if profile.load_until_s is None:
        return wanted
    rest = profile.load_until_s - context.offset_s
    cells = [one.name for one in plan.cells()]
    left = len(cells) - cells.index(cell.name)
    known_s = context.overheads_s
    guess_s = estimate.JOB_OVERHEAD_S + targets * estimate.TARGET_OVERHEAD_S
    overhead_s = sum(known_s) / len(known_s) if known_s else guess_s
    return min(wanted, (rest / left - overhead_s) / targets - plan.warmup_s(cell))


def _rates(context: Context, cell: Cell, ready: Sequence[Deployment]) -> dict[str, float]:
    """Arrivals a second for each deployment in an open loop; empty in a closed one, and where no capacity is known."""
    if cell.is_capacity:
        return {}
    source = replace(cell, view="capacity").name
    known = {
        one.id: context.capacities[key] for one in ready
        if (key := (source, one.planned.stack.id, one.copy)) in context.capacities
    }  # fmt: skip
    if not known:
        return {}
    equal = LATENCY_SHARE * min(known.values())
    share = cell.own_share
    return {one.id: max(1.0, share * known[one.id] if share else equal) for one in ready}


def _null(context: Context, cell: Cell) -> Ceiling | None:
    """The null server, where it can answer what this cell asks for."""
    null, scenario = context.ceiling, cell.scenario
    if null is None or not cell.is_capacity or scenario.windows or scenario.journey:
        return None
    return null if scenario.url.partition("?")[0] in null.paths else None


def _connections(context: Context, cell: Cell, deployment: Deployment) -> int:
    planned = context.plan.connections(cell.scenario, cell.view, deployment.planned)
    if not cell.is_capacity:
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
