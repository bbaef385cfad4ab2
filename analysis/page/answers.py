"""The first screen: for each kind of work who leads, who ties, by how much, how sure that is, and what it costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis import outside, tables
from analysis.evidence import Evidence, Figure
from analysis.frames import tried
from analysis.numbers import MIB, count, parts, percent, to_place
from analysis.page.rails import Rail, Scale
from analysis.palette import mark
from analysis.stats.comparison import Comparison, Place
from analysis.stats.layout import BOUNDING
from analysis.stats.pairs import Pair
from analysis.words import Coded, Listed, Said, say

WORKLOADS: Mapping[str, tuple[str, ...]] = {
    "database": ("fortunes", "db", "queries", "items", "updates", "cached-queries"),
    "waiting": ("io", "io-db"),
    "text": ("json", "plaintext"),
    "computing": ("cpu",),
    "bodies": ("static-100kb", "static-1kb", "static-10mb", "blob", "upload"),
}
"""Kinds of work by the scenarios that stand for them: of those that a run has, the first is the one that is answered for."""

FIRST_SCREEN = 4
DOTS = 4
FIRST = 2
"""Of more stacks than this and one that are first together, so many are named."""
FINEST_WANTED = 0.5
"""Percent. Where most stacks only wait, the middle pair agrees to nothing; no run gets every pair that narrow."""
NAMED = 2
"""So many stacks without a figure are named in an answer; the tables below have all."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One stack beside an answer. `change` is its ratio to the leader as a percentage, with the interval of the pair."""

    number: int
    stack: str
    title: str
    colour: str
    mark_path: str
    rail: Rail
    at_least: bool
    rps: str
    change: tuple[str, str]
    memory: str
    cpu: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One kind of work: the question, sentences that answer it, and the best stack of each framework."""

    workload: str
    scenario: str
    title: Said | str
    question: Said
    verdict: str
    sentences: tuple[Said, ...]
    sure: Said
    others: Said | None
    dots: tuple[Dot, ...]


def answers(evidence: Evidence) -> list[Answer]:
    """An answer for each kind of work of which the run planned or measured a scenario; others stand for themselves at the end."""
    present = tables.scenarios(evidence)
    known = {scenario for chosen in WORKLOADS.values() for scenario in chosen}
    kinds = {kind: [name for name in chosen if name in present] for kind, chosen in WORKLOADS.items()}
    kinds |= {name: [name] for name in present if name not in known}
    return [_answer(evidence, kind, chosen) for kind, chosen in kinds.items() if chosen]


def _answer(evidence: Evidence, kind: str, scenarios: Sequence[str]) -> Answer:
    scenario = scenarios[0]
    verdict, sentences = _verdict(evidence, scenario)
    title = tables.title(evidence, scenario)
    key = f"question.{kind}" if kind in WORKLOADS else "question.other"
    return Answer(
        workload=kind,
        scenario=scenario,
        title=title,
        question=say(key, scenario=title),
        verdict=verdict,
        sentences=(*sentences, *_partly_failed(evidence, scenario, sentences), *_without(evidence, scenario)),
        sure=_sure(evidence, scenario),
        others=_others(evidence, scenarios),
        dots=tuple(_dots(evidence, scenario)),
    )


def _capacity(evidence: Evidence, scenario: str) -> dict[str, Figure]:
    """Stacks by how much they answered, the most first."""
    found = {
        stack["stack"]: figure
        for stack in evidence.stacks
        if (figure := evidence.figures.get((scenario, "capacity", stack["stack"], "capacity_rps")))
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def compared(evidence: Evidence, scenario: str) -> Comparison | None:
    """The comparison of capacity, if any two stacks of the scenario have intervals."""
    found = evidence.comparisons.get((scenario, "capacity", "capacity_rps"))
    return found if found and found.pairs else None


def _verdict(evidence: Evidence, scenario: str) -> tuple[str, list[Said]]:
    figures, found = _capacity(evidence, scenario), compared(evidence, scenario)
    if not figures:
        return "none", [say("answer.nothing")]
    if found is None:
        return "unsure", _unranked(evidence, scenario, figures)
    first = [place for place in found.places if place.rank[0] == 1]
    verdict, told = _leaders(found, first, figures)
    settle = [say("answer.to_settle", command=Coded(_settling(evidence, found)))] if verdict == "unresolved" else []
    return verdict, [*told, *_bounds(evidence, scenario, figures, figures[first[0].stack].value), *settle]


def _settling(evidence: Evidence, found: Comparison) -> str:
    """The command that goes on with the run until intervals are half as wide as now, or as narrow as can be asked for."""
    run = outside.line(evidence.frames.header.get("run_id") or evidence.frames.path.resolve().name)
    wanted = max(50 * found.precision, FINEST_WANTED)
    return f"bench run --resume {run} --precision {to_place(wanted, -1)}% --time-budget 2h"


def _leaders(found: Comparison, first: Sequence[Place], figures: Mapping[str, Figure]) -> tuple[str, list[Said]]:
    names, leader = [place.stack for place in first], first[0].stack
    value = _rps(figures[leader])
    after = next((place.stack for place in found.places if place.stack not in names), None)
    follow = [_behind(found, leader, after)] if after else []
    if len(names) == 1:
        return "lead", [say("answer.lead", leader=_stack(leader), value=value), *follow]
    undecided = [
        pair
        for one, other in combinations(names, 2)
        if (pair := found.pair(other, one)) is None or pair.answer != "equivalent"
    ]
    if not undecided:
        return "tie", [say("answer.tie", stacks=_some(names), value=value), *follow]
    told = [say("answer.undecided", stacks=_some(names), value=value)]
    if pair := next((one for one in undecided if one), None):
        _, low, high = pair.bounds()
        told.append(say("answer.between", one=_stack(pair.stack), other=_stack(pair.other), range=_range(low, high)))
    return "unresolved", [*told, *follow]


def _some(names: Sequence[str]) -> Said | Listed:
    """The first of them by name and the rest by number, so that a sentence stays one."""
    if len(names) <= FIRST + 1:
        return Listed([_stack(name) for name in names])
    named = Listed([_stack(name) for name in names[:FIRST]], last="list.between")
    return say("answer.and_more", stacks=named, n=len(names) - FIRST)


def _behind(found: Comparison, leader: str, after: str) -> Said:
    pair = found.pair(after, leader)
    if pair is None:
        return say("answer.not_compared", next=_stack(after))
    ratio, low, high = pair.bounds()
    if ratio >= 0.5:
        value, bounds = parts(100 * (1 - ratio), 100 * (1 - high), 100 * (1 - low))
        return say("answer.behind", next=_stack(after), less=f"{value}% {bounds}".rstrip())
    value, bounds = parts(1 / ratio, 1 / high, 1 / low)
    return say("answer.times", next=_stack(after), times=f"{value}x {bounds}".rstrip())


def _range(low: float, high: float) -> Said:
    """From one change to another, as percentages to the unit."""
    return say("answer.range", low=f"{100 * (low - 1):+.0f}%", high=f"{100 * (high - 1):+.0f}%")


def _unranked(evidence: Evidence, scenario: str, figures: Mapping[str, Figure]) -> list[Said]:
    (best, figure), *rest = figures.items()
    flags = _flags(evidence, scenario, best)
    told = [
        say("answer.bound", stack=_stack(best), value=_rps(figure))
        if flags & BOUNDING
        else say("answer.most" if rest else "answer.alone", stack=_stack(best), value=_rps(figure))
    ]
    if rest:
        second, other = rest[0]
        told.append(say("answer.then", stack=_stack(second), value=_rps(other)))
    return told


def _bounds(evidence: Evidence, scenario: str, figures: Mapping[str, Figure], leading: float) -> Iterable[Said]:
    """Stacks that could be the first if something else had not been their limit."""
    for stack, figure in figures.items():
        limits = _flags(evidence, scenario, stack) & BOUNDING
        if limits and figure.value > 0.9 * leading:
            yield say("answer.bound", stack=_stack(stack), value=_rps(figure))


def _partly_failed(evidence: Evidence, scenario: str, sentences: Iterable[Said]) -> Iterable[Said]:
    """Stacks that `sentences` name by their figures and that failed in some of their trials."""
    for stack in dict.fromkeys(name for sentence in sentences for name in _named(sentence)):
        for cell in evidence.of(stack, scenario, "capacity"):
            if cell["failure"]:
                yield say(
                    "answer.partly_failed", stack=_stack(stack), failed=cell["failed"], tried=tried(cell), reason=cell["failure"]
                )  # fmt: skip


def _named(said: object) -> Iterable[str]:
    """The stacks that a sentence names, in its order."""
    if isinstance(said, Said):
        for part in said.slots.values():
            yield from _named(part)
    elif isinstance(said, Listed):
        for part in said.items:
            yield from _named(part)
    elif isinstance(said, Coded) and said.tag == "b":
        yield said.text


def _without(evidence: Evidence, scenario: str) -> Iterable[Said]:
    """Stacks that have no capacity, with the reason."""
    cells = {
        cell["stack"]: cell for stack in evidence.stacks for cell in evidence.of(stack["stack"], scenario, "capacity")
    }
    failed = [cell for cell in cells.values() if cell["status"] in ("failed", "missing")]
    for cell in failed[:NAMED]:
        key = "answer.failed" if cell["status"] == "failed" else "answer.missing"
        yield say(key, stack=_stack(cell["stack"]), failed=cell["failed"], tried=tried(cell), reason=cell["reason"])
    if len(failed) > NAMED:
        yield say("answer.more_failed", n=len(failed) - NAMED)


def _flags(evidence: Evidence, scenario: str, stack: str) -> frozenset[str]:
    return frozenset(flag for cell in evidence.of(stack, scenario, "capacity") for flag in cell["flags"])


def _sure(evidence: Evidence, scenario: str) -> Said:
    """How precise the answer is, or why there are no ranks, and how many deployments are behind it."""
    figures = _capacity(evidence, scenario)
    if found := compared(evidence, scenario):
        n = _deployments(figures[place.stack] for place in found.places)
        return say("answer.sure", n=n, blocks=say("count.blocks", n=found.blocks), half=_half(found.precision))
    trials = evidence.frames.trials
    mine = trials[(trials["scenario"] == scenario) & (trials["view"] == "capacity") & (trials["status"] == "measured")]
    blocks, n = say("count.blocks", n=mine["block"].nunique()), _deployments(figures.values())
    if not any(figure.high >= figure.low for figure in figures.values()):
        return say("answer.unsure", n=n, blocks=blocks)
    why = tables.unsure(evidence.comparisons.get((scenario, "capacity", "capacity_rps")), figures)
    return say("answer.unranked", n=n, blocks=blocks, why=why)


def _deployments(figures: Iterable[Figure]) -> Said | str:
    """The fewest to the most deployments behind a figure.

    Of more stacks than can be alive at once, the first is deployed with each group of the others, many times as often as they are.
    """
    counts = [figure.n for figure in figures]
    least, most = min(counts, default=0), max(counts, default=0)
    return count(most) if least == most else say("answer.range", low=count(least), high=count(most))


def _half(share: float) -> str:
    return f"{100 * share:.1f}%" if share >= 0.0005 else "<0.1%"


def _others(evidence: Evidence, scenarios: Sequence[str]) -> Said | None:
    """Who is first in the other scenarios of this kind of work."""
    told = []
    for scenario in scenarios[1:]:
        found = compared(evidence, scenario)
        if found is None:
            continue
        first = [place.stack for place in found.places if place.rank[0] == 1]
        who = _stack(first[0]) if len(first) == 1 else say("answer.of_several", n=len(first), stack=_stack(first[0]))
        told.append(say("answer.elsewhere", scenario=Coded(scenario, "b"), stack=who))
    return say("answer.others", list=Listed(told)) if told else None


def _dots(evidence: Evidence, scenario: str) -> Iterable[Dot]:
    """The best stack of each framework, then the next best of all, `DOTS` in all."""
    figures, found = _capacity(evidence, scenario), compared(evidence, scenario)
    rows = {stack["stack"]: (number, stack) for number, stack in enumerate(evidence.stacks)}
    best: dict[str, str] = {}
    for stack in figures:
        best.setdefault(rows[stack][1]["framework"], stack)
    chosen = [*best.values(), *(stack for stack in figures if stack not in best.values())][:DOTS]
    chosen.sort(key=lambda stack: -figures[stack].value)
    scale = Scale.around(
        bound for stack in chosen for bound in (figures[stack].value, figures[stack].low, figures[stack].high)
    )
    leader = found.places[0].stack if found else chosen[0] if chosen else ""
    for stack in chosen:
        number, row = rows[stack]
        figure = figures[stack]
        pair = found.pair(stack, leader) if found else None
        yield Dot(
            number=number, stack=stack, title=row["title"], colour=evidence.colours[stack], mark_path=mark(row["model"]).path,
            rail=scale.rail(figure.value, figure.low, figure.high), at_least=bool(_flags(evidence, scenario, stack) & BOUNDING),
            rps=parts(figure.value, figure.low, figure.high)[0], change=_change(stack, leader, pair, figure, figures),
            memory=_cost(evidence, scenario, stack, "pss_bytes", MIB), cpu=_cost(evidence, scenario, stack, "cpu_ms", 1),
        )  # fmt: skip


def _change(
    stack: str, leader: str, pair: Pair | None, figure: Figure, figures: Mapping[str, Figure]
) -> tuple[str, str]:
    if pair:
        value, _, bounds = percent(*pair.bounds()).partition(" ")
        return value, bounds
    if stack == leader or leader not in figures:
        return "", ""
    return percent(figure.value / figures[leader].value), ""


def _cost(evidence: Evidence, scenario: str, stack: str, metric: str, unit: float) -> str:
    found = evidence.figures.get((scenario, "capacity", stack, metric))
    if found is None:
        return "\N{EN DASH}"
    return parts(found.value / unit, found.low / unit, found.high / unit)[0]


def _rps(figure: Figure) -> str:
    return " ".join(parts(figure.value, figure.low, figure.high)).rstrip()


def _stack(stack: str) -> Coded:
    return Coded(stack, "b")
