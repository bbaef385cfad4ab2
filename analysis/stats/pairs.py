"""Every pair of stacks of a scenario: ratio, intervals, and one of three answers, from one family."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.stats import mixed
from analysis.stats.distributions import of_each, t_quantile
from analysis.stats.layout import Layout

Answer = Literal["different", "equivalent", "unresolved"]

MARGIN = 0.03
"""Ratios nearer to 1 than this are too small to matter: declared before any run. Of a ratio r, the margin goes from 1 / 1.03 to 1.03."""
LEVEL = 0.95
FAMILY = (
    "Tamhane's T2: all pairs of a scenario and metric, Šidák's level, degrees of freedom after Welch and Satterthwaite"
)
"""How intervals of pairs are held together. A. C. Tamhane, J. Amer. Statist. Assoc. 74 (1979): for unequal variances."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """`stack` over `other`: all on the logarithmic scale, but `blocks`.

    `half` is half the width of the interval that holds together with those of all other pairs (95%), `half_alone` of the one that holds by
    itself: for a comparison that was named before the run, and for no other.
    """

    stack: str
    other: str
    log_ratio: float
    error: float
    df: float
    half: float
    half_alone: float
    blocks: int
    answer: Answer

    def bounds(self, *, alone: bool = False) -> tuple[float, float, float]:
        """Ratio, lower and upper bound, as factors."""
        half = self.half_alone if alone else self.half
        ratio, low, high = np.exp([self.log_ratio, self.log_ratio - half, self.log_ratio + half])
        return float(ratio), float(low), float(high)

    def turned(self) -> "Pair":
        """The same the other way round."""
        return Pair(**vars(self) | {"stack": self.other, "other": self.stack, "log_ratio": -self.log_ratio})


def answer(log_ratio: float, half: float, margin: float) -> Answer:
    """Different if the whole interval lies beyond the margin (a share), equivalent if it lies within, else unresolved.

    Equivalence is Schuirmann's two one-sided tests (J. Pharmacokinet. Biopharm. 15, 1987), with the interval that is printed.
    """
    edge = float(np.log1p(margin))
    if abs(log_ratio) - half > edge:
        return "different"
    return "equivalent" if abs(log_ratio) + half < edge else "unresolved"


def compare(layout: Layout, *, margin: float) -> list[Pair]:
    """All pairs of `layout`, whose stacks must all have enough blocks (`layout.with_intervals`); none with fewer than two stacks."""
    if len(layout.stacks) < 2:
        return []
    first, second = np.triu_indices(len(layout.stacks), 1)
    fitted = mixed.fit(layout.logs[None], layout.classes)
    differences, errors, df = (found[0] for found in mixed.contrasts(fitted, first, second))
    known = np.isfinite(differences)
    together = t_quantile((1 + of_each(LEVEL, max(int(known.sum()), 1))) / 2, df) * errors
    alone = t_quantile((1 + LEVEL) / 2, df) * errors
    counts, stacks = layout.block_counts, layout.stacks
    columns = (first, second, differences, errors, df, together, alone)
    return [
        Pair(
            stack=stacks[i], other=stacks[j], log_ratio=difference, error=error, df=freedom, half=half, half_alone=half_alone,
            blocks=min(counts[i], counts[j]), answer=answer(difference, half, margin),
        )
        for i, j, difference, error, freedom, half, half_alone in zip(*(one[known].tolist() for one in columns), strict=True)
    ]  # fmt: skip
