"""The effect of one check or control: an estimate over replicates with its interval.

The replicate is a freshly started deployment. Figures by Student's t; ratios by their logarithms, paired by replicate; shares by the
union of Student's t over replicates and the score interval of the pooled counts, so that shares that are all 0 or all 1 have a width.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis.claims.records import Record
from analysis.claims.rule import Question
from analysis.stats.distributions import normal_quantile, t_quantile

SHARE = "_share"
RATE, BOUNDED = "_rps", "_bounded"
"""Beside a rate `x_rps` stands `x_bounded`: 1 where the generator or the database was its limit, so that it is a lower bound."""
OF = "_of"
"""Beside a share stands, under its name and this, the count of trials that it is a share of."""


Bound = Literal["", "at least", "at most", "either"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An estimate from `n` replicates. Bounds are NaN where there are too few; `missing` says why there is no estimate at all.

    `replicates` are what it is the mean of; of a ratio, the ratios. `bound`: the true figure is `at least` or `at most` this, or
    either, since not the stack but the generator or the database was the limit of a rate.
    """

    value: float
    low: float
    high: float
    n: int
    missing: str = ""
    bound: Bound = ""
    replicates: tuple[float, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is an estimate."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether it has bounds."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def nothing(why: str) -> Effect:
    """No estimate, and the reason."""
    return Effect(value=math.nan, low=math.nan, high=math.nan, n=0, missing=why)


def is_share(metric: str) -> bool:
    """Whether a metric is a share of counted trials, by its name: also a level of a sweep, `failed_share_at_64`."""
    return metric.split("_at_")[0].endswith(SHARE)


def effect(question: Question, records: Sequence[Record], *, level: float, least: int) -> Effect:
    """What `records` of the claim say of `question`, at `level`; an interval from `least` replicates."""
    return replace(_effect(question, records, level, least), bound=_bound(question, records))


def _bound(question: Question, records: Sequence[Record]) -> Bound:
    mine, other = (_is_bounded(records, arm, question.metric) for arm in (question.arm, question.against))
    if mine and other:
        return "either"
    return "at least" if mine else "at most" if other else ""


def _is_bounded(records: Sequence[Record], arm: str, metric: str) -> bool:
    """Whether a rate is a lower bound in any replicate of an arm."""
    known = _values(records, arm, metric.removesuffix(RATE) + BOUNDED) if metric.endswith(RATE) else {}
    return any(value > 0 for value in known.values())


def _effect(question: Question, records: Sequence[Record], level: float, least: int) -> Effect:
    mine = _values(records, question.arm, question.metric)
    if not mine:
        return nothing(_why(records, question.arm, question.metric))
    if question.measure == "value":
        return _value(question.metric, mine, _counts(records, question.arm, question.metric), level, least)
    other = _values(records, question.against, question.metric)
    if not other:
        return nothing(_why(records, question.against, question.metric))
    common = sorted(set(mine) & set(other))
    if not common:
        return nothing(f"no replicate has both {question.arm} and {question.against}")
    pairs = [(mine[one], other[one]) for one in common]
    if question.measure == "ratio":
        return _ratio(pairs, question, level, least)
    pools = [
        _pool({one: values[one] for one in common}, _counts(records, arm, question.metric))
        for arm, values in ((question.arm, mine), (question.against, other))
    ]
    return _difference([one - two for one, two in pairs], is_share(question.metric), pools, level, least)


def _values(records: Sequence[Record], arm: str, metric: str) -> dict[int, float]:
    return {
        one.replicate: one.metrics[metric]
        for one in records
        if one.arm == arm and one.status == "measured" and metric in one.metrics
    }


def _counts(records: Sequence[Record], arm: str, metric: str) -> dict[int, float]:
    return _values(records, arm, metric + OF) if is_share(metric) else {}


def _why(records: Sequence[Record], arm: str, metric: str) -> str:
    """Why an arm has no figure: the last reason of a record that is not measured."""
    mine = [one for one in records if one.arm == arm]
    reasons = [f"{one.status}: {one.reason}" for one in mine if one.status != "measured" and one.reason]
    if reasons:
        return f"{arm} {reasons[-1]}"
    return f"no record of {arm}" if not mine else f"no {metric} was recorded of {arm}"


def t_interval(values: Sequence[float], level: float) -> tuple[float, float]:
    """Student's t interval of a mean."""
    n = len(values)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t_quantile((1 + level) / 2, n - 1)) * spread / math.sqrt(n)
    return mean - half, mean + half


def wilson(share: float, of: float, level: float) -> tuple[float, float]:
    """The score interval of a share of `of` trials. E. B. Wilson, J. Amer. Statist. Assoc. 22 (1927)."""
    z = float(normal_quantile((1 + level) / 2))
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _value(metric: str, values: Mapping[int, float], counts: Mapping[int, float], level: float, least: int) -> Effect:
    found = list(values.values())
    mean, n = float(np.mean(found)), len(found)
    if n < least:
        return Effect(value=mean, low=math.nan, high=math.nan, n=n, replicates=tuple(found))
    low, high = t_interval(found, level)
    if is_share(metric):
        low, high = max(0.0, low), min(1.0, high)
        pooled = _pool(values, counts)
        if pooled is not None:
            score = wilson(*pooled, level)
            low, high = min(low, score[0]), max(high, score[1])
    return Effect(value=mean, low=low, high=high, n=n, replicates=tuple(found))


def _pool(values: Mapping[int, float], counts: Mapping[int, float]) -> tuple[float, float] | None:
    """Share and count of all trials together; None where counts are not recorded for every replicate."""
    of = sum(counts.get(one, 0.0) for one in values)
    if of <= 0 or set(values) - set(counts):
        return None
    return min(1.0, max(0.0, sum(values[one] * counts[one] for one in values) / of)), of


def _ratio(pairs: Sequence[tuple[float, float]], question: Question, level: float, least: int) -> Effect:
    if any(one <= 0 or other <= 0 for one, other in pairs):
        return nothing(f"{question.metric} is 0 in a replicate, which gives no ratio")
    logs = [math.log(one / other) for one, other in pairs]
    n, mean = len(logs), float(np.mean(logs))
    ratios = tuple(math.exp(log) for log in logs)
    if n < least:
        return Effect(value=math.exp(mean), low=math.nan, high=math.nan, n=n, replicates=ratios)
    low, high = t_interval(logs, level)
    return Effect(value=math.exp(mean), low=math.exp(low), high=math.exp(high), n=n, replicates=ratios)


def _difference(
    differences: Sequence[float], share: bool, pools: Sequence[tuple[float, float] | None], level: float, least: int
) -> Effect:
    n, mean = len(differences), float(np.mean(differences))
    if n < least:
        return Effect(value=mean, low=math.nan, high=math.nan, n=n, replicates=tuple(differences))
    low, high = t_interval(differences, level)
    if share:
        low, high = max(-1.0, low), min(1.0, high)
        one, other = pools
        if one is not None and other is not None:
            score = newcombe(one, other, level)
            low, high = min(low, score[0]), max(high, score[1])
    return Effect(value=mean, low=low, high=high, n=n, replicates=tuple(differences))


def newcombe(one: tuple[float, float], other: tuple[float, float], level: float) -> tuple[float, float]:
    """The interval of a difference of two shares, each with its count. R. G. Newcombe, Statistics in Medicine 17 (1998), method 10."""
    (low_one, high_one), (low_other, high_other) = wilson(*one, level), wilson(*other, level)
    difference = one[0] - other[0]
    low = difference - math.hypot(one[0] - low_one, high_other - other[0])
    return low, difference + math.hypot(high_one - one[0], other[0] - low_other)
