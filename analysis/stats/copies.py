"""A/A: what two copies of one stack differ by, deployed in the same block from the same files. The truth is 1."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.stats.distributions import Floats, t_quantile
from analysis.stats.intervals import MIN_REPLICATES
from analysis.stats.layout import Layout
from analysis.stats.pairs import LEVEL

FLIPS = 4000
SEED = 20261124


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Copy 1 over copy 2 of one stack: the ratio over `n` occasions with its 95% interval alone (NaN with fewer than 6)."""

    stack: str
    model: str
    ratio: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """All copies of a scenario and metric.

    `spread` is what the run's own two estimates of one stack, from its first copies and from its second, differ by: root mean square
    over stacks, a share. `by_class` is the standard deviation of one deployment's figure within a block, by worker model, a share; it
    holds process variance and noise of the measurement. `p` is the probability that copies which are alike differ that much by chance:
    by swapping them at random (Fisher's randomisation test). NaN where there are no copies.
    """

    stacks: tuple[Copies, ...]
    spread: float
    by_class: Mapping[str, float]
    p: float


def agreement(layout: Layout) -> Agreement:
    """Compare the first two copies of every stack, occasion by occasion, and pool the spread of all copies."""
    pairs = layout.copies[:, :, :2]
    if pairs.shape[2] < 2:
        return Agreement(stacks=(), spread=float("nan"), by_class={}, p=float("nan"))
    differences = pairs[:, :, 0] - pairs[:, :, 1]
    rows = [_stack(layout, column, differences[:, column]) for column in range(len(layout.stacks))]
    found = np.isfinite(differences).sum(axis=0) > 0
    means = np.log([row.ratio for row, known in zip(rows, found, strict=True) if known])
    return Agreement(
        stacks=tuple(row for row, known in zip(rows, found, strict=True) if known),
        spread=float(np.expm1(np.sqrt(np.mean(means**2)))) if len(means) else float("nan"),
        by_class={kind: _within(layout, kind) for kind in dict.fromkeys(layout.classes)},
        p=_swapped(differences[:, found]),
    )


def _stack(layout: Layout, column: int, differences: Floats) -> Copies:
    known = differences[np.isfinite(differences)]
    n, mean = len(known), float(known.mean()) if len(known) else float("nan")
    half = float("nan")
    if n >= MIN_REPLICATES:
        half = float(t_quantile((1 + LEVEL) / 2, n - 1) * known.std(ddof=1) / np.sqrt(n))
    ratio, low, high = np.exp([mean, mean - half, mean + half])
    return Copies(
        stack=layout.stacks[column],
        model=layout.classes[column],
        ratio=float(ratio),
        low=float(low),
        high=float(high),
        n=n,
    )


def _within(layout: Layout, kind: str) -> float:
    """Pooled standard deviation of the copies of one class within their occasions; NaN without any."""
    columns = [column for column, one in enumerate(layout.classes) if one == kind]
    copies, means = layout.copies[:, columns], layout.logs[:, columns]
    found = np.isfinite(copies)
    spare = int((found.sum(axis=2) - 1).clip(min=0).sum())
    squares = np.where(found, (np.where(found, copies, 0.0) - np.nan_to_num(means)[:, :, None]) ** 2, 0.0).sum()
    return float(np.expm1(np.sqrt(squares / spare))) if spare else float("nan")


def _swapped(differences: Floats) -> float:
    """Probability of copies as far apart as these, over stacks together, if which is the first were chance."""
    values = np.nan_to_num(differences)
    if not values.any():
        return 1.0 if values.size else float("nan")
    rng, seen, reached = np.random.default_rng(SEED), 0.0, np.zeros(FLIPS)
    for column in values.T:  # one stack weighs as much as another, however noisy it is
        scale = float(np.sqrt((column**2).sum())) or 1.0
        seen += float((column.sum() / scale) ** 2)
        reached += (rng.choice((-1.0, 1.0), size=(FLIPS, len(column))) @ column / scale) ** 2
    return float((1 + (reached >= seen - 1e-12).sum()) / (1 + FLIPS))
