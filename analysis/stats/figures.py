"""From trials to replicates: one figure for each metric and freshly started deployment.

Within a deployment a rate is total requests over total time; logarithms are taken after. What was not measured has no row.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import PERCENTILES

CHARGED = ("app", "front", "database")
"""Whose CPU a request is charged with. The generator's is the instrument's, and is left out."""

PARTS = {
    "cpu_ms": tuple(f"cpu_{role}_ms" for role in CHARGED),
    "pss_bytes": ("pss_app_bytes", "pss_front_bytes"),
}
"""The figures that are sums, and of what."""

REACHED = 0.98
"""A latency is one at the offered load only if at least this share of it was answered."""

WORKS = 0.02
"""Of the application's CPU time. An idle session takes next to nothing; one that is asked, a tenth and more."""

BEYOND = 10
"""So many samples must lie beyond a percentile, in every replicate of it: p needs 10 / (1 - p)."""

ALL_SCENARIOS = "(all)"
"""Stands in the column `scenario` for figures that belong to a deployment and not to one scenario."""

DEPLOYMENT = ("scenario", "view", "stack", "block", "group", "copy", "deployment_id")
"""The columns that tell one deployment in one cell from all others: scenario, view and stack are the cell."""
_KEYS = list(DEPLOYMENT)
_SEEN, _PLACE = ["scenario", "view"], ["stack", "block", "group", "copy"]
REPLICATE_COLUMNS = (*DEPLOYMENT, "metric", "value")
_READ = [
    *DEPLOYMENT, "has_front", "requests", "seconds", "window_requests", "offered_rps", "samples", "pss_app_bytes", "pss_front_bytes",
    *(f"cpu_{role}_s" for role in CHARGED), *PERCENTILES.values(),
]  # fmt: skip
"""The columns of trials that figures are made of."""

