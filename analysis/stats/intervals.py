"""Intervals for the figures of one stack, over its blocks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.stats.distributions import Floats, t_quantile
from analysis.stats.figures import DEPLOYMENT, PARTS

MIN_REPLICATES = 6
"""With fewer blocks an interval is not called one; more blocks are the remedy."""

_CELL = ("scenario", "view", "stack")
ESTIMATE_COLUMNS = ("scenario", "view", "stack", "metric", "value", "low", "high", "n", "blocks")


class TooFewReplicates(ValueError):
    """An interval was asked of fewer replicates than `MIN_REPLICATES`."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval, from `n` replicates."""

    estimate: float
    low: float
    high: float
    n: int
    level: float


def ratio_interval(log_ratios: Sequence[float], *, level: float = 0.95) -> Interval:
    """Geometric mean ratio with Student's t interval (dimensionless).

    `log_ratios`: one log ratio per replicate: a block, with its freshly started deployments averaged. Raises TooFewReplicates below
    `MIN_REPLICATES`, and ValueError for a ratio that is not finite; never guesses. Source: Student (1908), The probable error of a
    mean; the logarithm because drift and noise of the machine act as factors.
    """
    n = len(log_ratios)
    if n < MIN_REPLICATES:
        raise TooFewReplicates(f"an interval needs {MIN_REPLICATES} replicates, there are {n}")
    values = np.asarray(log_ratios, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("every log ratio must be finite")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    mean = float(values.mean())
    half = float(t_quantile(0.5 + level / 2, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=n, level=level)


def geometric_mean(values: Iterable[float]) -> tuple[float, float, float]:
    """Geometric mean of positive `values`, one per replicate, and the bounds of its interval: NaN with too few replicates."""
    logs = [math.log(value) for value in values]
    try:
        interval = ratio_interval(logs)
    except TooFewReplicates:
        return math.exp(sum(logs) / len(logs)), math.nan, math.nan
    return interval.estimate, interval.low, interval.high


def estimates(tidy: pd.DataFrame) -> pd.DataFrame:
    """Each figure over its `n` deployments in `blocks`, in `ESTIMATE_COLUMNS`: the geometric mean, and from 6 blocks its 95% interval.

    The deployments of one block met the same drift, so they are averaged first and the block is the replicate. The parts of a sum
    (`cpu_app_ms` of `cpu_ms`) are the sum's estimate, split as the summed parts of all replicates are, so that they add up; they
    carry no interval of their own. Parts of a deployment whose sum is not known are left out where others have a sum.
    """
    tidy = _with_sums(tidy)
    rows: list[tuple[object, ...]] = []
    means = _by_block(tidy)
    for key, values in _columns(tidy).items():
        found = {metric: geometric_mean(means[*key, metric]) for metric, column in values.items() if (column > 0).all()}
        for total, parts in PARTS.items():
            if total in found:
                share = found[total][0] / values[total].sum()
                found |= {
                    part: (float(values[part].sum() * share), math.nan, math.nan) for part in parts if part in values
                }
        rows += [
            (*key, metric, *figures, len(values[metric]), len(means[*key, metric])) for metric, figures in found.items()
        ]
    return pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))


def _with_sums(tidy: pd.DataFrame) -> pd.DataFrame:
    """`tidy` without the parts of deployments that lack the sum, in cells that have one: split among parts of more deployments than are in
    it, it would be less than its parts.
    """
    deployments = pd.MultiIndex.from_frame(tidy[list(DEPLOYMENT)])
    cells, kept = deployments.droplevel(list(DEPLOYMENT[len(_CELL) :])), np.ones(len(tidy), dtype=bool)
    for total, parts in PARTS.items():
        known = (tidy["metric"] == total).to_numpy()
        without = cells.isin(cells[known]) & ~deployments.isin(deployments[known])
        kept &= ~(tidy["metric"].isin(parts).to_numpy() & without)
    return tidy[kept]


def _columns(tidy: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, Floats]]:
    """The values of each metric, by scenario, view and stack, in the order of the rows."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for *key, metric, value in zip(*(tidy[name].tolist() for name in (*_CELL, "metric", "value")), strict=True):
        scenario, view, stack = key
        found.setdefault((scenario, view, stack), {}).setdefault(metric, []).append(value)
    return {key: {metric: np.array(values) for metric, values in metrics.items()} for key, metrics in found.items()}


def _by_block(tidy: pd.DataFrame) -> dict[tuple[str, str, str, str], list[float]]:
    """The geometric mean of each block, by scenario, view, stack and metric; without meaning where a value is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.exp(np.log(tidy["value"]).groupby([tidy[name] for name in (*_CELL, "metric", "block")]).mean())
    found: dict[tuple[str, str, str, str], list[float]] = {}
    levels = (means.index.get_level_values(name).tolist() for name in (*_CELL, "metric"))
    for scenario, view, stack, metric, value in zip(*levels, means.tolist(), strict=True):
        found.setdefault((scenario, view, stack, metric), []).append(value)
    return found
