"""Runs whose truth is known: deployments that vary, on a recorded drift, through the same estimates and the same rule as real runs.

The drift is `tests/analysis/data/drift.parquet`: slices of eleven stacks in turn, 40 s at a time, on a virtual machine whose neighbours
were not still (docs/measuring.md). What is simulated on top is the spread of fresh deployments and, where asked for, an effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.stats import mixed
from analysis.stats.distributions import Floats, of_each, t_quantile
from analysis.stats.pairs import LEVEL
from bench.model import BenchError

TRACE = Path(__file__).parents[2] / "tests" / "analysis" / "data" / "drift.parquet"
UNFIT = "django/runserver/direct"
"""Its turn takes 50 ms, so that what a slice counts is rounding and not drift."""
COPIES = 2

STANDARD = (
    *[("loop", 0.01)] * 2, *[("loops", 0.01)] * 2, ("dev", 0.02), *[("greenlets", 0.02)] * 1, *[("threads", 0.02)] * 2,
    *[("sync", 0.03)] * 4,
)  # fmt: skip
"""Worker models of twelve stacks as the core has them, and how much fresh deployments of each vary (standard deviation of the log).

One aiohttp program's copies were seen to differ by 1 to 2%, those of gunicorn's sync workers by up to 6%; a difference of two copies
has a standard deviation 1.4 times that of one."""
HARD = tuple((model, {0.01: 0.01, 0.02: 0.03, 0.03: 0.06}[spread]) for model, spread in STANDARD)
"""The same with spreads from 1 to 6%."""
MISLED = tuple((model, (0.01, 0.03, 0.06)[number % 3]) for number, (model, _) in enumerate(STANDARD))
"""Worker models that say nothing of the spread: what the estimates must survive."""
STANDARD_SLICES, FULL_SLICES = 4, 7
"""Slices of 100 ms of a deployment in a block: those of the profile `standard`; of `full`, that has 10, as many as the recording allows."""

Design = Sequence[tuple[str, float]]
"""Of each stack its worker model and the spread of its deployments."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of every simulated run and pair, (runs, pairs): error of the estimated log ratio and both half-widths; blocks of each run."""

    error: Floats
    half: Floats
    half_alone: Floats
    blocks: NDArray[np.int64]

    def covered(self) -> tuple[float, float, float]:
        """Shares of intervals that hold the truth, each by itself, those of the worst pair, and of runs in which all hold it together."""
        alone, together = np.abs(self.error) <= self.half_alone, np.abs(self.error) <= self.half
        return float(alone.mean()), float(alone.mean(axis=0).min()), float(together.all(axis=1).mean())

    def found(self, effect: float, *, beyond: float = 0.0) -> Floats:
        """For each pair, the share of runs whose interval excludes all ratios up to `beyond`, if the true one is 1 + `effect`."""
        low = self.error + np.log1p(effect) - self.half
        return np.asarray((low > np.log1p(beyond)).mean(axis=0))

    def falsely_found(self, *, beyond: float = 0.0) -> float:
        """The share of runs with a false difference between any two of stacks that are all alike."""
        return float((np.abs(self.error) - self.half > np.log1p(beyond)).any(axis=1).mean())


