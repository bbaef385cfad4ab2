"""The estimates: what is claimed from the trials, and how sure it is.

The replicate is a freshly started deployment, never a request or a slice. Within a replicate a rate is total requests over total
time; logarithms are taken after, so estimates over replicates are geometric means. Below `MIN_REPLICATES` there is no interval,
and without intervals there is no rank.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frames import PERCENTILES

MIN_REPLICATES = 6
"""Below this an interval is not called one; more blocks are the remedy."""

CHARGED = ("app", "front", "database")
"""Whose CPU a request is charged with. The generator's is the instrument's, and is left out."""

PARTS = {
    "cpu_ms": tuple(f"cpu_{role}_ms" for role in CHARGED),
    "pss_bytes": ("pss_app_bytes", "pss_front_bytes"),
}
"""The figures that are sums, and of what."""

REACHED = 0.98
"""A latency is one at the offered load only if at least this share of it was answered."""

ALL_SCENARIOS = "(all)"
"""Stands in the column `scenario` for figures that belong to a deployment and not to one scenario."""

REPLICATE_COLUMNS = ("scenario", "view", "stack", "deployment_id", "metric", "value")
ESTIMATE_COLUMNS = ("scenario", "view", "stack", "metric", "value", "low", "high", "n")


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

    `log_ratios`: one log ratio per replicate (a freshly started deployment). Raises TooFewReplicates below `MIN_REPLICATES`, and
    ValueError for a ratio that is not finite; never guesses. Source: Student (1908), The probable error of a mean; the logarithm
    because drift and noise of the machine act as factors.
    """
    n = len(log_ratios)
    if n < MIN_REPLICATES:
        raise TooFewReplicates(f"an interval needs {MIN_REPLICATES} replicates, there are {n}")
    values = np.asarray(log_ratios, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("every log ratio must be finite")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    from scipy.special import stdtrit  # half a second to import, and a quick run has no intervals

    mean = float(values.mean())
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=n, level=level)


def geometric_mean(values: Iterable[float]) -> tuple[float, float, float]:
    """Geometric mean of positive `values`, one per replicate, and the bounds of its interval: NaN with too few replicates."""
    logs = [math.log(value) for value in values]
    try:
        interval = ratio_interval(logs)
    except TooFewReplicates:
        return math.exp(sum(logs) / len(logs)), math.nan, math.nan
    return interval.estimate, interval.low, interval.high


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each figure that a deployment gave, in `REPLICATE_COLUMNS`; what was not measured has no row.

    Metrics: in the view `capacity`, `capacity_rps` and, per request answered, `cpu_<role>_ms` with their sum `cpu_ms`; in
    `latency`, the percentiles `p50_ms` to `p99_9_ms` and `offered_rps`; in both, `pss_app_bytes`, `pss_front_bytes`
    and their sum `pss_bytes`. The view `peak`, of `ALL_SCENARIOS`, holds the memory of the scenario in which the deployment held most.
    """
    measured = trials[trials["status"] == "measured"]
    keys = ["scenario", "view", "stack", "deployment_id"]
    groups = measured.groupby(keys, sort=False)
    sums = groups[["requests", "seconds", "window_requests", *(f"cpu_{role}_s" for role in CHARGED)]].sum(skipna=False)
    means = groups[[*PERCENTILES.values(), "offered_rps"]].mean()
    pss = groups[["pss_app_bytes", "pss_front_bytes"]].max()

    in_view = sums.index.get_level_values("view")
    capacity = pd.DataFrame({"capacity_rps": _positive(sums["requests"]) / _positive(sums["seconds"])})
    for role in CHARGED:
        capacity[f"cpu_{role}_ms"] = 1000 * sums[f"cpu_{role}_s"] / _positive(sums["window_requests"])
    capacity["cpu_ms"] = _sum(capacity[[f"cpu_{role}_ms" for role in CHARGED]])
    pss["pss_bytes"] = _sum(pss)
    wide = pd.concat(
        [capacity[in_view == "capacity"], means[in_view == "latency"].where(lambda frame: frame > 0), pss], axis=1
    )
    return pd.concat([_tidy(wide.reset_index(), keys), _tidy(_peak(pss).reset_index(), keys)], ignore_index=True)


def _positive(values: "pd.Series[float]") -> "pd.Series[float]":
    """`values`, with NaN where nothing was counted: no figure follows from nothing, and none is 0."""
    return values.where(values > 0)


def _sum(parts: pd.DataFrame) -> "pd.Series[float]":
    """The sum of the parts that were measured, but never without the first, which is the app's."""
    return parts.sum(axis=1).where(parts.iloc[:, 0].notna())


def _peak(pss: pd.DataFrame) -> pd.DataFrame:
    """The rows of the moment in which each deployment held most, as scenario `ALL_SCENARIOS` and view `peak`."""
    flat = pss.dropna(subset=["pss_bytes"]).reset_index()
    most = flat.loc[flat.groupby("deployment_id", sort=False)["pss_bytes"].idxmax()]
    return most.assign(scenario=ALL_SCENARIOS, view="peak").set_index(["scenario", "view", "stack", "deployment_id"])


def _tidy(wide: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return wide.melt(id_vars=keys, var_name="metric", value_name="value").dropna(subset=["value"])[
        list(REPLICATE_COLUMNS)
    ]


def estimates(tidy: pd.DataFrame) -> pd.DataFrame:
    """Each figure over its replicates, in `ESTIMATE_COLUMNS`: the geometric mean, and from 6 replicates its 95% interval.

    The parts of a sum (`cpu_app_ms` of `cpu_ms`) are the sum's estimate, split as the summed parts of all replicates are, so that
    they add up; they carry no interval of their own.
    """
    rows = []
    for key, group in tidy.groupby(["scenario", "view", "stack"], sort=False):
        values = {
            str(metric): column.to_numpy(dtype=float) for metric, column in group.groupby("metric", sort=False)["value"]
        }
        found = {metric: geometric_mean(column) for metric, column in values.items() if (column > 0).all()}
        for total, parts in PARTS.items():
            if total in found:
                share = found[total][0] / values[total].sum()
                found |= {
                    part: (float(values[part].sum() * share), math.nan, math.nan) for part in parts if part in values
                }
        rows += [(*key, metric, *figures, len(values[metric])) for metric, figures in found.items()]
    return pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))


def load_not_reached(trials: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Scenario, view and stack of the cells that answered less than was offered, by more than chance.

    Arrivals may be drawn at random, so the count that fell into a window varies as a Poisson count does: less than `REACHED` of the
    expected count is a shortfall only where it is also below three standard deviations of it.
    """
    offered = trials[(trials["status"] == "measured") & trials["offered_rps"].notna()]
    counts = offered.assign(expected=offered["offered_rps"] * offered["seconds"])
    sums = counts.groupby(["scenario", "view", "stack"])[["requests", "expected"]].sum()
    short = sums["requests"] < REACHED * sums["expected"] - 3 * np.sqrt(sums["expected"])
    return {(str(scenario), str(view), str(stack)) for scenario, view, stack in sums.index[short]}
