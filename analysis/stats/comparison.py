"""One metric of one scenario, compared: pairs, groups, ranks, copies, and how precise all that is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.stats import copies, letters, pairs
from analysis.stats.copies import Agreement
from analysis.stats.distributions import t_quantile
from analysis.stats.intervals import MIN_REPLICATES
from analysis.stats.layout import BETTER, Cell, arrange, with_intervals
from analysis.stats.pairs import MARGIN, Pair

POWERS = (0.8, 0.9)
"""The probabilities with which the smallest detectable effect is given."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A stack among the others: its letters, its range of rank, and the middle half-width of its pairs' intervals (a share)."""

    stack: str
    blocks: int
    letters: str
    rank: tuple[int, int]
    half_width: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that a run says about who differs in one metric of one scenario and view.

    `places` are in order of the estimates, the best first; empty where no two stacks have intervals. Where nothing holds groups together
    (`apart`), the order across them is that of their own figures, drift included. `left_out` says why a stack is not among them, `few` how
    many blocks those have that have too few. `margin` is the declared one, or the copies' own `spread` where that is wider. `precision` is
    the middle half-width of all pairs' intervals, `detectable` the smallest effects that this run would have found different with the
    probabilities `POWERS`, in the middle pair: all shares, NaN without pairs. `blocks` is the most that a stack has.
    """

    scenario: str
    view: str
    metric: str
    better: str
    margin: float
    blocks: int
    pairs: tuple[Pair, ...]
    places: tuple[Place, ...]
    left_out: Mapping[str, str]
    few: Mapping[str, int]
    copies: Agreement
    precision: float
    detectable: tuple[float, ...]

    def pair(self, stack: str, other: str) -> Pair | None:
        """`stack` over `other`, whichever way it is stored; None where they were not compared."""
        if one := self._by_stacks.get((stack, other)):
            return one
        turned = self._by_stacks.get((other, stack))
        return turned.turned() if turned else None

    @property
    def apart(self) -> int:
        """How many pairs of `places` were not compared, since nothing holds the two together: groups whose common stack is left out."""
        return len(self.places) * (len(self.places) - 1) // 2 - len(self.pairs)

    @cached_property
    def _by_stacks(self) -> dict[tuple[str, str], Pair]:
        """Of 60 stacks there are 1,770 pairs, and a report asks for each of them many times."""
        return {(one.stack, one.other): one for one in self.pairs}

    def counts(self) -> dict[str, int]:
        """How many pairs got each answer."""
        found = [pair.answer for pair in self.pairs]
        return {answer: found.count(answer) for answer in ("different", "equivalent", "unresolved")}


def comparisons(
    figures: pd.DataFrame, classes: Mapping[str, str], bounds: Mapping[Cell, str], *, margin: float = MARGIN,
    metrics: Iterable[str] = tuple(BETTER),
) -> list[Comparison]:  # fmt: skip
    """Compare every metric of every scenario and view.

    `figures` are those of `figures.replicates`, `classes` gives the worker model of each stack, `bounds` (`layout.unranked`) the figures
    that are no measurement of the stack. `margin` is a share, declared before the run.
    """
    wanted = figures[figures["metric"].isin(list(metrics))]
    found = []
    for (scenario, view, metric), group in wanted.groupby(["scenario", "view", "metric"], sort=False):
        own = {cell[3]: reason for cell, reason in bounds.items() if cell[:3] == (scenario, view, metric)}
        found.append(_compare(group, classes, own, margin=margin, names=(str(scenario), str(view), str(metric))))
    return found


def _compare(
    figures: pd.DataFrame, classes: Mapping[str, str], bounds: Mapping[str, str], *, margin: float, names: tuple[str, str, str]
) -> Comparison:  # fmt: skip
    layout = arrange(figures, classes, bounds)
    agreed = copies.agreement(layout)
    margin = max(margin, agreed.spread) if np.isfinite(agreed.spread) else margin
    ready = with_intervals(layout)
    found = pairs.compare(ready, margin=margin)
    scenario, view, metric = names
    return Comparison(
        scenario=scenario, view=view, metric=metric, better=BETTER[metric], margin=margin,
        blocks=max(layout.block_counts, default=0), pairs=tuple(found), copies=agreed,
        places=_places(ready.stacks, ready.block_counts, found, figures, higher=BETTER[metric] == "higher"),
        few={stack: n for stack, n in zip(layout.stacks, layout.block_counts, strict=True) if n < MIN_REPLICATES},
        left_out=ready.left_out,
        precision=_middle(pair.half for pair in found),
        detectable=tuple(_detectable(found, margin, power) for power in POWERS),
    )  # fmt: skip


def _places(
    stacks: tuple[str, ...], blocks: list[int], found: list[Pair], figures: pd.DataFrame, *, higher: bool
) -> tuple[Place, ...]:
    if not found:
        return ()
    order = letters.ordered(_levels(stacks, found, figures), higher_is_better=higher)
    differ = {frozenset((pair.stack, pair.other)) for pair in found if pair.answer == "different"}
    groups, ranks = letters.letters(order, differ), letters.ranks(stacks, found, higher_is_better=higher)
    counts, halves = dict(zip(stacks, blocks, strict=True)), {stack: list[float]() for stack in stacks}
    for pair in found:
        halves[pair.stack].append(pair.half)
        halves[pair.other].append(pair.half)
    return tuple(
        Place(
            stack=stack, blocks=counts[stack], letters=groups[stack], rank=ranks[stack],
            half_width=_middle(halves[stack]),
        )
        for stack in order
    )  # fmt: skip


def _levels(stacks: tuple[str, ...], found: list[Pair], figures: pd.DataFrame) -> dict[str, float]:
    """What each stack does by all that it was compared with, itself among them: the mean of their own estimates, as `intervals.estimates`
    has them, each times its ratio to that one; as logarithms.

    Among stacks that are held together this is the order of the ratios, free of drift. Where nothing holds groups together ratios say
    nothing of who is before whom, and it is the order of the groups' own figures.
    """
    mine = figures[figures["stack"].isin(stacks)]
    blocks = np.log(mine["value"]).groupby([mine["stack"], mine["block"]]).mean()
    own = blocks.groupby(level="stack").mean().to_dict()
    told = {stack: [own[stack]] for stack in stacks}
    for pair in found:
        told[pair.stack].append(own[pair.other] + pair.log_ratio)
        told[pair.other].append(own[pair.stack] - pair.log_ratio)
    return {stack: float(np.mean(levels)) for stack, levels in told.items()}


def _middle(halves: Iterable[float]) -> float:
    """The median half-width, as a share."""
    values = list(halves)
    return float(np.expm1(np.median(values))) if values else float("nan")


def _detectable(found: list[Pair], margin: float, power: float) -> float:
    """The effect at which the middle pair's interval lies beyond the margin with probability `power`, as a share."""
    known = np.array([(pair.half, pair.df, pair.error) for pair in found if pair.half > 0]).reshape(-1, 3)
    half, df, error = known.T
    effects = np.log1p(margin) + half + t_quantile(power, df) * error
    return float(np.expm1(np.median(effects))) if len(effects) else float("nan")
