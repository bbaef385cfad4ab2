"""How long a run takes, before it begins and while it goes: what its load needs, and what comes on top.

What comes on top was measured in runs of the profile `standard` on 2 CPUs (docs/measuring.md); a run that goes on learns its own.
"""

from collections.abc import Sequence

from bench import pilot
from bench.contract import DATABASE_ENDPOINTS
from bench.model import Scenario
from bench.plan import LATENCY_SHARE, Cell, Plan, PlannedStack

JOB_OVERHEAD_S = 1.5
"""Starting the load process, writing, reading accounts: for each job, beside the time of its targets."""
TARGET_OVERHEAD_S = 0.05
"""Opening connections, and draining them after each slice: for each target of a job."""
BLOCK_OVERHEAD_S = 6.0
"""Restoring data, ending deployments: for each group of each block."""
START_S = 0.6
"""For each deployment, on one server CPU."""
VERIFY_S = 4.0
"""For each stack, once."""
TIMEOUT_S = 10.0
"""A drain is over by then: `bench.load.Job.timeout_s`."""
DATABASE_S = 5.0
"""Starting and filling it, once."""
REPORT_S, REPORT_STACK_S = 8.0, 1.0
"""The report: for any run, and for each of its stacks."""
BOUNDED = frozenset({"sync", "threads"})
"""Worker models that hold one waiting request for each of their threads; the others hold any number."""


def planned_seconds(plan: Plan, cells: Sequence[Cell], share: float = 1.0) -> dict[str, float]:
    """How long each cell should take, by its name, with `share` of the profile's load."""
    planned = {cell.name: _seconds(plan, cell, share) for cell in cells}
    limit, total = plan.profile.load_until_s, sum(planned.values())
    return planned if limit is None or total <= limit else {name: one * limit / total for name, one in planned.items()}


def once_s(plan: Plan) -> float:
    """What the first block takes more than the others: the database, verifying, the pilot."""
    return DATABASE_S + VERIFY_S * len(plan.stacks) + _pilot_s(plan)


def deploying_s(plan: Plan) -> float:
    """What a block takes beside its load: restoring data, starting and ending deployments."""
    deployments = len(plan.stacks) * plan.profile.copies
    return BLOCK_OVERHEAD_S * len(plan.groups()) + START_S * deployments


def report_s(plan: Plan) -> float:
    """Making the report, after the last block."""
    return REPORT_S + REPORT_STACK_S * len(plan.stacks)


def _pilot_s(plan: Plan) -> float:
    if plan.profile.pilot_s is None:
        return 0.0
    targets = len(plan.stacks) * len(pilot.CANDIDATES)
    each = JOB_OVERHEAD_S + targets * (plan.profile.pilot_s + plan.profile.warmup_s + TARGET_OVERHEAD_S)
    return sum(each for scenario in plan.scenarios if plan.is_piloted(scenario))


def _seconds(plan: Plan, cell: Cell, share: float) -> float:
    stacks = [one for one in plan.groups()[cell.group] for _ in range(plan.profile.copies)]
    loaded = [one for one in stacks if f"{one.stack.id} {cell.scenario.name}" not in plan.skipped]
    null = bool(plan.profile.ceiling and cell.is_capacity and not cell.scenario.windows)
    each = plan.measure_s(cell, share) + plan.warmup_s(cell) + TARGET_OVERHEAD_S
    if not cell.scenario.waits_s:
        return JOB_OVERHEAD_S + (len(loaded) + null) * each
    connections = plan.connections(cell.scenario, cell.view)
    rates = {one.stack.id: holds(one, cell.scenario, connections) / cell.scenario.waits_s for one in loaded}
    if not cell.is_capacity:
        equal = min(rates.values(), default=0.0) * LATENCY_SHARE
        shares = [rates[one.stack.id] * cell.own_share if cell.own_share else equal for one in loaded]
        return JOB_OVERHEAD_S + each * sum(plan.is_enough(rate) for rate in shares)
    drains = sum(min(connections / rates[one.stack.id], TIMEOUT_S) for one in loaded)
    return JOB_OVERHEAD_S + len(loaded) * each + drains


def holds(planned: PlannedStack, scenario: Scenario, connections: int) -> int:
    """How many of so many requests the stack can let wait at once."""
    slots = planned.workers * planned.threads if planned.stack.server.model in BOUNDED else connections
    if scenario.needs & DATABASE_ENDPOINTS:
        slots = min(slots, planned.workers * max(planned.pool_max, 1))
    return min(connections, slots)
