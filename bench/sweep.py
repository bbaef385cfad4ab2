"""Sweeps: the same stacks over a row of values, such as `workers=1,2,4,8`, and scenarios over numbers of connections."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench import stackid
from bench.catalog import Catalog, resolve, select_scenarios
from bench.manifest import nearest
from bench.model import BenchError, Scenario, Stack

_HELD = re.compile(r"(?P<name>.+)-(?P<count>\d+)-connections")
CONNECTIONS = "connections"
"""The axis that varies the load instead of the stack."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What is to be measured in place of what was chosen; `left_out` says by stack id why it cannot be swept."""

    stacks: list[Stack]
    scenarios: list[Scenario]
    left_out: Mapping[str, str]


def axes(catalog: Catalog, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """From axis to its values, for texts such as `workers=1,2,4`. Raises BenchError for what is no option of any stack."""
    servers = {name for server in catalog.servers.values() for name in server.options}
    fronts = {name for front in catalog.fronts.values() for name in front.options}
    known = sorted({CONNECTIONS} | servers | fronts)
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, values = text.partition("=")
        if name not in known:
            raise BenchError(f"--sweep {text}: unknown axis '{name}'.{nearest(name, known)}")
        if name in found:
            raise BenchError(f"--sweep {text}: '{name}' is swept already; give all its values at once")
        split = [value for value in values.split(",") if value]
        if not split or len(set(split)) != len(split):
            raise BenchError(f"--sweep {text}: expected different values, as in {name}=1,2,4")
        found[name] = tuple(split)
    return found


def sweep(
    catalog: Catalog, stacks: Sequence[Stack], scenarios: Sequence[Scenario], over: Mapping[str, tuple[str, ...]]
) -> Swept:
    """Every stack with every combination of values; one that lacks an option is left out. Raises BenchError where none has it."""
    counts = [_count(value) for value in over.get(CONNECTIONS, ())]
    options = {name: values for name, values in over.items() if name != CONNECTIONS}
    made: dict[str, Stack] = {}
    left_out: dict[str, str] = {}
    for stack in stacks:
        lacking = [name for name in options if name not in {**stack.server.options, **stack.front.options}]
        if lacking:
            where = f"{stack.server.name}/{stack.front.name}"
            left_out[stack.id] = f"{where} has no option {' or '.join(lacking)} to sweep over"
            continue
        for values in itertools.product(*options.values()):
            one = _with(catalog, stack, dict(zip(options, values, strict=True)))
            made[one.id] = one
    if not made:
        raise BenchError(
            f"--sweep: none of the chosen stacks has the options {', '.join(options)}; `bench list` prints them all"
        )
    loads = [_held(one, count) for one in scenarios for count in counts] if counts else list(scenarios)
    return Swept(stacks=list(made.values()), scenarios=loads, left_out=left_out)


def beside(
    catalog: Catalog, stacks: Sequence[Stack], asked: Sequence[Scenario], *, over: Sequence[str], only: Sequence[str]
) -> Swept:
    """`stacks`, and beside them the core over some values, loaded in the scenarios `only`: a profile's own sweep."""
    if not over:
        return Swept(stacks=list(stacks), scenarios=list(asked), left_out={})
    known = {stack.id for stack in stacks}
    values = axes(catalog, over)
    core = [stack for stack in stacks if "core" in stack.tags and _sweepable(stack, values)]
    extra = [stack for stack in sweep(catalog, core, asked, values).stacks if stack.id not in known] if core else []
    elsewhere = [one.name for one in asked if one.name not in only]
    reason = f"swept stacks are loaded in {', '.join(only)} only"
    left_out = {f"{stack.id} {name}": reason for stack in extra for name in elsewhere}
    return Swept(stacks=[*stacks, *extra], scenarios=list(asked), left_out=left_out)


def _sweepable(stack: Stack, over: Iterable[str]) -> bool:
    return all(name in {**stack.server.options, **stack.front.options} for name in over if name != CONNECTIONS)


def scenario(catalog: Catalog, name: str) -> Scenario:
    """The scenario of that name, one made by a sweep over connections too. Raises BenchError where there is none."""
    held = _HELD.fullmatch(name)
    (found,) = select_scenarios(catalog, [held["name"] if held else name])
    return _held(found, int(held["count"])) if held else found


def scenarios(catalog: Catalog, names: Sequence[str]) -> list[Scenario]:
    """Those of a profile: names, patterns and tags, and numbers of connections as a sweep makes them. In the order in which they run."""
    held = [name for name in names if _HELD.fullmatch(name) and name not in catalog.scenarios]
    found = select_scenarios(catalog, [name for name in names if name not in held])
    return sorted([*found, *(scenario(catalog, name) for name in held)], key=lambda one: one.order)


def _with(catalog: Catalog, stack: Stack, given: Mapping[str, str]) -> Stack:
    parsed = stackid.parse(stack.id)
    server = {name: value for name, value in given.items() if name in stack.server.options}
    front = {name: value for name, value in given.items() if name not in server}
    changed = replace(
        parsed,
        server_options={**parsed.server_options, **server},
        front_options={**parsed.front_options, **front},
    )
    return resolve(catalog, str(changed))


def _held(scenario: Scenario, connections: int) -> Scenario:
    """The scenario with a fixed number of connections, under a name of its own: figures of unlike load are never pooled."""
    return replace(
        scenario,
        name=f"{scenario.name}-{connections}-connections",
        title=f"{scenario.title}, {connections} connections",
        connections=connections,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise BenchError(f"--sweep connections: '{text}' must be a whole number from 1")
    return int(text)
