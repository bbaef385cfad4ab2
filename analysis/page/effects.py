"""Marginal effects as rows: what one part of a stack does to capacity, all else equal."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis import tables
from analysis.evidence import Evidence
from analysis.numbers import percent
from analysis.page.rails import Rail, Scale
from analysis.stats.effects import Effect, axis_order, effects
from analysis.stats.pairs import Pair
from analysis.words import Said


@dataclass(frozen=True, kw_only=True)
class Row:
    """`after` in the place of `before`: the pooled ratio as a change, the answer, of how many replicates, and each pair behind it."""

    axis: str
    before: str
    after: str
    change: str
    answer: str
    rail: Rail
    n: int
    pairs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The effects in one scenario; the place of no change, in percent, on the axis of the rails."""

    scenario: str
    title: Said | str
    none: tuple[float, float]
    rows: tuple[Row, ...]


def groups(evidence: Evidence) -> list[Group]:
    """The effects on capacity, by scenario; empty where there are no intervals or no two stacks differ in one part alone."""
    found = []
    for scenario in tables.scenarios(evidence):
        compared = evidence.comparisons.get((scenario, "capacity", "capacity_rps"))
        if compared is None or not compared.pairs:
            continue
        rows = _rows(effects(compared, evidence.stacks))
        if rows[0]:
            title = tables.title(evidence, scenario)
            found.append(Group(scenario=scenario, title=title, none=rows[1], rows=rows[0]))
    return found


def _rows(found: Sequence[Effect]) -> tuple[tuple[Row, ...], tuple[float, float]]:
    ordered = sorted(found, key=lambda one: (axis_order(one.axis), one.axis, one.before, one.after))
    values = [bound for one in ordered for bound in (one.ratio, one.low, one.high) if bound == bound]
    scale = Scale.around([1.0, *values])
    rows = tuple(
        Row(
            axis=one.axis, before=one.before, after=one.after, change=percent(one.ratio, one.low, one.high), answer=one.answer,
            rail=scale.rail(one.ratio, one.low, one.high), n=one.n,
            pairs=tuple(_pair(pair) for pair in one.pairs),
        )
        for one in ordered
    )  # fmt: skip
    return rows, scale.at(1.0)


def _pair(pair: Pair) -> tuple[str, str, str]:
    return pair.stack, pair.other, percent(*pair.bounds(alone=True))
