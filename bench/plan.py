"""What a run will do, resolved to literal numbers before anything is started."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.expression import evaluate
from bench.model import BenchError, Budget, Option, Scenario, Skipped, Stack

View = str
"""`capacity`: a closed loop; `latency`: an open loop, all stacks at the same rate; `latency-80`: each at 80% of its own capacity."""
GROUP_STACKS = 12
"""So many stacks are alive together at most; more are taken in groups."""
DATABASE_CONNECTIONS_PER_STACK = 12
"""Every deployment may hold the same number of database connections, shared out among its processes."""
RESERVED_CONNECTIONS = 10
"""Left for ourselves and for the superuser."""
CONNECTIONS = 8
"""Enough to keep one or two server CPUs busy over loopback, and few enough that a slice holds many turns of each connection: with few
turns the two ends of a slice are too much of it (see docs/measuring.md)."""
WAITING_CONNECTIONS = 64
"""Where requests wait without work, what counts is how many a stack can hold at once; these scenarios run in long windows."""
WAITING_STEPS = (8, 32, 64)
"""Of these a stack gets the fewest that it can hold all at once."""
WAITS = 5
"""So many waits of a waiting scenario a window holds at least: with fewer, what its two ends cut is too much of it."""
LATENCY_SHARE = 0.5
"""Latency is read at one rate for all stacks of a scenario: this share of what the slowest of them can do."""
ENOUGH = 20
"""Requests in an open loop with fewer of which there is not even a median: 10 on either side of it."""
SHORTEST_S = 0.2
"""A trial shorter than this says nothing; it is skipped instead."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much a run does. Times are seconds for each stack, copy and scenario."""

    name: str
    description: str
    stacks: tuple[str, ...]
    scenarios: tuple[str, ...]
    latency: tuple[str, ...] | None
    """The scenarios whose latency is read as well: open loops take long. None: of no scenario, whatever is asked for."""
    blocks: int
    """So many at least."""
    copies: int
    capacity_s: float
    latency_s: float
    warmup_s: float
    slice_s: float
    window_s: float
    """Load in one go of what is too slow for slices, in the closed loop."""
    pilot_s: float | None = None
    """Time for each number of connections that is tried, stack and scenario; None: no pilot, `CONNECTIONS` for all."""
    ceiling: bool = True
    """Whether the null server is loaded beside the stacks."""
    load_until_s: float | None = None
    """No load after this many seconds from the run's start: what is left gets shorter windows, or none and says so."""
    own_loads: tuple[int, ...] = ()
    """Percent of each stack's own capacity at which its latency is read too, beside the rate that is the same for all."""
    precision: float | None = None
    """After `blocks`, what is still wider than this to either side gets further ones while there is time, up to `pace.MOST_BLOCKS`."""
    sweep: tuple[str, ...] = ()
    """Beside the stacks, the core over these values, as `--sweep` takes them."""
    swept_scenarios: tuple[str, ...] = ()
    """The only ones in which swept stacks are loaded."""
    first: tuple[str, ...] = ()
    """Of what is still wide these scenarios get further blocks before others do, where there is time for few."""
    budget_s: float | None = None
    """No further block is begun that would end later than this."""
    idle_s: float = 2.0
    """For so long in each block nothing is asked of anyone, and what deployments use of the CPU all the same is read."""


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(
        name="smoke", description="does everything work? half a second for each trial: its figures mean nothing",
        stacks=("default",), scenarios=("plaintext", "db"), latency=("plaintext", "db"), blocks=1, copies=1,
        capacity_s=0.5, latency_s=0.5, warmup_s=0.1, slice_s=0.1, window_s=0.5, ceiling=False, idle_s=0.2,
    ),
    "quick": Profile(
        name="quick", description="the four defaults on four scenarios in under 2 minutes; one block, so no intervals",
        stacks=("default",), scenarios=("plaintext", "json", "db", "fortunes"),
        latency=("plaintext", "json", "db", "fortunes"), blocks=1, copies=1,
        capacity_s=2.5, latency_s=2.4, warmup_s=0.3, slice_s=0.1, window_s=2.5, load_until_s=104.0,
    ),
    "standard": Profile(
        name="standard", description="the core stacks on the standard scenarios; 6 blocks of 2 copies each, with intervals",
        stacks=("core",), scenarios=("plaintext", "json", "db", "queries", "fortunes", "updates", "io", "cpu"),
        latency=("db", "io"), blocks=6, copies=2,
        capacity_s=0.4, latency_s=0.6, warmup_s=0.1, slice_s=0.1, window_s=0.6, pilot_s=0.3, own_loads=(80,), precision=0.03,
        first=("plaintext", "json", "db", "fortunes"), budget_s=1740.0,
    ),
    "full": Profile(
        name="full", description="every stack on every scenario, unattended for days; go on with --resume after an interruption",
        stacks=("full",), scenarios=("*", "io-256-connections", "io-1024-connections"),
        latency=("plaintext", "json", "db", "fortunes", "io"), blocks=10, copies=2, precision=0.05, sweep=("workers=1,2,4",),
        swept_scenarios=("json", "db", "cpu", "io"), capacity_s=1.0, latency_s=2.0,
        warmup_s=0.2, slice_s=0.1, window_s=1.5, pilot_s=0.4, own_loads=(50, 80, 95),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PlannedStack:
    """A stack with every number resolved. Raises nothing: it has been checked."""

    stack: Stack
    workers: int
    threads: int
    processes: int
    """Operating-system processes of the role `app` once it is up, masters included."""
    pool_max: int
    """Database connections that one process may hold."""
    front_processes: int
    values: Mapping[str, str]
    """What `{option}` stands for in command lines."""

    @property
    def binds_threads(self) -> bool:
        """Whether each thread holds a database connection of its own. Greenlets, of which there is no fixed number, share them out."""
        stack = self.stack
        return stack.interface in stack.app.thread_connections and stack.server.model != "greenlets"

    @property
    def connections_max(self) -> int:
        """Database connections that all its processes may hold together."""
        return self.workers * (self.threads if self.binds_threads else self.pool_max)

    def holds(self, scenario: Scenario) -> int:
        """How many requests it can let wait at once: `WAITING_CONNECTIONS` stands for any number."""
        held = slots(self) or WAITING_CONNECTIONS
        return min(held, self.workers * self.pool_max) if "database" in scenario.tags else held


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One scenario of one block, seen one way, over all stacks that have its endpoints."""

    block: int
    scenario: Scenario
    view: View
    group: int = 0

    @property
    def name(self) -> str:
        """Unique in a run, and the same in every run of the plan."""
        return f"{self.block}-{f'g{self.group}-' if self.group else ''}{self.scenario.name}-{self.view}"

    @property
    def seed(self) -> int:
        """To be added to the run's, so that no two cells draw alike."""
        return zlib.crc32(self.name.encode())

    @property
    def is_capacity(self) -> bool:
        """Whether it is a closed loop."""
        return self.view == "capacity"

    @property
    def own_share(self) -> float | None:
        """The share of each stack's own capacity at which it is loaded; None where the load is the same for all."""
        percent = self.view.removeprefix("latency-")
        return int(percent) / 100 if percent.isdigit() else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole run, in order."""

    profile: Profile
    stacks: tuple[PlannedStack, ...]
    scenarios: tuple[Scenario, ...]
    skipped: Mapping[str, Skipped]
    """Deliberately left out: from stack id, or `stack scenario`, to the reason."""
    budget: Budget
    seed: int
    mode: str = "native"
    notes: tuple[str, ...] = field(default=())

    def groups(self) -> list[tuple[PlannedStack, ...]]:
        """Stacks that are alive together. With more than one group the first stack of all is in each, as what holds them together."""
        if len(self.stacks) <= GROUP_STACKS:
            return [self.stacks]
        first, *others = self.stacks
        count = -(-len(others) // (GROUP_STACKS - 1))
        return [(first, *others[number::count]) for number in range(count)]

    def block_cells(self, block: int, scenarios: Collection[str] | None = None) -> list[Cell]:
        """One block: group by group, all scenarios in order (those that write last), capacity before latency.

        Or only the capacity of `scenarios`, as in blocks beyond the planned ones, which are there to make its intervals narrow.
        """
        return [
            Cell(block=block, group=group, scenario=scenario, view=view)
            for group in range(len(self.groups()))
            for scenario in self.scenarios
            if scenarios is None or scenario.name in scenarios
            for view in (self.views(scenario) if scenarios is None else ("capacity",))
        ]

    def cells(self) -> list[Cell]:
        """The blocks that every run of this plan has."""
        return [cell for block in range(self.profile.blocks) for cell in self.block_cells(block)]

    def connections(self, scenario: Scenario, view: View, stack: PlannedStack | None = None) -> int:
        """How many connections load each stack, if no pilot chose. An open loop needs one for each request in flight.

        Where requests wait, a `stack` that holds three at a time does as much with 8 as with 64, and takes seconds less to be rid of them.
        """
        if scenario.connections:
            return scenario.connections
        if view != "capacity" or "waiting" not in scenario.tags:
            return CONNECTIONS if view == "capacity" else WAITING_CONNECTIONS
        held = WAITING_CONNECTIONS if stack is None else stack.holds(scenario)
        return next((one for one in WAITING_STEPS if one >= held), WAITING_CONNECTIONS)

    def measure_s(self, cell: Cell, share: float = 1.0) -> float:
        """How long each deployment is loaded in `cell`; `share` of that where time is short."""
        profile, scenario = self.profile, cell.scenario
        if not cell.is_capacity:
            return share * profile.latency_s
        if not scenario.windows:
            return max(1, round(share * profile.capacity_s / profile.slice_s)) * profile.slice_s
        return max(share * profile.window_s, WAITS * scenario.waits_s)

    def warmup_s(self, cell: Cell) -> float:
        """How long each is loaded before. A server that holds few of many waiting clients takes seconds to be rid of them: the beginning of
        the window, which is not counted, warms it up as well.
        """
        return 0.0 if cell.is_capacity and cell.scenario.waits_s else self.profile.warmup_s

    def is_piloted(self, scenario: Scenario) -> bool:
        """Whether a number of connections is tried for it: what is too slow for slices is too slow for a short trial too."""
        return self.profile.pilot_s is not None and not (scenario.windows or scenario.journey or scenario.connections)

    def is_enough(self, rate_rps: float) -> bool:
        """Whether an open loop at this rate holds enough requests for a percentile."""
        return rate_rps * self.profile.latency_s >= ENOUGH

    def views(self, scenario: Scenario) -> tuple[View, ...]:
        """How one scenario is looked at. Where none of the profile's own scenarios was asked for, all get both views."""
        if scenario.journey or scenario.connections or self.profile.latency is None:
            return ("capacity",)
        own = any(one.name in self.profile.latency for one in self.scenarios)
        if own and scenario.name not in self.profile.latency:
            return ("capacity",)
        return ("capacity", "latency", *(f"latency-{percent}" for percent in self.profile.own_loads))


def make(
    profile: Profile, stacks: Sequence[Stack], scenarios: Sequence[Scenario], budget: Budget, *,
    seed: int, refused: Mapping[str, str] | None = None, mode: str = "native",
) -> Plan:  # fmt: skip
    """The plan for these stacks and scenarios. Raises BenchError where nothing is left to do."""
    if not stacks:
        raise BenchError("no stack was chosen; `bench list` prints them")
    if not scenarios:
        raise BenchError("no scenario was chosen; `bench list` prints them")
    skipped = {name: Skipped(reason=reason) for name, reason in (refused or {}).items()}
    for stack in stacks:
        for scenario in scenarios:
            lacking = sorted(scenario.needs & stack.app.missing)
            if lacking:
                skipped[f"{stack.id} {scenario.name}"] = Skipped(
                    reason=f"{stack.app.title} has no {', '.join(lacking)}"
                )
    planned = tuple(plan_stack(stack, budget) for stack in stacks)
    return Plan(
        profile=profile,
        stacks=planned,
        scenarios=tuple(scenarios),
        skipped=skipped,
        budget=budget,
        seed=seed,
        mode=mode,
        notes=budget.notes,
    )


def without(plan: Plan, absent: Mapping[str, str]) -> Plan:
    """The plan without the stacks that cannot be had here: by id, with the reason."""
    skipped = {name: Skipped(reason=reason) for name, reason in absent.items()}
    stacks = tuple(one for one in plan.stacks if one.stack.id not in absent)
    return replace(plan, stacks=stacks, skipped={**plan.skipped, **skipped})


def database_connections(stacks: Sequence[PlannedStack], copies: int) -> int:
    """How many database connections these stacks may hold together, with what is kept for ourselves."""
    return copies * sum(one.workers * max(one.pool_max, one.threads) for one in stacks) + RESERVED_CONNECTIONS


def plan_stack(stack: Stack, budget: Budget, *, cap: int = DATABASE_CONNECTIONS_PER_STACK) -> PlannedStack:
    """Resolve worker rules and options of one stack against the CPUs its server side has."""
    server = stack.server
    where = f"deploy/servers/{server.name}/server.toml: key 'workers"
    names = {"cpus": len(budget.server_cpus)}
    workers = int(stack.options.get("workers") or evaluate(server.workers, names, where=f"{where}.rule'"))
    names["workers"] = workers
    threads = int(stack.options.get("threads") or evaluate(server.threads, names, where=f"{where}.threads'"))
    names["threads"] = threads
    processes = evaluate(server.census, names, where=f"{where}.processes'")
    return PlannedStack(
        stack=stack, workers=workers, threads=threads, processes=processes, pool_max=max(1, cap // workers),
        front_processes=1 + len(budget.cpus("front")) if stack.front.processes else 0,
        values={
            **_values(server.options, stack.options), **_values(stack.front.options, stack.front_options),
            "workers": str(workers), "threads": str(threads),
        },
    )  # fmt: skip


def slots(planned: PlannedStack) -> int | None:
    """How many requests a stack serves at once by its worker model; None where nothing limits them."""
    each = {"sync": planned.workers, "threads": planned.workers * planned.threads}
    return each.get(planned.stack.server.model)


def _values(known: Mapping[str, Option], given: Mapping[str, str]) -> dict[str, str]:
    return {name: option.word(given.get(name, option.default)) for name, option in known.items()}
