"""Which claims a run tries: read, resolved to stacks and numbers, and those that cannot be tried here with the reason and the remedy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import msgspec

from bench import catalog, claim
from bench.catalog import Catalog
from bench.claim import Check, Claim, Rule
from bench.contract import DATABASE_ENDPOINTS, endpoint_of
from bench.experiments import Extended, Hindered, Kind, kinds
from bench.lab import PlannedArm
from bench.machine.placement import ranges
from bench.manifest import nearest
from bench.model import BenchError, Budget, Stack
from bench.plan import DATABASE_CONNECTIONS_PER_STACK, plan_stack

QUICK_REPLICATES = 3
"""With `--quick`: the fewest of which Student's t makes an interval that is of any use."""
DEPLOY_S = 2.0
"""Starting and ending deployments, for each time: a first guess."""
START_S = 1.4
"""For each arm of those that start together: they share the servers' CPUs."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A claim that can be tried, with its arms resolved."""

    claim: Claim
    kind: Kind
    arms: tuple[PlannedArm, ...]
    budget: Budget
    shared: bool
    """Whether its servers have the generator's CPU as well."""

    @property
    def seconds(self) -> float:
        """About how long one replicate takes."""
        together = hasattr(self.kind, "together")
        starts_s = DEPLOY_S + START_S * len(self.arms) if together else DEPLOY_S * len(self.arms)
        return starts_s + sum(self.kind.seconds(arm.parameters) for arm in self.arms)

    @property
    def needs_database(self) -> bool:
        """Whether an arm asks for what is in the database."""
        return any(endpoints(self.kind, arm) & DATABASE_ENDPOINTS for arm in self.arms)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a run is to do. `not_run`: from a claim's number to `reason; remedy`; `wrong`: those of them whose file is at fault."""

    ready: tuple[Ready, ...]
    not_run: Mapping[int, str] = field(default_factory=dict)
    wrong: Collection[int] = ()

    @property
    def stacks(self) -> list[Stack]:
        """Of all arms, each once."""
        return list({arm.stack.stack.id: arm.stack.stack for one in self.ready for arm in one.arms}.values())

    @property
    def seconds(self) -> float:
        """About how long all of it takes."""
        return sum(one.seconds * one.claim.replicates for one in self.ready)

    def without(self, reasons: Mapping[int, str]) -> "Chosen":
        """Without the claims of these numbers."""
        ready = tuple(one for one in self.ready if one.claim.number not in reasons)
        return replace(self, ready=ready, not_run={**self.not_run, **reasons})


def choose(
    found: Catalog, budget: Budget, *, only: Sequence[int] = (), quick: bool = False, mode: str = "native", folder: Path = claim.FOLDER
) -> Chosen:  # fmt: skip
    """Read and resolve the claims named by `only`, or all; with `quick` those that are meant for it, shortened.

    A claim that cannot be tried does not stop the others. Raises BenchError for a number that no file has.
    """
    files = claim.discover(folder)
    unknown = [number for number in only if number not in files]
    if unknown:
        raise BenchError(f"no claim {unknown[0]} in {folder}; there are {ranges(files)}")
    ready, not_run, wrong = [], {}, []
    for number, path in files.items():
        if only and number not in only:
            continue
        try:
            one = claim.read(path)
            if quick and not only and not one.quick:
                continue
            if quick:
                one = msgspec.structs.replace(one.shortened() if one.quick else one, replicates=QUICK_REPLICATES)
            planned = plan(found, one, budget, mode=mode)
        except BenchError as error:
            not_run[number] = f"its file is wrong: {_where(path, str(error))}"
            wrong.append(number)
            continue
        reason = obstacle(planned)
        if reason:
            not_run[number] = reason
        else:
            ready.append(planned)
    return Chosen(ready=tuple(ready), not_run=not_run, wrong=wrong)


