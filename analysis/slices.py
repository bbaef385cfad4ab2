"""What slice lengths and estimators of a rate do to the ratios between stacks: from the requests that `bench slices` stored.

For one slice with requests that ended at t_1 .. t_n, the slice being from a to b, and what was still in flight at b ending until d:

- `within`: those that ended in [a, b), over b - a. Work that was in progress at b is lost.
- `drained`: all of them, those in the drain included, over d - a. Nothing is lost, but the drain runs at falling concurrency.
- `settled`: those that ended in [a + lead, b), over b - a - lead. Once turns are mixed, what both ends cut is alike.

A rate is the sum over slices of the counts over the sum of the times. Ratios are to the first stack; bias is the mean over rounds of
the log ratio less that in the longest slices of the same round, whose interval is Student's t over rounds.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.stats.distributions import t_quantile
from bench.model import BenchError

LEAD = 0.2
"""The part of a slice that `settled` leaves out at its beginning."""
ESTIMATORS = ("within", "drained", "settled")
LEVEL = 0.95


def rates(folder: Path) -> pd.DataFrame:
    """One row for each round, length, stack and estimator: `rate_rps`. Raises BenchError where `folder` holds no study."""
    study = described(folder)
    frames = []
    for job in study["jobs"]:
        name = f"{job['name']}.parquet"
        requests = read(folder / "requests" / name, ["target", "end_s", "error", "phase", "slice"])
        slices = read(folder / "slices" / name, ["target", "slice", "loaded_s", "end_s"])
        found = _rates(requests, slices)
        frames.append(found.assign(round=job["round"], length_ms=float(job["length_ms"])))
    table = pd.concat(frames, ignore_index=True)
    return table.assign(stack=table["target"].map(study["stacks"])).drop(columns="target")


def _rates(requests: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    right = requests[(requests["phase"] != "warm") & requests["error"].isna()]
    joined = right.drop(columns="target").merge(slices, on="slice", suffixes=("", "_slice"))
    lead_s = LEAD * (joined["end_s_slice"] - joined["loaded_s"])
    joined = joined.assign(
        within=joined["end_s"] < joined["end_s_slice"],
        drained=True,
        settled=(joined["end_s"] >= joined["loaded_s"] + lead_s) & (joined["end_s"] < joined["end_s_slice"]),
    )
    counts = joined.groupby("slice")[list(ESTIMATORS)].sum()
    last = joined.groupby("slice")["end_s"].max()
    table = slices.set_index("slice").join(counts).fillna(dict.fromkeys(ESTIMATORS, 0))
    length = table["end_s"] - table["loaded_s"]
    seconds = {
        "within": length,
        "drained": np.maximum(last.reindex(table.index), table["end_s"]) - table["loaded_s"],
        "settled": (1 - LEAD) * length,
    }
    rows = [
        (pd.DataFrame({"target": table["target"], "n": table[name], "s": seconds[name]})
         .groupby("target", observed=True).sum().assign(estimator=name).reset_index())
        for name in ESTIMATORS
    ]  # fmt: skip
    found = pd.concat(rows, ignore_index=True)
    return found.assign(rate_rps=found["n"] / found["s"])[["target", "estimator", "rate_rps"]]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """For each estimator, length and stack but the first: ratio to the first, bias against the longest slices, and spread over rounds.

    Columns: `ratio` (geometric mean over rounds), `bias`, `bias_low`, `bias_high` (factors; the `within` estimator in the longest
    slices is 1), `spread` (standard deviation of the log ratio from round to round), `rounds`.
    """
    first, longest = table["stack"].iloc[0], table["length_ms"].max()
    wide = table.pivot_table(index=["estimator", "length_ms", "round"], columns="stack", values="rate_rps")
    logs = np.log(wide.drop(columns=first).div(wide[first], axis=0))
    truth = logs.xs("within", level="estimator").xs(longest, level="length_ms")
    rows = []
    for (estimator, length_ms), group in logs.groupby(level=["estimator", "length_ms"]):
        own = group.droplevel(["estimator", "length_ms"])
        for stack in own.columns:
            differences = (own[stack] - truth[stack]).dropna()
            half = half_width(differences)
            middle = float(differences.mean())
            rows.append({
                "estimator": estimator, "length_ms": length_ms, "stack": stack, "ratio": float(np.exp(own[stack].mean())),
                "bias": float(np.exp(middle)), "bias_low": float(np.exp(middle - half)), "bias_high": float(np.exp(middle + half)),
                "spread": float(own[stack].std()), "rounds": len(differences),
            })  # fmt: skip
    return pd.DataFrame(rows)


def half_width(values: "pd.Series[float]") -> float:
    """Of the 95% interval of their mean, by Student's t; NaN with fewer than two."""
    if len(values) < 2:
        return float("nan")
    return float(t_quantile((1 + LEVEL) / 2, len(values) - 1) * values.std() / np.sqrt(len(values)))


def text(found: pd.DataFrame, first: str) -> str:
    """For a person, within 80 columns."""
    lines = [f"ratios to {first}; bias against the longest slices, counted within"]
    for stack, group in found.groupby("stack", sort=False):
        lines += ["", str(stack), "  estimator  slice ms    ratio     bias  95% interval        spread"]
        lines += [
            f"  {row.estimator:<9} {row.length_ms:>9g} {row.ratio:>8.4f} {row.bias:>8.4f}"
            f"  {row.bias_low:.4f} to {row.bias_high:.4f}  {row.spread:>7.2%}"
            for row in group.itertuples()
        ]
    return "\n".join(lines)


def report(folder: Path) -> str:
    """Write rates.csv and summary.csv beside the study's records, and return the text."""
    table = rates(folder)
    found = summary(table)
    table.to_csv(folder / "rates.csv", index=False, float_format="%.2f")
    found.to_csv(folder / "summary.csv", index=False, float_format="%.5f")
    return text(found, str(table["stack"].iloc[0]))


KINDS = {
    "lengths": ("`bench slices`", ("jobs", "stacks")),
    "windows": ("`bench trust`", ("rounds", "stacks", "pairs", "scenario", "window_s", "connections")),
}
"""Of a study: the command that makes it, and the keys that its slices.json must have."""


def described(folder: Path, *, kind: Literal["lengths", "windows"] = "lengths") -> dict[str, Any]:
    """What `slices.json` says of the study in `folder`. Raises BenchError where there is none of this kind."""
    path, (command, needed) = folder / "slices.json", KINDS[kind]
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror}); {command} writes it") from None
    except ValueError as error:
        raise BenchError(f"{path}: is damaged ({error}); {command} makes another") from None
    whole = isinstance(described, dict) and all(described.get(key) for key in needed)
    if not whole or not isinstance(described["stacks"], dict):
        raise BenchError(f"{path}: names no loads or no stacks; {command} makes another")
    return described


def read(path: Path, columns: list[str]) -> pd.DataFrame:
    """Those columns of a parquet file. Raises BenchError where it cannot be read."""
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); measure it anew") from None