def trace(path: Path = TRACE) -> Floats:
    """(rounds, cycles, stacks): rates of the recorded slices over their stack's mean. Two slices of 50 ms make one of 100 ms.

    Raises BenchError where the recording is not there: it is part of a clone, not of an installed package.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such file; the recorded drift is part of a clone of the repository")
    table = pd.read_parquet(path)
    table = table[table["stack"] != UNFIT].assign(stack=lambda frame: frame["stack"].astype(str))
    found = []
    for _, group in table.sort_values(["round", "slice"]).groupby("length_ms"):
        group = group.assign(cycle=group.groupby(["round", "stack"]).cumcount())
        rates = group.pivot_table(index=["round", "cycle"], columns="stack", values="requests")
        cube = rates.to_numpy().reshape(group["round"].nunique(), -1, rates.shape[1])
        found.append(cube / cube.mean(axis=(0, 1)))
    least = min(cube.shape[1] for cube in found)
    return np.concatenate([cube.reshape(len(cube), least, -1, cube.shape[2]).mean(axis=2) for cube in found])


def drift(recorded: Floats, rng: np.random.Generator, *, runs: int, blocks: int, stacks: int, slices: int) -> Floats:
    """(runs, blocks, copies, stacks): what drift does to log rates over `slices`, in expectation nothing.

    A block is a random stretch of a random round. A stack is one of the recorded ones, drawn anew for each run; its copies, and the
    stacks beyond ten, take the recorded one's slices in turn. So who is loaded at the same time drifts together, as in a run, and
    some kinds of work drift more than others.
    """
    rounds, cycles, kinds = recorded.shape
    turns = COPIES * -(-stacks // kinds)
    starts = cycles - turns * slices + 1
    if starts < 1:
        raise ValueError(f"the recording has {cycles} slices of each stack; {turns} x {slices} are needed")
    which = (
        np.arange(starts)[:, None, None] + np.arange(turns)[None, :, None] + turns * np.arange(slices)[None, None, :]
    )
    logs = np.log(recorded[:, which].mean(axis=3))  # rounds, starts, turns, kinds
    logs -= logs.mean(axis=(0, 1, 2))
    drawn = logs[rng.integers(0, rounds, (runs, blocks)), rng.integers(0, starts, (runs, blocks))]
    drawn = np.where(rng.integers(0, 2, (runs, blocks, 1, 1)) == 1, drawn, drawn[:, :, ::-1])
    series = drawn.reshape(runs, blocks, COPIES, -1)  # copy 1: the first turns of every kind, copy 2: the others
    order = np.argsort(rng.random((runs, series.shape[3])), axis=1)[:, :stacks]
    return np.take_along_axis(series, order[:, None, None, :], axis=3)


def block_logs(
    design: Design, *, runs: int, blocks: int, slices: int, seed: int, recorded: Floats | None = None
) -> Floats:
    """(runs, blocks, stacks): log rates of stacks that are all alike, means over two copies, as `layout.Layout.logs` has them."""
    rng = np.random.default_rng(seed)
    recorded = trace() if recorded is None else recorded
    shape = (runs, blocks, COPIES, len(design))
    noise = drift(recorded, rng, runs=runs, blocks=blocks, stacks=len(design), slices=slices)
    spread = np.array([one for _, one in design])
    return np.asarray((noise + rng.normal(size=shape) * spread).mean(axis=2))


def outcome(logs: Floats, design: Design, *, pairs: int | None = None) -> Outcome:
    """The estimates of every run, each held together with all its pairs (or with `pairs` of them, as in a larger run)."""
    runs, blocks, stacks = logs.shape
    first, second = np.triu_indices(stacks, 1)
    fitted = mixed.fit(logs, [model for model, _ in design])
    difference, error, df = mixed.contrasts(fitted, first, second)
    level = of_each(LEVEL, pairs or len(first))
    return Outcome(
        error=difference, half=t_quantile((1 + level) / 2, df) * error, half_alone=t_quantile((1 + LEVEL) / 2, df) * error,
        blocks=np.full(runs, blocks),
    )  # fmt: skip


def stopped(logs: Floats, design: Design, *, least: int, precision: float, pairs: int | None = None) -> Outcome:
    """The same with the stopping rule: from `least` blocks on until the widest interval is as narrow as `precision`, or `logs` ends."""
    runs, most, _ = logs.shape
    left, found = np.arange(runs), []
    for blocks in range(least, most + 1):
        now = outcome(logs[left, :blocks], design, pairs=pairs)
        done = (now.half.max(axis=1) <= np.log1p(precision)) | (blocks == most)
        found.append((left[done], Outcome(**{name: values[done] for name, values in vars(now).items()})))
        left = left[~done]
        if not len(left):
            break
    order = np.argsort(np.concatenate([rows for rows, _ in found]))
    return Outcome(**{
        name: np.concatenate([getattr(one, name) for _, one in found])[order] for name in ("error", "half", "half_alone", "blocks")
    })  # fmt: skip
