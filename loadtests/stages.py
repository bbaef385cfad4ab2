"""Loads that change over time: steps and ramps of an arrival rate, or of a number of connections.

A stage lasts `seconds` and goes from `start` to `end` in a straight line; a step has both alike.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import LoadError

CHUNK = 1024
"""So many arrivals are drawn at a time: a schedule takes no memory, however long it is, and a chunk well under a tenth of a millisecond."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`start` and `end`: requests a second, or connections."""

    seconds: float
    start: float
    end: float

    @property
    def mean(self) -> float:
        """Over the stage."""
        return (self.start + self.end) / 2


def check(stages: Sequence[Stage], where: str) -> None:
    """Raises LoadError for a stage that lasts no time, and for stages in which nothing is asked for."""
    if not stages:
        raise LoadError(f"{where}: name at least one stage")
    for stage in stages:
        if not (0 < stage.seconds < math.inf and 0 <= stage.start < math.inf and 0 <= stage.end < math.inf):
            raise LoadError(f"{where}: a stage lasts more than 0 s, and its values are not negative")
    if not any(stage.mean for stage in stages):
        raise LoadError(f"{where}: some stage must ask for more than 0")


def arrivals(
    stages: Sequence[Stage], *, poisson: bool, seed: tuple[int, ...], part: int = 0, parts: int = 1
) -> Iterator[NDArray[np.float64]]:
    """When requests are due, in seconds from the start, ascending, some at a time (an array may be empty).

    Even arrivals: the k-th comes when the integral of the rate has reached k. Poisson: gaps of that integral are exponential, which is
    the inhomogeneous process exactly (time rescaling; L. Devroye, Non-Uniform Random Variate Generation, 1986, VI.1.3).
    Of several `parts`, `part` (from 0) gets every so many-th of even arrivals, or a Poisson process of its own at its share of the rate:
    together they are what one would have got, in the second case in distribution.
    """
    if poisson:
        own = [replace(stage, start=stage.start / parts, end=stage.end / parts) for stage in stages]
        total, reached = _integral(own), 0.0
        rng = np.random.default_rng(seed if parts == 1 else (*seed, part))
        while reached < total:
            levels = np.cumsum(np.concatenate([[reached], rng.exponential(1.0, CHUNK)]))[1:]
            reached = float(levels[-1])
            yield when(own, levels[levels < total])
    else:
        count = math.ceil(_integral(stages) - 1e-9)
        for first in range(part, count, CHUNK * parts):
            yield when(stages, np.arange(first, min(first + CHUNK * parts, count), parts, dtype=np.float64))


def _integral(stages: Sequence[Stage]) -> float:
    return sum(stage.mean * stage.seconds for stage in stages)


def when(stages: Sequence[Stage], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The times at which the integral of the stages' values reaches `levels`, which ascend and lie below the whole integral."""
    pieces = []
    began_s = reached = 0.0
    for stage in stages:
        here = stage.mean * stage.seconds
        within = levels[(levels >= reached) & (levels < reached + here)] - reached
        slope = (stage.end - stage.start) / stage.seconds
        if abs(slope) < 1e-12:
            times = within / stage.start if stage.start else within
        else:
            # The root of start t + slope t^2 / 2 = level, in the form that loses no digits where the slope is small.
            below = stage.start + np.sqrt(np.maximum(stage.start**2 + 2 * slope * within, 0.0))
            times = np.divide(2 * within, below, out=np.zeros_like(within), where=below > 0)
        pieces.append(began_s + times)
        began_s += stage.seconds
        reached += here
    return np.concatenate(pieces)
