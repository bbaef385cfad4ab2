"""One scenario seen one way, through every deployment: load, keep accounts, store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench import account, ceiling, estimate, load, pilot, record, trial
from bench.ceiling import Ceiling
from bench.contract import DATABASE_ENDPOINTS
from bench.database import data
from bench.deployment import Deployment, died, tail
from bench.model import BenchError, Failed, Skipped
from bench.plan import ENOUGH, LATENCY_SHARE, SHORTEST_S, Cell, Plan
from bench.processes import table
from bench.run.context import Context
from bench.sample import Snapshot


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
        late = " (of other groups it is known from the second block on)" if len(plan.groups()) > 1 else ""
        raise _NotMeasured(Skipped(reason=f"no capacity was measured to derive an offered load from{late}"))
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
            id=one.id, endpoint=one.client, connections=(count := _connections(context, cell, one)), rate_rps=rates.get(one.id),
            batch=min(count, one.planned.holds(scenario)) if scenario.windows and not rates else None,
        )
        for one in ready
    ]  # fmt: skip
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
            accounts=context.sampling(
                account.accounts, deployment, snapshots, now, idle=context.idle, loaded_s=measure_s
            ),
            slice_s=None if rates else slice_s, rate_rps=rates.get(deployment.id), started=started, offset_s=offset_s,
            ceiling_rps=pilot.rate(by_id[ceiling.ID]) if ceiling.ID in by_id else None, budget=plan.budget,
            is_even=scenario.is_even,
        )  # fmt: skip
        if ended:
            stored |= {"flags": [*stored["flags"], "died"], "log_tail": ended.log_tail}
            deployment.failure = ended
            if not rates:  # some of its time it was not there: requests over time would be no rate of its own
                stored |= {
                    "status": "failed", "rps": None, "reason": f"{ended.reason}, after {found['requests']} requests",
                }  # fmt: skip
        records[deployment.id] = stored
        if cell.is_capacity and stored["rps"]:
            context.capacities[cell.name, deployment.planned.stack.id, deployment.copy] = stored["rps"]
    return records


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
    """Arrivals a second for each deployment in an open loop; empty in a closed one, and where no capacity is known.

    Who is too slow for a median at `LATENCY_SHARE` of its capacity gets that rate, with which it is skipped, and does not set the others'.
    """
    if cell.is_capacity:
        return {}
    source = replace(cell, view="capacity").name
    known = {
        one.id: context.capacities[key] for one in ready
        if (key := (source, one.planned.stack.id, one.copy)) in context.capacities
    }  # fmt: skip
    if not known:
        return {}
    share = cell.own_share
    elsewhere = _elsewhere(context, cell) if share is None else []
    if elsewhere is None:
        return {}
    if share:
        return {one.id: max(1.0, share * known[one.id]) for one in ready}
    halves = {name: max(1.0, LATENCY_SHARE * rate) for name, rate in known.items()}
    others = [max(1.0, LATENCY_SHARE * rate) for rate in elsewhere]
    equal = min((one for one in [*halves.values(), *others] if context.plan.is_enough(one)), default=0.0)
    return {one.id: equal if context.plan.is_enough(half := halves.get(one.id, equal)) else half for one in ready}


def _elsewhere(context: Context, cell: Cell) -> list[float] | None:
    """What stacks of the other groups can do in this scenario, from their last turn: the load is equal for all, whatever group they are in.
    None where a group has not had a turn.
    """
    found = []
    for group in set(range(len(context.plan.groups()))) - {cell.group}:
        for block in (cell.block, cell.block - 1):
            source = replace(cell, view="capacity", group=group, block=block).name
            if rates := [rate for (name, *_), rate in context.capacities.items() if name == source]:
                found += rates
                break
        else:
            return None
    return found


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


def _named(plan: Plan, cell: Cell, deployment: Deployment) -> dict[str, Any]:
    return trial.identity(plan, cell, deployment.id, deployment.planned.stack.id, deployment.copy)
