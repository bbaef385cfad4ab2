"""The engine's own record of an experiment's requests, around the moment at which something was done to the stack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import outside
from bench.model import BenchError

Floats = NDArray[np.float64]

RESOLUTION_S = 0.01
"""Timelines resolve this: moments nearer than that are drawn as one."""
STEP_S = 0.1
"""The steps in which answers are counted around a fault."""
LIMIT_MS = 100.0
"""A probe that takes longer counts as delayed."""
PROBE = "probe"
"""The id of the target whose requests are the probes, where a record holds others as well."""
COLUMNS = ("intended_s", "end_s", "error", "phase", "target")


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests in the order in which they were due; times in s on the clock of the record. `ok`: answered correctly."""

    intended_s: Floats
    end_s: Floats
    ok: NDArray[np.bool_]

    @property
    def latency_ms(self) -> Floats:
        """From the time each was due."""
        return (self.end_s - self.intended_s) * 1000

    def shifted(self, zero_s: float) -> "Requests":
        """The same with the clock's zero at `zero_s`."""
        return Requests(intended_s=self.intended_s - zero_s, end_s=self.end_s - zero_s, ok=self.ok)

    def between(self, begin_s: float, end_s: float) -> "Requests":
        """Those due from `begin_s` until before `end_s`."""
        inside = (self.intended_s >= begin_s) & (self.intended_s < end_s)
        return Requests(intended_s=self.intended_s[inside], end_s=self.end_s[inside], ok=self.ok[inside])


def read(path: Path) -> Requests:
    """The requests stored in a parquet file, the warm-up left out; only the probes where there are any by that name.

    Raises BenchError where the file cannot be read as such a record.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, columns=list(COLUMNS))
        columns: dict[str, NDArray[Any]] = {
            name: table[name].cast(pa.string() if name in ("error", "phase", "target") else pa.float64()).to_numpy()
            for name in COLUMNS
        }
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BenchError(f"{path}: is no record of requests: {outside.line(error)}") from None
    kept = columns["phase"] != "warm"
    if (columns["target"] == PROBE).any():
        kept &= columns["target"] == PROBE
    order = np.argsort(columns["intended_s"][kept], kind="stable")
    return Requests(
        intended_s=columns["intended_s"][kept][order],
        end_s=columns["end_s"][kept][order],
        ok=np.array([error is None for error in columns["error"][kept]], dtype=bool)[order],
    )


def joined(several: Sequence[Requests]) -> Requests:
    """The requests of several records as one."""
    return Requests(
        intended_s=np.concatenate([np.empty(0), *(one.intended_s for one in several)]),
        end_s=np.concatenate([np.empty(0), *(one.end_s for one in several)]),
        ok=np.concatenate([np.empty(0, dtype=bool), *(one.ok for one in several)]),
    )


def delayed_share(found: Requests, end_s: float, limit_ms: float = LIMIT_MS) -> float:
    """The share of those due from 0 that took longer than `limit_ms` or failed, up to that long before `end_s`; NaN without any.

    What is due later than that is not kept waiting so long by what ends at `end_s`.
    """
    inside = found.between(0.0, end_s - limit_ms / 1000)
    if not len(inside.intended_s):
        return math.nan
    return float(np.mean(~inside.ok | (inside.latency_ms > limit_ms)))


def per_second(found: Requests, begin_s: float, end_s: float) -> tuple[Floats, Floats]:
    """Correct answers per second in steps of `STEP_S`, by when they ended: the steps' beginnings, and the rates."""
    edges: Floats = np.asarray(begin_s + STEP_S * np.arange(round((end_s - begin_s) / STEP_S) + 1), dtype=np.float64)
    counts, _ = np.histogram(found.end_s[found.ok], bins=edges)
    return edges[:-1], counts / STEP_S


def recovery_s(found: Requests) -> tuple[float, float]:
    """From when the first request that was lost at or after 0 was due, to the first correct answer to one due then or later.

    Returns both moments; NaN for what did not happen.
    """
    lost = found.intended_s[~found.ok & (found.intended_s >= 0)]
    if not len(lost):
        return math.nan, math.nan
    first = float(lost[0])
    answered = found.end_s[found.ok & (found.intended_s >= first)]
    return first, float(answered.min()) if len(answered) else math.nan


def middle(values: Sequence[float]) -> int:
    """Which of `values` is the median one (the lower of two); those that are NaN count as the largest."""
    order = sorted(range(len(values)), key=lambda one: (math.isnan(values[one]), values[one]))
    return order[(len(order) - 1) // 2]


def thinned(x: Floats, y: Floats, *, per_decade: int = 40) -> tuple[Floats, Floats]:
    """Points (`y` positive, drawn on a logarithmic axis), of which those are left out that would cover another."""
    if not len(x):
        return x, y
    cells = np.stack([np.round(x / RESOLUTION_S), np.round(np.log10(y) * per_decade)])
    _, kept = np.unique(cells, axis=1, return_index=True)
    return x[np.sort(kept)], y[np.sort(kept)]
