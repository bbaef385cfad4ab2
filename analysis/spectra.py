"""Latency percentiles over all requests of a stack's deployments together: from the stored requests, to deeper in the tail than one
deployment's answers reach.

A percentile p is given only where `figures.BEYOND` requests lie beyond it. Its interval is from leaving out one block at a time: the
grouped jackknife of J. W. Tukey on logarithms (R. G. Miller, The Jackknife: A Review, Biometrika 61, 1974) with Student's t over blocks,
so that requests of one block, which met the same moment of the machine, count once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.frames import Frames
from analysis.stats.distributions import Floats, t_quantile
from analysis.stats.figures import BEYOND
from analysis.stats.intervals import MIN_REPLICATES
from analysis.stats.pairs import LEVEL

Key = tuple[str, str, str]
"""Scenario, view, stack."""

NAMED = (0.5, 0.9, 0.99, 0.999)
"""Percentiles that tables print."""
GRID = tuple(sorted({*NAMED, *(round(1 - 10 ** -(step / 8), 12) for step in range(1, 33))}))
"""Percentiles of a curve: eight to a decade of 1 - p, to 99.99."""
_COLUMNS = ["target", "intended_s", "end_s", "error", "phase"]
_LEAST_MS = 1e-3


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Percentiles of one cell, in ms: at `shares` (0.99 is p99), with bounds that are NaN below 6 blocks. `n` requests of `blocks`."""

    shares: tuple[float, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    blocks: int

    def at(self, share: float) -> tuple[float, float, float] | None:
        """One percentile with its bounds; None where too few requests lie beyond it."""
        if share not in self.shares:
            return None
        number = self.shares.index(share)
        return self.values[number], self.low[number], self.high[number]


def spectra(frames: Frames) -> dict[Key, Spectrum]:
    """The spectrum of every open-loop cell whose requests are stored; those whose file is lost, or was cut off, are left out."""
    trials = frames.trials
    open_loop = trials[(trials["view"] != "capacity") & (trials["status"] == "measured")]
    found: dict[Key, dict[int, list[Floats]]] = {}
    for cell, group in open_loop.groupby("cell", sort=False):
        if not cell or Path(str(cell)).name != cell:  # an older run, which does not say where its requests are
            continue
        stored = _stored(frames.path / "requests" / f"{cell}.parquet")
        for stack, scenario, view, block, deployment, samples in zip(
            *(group[key] for key in ("stack", "scenario", "view", "block", "deployment_id", "samples")), strict=True
        ):
            values = stored.get(deployment)
            if values is not None and len(values) == samples:
                found.setdefault((scenario, view, stack), {}).setdefault(int(block), []).append(values)
    return {key: spectrum([np.concatenate(parts) for parts in blocks.values()]) for key, blocks in found.items()}


def _stored(path: Path) -> Mapping[str, Floats]:
    """Latencies in ms by deployment: of right answers and of timeouts, from when they were due, as `latency_ms` counts them."""
    if not path.is_file():
        return {}
    try:
        rows = pd.read_parquet(path, columns=_COLUMNS)
    except (OSError, ValueError):  # a file that was cut off
        return {}
    kept = rows[(rows["phase"] == "measure") & (rows["error"].isna() | (rows["error"] == "timeout"))]
    values = ((kept["end_s"] - kept["intended_s"]) * 1000).clip(lower=_LEAST_MS)
    return {str(name): group.to_numpy() for name, group in values.groupby(kept["target"], observed=True)}


def spectrum(blocks: Iterable[Floats]) -> Spectrum:
    """The percentiles of latencies (ms), which are given block by block."""
    parts = [np.sort(part) for part in blocks]
    n = sum(len(part) for part in parts)
    shares = np.array([share for share in GRID if n * (1 - share) >= BEYOND * (1 - 1e-9)])
    values = _percentiles(parts, shares)
    half = np.full(len(shares), np.nan)
    if len(parts) >= MIN_REPLICATES:
        without = np.log([_percentiles(parts[:one] + parts[one + 1 :], shares) for one in range(len(parts))])
        spread = np.square(without - without.mean(axis=0)).sum(axis=0) * (len(parts) - 1) / len(parts)
        half = t_quantile((1 + LEVEL) / 2, len(parts) - 1) * np.sqrt(spread)
    return Spectrum(
        shares=tuple(map(float, shares)), values=tuple(map(float, values)), low=tuple(map(float, values * np.exp(-half))),
        high=tuple(map(float, values * np.exp(half))), n=n, blocks=len(parts),
    )  # fmt: skip


def _percentiles(parts: list[Floats], shares: Floats) -> Floats:
    """As the load generator gives them: the least value that at least this share does not exceed."""
    pooled = np.concatenate(parts) if parts else np.zeros(0)
    if not len(pooled) or not len(shares):
        return np.full(len(shares), np.nan)
    return np.asarray(np.percentile(pooled, 100 * shares, method="inverted_cdf"))


def words(share: float) -> str:
    """A percentile's name: p50, p99.9."""
    return f"p{100 * share:.6g}"
