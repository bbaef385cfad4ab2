"""From trials to replicates: one figure for each metric and freshly started deployment.

Within a deployment a rate is total requests over total time; logarithms are taken after. What was not measured has no row.
"""

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


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each figure that a deployment gave, in `REPLICATE_COLUMNS`; what was not measured has no row.

    Metrics: in the view `capacity`, `capacity_rps` and, per request answered, `cpu_<role>_ms` with their sum `cpu_ms`; in open
    loops, the percentiles `p50_ms` to `p99_9_ms` and `offered_rps`; in all, `pss_app_bytes`, `pss_front_bytes` and their
    sum `pss_bytes`. The view `peak`, of `ALL_SCENARIOS`, holds the memory of the scenario in which the deployment held most, for those
    that went through all of them.
    """
    measured = _enough(trials[trials["status"] == "measured"])
    groups = measured.groupby(_KEYS, sort=False)
    sums = groups[["requests", "seconds", "window_requests", *(f"cpu_{role}_s" for role in CHARGED)]].sum(skipna=False)
    means = groups[[*PERCENTILES.values(), "offered_rps"]].mean()
    pss, has_front = groups[["pss_app_bytes", "pss_front_bytes"]].max(), groups["has_front"].any()

    closed = sums.index.get_level_values("view") == "capacity"
    capacity = pd.DataFrame({"capacity_rps": _positive(sums["requests"]) / _positive(sums["seconds"])})
    for role in CHARGED:
        capacity[f"cpu_{role}_ms"] = 1000 * sums[f"cpu_{role}_s"] / _positive(sums["window_requests"])
    scenarios = capacity.index.get_level_values("scenario")
    capacity["cpu_ms"] = _charged(capacity[[f"cpu_{role}_ms" for role in CHARGED]], scenarios, has_front)
    pss["pss_bytes"] = _sum(pss, has_front)
    wide = pd.concat([capacity[closed], means[~closed].where(lambda frame: frame > 0), pss], axis=1)
    return pd.concat([_tidy(wide.reset_index()), _tidy(_peak(pss, trials).reset_index())], ignore_index=True)


def _enough(trials: pd.DataFrame) -> pd.DataFrame:
    """`trials` without the percentiles that too few samples stand behind."""
    kept = trials.copy()
    for name, column in PERCENTILES.items():
        share = float(name[1:].replace("_", ".")) / 100
        kept[column] = kept[column].where(kept["samples"] >= BEYOND / (1 - share) * (1 - 1e-9))
    return kept


def _positive(values: "pd.Series[float]") -> "pd.Series[float]":
    """`values`, with NaN where nothing was counted: no figure follows from nothing, and none is 0."""
    return values.where(values > 0)


def charged_s(trials: pd.DataFrame) -> "pd.Series[float]":
    """CPU seconds of each trial that its requests are charged with; NaN where a part that belongs to them is not known."""
    return _charged(trials[[f"cpu_{role}_s" for role in CHARGED]], trials["scenario"], trials["has_front"])


def _charged(
    cpu: pd.DataFrame, scenarios: "pd.Series[str] | pd.Index[str]", has_front: "pd.Series[bool]"
) -> "pd.Series[float]":
    """The sum of `cpu`, which has a column for each of `CHARGED`; NaN where a part is not known that belongs to it.

    The database's does in scenarios in which it works: there a stack whose sessions end before they can be counted would seem cheaper than
    the others by all that the database did for it.
    """
    app, _, database = (cpu[name] for name in cpu.columns)
    works = (database / app).fillna(0.0).groupby(scenarios.to_numpy()).transform("max") > WORKS
    return _sum(cpu, has_front).where(database.notna() | ~works)


def _sum(parts: pd.DataFrame, has_front: "pd.Series[bool]") -> "pd.Series[float]":
    """The sum of the parts that were measured, but never without the first, the app's, nor without the second, the front's, where
    there is a front: it would seem to cost nothing.
    """
    app, front = (parts.iloc[:, place] for place in (0, 1))
    return parts.sum(axis=1).where(app.notna() & (front.notna() | ~has_front))


def _peak(pss: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """The rows of the moment in which each copy of a block held most, as scenario `ALL_SCENARIOS` and view `peak`.

    Only of copies that went through all that their stack did: a block beyond the planned ones has few scenarios, one that was cut off
    or in which a trial failed lacks some, and the most over fewer is less. What was skipped on purpose is not missed. A block that was
    taken up again is one replicate, though two deployments shared its scenarios.
    """
    flat = pss.dropna(subset=["pss_bytes"]).reset_index()
    wanted = flat[["stack", *_SEEN]].drop_duplicates()
    skipped = trials.loc[trials["status"] == "skipped", [*_PLACE, *_SEEN]]
    found = pd.concat([flat[[*_PLACE, *_SEEN]], skipped]).drop_duplicates()
    all_of = flat[_PLACE].drop_duplicates().merge(wanted, on="stack")
    there = all_of.merge(found, on=[*_PLACE, *_SEEN], how="left", indicator="there")["there"] == "both"
    whole = there.groupby([all_of[name] for name in _PLACE], sort=False).all()
    kept = flat.merge(whole[whole].index.to_frame(index=False), on=_PLACE)
    most = kept.loc[kept.groupby(_PLACE, sort=False)["pss_bytes"].idxmax()]
    return most.assign(scenario=ALL_SCENARIOS, view="peak").set_index(_KEYS)


def _tidy(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.melt(id_vars=_KEYS, var_name="metric", value_name="value").dropna(subset=["value"])[
        list(REPLICATE_COLUMNS)
    ]


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
    offered = trials[(trials["status"] == "measured") & trials["offered_rps"].notna()]
    counts = offered.assign(expected=offered["offered_rps"] * due_s(offered))
    sums = counts.groupby(["scenario", "view", "stack"])[["requests", "expected"]].sum()
    short = sums["requests"] < REACHED * sums["expected"] - 3 * np.sqrt(sums["expected"])
    return {(str(scenario), str(view), str(stack)) for scenario, view, stack in sums.index[short]}
