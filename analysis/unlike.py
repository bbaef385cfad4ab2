"""Where two runs differ: the machine, the files, the configuration; and the cells whose figures are therefore not of the same work."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analysis import outside
from analysis.frames import Frames, mapping, records, sequence
from analysis.stats.figures import ALL_SCENARIOS

Place = tuple[str, str, str]
"""Scenario, view, stack."""

_MACHINE = ("host", "kernel", "cpu_model", "cpus", "python", "nginx", "postgresql")
_PLAN = ("blocks", "copies", "connections", "capacity_s", "latency_s", "slice_s")
_PROFILE = ("window_s", "warmup_s", "pilot_s", "own_loads")
_STACK = ("workers", "threads", "pool_max", "transport", "options", "keep_alive")
_OWN = (
    (re.compile(r"[^\s:;,='\"]*/forkloop-[^\s:;,='\"/&]+(/\d+)?"), "{run}"),
    (re.compile(r"/[^\s:;,='\"]*(?=\.envs/|\.venv/|apps/|deploy/)"), ""),
    (re.compile(r"\b2\d{4}\b"), "{port}"),
)
"""What is every run's own and means nothing: its temporary folder, where the checkout lies, ports as `bench.launch` draws them."""


def machines(first: Frames, second: Frames) -> tuple[str, ...]:
    """What forbids to read an effect as a stack's: mode, machine and CPUs."""
    found = list(_unequal([first.header, second.header], ("mode",)))
    found += _unequal([mapping(frames.header.get("environment")) for frames in (first, second)], _MACHINE)
    placed = [mapping(frames.header.get("placement")) for frames in (first, second)]
    found += [f"CPUs of {line}" for line in _unequal(placed, ("server", "front", "load", "database"))]
    return tuple(found)


def unchanged(first: Frames, second: Frames, scenario: str) -> set[str]:
    """Stacks that did the same work in both runs: their files and pins, the contract and the scenario's file are the same.

    Of `ALL_SCENARIOS` all files must be.
    """
    hashes = [mapping(frames.header.get("hashes")) for frames in (first, second)]
    scenarios = [mapping(one.get("scenarios")) for one in hashes]
    asked = {*scenarios[0], *scenarios[1]} if scenario == ALL_SCENARIOS else {scenario}
    if hashes[0].get("contract") != hashes[1].get("contract") or any(_unequal(scenarios, asked)):
        return set()
    stacks = [mapping(one.get("stacks")) for one in hashes]
    return {stack for stack, found in stacks[0].items() if found and stacks[1].get(stack) == found}


def other_work(first: Frames, second: Frames) -> dict[Place, str]:
    """Why the figures of a cell that both runs have are of unlike work: another parameter of the scenario, or other connections.

    Connections that a pilot chose are no part of the question: each run's are the fewest with which the stack does nearly its best.

    The peak of memory is over all scenarios of a stack, and so of unlike work where any of them is, or where they are not the same ones.
    """
    asked = [_asked(frames) for frames in (first, second)]
    found = {
        place: "; ".join(reasons)
        for place, one in asked[0].items() if place in asked[1] and (reasons := list(_unequal([one, asked[1][place]], one)))
    }  # fmt: skip
    scenarios = [_by_stack(one) for one in asked]
    peaks: dict[Place, str] = {}
    for stack, names in scenarios[0].items():
        if stack in scenarios[1] and names != scenarios[1][stack]:
            both = " and ".join(", ".join(sorted(one[stack])) for one in scenarios)
            peaks[ALL_SCENARIOS, "peak", stack] = f"scenarios: {both}"
    for (scenario, _, stack), reason in found.items():
        peaks.setdefault((ALL_SCENARIOS, "peak", stack), f"{scenario}: {reason}")
    return found | peaks


def _asked(frames: Frames) -> dict[Place, dict[str, str]]:
    """What each cell was asked for: the parameters of its measured trials and, where they are known, its connections."""
    measured = frames.trials[frames.trials["status"] == "measured"]
    pilots = mapping(frames.header.get("pilot"))
    seen: dict[Place, dict[str, dict[str, None]]] = {}
    for row in records(measured[["scenario", "view", "stack", "parameters", "connections"]]):
        of = seen.setdefault((row["scenario"], row["view"], row["stack"]), {"parameters": {}, "connections": {}})
        of["parameters"][_shown(row["parameters"])] = None
        piloted = mapping(mapping(pilots.get(row["scenario"])).get(row["stack"])).get("connections") is not None
        if row["connections"] > 0 and not piloted:
            of["connections"][f"{row['connections']:g}"] = None
    return {place: {key: " or ".join(sorted(values)) for key, values in of.items()} for place, of in seen.items()}


