"""How long a run takes, before it begins and while it goes: what its load needs, and what comes on top.

What comes on top was measured in runs of the profile `standard` on 2 CPUs (docs/measuring.md); a run that goes on learns its own.
"""

from collections.abc import Sequence

from bench import pilot
from bench.plan import LATENCY_SHARE, Cell, Plan

JOB_OVERHEAD_S = 1.5
"""Starting the load process, writing, reading accounts: for each job, beside the time of its targets."""
TARGET_OVERHEAD_S = 0.05
"""Opening connections, and draining them after each slice: for each target of a job."""
BLOCK_OVERHEAD_S = 6.0
"""Restoring data, ending deployments: for each group of each block."""
START_S = 0.6
"""For each deployment, on one server CPU."""
VERIFY_S = 1.5
"""For each stack, once: it takes about 2 s, and four are verified side by side."""
TIMEOUT_S = 10.0
"""A drain is over by then: `bench.load.Job.timeout_s`."""
DATABASE_S = 5.0
"""Starting and filling it, once."""
REPORT_S, REPORT_STACK_S = 8.0, 1.0
"""The report: for any run, and for each of its stacks."""


def planned_seconds(plan: Plan, cells: Sequence[Cell], share: float = 1.0, slow: float = 1.0) -> dict[str, float]:
    """How long each cell should take, by its name, with `share` of the profile's load, and `slow` times what the rest is known to take."""
    parts = {cell.name: _parts(plan, cell, share) for cell in cells}
    planned = {name: load_s + slow * rest_s for name, (load_s, rest_s) in parts.items()}
    limit, total = plan.profile.load_until_s, sum(planned.values())
    return planned if limit is None or total <= limit else {name: one * limit / total for name, one in planned.items()}


def block_s(plan: Plan, cells: Sequence[Cell], share: float, slow: float) -> float:
    """A block of these cells, without what is done once."""
    return sum(planned_seconds(plan, cells, share, slow).values()) + slow * deploying_s(plan)


def once_s(plan: Plan) -> float:
    """What the first block takes more than the others: the database, verifying, the pilot."""
    verifying_s = (START_S + VERIFY_S) * len(plan.stacks) + BLOCK_OVERHEAD_S * len(plan.groups())
    return DATABASE_S + verifying_s + _pilot_s(plan)


def deploying_s(plan: Plan) -> float:
    """What a block takes beside its load: restoring data, starting and ending deployments."""
    deployments = len(plan.stacks) * plan.profile.copies
    return (BLOCK_OVERHEAD_S + plan.profile.idle_s) * len(plan.groups()) + START_S * deployments


def report_s(plan: Plan) -> float:
    """Making the report, after the last block."""
    return REPORT_S + REPORT_STACK_S * len(plan.stacks)


def _pilot_s(plan: Plan) -> float:
    if plan.profile.pilot_s is None:
        return 0.0
    targets = len(plan.stacks) * len(pilot.CANDIDATES)
    each = JOB_OVERHEAD_S + targets * (plan.profile.pilot_s + plan.profile.warmup_s + TARGET_OVERHEAD_S)
    return sum(each for scenario in plan.scenarios if plan.is_piloted(scenario))


def _parts(plan: Plan, cell: Cell, share: float) -> tuple[float, float]:
    """The load of a cell, which takes its time on any machine, and the rest of it."""
    stacks = [one for one in plan.groups()[cell.group] for _ in range(plan.profile.copies)]
    loaded = [one for one in stacks if f"{one.stack.id} {cell.scenario.name}" not in plan.skipped]
    each_s, drains_s = plan.measure_s(cell, share) + plan.warmup_s(cell), 0.0
    targets = len(loaded) + bool(plan.profile.ceiling and cell.is_capacity and not cell.scenario.windows)
    if cell.scenario.waits_s:
        held = [plan.connections(cell.scenario, cell.view, one) for one in loaded]
        rates = [
            min(one.holds(cell.scenario), many) / cell.scenario.waits_s for one, many in zip(loaded, held, strict=True)
        ]
        if cell.is_capacity:
            drains_s = sum(min(many / rate, TIMEOUT_S) for many, rate in zip(held, rates, strict=True))
        else:
            targets = sum(plan.is_enough((cell.own_share or LATENCY_SHARE) * rate) for rate in rates)
    return targets * each_s + drains_s, JOB_OVERHEAD_S + targets * TARGET_OVERHEAD_S
