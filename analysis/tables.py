"""The tables of figures: scenarios, stacks, and every number as text, rounded as far as its interval justifies."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis import outside
from analysis.evidence import Evidence, Figure
from analysis.frames import PERCENTILES, mapping, sequence, tried
from analysis.numbers import MIB, count, parts, to_place
from analysis.page.rails import Rail, Scale, Tick
from analysis.palette import mark
from analysis.stats.comparison import Comparison
from analysis.stats.layout import BOUNDING
from analysis.words import Listed, Said, known, say

Printed = tuple[str, str]
"""A figure and its interval, as text."""

ABSENT: Printed = ("\N{EN DASH}", "")
OPEN_LOOP = "latency"
"""The view of one rate for all; `latency-80` and the like are at shares of each stack's own capacity."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A stack as a row's head: its number in the plan, and how it is drawn."""

    number: int
    stack: str
    colour: str
    mark_path: str
    model: str


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """One stack in a scenario's table. Figures are `ABSENT` where there is none.

    `at_least` says that the capacity is a bound only. `cpu` is by app, front, database, and their sum; `rank` and `letters` are empty
    where it is not ranked. `why` tells why figures are absent, why it is not ranked, and in how many of its trials it failed though it
    has figures.
    """

    name: Name
    capacity: Printed
    value: float
    rail: Rail | None
    at_least: bool
    n: str
    rank: str
    letters: str
    cpu: tuple[Printed, ...]
    pss: Printed
    errors: str
    flags: tuple[str, ...]
    why: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class ScenarioTable:
    """One scenario: its rows, the most capable stack first, the axis they stand on, and how sure the ranks are or why there are none."""

    scenario: str
    title: Said | str
    ticks: tuple[tuple[Tick, ...], tuple[Tick, ...]]
    rows: tuple[StackRow, ...]
    sure: Said


@dataclass(frozen=True, kw_only=True)
class LatencyRow:
    """One stack's percentiles in milliseconds; `rails` are those of p50 and of the table's `tail`, where there are any."""

    name: Name
    percentiles: tuple[Printed, ...]
    values: tuple[float | None, ...]
    rails: tuple[Rail, ...]
    offered: str
    n: str
    rank: str
    missed: bool
    flags: tuple[str, ...]
    why: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """One scenario in one open-loop view. Two views never share a table: an equal rate and equal shares are different questions.

    `tail` names the percentile that it is sorted and ranked by: p99, or a lower one where no two stacks were compared by it; `lower` says
    why it is a lower one.
    """

    scenario: str
    view: str
    title: Said | str
    load: Said
    tail: str
    lower: Said | None
    ticks: tuple[tuple[Tick, ...], tuple[Tick, ...]]
    rows: tuple[LatencyRow, ...]
    sure: Said


def scenarios(evidence: Evidence) -> list[str]:
    """The scenarios in the order of the plan, then any that has trials without being in it."""
    planned = map(outside.line, sequence(evidence.frames.plan.get("scenarios")))
    return list(dict.fromkeys([*planned, *(cell["scenario"] for cell in evidence.cells)]))


def title(evidence: Evidence, scenario: str) -> Said | str:
    """A scenario's title, or its name where it has none; in every language if it is the suite's own."""
    recorded = outside.line(mapping(evidence.frames.plan.get("titles")).get(scenario) or "") or scenario
    key = f"title.{scenario}"
    return say(key) if known(key) and say(key).plain() == recorded else recorded


def views(evidence: Evidence) -> list[str]:
    """The open-loop views of the run, the equal rate first, then by share of capacity."""
    found = {cell["view"] for cell in evidence.cells if cell["view"] != "capacity"}
    return sorted(found, key=lambda view: (view != OPEN_LOOP, len(view), view))


def scenario_tables(evidence: Evidence) -> list[ScenarioTable]:
    """A table for each scenario that was planned or has trials."""
    return [_table(evidence, scenario) for scenario in scenarios(evidence)]


def latency_tables(evidence: Evidence, view: str) -> list[LatencyTable]:
    """A table for each scenario that has the open-loop `view`."""
    there = {cell["scenario"] for cell in evidence.cells if cell["view"] == view}
    return [_latency(evidence, scenario, view) for scenario in scenarios(evidence) if scenario in there]


def _table(evidence: Evidence, scenario: str) -> ScenarioTable:
    figures = _figures(evidence, scenario, "capacity", "capacity_rps")
    found = evidence.comparisons.get((scenario, "capacity", "capacity_rps"))
    scale = Scale.around(bound for figure in figures.values() for bound in (figure.value, figure.low, figure.high))
    stacks = sorted(names(evidence), key=lambda name: -figures[name.stack].value if name.stack in figures else 0)
    return ScenarioTable(
        scenario=scenario,
        title=title(evidence, scenario),
        ticks=scale.ticks() if figures else ((), ()),
        rows=tuple(_row(evidence, scenario, name, figures.get(name.stack), scale, found) for name in stacks),
        sure=sureness(found, figures),
    )


def sureness(found: Comparison | None, figures: Mapping[str, Figure]) -> Said:
    """How the answers of a comparison were given, and how small a difference it would have found; or why there are none."""
    if found is None or not found.pairs:
        return unsure(found, figures)
    counts = {answer: count(n) for answer, n in found.counts().items()}
    said = say(
        "tables.sure", n=count(len(found.pairs)), blocks=say("count.blocks", n=found.blocks), margin=_share(found.margin),
        half=_share(found.precision), found=_share(found.detectable[1]), **counts,
    )  # fmt: skip
    return say("tables.sure_apart", sure=said, n=count(found.apart)) if found.apart else said


def unsure(found: Comparison | None, figures: Mapping[str, Figure]) -> Said:
    """Why no two stacks were compared. `figures` are all that stacks have of that metric, by stack."""
    if not figures:
        return say("tables.nothing")
    if not any(figure.high >= figure.low for figure in figures.values()):
        return say("tables.unsure")
    if len(figures) == 1:
        return say("tables.alone")
    return say("tables.left_out", reasons=_left_out(found))


def _left_out(found: Comparison | None) -> Listed:
    """Each reason why stacks have no place in a comparison, with their number."""
    reasons = Counter(found.left_out.values() if found else ())
    told = [say("tables.for_reason", reason=reason, n=n) for reason, n in reasons.items()]
    return Listed(told, last="list.apart")


def names(evidence: Evidence) -> list[Name]:
    """Every stack as the head of a row, in the order of the plan."""
    return [
        Name(
            number=number, stack=stack["stack"], colour=evidence.colours[stack["stack"]],
            mark_path=mark(stack["model"]).path, model=stack["model"],
        )
        for number, stack in enumerate(evidence.stacks)
    ]  # fmt: skip


def _figures(evidence: Evidence, scenario: str, view: str, metric: str) -> dict[str, Figure]:
    return {
        name.stack: figure
        for name in names(evidence)
        if (figure := evidence.figures.get((scenario, view, name.stack, metric)))
    }


def _row(
    evidence: Evidence, scenario: str, name: Name, figure: Figure | None, scale: Scale, found: Comparison | None
) -> StackRow:
    cells = evidence.of(name.stack, scenario, "capacity")
    flags = tuple(dict.fromkeys(flag for cell in cells for flag in cell["flags"]))
    rank, group = _place(found, name.stack)
    pss = _printed(evidence, scenario, "capacity", name.stack, "pss_bytes", MIB)
    return StackRow(
        name=name,
        capacity=parts(figure.value, figure.low, figure.high) if figure else ABSENT,
        value=figure.value if figure else -1,
        rail=scale.rail(figure.value, figure.low, figure.high) if figure else None,
        at_least=bool(figure) and not BOUNDING.isdisjoint(flags),
        n=str(figure.n) if figure else "0",
        rank=rank,
        letters=group,
        cpu=tuple(
            _printed(evidence, scenario, "capacity", name.stack, f"cpu_{part}ms")
            for part in ("app_", "front_", "database_", "")
        ),
        pss=pss,
        errors=_errors(cells) if any(cell["status"] == "measured" for cell in cells) else ABSENT[0],
        flags=flags,
        why=(*_why(cells), *_not_ranked(found, name.stack, flags)),
    )


def _place(found: Comparison | None, stack: str) -> tuple[str, str]:
    for place in found.places if found else ():
        if place.stack == stack:
            low, high = place.rank
            return (str(low) if low == high else f"{low}\N{EN DASH}{high}"), place.letters
    return "", ""


def _not_ranked(found: Comparison | None, stack: str, flags: Sequence[str]) -> Iterable[Said]:
    reason = found.left_out.get(stack) if found and found.places else None
    if reason and reason not in flags:
        yield say("tables.not_ranked", reason=reason)


def _printed(evidence: Evidence, scenario: str, view: str, stack: str, metric: str, unit: float = 1) -> Printed:
    found = evidence.figures.get((scenario, view, stack, metric))
    return parts(found.value / unit, found.low / unit, found.high / unit) if found else ABSENT


def _why(cells: Iterable[Mapping[str, Any]]) -> Iterable[Said]:
    """Why figures are absent, or stand on fewer deployments than were tried."""
    for cell in cells:
        if cell["status"] != "measured":
            yield say(f"status.{cell['status']}_because", reason=cell["reason"])
        elif cell["failure"]:
            yield say("status.partly_failed", failed=cell["failed"], tried=tried(cell), reason=cell["failure"])


def _errors(cells: Iterable[Mapping[str, Any]]) -> str:
    total: Counter[str] = Counter()
    for cell in cells:
        total.update(cell["errors"])
    return ", ".join(f"{count(n)} {kind}" for kind, n in total.items()) or "0"


def _latency(evidence: Evidence, scenario: str, view: str) -> LatencyTable:
    by_metric = {metric: _figures(evidence, scenario, view, metric) for metric in PERCENTILES.values()}
    tail = _tail(evidence, scenario, view, by_metric)
    shown = [figure for metric in ("p50_ms", PERCENTILES[tail]) for figure in by_metric[metric].values()]
    scale = Scale.around(bound for figure in shown for bound in (figure.value, figure.low, figure.high))
    found = evidence.comparisons.get((scenario, view, PERCENTILES[tail]))

    def last(name: Name) -> tuple[bool, float]:
        figure = by_metric[PERCENTILES[tail]].get(name.stack)
        least = figure or by_metric["p50_ms"].get(name.stack)
        return figure is None, least.value if least else float("inf")

    return LatencyTable(
        scenario=scenario, view=view, title=title(evidence, scenario), load=load(evidence, scenario, view), tail=tail,
        lower=_lower(evidence.comparisons.get((scenario, view, PERCENTILES["p99"])), tail),
        ticks=scale.ticks() if shown else ((), ()),
        rows=tuple(
            _latency_row(evidence, scenario, view, name, by_metric, scale, found, tail)
            for name in sorted(names(evidence), key=last)
        ),
        sure=sureness(found, by_metric[PERCENTILES[tail]]),
    )  # fmt: skip


def _tail(evidence: Evidence, scenario: str, view: str, by_metric: Mapping[str, Mapping[str, Figure]]) -> str:
    """The percentile by which a table ranks: of p99, p90 and p50 the highest that was compared, or else that any stack has."""
    metrics = [(name, PERCENTILES[name]) for name in ("p99", "p90", "p50")]
    ranked = [name for name, key in metrics if (one := evidence.comparisons.get((scenario, view, key))) and one.places]
    return next(iter([*ranked, *(name for name, key in metrics if by_metric[key]), "p99"]))


def _lower(p99: Comparison | None, tail: str) -> Said | None:
    """Why a table ranks by a lower percentile than p99. `p99` is the comparison by it: None where no stack has one."""
    if tail == "p99":
        return None
    if p99 is None:
        return say("tables.no_p99_at_all")
    return say("tables.p99_not_ranked", percentile=tail, reasons=_left_out(p99))


def _latency_row(
    evidence: Evidence, scenario: str, view: str, name: Name, by_metric: Mapping[str, Mapping[str, Figure]], scale: Scale,
    found: Comparison | None, tail: str,
) -> LatencyRow:  # fmt: skip
    cells = evidence.of(name.stack, scenario, view)
    flags = tuple(dict.fromkeys(flag for cell in cells for flag in cell["flags"]))
    figures = [by_metric[metric].get(name.stack) for metric in PERCENTILES.values()]
    drawn = [figures[0], *([by_metric[PERCENTILES[tail]].get(name.stack)] if tail != "p50" else [])]
    why = list(_why(cells))
    # Where no stack has a p99, the table says so once.
    if figures[0] and not figures[2] and by_metric[PERCENTILES["p99"]]:
        why.append(say("tables.no_p99"))
    return LatencyRow(
        name=name,
        percentiles=tuple(parts(one.value, one.low, one.high) if one else ABSENT for one in figures),
        values=tuple(one.value if one else None for one in figures),
        rails=tuple(scale.rail(one.value, one.low, one.high) for one in drawn if one),
        offered=_printed(evidence, scenario, view, name.stack, "offered_rps")[0],
        n=str(figures[0].n) if figures[0] else "0",
        rank=_place(found, name.stack)[0],
        missed="load-not-reached" in flags,
        flags=flags,
        why=(*why, *_not_ranked(found, name.stack, flags)),
    )


def load(evidence: Evidence, scenario: str, view: str) -> Said:
    """The load of an open-loop view in words. A load that differs between stacks is not called equal."""
    offered = [figure.value for figure in _figures(evidence, scenario, view, "offered_rps").values()]
    if not offered:
        return say("load.unknown")
    low, high = (to_place(rate, 0 if rate >= 10 else -1) for rate in (min(offered), max(offered)))
    if view != OPEN_LOOP:
        return say("load.share", share=view.removeprefix(f"{OPEN_LOOP}-"), low=low, high=high)
    if max(offered) - min(offered) > 0.01 * max(offered):
        return say("load.unequal", low=low, high=high)
    return say("load.equal", rate=high)


def _share(value: float) -> str:
    return f"{to_place(100 * value, -1)}%"