def _by_stack(places: Iterable[Place]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scenario, _, stack in places:
        found.setdefault(stack, set()).add(scenario)
    return found


def differences(first: Frames, second: Frames) -> tuple[str, ...]:
    """What else is not the same: profile, lengths, files, and of each stack its configuration and the versions that ran."""
    headers = [frames.header for frames in (first, second)]
    found = list(_unequal(headers, ("profile", "seed")))
    hashes = [mapping(header.get("hashes")) for header in headers]
    found += [f"{name} differs" for name in ("contract", "suite") if hashes[0].get(name) != hashes[1].get(name)]
    scenarios = [mapping(one.get("scenarios")) for one in hashes]
    found += [
        f"scenario {outside.line(name)} differs"
        for name in scenarios[0] if name in scenarios[1] and scenarios[0][name] != scenarios[1][name]
    ]  # fmt: skip
    found += _unequal([first.plan, second.plan], _PLAN)
    found += _unequal([mapping(frames.plan.get("profile")) for frames in (first, second)], _PROFILE)
    for stack, lines in _of_stacks(first, second):
        found += [f"{outside.line(stack)}: {line}" for line in lines]
    return tuple(found)


def _of_stacks(first: Frames, second: Frames) -> Iterator[tuple[str, list[str]]]:
    """For each stack of both runs what differs in plan, pilot, commands, files and versions."""
    planned = [
        {str(entry.get("id")): entry for entry in map(mapping, sequence(run.plan.get("stacks")))}
        for run in (first, second)
    ]
    pilots = [mapping(run.header.get("pilot")) for run in (first, second)]
    observed = [mapping(run.header.get("observed")) for run in (first, second)]
    for stack in dict.fromkeys([*planned[0], *observed[0]]):
        lines: list[str] = []
        if all(stack in one for one in planned):
            lines += _unequal([one[stack] for one in planned], _STACK)
        for scenario in pilots[0]:
            chosen = [mapping(mapping(one.get(scenario)).get(stack)).get("connections") for one in pilots]
            if chosen[0] != chosen[1] and None not in chosen:
                lines.append(f"connections in {outside.line(scenario)}: {chosen[0]} and {chosen[1]}")
        seen = [mapping(one.get(stack)) for one in observed]
        if all(one.get("commands") for one in seen):
            lines += _commands(_started(seen[0]), _started(seen[1]))
        files = [mapping(one.get("files")) for one in seen]
        lines += [
            f"{outside.line(name)} differs"
            for name in files[0] if name in files[1] and _masked(files[0][name]) != _masked(files[1][name])
        ]  # fmt: skip
        versions = [mapping(one.get("versions")) for one in seen]
        if versions[1]:
            lines += [
                f"{outside.line(name)} {_shown(versions[0].get(name))} and {_shown(versions[1].get(name))}"
                for name in sorted({*versions[0], *versions[1]}) if versions[0].get(name) != versions[1].get(name)
            ]  # fmt: skip
        yield stack, lines


def _started(observed: Mapping[str, Any]) -> dict[str, list[str]]:
    """From the name of each process that was started to its words and variables, without what is every run's own."""
    found = {}
    for command in map(mapping, sequence(observed.get("commands"))):
        words = [str(word) for word in sequence(command.get("argv"))]
        words += [f"{key}={value}" for key, value in mapping(command.get("env")).items()]
        found[outside.line(command.get("name") or command.get("role"))] = [_masked(word) for word in words]
    return found


def _commands(one: Mapping[str, list[str]], other: Mapping[str, list[str]]) -> Iterator[str]:
    """Only the words that differ: a whole command line hides them."""
    if one.keys() != other.keys():
        yield f"processes: {', '.join(one)} and {', '.join(other)}"
    for name in one:
        if name in other and one[name] != other[name]:
            here, there = ([word for word in mine if word not in theirs] for mine, theirs in (
                (one[name], other[name]), (other[name], one[name]),
            ))  # fmt: skip
            same = "" if here or there else " (the same words in another order)"
            yield f"{name}: {' '.join(here) or 'none'} and {' '.join(there) or 'none'}{same}"


def _masked(text: object) -> str:
    found = outside.block(text)
    for pattern, name in _OWN:
        found = pattern.sub(name, found)
    return found


def _unequal(runs: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> Iterator[str]:
    """A line for each key whose values in two runs differ; an empty text says that one is not known, and is unlike nothing."""
    one, other = runs
    for key in keys:
        here, there = one.get(key), other.get(key)
        if here != there and "" not in (here, there):
            yield f"{key}: {_shown(here)} and {_shown(there)}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{outside.line(key)}={outside.line(each)}" for key, each in sorted(value.items())) or "none"
    return "none" if value is None else outside.line(value)
