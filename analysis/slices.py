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
from typing import Any

import numpy as np
import pandas as pd

from analysis.stats.distributions import t_quantile
from bench.model import BenchError

LEAD = 0.2
"""The part of a slice that `settled` leaves out at its beginning."""
ESTIMATORS = ("within", "drained", "settled")
LEVEL = 0.95


def rates(folder: Path) -> pd.DataFrame:
    """One row for each round, length, stack and estimator: `rate_rps`. Where not every request was stored, only what the engine counted,
    which is `settled`. Slices that came directly after one of the same stack are left out: with two stacks they are a third, in a run
    hardly any, and some stacks are faster in them. Raises BenchError where `folder` holds no study.
    """
    study = described(folder)
    frames = []
    for job in study["jobs"]:
        name = f"{job['name']}.parquet"
        slices = _read(folder / "slices" / name, ["target", "slice", "start_s", "end_s", "requests", "preceded_by"])
        slices = slices[slices["target"].astype(str) != slices["preceded_by"].astype(str)].drop(columns="preceded_by")
        begun = job["spells"]
        place = np.searchsorted([spell["first"] for spell in begun], slices["slice"], side="right") - 1
        slices = slices.assign(length_ms=np.array([1000 * spell["slice_s"] for spell in begun])[place].round(6))
        if study["every_request"]:
            requests = _read(folder / "requests" / name, ["target", "end_s", "error", "phase", "slice"])
            found = _rates(requests, slices.drop(columns="requests"))
        else:
            found = _counted(slices)
        frames.append(found.assign(round=job["round"]))
    table = pd.concat(frames, ignore_index=True)
    return table.assign(stack=table["target"].map(study["stacks"])).drop(columns="target")


def _counted(slices: pd.DataFrame) -> pd.DataFrame:
    seconds = slices["end_s"] - slices["start_s"]
    sums = slices.assign(s=seconds).groupby(["length_ms", "target"], observed=True)[["requests", "s"]].sum()
    return (sums["requests"] / sums["s"]).rename("rate_rps").reset_index().assign(estimator="settled")


def _rates(requests: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    right = requests[(requests["phase"] != "warm") & requests["error"].isna()]
    joined = right.drop(columns="target").merge(slices, on="slice", suffixes=("", "_slice"))
    lead_s = LEAD * (joined["end_s_slice"] - joined["start_s"])
    joined = joined.assign(
        within=joined["end_s"] < joined["end_s_slice"],
        drained=True,
        settled=(joined["end_s"] >= joined["start_s"] + lead_s) & (joined["end_s"] < joined["end_s_slice"]),
    )
    counts = joined.groupby("slice")[list(ESTIMATORS)].sum()
    last = joined.groupby("slice")["end_s"].max()
    table = slices.set_index("slice").join(counts).fillna(dict.fromkeys(ESTIMATORS, 0))
    length = table["end_s"] - table["start_s"]
    seconds = {
        "within": length,
        "drained": np.maximum(last.reindex(table.index), table["end_s"]) - table["start_s"],
        "settled": (1 - LEAD) * length,
    }
    keys = ["length_ms", "target"]
    rows = [
        (table[keys].assign(n=table[name], s=seconds[name])
         .groupby(keys, observed=True).sum().assign(estimator=name).reset_index())
        for name in ESTIMATORS
    ]  # fmt: skip
    found = pd.concat(rows, ignore_index=True)
    return found.assign(rate_rps=found["n"] / found["s"])[[*keys, "estimator", "rate_rps"]]


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
    if not described(folder)["every_request"]:
        raise BenchError(
            f"{folder}: holds no single requests, so estimators cannot be compared; `analysis lengths` reads it"
        )
    table = rates(folder)
    found = summary(table)
    table.to_csv(folder / "rates.csv", index=False, float_format="%.2f")
    found.to_csv(folder / "summary.csv", index=False, float_format="%.5f")
    return text(found, str(table["stack"].iloc[0]))


def described(folder: Path) -> dict[str, Any]:
    """What `slices.json` says of the study in `folder`. Raises BenchError where there is none."""
    path = folder / "slices.json"
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror}); `bench slices` writes it") from None
    except ValueError as error:
        raise BenchError(f"{path}: is damaged ({error}); `bench slices` makes another") from None
    jobs = described.get("jobs") if isinstance(described, dict) else None
    if not isinstance(jobs, list) or not jobs or not isinstance(described.get("stacks"), dict):
        raise BenchError(f"{path}: names no loads or no stacks; `bench slices` makes another")
    mixed = all(isinstance(job, dict) and job.get("spells") for job in jobs)
    if not mixed or not described.get("pairs") or "every_request" not in described:
        raise BenchError(
            f"{path}: is of a version that loaded one length after the other; `bench slices` makes another"
        )
    return described


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); `bench slices` makes another") from None
