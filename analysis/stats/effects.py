"""Marginal effects: what one part of a stack does, over all pairs of stacks that differ in that part alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from analysis.stats.comparison import Comparison
from analysis.stats.distributions import Floats, f_tail, t_quantile, t_tail
from analysis.stats.factorial import Contrast, matched
from analysis.stats.pairs import LEVEL, Answer, Pair

MIN_PAIRS = 3
"""With fewer pairs there is no pooled effect: the pairs are the replicates, those of one context together."""
FAMILY = "Holm over the effects of one scenario, view and metric"
"""How answers of effects are held together. S. Holm, Scand. J. Stat. 6 (1979). The intervals hold each by itself."""
AXES = ("front", "server", "worker model", "loop", "data access", "application")
"""The order in which a reader meets them; other options of servers come after these."""

Verdict = Answer | Literal["depends", "too few pairs"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """`after` in the place of `before`, all else equal: a ratio of the metric, pooled over `n` replicates.

    `pairs` are all stacks that differ in that part alone. A replicate is a pair, or all of one context: several servers of one worker model
    count once. Bounds are of the 95% interval over replicates (NaN with fewer than `MIN_PAIRS`), by itself. `alike` is the probability that
    replicates which are alike differ that much. Where they differ beyond chance the answer is `depends`, and the pairs say on what.
    """

    axis: str
    before: str
    after: str
    n: int
    pairs: tuple[Pair, ...]
    ratio: float
    low: float
    high: float
    alike: float
    answer: Verdict


def effects(comparison: Comparison, stacks: Sequence[Mapping[str, Any]]) -> list[Effect]:
    """Every effect that the compared stacks allow. `stacks` are rows of `Frames.stacks`."""
    compared = {place.stack for place in comparison.places}
    found = []
    for contrast, contexts in matched([stack for stack in stacks if stack["stack"] in compared]).items():
        groups = [[comparison.pair(*ids) for ids in pairs] for pairs in contexts.values()]
        known = [group for each in groups if (group := [pair for pair in each if pair is not None])]
        if known:
            found.append(_pool(contrast, known))
    return _answered(found, comparison.margin)


@dataclass(frozen=True, kw_only=True)
class _Replicate:
    """What the pairs of one context say together, on the logarithmic scale. It is no pair, and has no stacks."""

    log_ratio: float
    error: float
    df: float


def _one(group: Sequence[Pair]) -> _Replicate:
    """One replicate for a context: several servers of one worker model count once, as their mean."""
    # They share stacks: no gain is claimed from more of them.
    error = float(np.sqrt(np.mean([pair.error**2 for pair in group])))
    log_ratio = float(np.mean([pair.log_ratio for pair in group]))
    return _Replicate(log_ratio=log_ratio, error=error, df=min(pair.df for pair in group))


def _pool(contrast: Contrast, groups: Sequence[Sequence[Pair]]) -> Effect:
    """The mean over contexts, with Student's t interval over them, and whether they are alike. `groups` are the pairs of each.

    Never narrower than the pairs' own errors allow: the modification of Knapp and Hartung's random effects interval by Röver, Knapp and
    Friede, BMC Med. Res. Methodol. 15 (2015). Likeness by B. L. Welch's test for unequal variances, Biometrika 38 (1951).
    """
    found = [_one(group) for group in groups]
    logs, errors = np.array([one.log_ratio for one in found]), np.array([one.error for one in found])
    n, half = len(found), float("nan")
    if n >= MIN_PAIRS:
        error = np.sqrt(max(logs.var(ddof=1) / n, np.square(errors).sum() / n**2))
        half = float(t_quantile((1 + LEVEL) / 2, n - 1) * error)
    ratio, low, high = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
    axis, before, after = contrast
    pairs = sorted((pair for group in groups for pair in group), key=lambda pair: pair.log_ratio)
    return Effect(
        axis=axis, before=before, after=after, n=n, pairs=tuple(pairs), ratio=float(ratio), low=float(low), high=float(high),
        alike=_alike(logs, errors, np.array([one.df for one in found])), answer="too few pairs" if n < MIN_PAIRS else "unresolved",
    )  # fmt: skip


def _alike(logs: Floats, errors: Floats, df: Floats) -> float:
    """Welch's test that all replicates have one ratio; NaN for a single one."""
    n = len(logs)
    if n < 2:
        return float("nan")
    weights = 1 / errors**2
    share = weights / weights.sum()
    between = float((weights * (logs - (share * logs).sum()) ** 2).sum()) / (n - 1)
    bulk = float(((1 - share) ** 2 / df).sum())
    return f_tail(between / (1 + 2 * (n - 2) / (n**2 - 1) * bulk), n - 1, (n**2 - 1) / (3 * bulk))


def _answered(found: Sequence[Effect], margin: float) -> list[Effect]:
    """The answers, each kind of test held together over all pooled effects."""
    pooled = [effect for effect in found if np.isfinite(effect.low)]
    tests = [_tests(effect, margin) for effect in pooled]
    alike = _holm([effect.alike for effect in pooled])
    different, equivalent = (_holm([test[which] for test in tests]) for which in (0, 1))
    answers: dict[int, Verdict] = {}
    for number, effect in enumerate(pooled):
        kinds: list[tuple[Verdict, float]] = [
            ("depends", alike[number]), ("different", different[number]), ("equivalent", equivalent[number])
        ]  # fmt: skip
        answers[id(effect)] = next((kind for kind, p in kinds if p <= 1 - LEVEL), "unresolved")
    return [replace(effect, answer=answers.get(id(effect), effect.answer)) for effect in found]


def _tests(effect: Effect, margin: float) -> tuple[float, float]:
    """The p-values of "no more than the margin" and of "at least the margin", as one minus the level of the interval that tells."""
    edge, log_ratio, df = np.log1p(margin), abs(np.log(effect.ratio)), effect.n - 1
    error = (np.log(effect.high) - np.log(effect.low)) / 2 / float(t_quantile((1 + LEVEL) / 2, df))
    beyond, within = (log_ratio - edge) / error, (edge - log_ratio) / error
    return min(1.0, 2 * float(t_tail(beyond, df))), min(1.0, 2 * float(t_tail(within, df)))


def _holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given."""
    adjusted, reached = [1.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = reached
    return adjusted


def axis_order(axis: str) -> int:
    """The place of an axis among `AXES`, or after them."""
    return AXES.index(axis) if axis in AXES else len(AXES)
