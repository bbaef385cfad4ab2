"""The tables of figures: scenarios, stacks, and every number as text, rounded as far as its interval justifies."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis import outside
from analysis.evidence import Evidence, load_words
from analysis.frames import mapping, sequence
from analysis.numbers import MIB, count, parts, percent
from analysis.palette import mark
from analysis.stats import letters
from analysis.stats.comparison import Comparison
from analysis.stats.layout import BOUNDING

Printed = tuple[str, str]
"""A figure and its interval, as text."""

ABSENT: Printed = ("\N{EN DASH}", "")


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """One stack in a scenario's table. Figures are `ABSENT` where there is none; `why` tells the reason then.

    `at_least` says that the capacity is a bound only. `cpu` is by app, front, database, and their sum.
    """

    stack: str
    colour: str
    mark_path: str
    model: str
    capacity: Printed
    at_least: bool
    n: str
    p50: Printed
    p99: Printed
    cpu: tuple[Printed, ...]
    pss: Printed
    errors: str
    flags: tuple[str, ...]
    why: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Differs:
    """Who differs in capacity: rows of stack, letters, rank and ratio to the first as text; who is not ranked and why; how sure."""

    rows: tuple[tuple[str, str, str, str], ...]
    unranked: tuple[tuple[str, str], ...]
    sureness: str


@dataclass(frozen=True, kw_only=True)
class ScenarioTable:
    """One scenario: its rows, the most capable stack first, the load at which latency was taken, and who differs, if that is known."""

    scenario: str
    title: str
    load: str
    has_figures: bool
    has_latency: bool
    rows: tuple[StackRow, ...]
    differs: Differs | None


def scenario_tables(evidence: Evidence) -> list[ScenarioTable]:
    """A table for each scenario that was planned or has trials."""
    return [_table(evidence, scenario) for scenario in scenarios(evidence)]


def scenarios(evidence: Evidence) -> list[str]:
    """The scenarios in the order of the plan, then any that has trials without being in it."""
    planned = map(outside.line, sequence(evidence.frames.plan.get("scenarios")))
    return list(dict.fromkeys([*planned, *(cell["scenario"] for cell in evidence.cells)]))


def _table(evidence: Evidence, scenario: str) -> ScenarioTable:
    def capacity(stack: str) -> float:
        figure = evidence.figures.get((scenario, "capacity", stack, "capacity_rps"))
        return figure.value if figure else -1

    stacks = sorted(evidence.stacks, key=lambda stack: -capacity(stack["stack"]))
    rows = tuple(_row(evidence, scenario, stack["stack"], stack["model"]) for stack in stacks)
    title = outside.line(mapping(evidence.frames.plan.get("titles")).get(scenario) or "")
    title = "" if title.casefold() == scenario.casefold() else title
    return ScenarioTable(
        scenario=scenario,
        title=title,
        load=load_words(evidence, scenario),
        has_figures=any(row.n != "0" for row in rows),
        has_latency=any(row.p50 != ABSENT for row in rows),
        rows=rows,
        differs=_differs(evidence.comparisons.get((scenario, "capacity", "capacity_rps"))),
    )


def _differs(found: Comparison | None) -> Differs | None:
    if found is None or not found.pairs:
        return None
    first, rows = found.places[0].stack, []
    for place in found.places:
        pair = found.pair(place.stack, first)
        ratio = percent(*pair.bounds()) if pair else "" if place.stack == first else "not compared"
        rows.append((place.stack, place.letters, letters.words(place.rank), ratio))
    counts = ", ".join(f"{n} {answer}" for answer, n in found.counts().items())
    copies = (
        f"Copies of one stack agree within {found.copies.spread:.1%}."
        if found.copies.stacks
        else "There was one copy of each stack."
    )
    return Differs(
        rows=tuple(rows),
        unranked=tuple(found.left_out.items()),
        sureness=f"{len(found.pairs)} pairs in {found.blocks} blocks: {counts}. Different: the whole interval is beyond a margin of "
        f"{found.margin:.1%}; equivalent: it is within. The intervals hold together at 95%, and reach {found.precision:.1%} to "
        f"either side in the middle one; a difference of {found.detectable[1]:.0%} is found 9 times in 10. {copies}",
    )


def _row(evidence: Evidence, scenario: str, stack: str, model: str) -> StackRow:
    def printed(view: str, metric: str, unit: float = 1) -> Printed:
        found = evidence.figures.get((scenario, view, stack, metric))
        return parts(found.value / unit, found.low / unit, found.high / unit) if found else ABSENT

    cells = evidence.of(stack, scenario)
    by_view = {cell["view"]: cell for cell in cells}
    counted = [f for (of, _, name, _), f in evidence.figures.items() if (of, name) == (scenario, stack)]
    capacity, pss = printed("capacity", "capacity_rps"), printed("capacity", "pss_bytes", MIB)
    return StackRow(
        stack=stack,
        colour=evidence.colours[stack],
        mark_path=mark(model).path,
        model=mark(model).words,
        capacity=capacity,
        at_least=capacity != ABSENT and not BOUNDING.isdisjoint(by_view["capacity"]["flags"]),
        n=str(counted[0].n) if counted else "0",
        p50=printed("latency", "p50_ms"),
        p99=printed("latency", "p99_ms"),
        cpu=tuple(printed("capacity", f"cpu_{part}ms") for part in ("app_", "front_", "database_", "")),
        pss=pss if pss != ABSENT else printed("latency", "pss_bytes", MIB),
        errors=_errors(cells) if any(cell["status"] == "measured" for cell in cells) else ABSENT[0],
        flags=tuple(dict.fromkeys(flag for cell in by_view.values() for flag in cell["flags"])),
        why=_why(cells, has_p50=printed("latency", "p50_ms") != ABSENT, has_p99=printed("latency", "p99_ms") != ABSENT),
    )


def _why(cells: Iterable[Mapping[str, Any]], *, has_p50: bool, has_p99: bool) -> tuple[str, ...]:
    """Why figures are absent: views with one reason are told together."""
    views: dict[str, list[str]] = {}
    for cell in cells:
        if cell["status"] != "measured":
            views.setdefault(f"{cell['status']}: {cell['reason']}", []).append(cell["view"])
    told = [f"{' and '.join(names)} {reason}" for reason, names in views.items()]
    return (*told, "no p99: it needs 1,000 answers") if has_p50 and not has_p99 else tuple(told)


def _errors(cells: Iterable[Mapping[str, Any]]) -> str:
    total: Counter[str] = Counter()
    for cell in cells:
        total.update(cell["errors"])
    return ", ".join(f"{count(n)} {kind}" for kind, n in total.items()) or "0"