def plan(found: Catalog, one: Claim, budget: Budget, *, mode: str = "native") -> Ready:
    """The claim's arms with every number resolved. Raises BenchError for a kind, stack, parameter or metric that does not exist."""
    known = kinds()
    if one.experiment not in known:
        raise BenchError(f"key 'experiment': unknown kind '{one.experiment}'.{nearest(one.experiment, list(known))}")
    kind, shared = known[one.experiment], False
    if mode == "native" and len(budget.server_cpus) < one.server_cpus <= len(budget.server_cpus | budget.load_cpus):
        budget, shared = replace(budget, server_cpus=budget.server_cpus | budget.load_cpus), True
    arms = []
    for arm in one.arm:
        try:
            given = msgspec.convert({**one.parameters, **arm.parameters}, kind.Parameters)
        except msgspec.ValidationError as error:
            raise BenchError(f"arm '{arm.name}': key 'parameters': {str(error)[0].lower()}{str(error)[1:]}") from None
        cap = one.database_connections or DATABASE_CONNECTIONS_PER_STACK
        stack = plan_stack(catalog.resolve(found, arm.stack), budget, cap=cap)
        arms.append(PlannedArm(claim=one, name=arm.name, stack=stack, parameters=given))
    planned = Ready(claim=one, kind=kind, arms=tuple(arms), budget=budget, shared=shared)
    for rule in one.rules:
        _check_metric(planned, rule)
    return planned


def obstacle(planned: Ready) -> str | None:
    """Why this machine cannot try the claim, and what would help; None where it can."""
    one, cpus = planned.claim, len(planned.budget.server_cpus)
    if cpus < one.server_cpus:
        return f"it needs {one.server_cpus} CPUs for the servers, there are {cpus}; use a machine with more, or --cpus server=..."
    for arm in planned.arms:
        lacking = sorted(endpoints(planned.kind, arm) & arm.stack.stack.app.missing)
        if lacking:
            app = arm.stack.stack.app
            return f"{app.title} has no {', '.join(lacking)}; take another stack for the arm '{arm.name}'"
        lacking = sorted(optional(planned.kind, arm) - arm.stack.stack.app.optional)
        if lacking:
            app = arm.stack.stack.app
            return f"{app.title} has no optional endpoint {', '.join(lacking)}; take another stack for the arm '{arm.name}'"
    if hasattr(planned.kind, "obstacle"):
        return cast(Hindered, planned.kind).obstacle(planned.arms)
    return None


def endpoints(kind: Kind, arm: PlannedArm) -> frozenset[str]:
    """Which of the contract's endpoints an arm asks for: those of its scenarios, and of the paths that it names."""
    known = catalog.scenarios()
    names = getattr(arm.parameters, "scenarios", ())
    paths = [*getattr(arm.parameters, "paths", {}).values(), getattr(arm.parameters, "path", None)]
    by_path = {endpoint_of(path) for path in paths if path} - {None}
    return frozenset().union(*(known[name].needs for name in names if name in known), cast(set[str], by_path))


def optional(kind: Kind, arm: PlannedArm) -> set[str]:
    """Which of the contract's optional endpoints an arm asks for."""
    return cast(Extended, kind).optional(arm.parameters) if hasattr(kind, "optional") else set()


def _where(path: Path, error: str) -> str:
    """Errors of reading name the file, those of resolving do not; either way it is named once, without what leads to it."""
    return f"{path.name}: {error.removeprefix(f'{path}: ')}"


def _check_metric(planned: Ready, rule: Rule) -> None:
    kind = "check" if isinstance(rule, Check) else "control"
    for name in filter(None, (rule.arm, rule.against)):
        arm = next(one for one in planned.arms if one.name == name)
        known = planned.kind.metrics(arm.parameters)
        if rule.metric not in known:
            raise BenchError(
                f"{kind} '{rule.name}': key 'metric': the arm '{name}' gives no '{rule.metric}'.{nearest(rule.metric, sorted(known))}"
            )