_Copy = tuple[str, int, int, int]
"""Stack, block, group and copy."""
_Seen = tuple[str, str]
"""Scenario and view."""


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each figure that a deployment gave, in `REPLICATE_COLUMNS`; what was not measured has no row.

    Metrics: in the view `capacity`, `capacity_rps` and, per request answered, `cpu_<role>_ms` with their sum `cpu_ms`; in open
    loops, the percentiles `p50_ms` to `p99_9_ms` and `offered_rps`; in all, `pss_app_bytes`, `pss_front_bytes` and their
    sum `pss_bytes`. The view `peak`, of `ALL_SCENARIOS`, holds the memory of the scenario in which the deployment held most, for those
    that went through all of them.
    """
    measured = _enough(trials.loc[trials["status"] == "measured", _READ])
    numbers, deployments = _deployments(measured)
    groups = measured.groupby(numbers, sort=False)
    sums = groups[["requests", "seconds", "window_requests", *(f"cpu_{role}_s" for role in CHARGED)]].sum(skipna=False)
    means = groups[[*PERCENTILES.values(), "offered_rps"]].mean()
    pss, has_front = groups[["pss_app_bytes", "pss_front_bytes"]].max(), groups["has_front"].any()

    closed = deployments["view"].to_numpy() == "capacity"
    capacity = pd.DataFrame({"capacity_rps": _positive(sums["requests"]) / _positive(sums["seconds"])})
    answered_there = _positive(sums["window_requests"])
    for role in CHARGED:
        capacity[f"cpu_{role}_ms"] = 1000 * sums[f"cpu_{role}_s"] / answered_there
    capacity["cpu_ms"] = _charged(capacity[[f"cpu_{role}_ms" for role in CHARGED]], deployments["scenario"], has_front)
    pss["pss_bytes"] = _sum(pss, has_front)
    capacity.loc[~closed], means.loc[closed] = np.nan, np.nan
    wide, order = pd.concat([capacity, means.where(means > 0), pss], axis=1), np.argsort(~closed, kind="stable")
    most = _peak(deployments, pss["pss_bytes"], trials)
    peak = deployments.iloc[most].assign(scenario=ALL_SCENARIOS, view="peak")
    return pd.concat([_tidy(deployments.iloc[order], wide.iloc[order]), _tidy(peak, pss.iloc[most])], ignore_index=True)


def _deployments(measured: pd.DataFrame) -> tuple["np.ndarray[Any, np.dtype[np.intp]]", pd.DataFrame]:
    """The number of each trial's deployment in its cell, as they come, and the `DEPLOYMENT` of each number.

    All tables between are told apart by that number: to group and align by seven columns each time takes most of a report's statistics.
    """
    known: dict[tuple[object, ...], int] = {}
    keys = zip(*(measured[name].tolist() for name in _KEYS), strict=True)
    numbers = np.fromiter((known.setdefault(key, len(known)) for key in keys), np.intp, len(measured))
    _, first = np.unique(numbers, return_index=True)
    # Through an index, which makes texts of objects that are all texts.
    return numbers, pd.DataFrame({name: pd.Index(measured[name].to_numpy()[first]) for name in _KEYS})


def _enough(trials: pd.DataFrame) -> pd.DataFrame:
    """`trials` without the percentiles that too few samples stand behind."""
    shares = np.array([float(name[1:].replace("_", ".")) / 100 for name in PERCENTILES])
    enough = trials["samples"].to_numpy()[:, None] >= BEYOND / (1 - shares) * (1 - 1e-9)
    columns = list(PERCENTILES.values())
    return trials.assign(**trials[columns].where(enough))


def _positive(values: "pd.Series[float]") -> "pd.Series[float]":
    """`values`, with NaN where nothing was counted: no figure follows from nothing, and none is 0."""
    return values.where(values > 0)


def charged_s(trials: pd.DataFrame) -> "pd.Series[float]":
    """CPU seconds of each trial that its requests are charged with; NaN where a part that belongs to them is not known."""
    return _charged(trials[[f"cpu_{role}_s" for role in CHARGED]], trials["scenario"], trials["has_front"])


def _charged(cpu: pd.DataFrame, scenarios: "pd.Series[str]", has_front: "pd.Series[bool]") -> "pd.Series[float]":
    """The sum of `cpu`, which has a column for each of `CHARGED`; NaN where a part is not known that belongs to it.

    The database's does in scenarios in which it works: there a stack whose sessions end before they can be counted would seem cheaper than
    the others by all that the database did for it.
    """
    app, _, database = (cpu[name] for name in cpu.columns)
    works = scenarios.isin(set(scenarios[(database / app > WORKS).to_numpy()])).to_numpy()
    return _sum(cpu, has_front).where(database.notna() | ~works)


def _sum(parts: pd.DataFrame, has_front: "pd.Series[bool]") -> "pd.Series[float]":
    """The sum of the parts that were measured, but never without the first, the app's, nor without the second, the front's, where
    there is a front: it would seem to cost nothing.
    """
    app, front = (parts.iloc[:, place] for place in (0, 1))
    return parts.sum(axis=1).where(app.notna() & (front.notna() | ~has_front))


def _peak(deployments: pd.DataFrame, held: "pd.Series[float]", trials: pd.DataFrame) -> list[int]:
    """The numbers of the `deployments` in the scenario in which each copy of a block held most.

    Only of copies that went through all that their stack did: a block beyond the planned ones has few scenarios, one that was cut off
    or in which a trial failed lacks some, and the most over fewer is less. What was skipped on purpose is not missed. A block that was
    taken up again is one replicate, though two deployments shared its scenarios.
    """
    known = held.notna().to_numpy()
    numbers, values = np.flatnonzero(known).tolist(), held[known].tolist()
    rows = list(zip(*_places(deployments[known]), numbers, values, strict=True))
    wanted: dict[str, set[_Seen]] = {}
    there: dict[_Copy, set[_Seen]] = {}
    most: dict[_Copy, tuple[float, int]] = {}
    for copy, seen, number, value in rows:
        wanted.setdefault(copy[0], set()).add(seen)
        there.setdefault(copy, set()).add(seen)
        if copy not in most or value > most[copy][0]:
            most[copy] = value, number
    for copy, seen in zip(*_places(trials[trials["status"] == "skipped"]), strict=True):
        there.setdefault(copy, set()).add(seen)
    return [number for copy, (_, number) in most.items() if wanted[copy[0]] <= there[copy]]


def _places(rows: pd.DataFrame) -> tuple[list[_Copy], list[_Seen]]:
    """Of each row which copy of a block it is of, and what that was seen in."""
    copies, seen = (zip(*(rows[name].tolist() for name in names), strict=True) for names in (_PLACE, _SEEN))
    return list(copies), list(seen)


def _tidy(deployments: pd.DataFrame, wide: pd.DataFrame) -> pd.DataFrame:
    """A row for each figure of `wide`, whose rows are those of `deployments`: one metric after the other."""
    values = wide.to_numpy().T
    metrics, rows = np.nonzero(~np.isnan(values))
    tidy = deployments.take(rows)
    return tidy.assign(metric=wide.columns.take(metrics), value=values[metrics, rows])


def due_s(trials: pd.DataFrame) -> "pd.Series[float]":
    """Over how many seconds the answers of an open loop were due, or would have been at the rate at which they came.

    The measured seconds end with the last answer, which comes a latency after it was due: the typical one (the longest, where answers
    are too few for a median) is taken off. Else a stack that waits 200 ms, as it is asked to, would seem to miss a load of one second.
    Never less than half, so that a stack which hardly answers is found out.
    """
    typical_s = trials["p50_ms"].fillna(trials["max_ms"]).fillna(0.0) / 1000
    least_s = trials["seconds"] / 2
    return (trials["seconds"] - typical_s).clip(lower=least_s)


def answered(trials: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """By scenario, view and stack: requests answered a second in an open loop, over all deployments."""
    offered = trials[(trials["status"] == "measured") & trials["offered_rps"].notna()]
    sums = offered.assign(due_s=due_s(offered)).groupby(["scenario", "view", "stack"])[["requests", "due_s"]].sum()
    rates = sums["requests"] / _positive(sums["due_s"])
    levels = (rates.index.get_level_values(name) for name in ("scenario", "view", "stack"))
    return {
        (str(scenario), str(view), str(stack)): float(rate)
        for scenario, view, stack, rate in zip(*levels, rates, strict=True)
        if rate > 0
    }


def load_not_reached(trials: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Scenario, view and stack of the cells that answered less than was offered, by more than chance.

    Arrivals may be drawn at random, so the count that fell into a window varies as a Poisson count does: less than `REACHED` of the
    expected count is a shortfall only where it is also below three standard deviations of it.
    """
    wanted = (trials["status"] == "measured") & trials["offered_rps"].notna()
    if not wanted.any():
        return set()
    offered = trials.loc[
        wanted, ["scenario", "view", "stack", "offered_rps", "requests", "seconds", "p50_ms", "max_ms"]
    ]
    counts = offered.assign(expected=offered["offered_rps"] * due_s(offered))
    sums = counts.groupby(["scenario", "view", "stack"])[["requests", "expected"]].sum()
    short = sums["requests"] < REACHED * sums["expected"] - 3 * np.sqrt(sums["expected"])
    return {(str(scenario), str(view), str(stack)) for scenario, view, stack in sums.index[short]}
