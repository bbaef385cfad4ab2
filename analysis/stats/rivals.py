"""Other intervals for pairs, held against those in use on the same simulated runs: `python -m analysis power` prints what they cost."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from analysis.stats.distributions import Floats, of_each, t_quantile
from analysis.stats.pairs import LEVEL
from analysis.stats.simulate import Design, Outcome, outcome


def paired(logs: Floats, design: Design) -> Outcome:
    """Student's t on each pair's differences, block by block, at Šidák's level: nothing is pooled, so few degrees of freedom are left."""
    first, second = np.triu_indices(len(design), 1)
    differences = logs[:, :, first] - logs[:, :, second]
    blocks = logs.shape[1]
    error = differences.std(axis=1, ddof=1) / np.sqrt(blocks)
    return _intervals(differences.mean(axis=1), error, np.full_like(error, blocks - 1), blocks)


def tukey(logs: Floats, design: Design) -> Outcome:
    """Tukey's studentized range with one variance for all stacks: narrow, and wrong where spreads are unequal."""
    runs, blocks, stacks = logs.shape
    first, second = np.triu_indices(stacks, 1)
    means = logs.mean(axis=1)
    rest = logs - means[:, None, :] - logs.mean(axis=2)[:, :, None] + logs.mean(axis=(1, 2))[:, None, None]
    df = (blocks - 1) * (stacks - 1)
    error = np.sqrt(np.square(rest).sum(axis=(1, 2)) / df / blocks)[:, None] * np.ones(len(first))
    return Outcome(
        error=means[:, first] - means[:, second], half=_range_quantile(stacks, df) * error,
        half_alone=t_quantile((1 + LEVEL) / 2, df) * np.sqrt(2) * error, blocks=np.full(runs, blocks),
    )  # fmt: skip


def unpooled(logs: Floats, design: Design) -> Outcome:
    """Those in use, but with a class of its own for each stack."""
    return outcome(logs, [(str(number), spread) for number, (_, spread) in enumerate(design)])


@cache
def _range_quantile(stacks: int, df: int) -> float:
    """Of the studentized range at `LEVEL`: an integral and a search, so the same one is not looked for again."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(LEVEL, stacks, df))


def _intervals(difference: Floats, error: Floats, df: Floats, blocks: int) -> Outcome:
    level = of_each(LEVEL, difference.shape[1])
    return Outcome(
        error=difference, half=t_quantile((1 + level) / 2, df) * error, half_alone=t_quantile((1 + LEVEL) / 2, df) * error,
        blocks=np.full(len(difference), blocks),
    )  # fmt: skip


METHODS: Mapping[str, Callable[[Floats, Design], Outcome]] = {
    "in use": outcome,
    "own variance of each stack": unpooled,
    "paired t of each pair": paired,
    "Tukey, one variance": tukey,
}
