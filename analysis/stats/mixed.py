"""The model behind every comparison: log figure = stack + occasion + error, each stack's errors with a variance of their own.

An *occasion* is one set of deployments that were alive together: a block, or one group of stacks in a block. Its effect is what
drift did to all of them, and cancels in differences. The error is what the fresh deployments of one stack differ by from block to
block: process variance, what drift does to this kind of work alone, noise of the slices. Copies within an occasion share some
of it, so they are averaged first, and an occasion is one replicate.

Variances are estimated by restricted maximum likelihood (Patterson and Thompson, Biometrika 58, 1971; here as a fixed point), each
pulled towards the mean of its class, the worker model, as far as stacks turn out to be alike within classes (Smyth, Stat. Appl.
Genet. Mol. Biol. 3, 2004). Degrees of freedom after Satterthwaite (1946) and Welch (1947). docs/statistics.md says why this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.distributions import Floats, inverse_trigamma, trigamma

Indices = NDArray[np.intp]

STEPS = 30
"""Of the fixed point. With two stacks, the slowest case, each halves what is left to go."""
LEAST = 1e-12
"""Smallest variance of a logarithm, a spread of a millionth: figures that do not differ at all would make it 0."""
ALIKE = 1e6
"""Stands for an infinite number of degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Estimates for many data sets at once: arrays (runs, stacks), `logs` and `weights` (runs, occasions, stacks).

    `variance` is that of one stack in one occasion, `df` its degrees of freedom, `class_df` those of its whole class. A weight is the
    inverse of the variance, 0 where a figure is missing or stands alone in its occasion.
    """

    logs: Floats
    weights: Floats
    variance: Floats
    df: Floats
    class_df: Floats
    classes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every stack has a figure in every occasion: then formulas are closed."""
        return bool((self.weights > 0).all())


def fit(logs: Floats, classes: Sequence[str]) -> Fit:
    """Fit the model to `logs` (runs, occasions, stacks), NaN where missing. Every stack needs two occasions with company."""
    present = np.isfinite(logs)
    present &= present.sum(axis=2, keepdims=True) > 1  # what stands alone cannot be told from drift
    values, counts = np.where(present, logs, 0.0), present.sum(axis=1)
    variance = _rough(values, present)
    for _ in range(STEPS):
        weights = present / variance[:, None, :]
        total = np.maximum(weights.sum(axis=2), 1e-300)
        means = _means(values, weights, total)
        drift = (weights * (values - means[:, None, :])).sum(axis=2) / total
        rest = np.where(present, values - means[:, None, :] - drift[:, :, None], 0.0)
        hidden = (present / total[:, :, None]).sum(axis=1) / counts  # the part that went into the occasions' effects
        own = np.square(rest).sum(axis=1) / (counts - 1) + hidden + LEAST
        df = (counts - 1) * (1 - (weights / total[:, :, None]).sum(axis=1) / counts)
        prior = _prior_df(own, counts - 1, classes)
        variance = (prior * _in_class(own, counts - 1, classes) + df * own) / (prior + df)
    class_df = df @ _same(classes)
    return Fit(
        logs=values, weights=present / variance[:, None, :], variance=variance, df=np.minimum(class_df, prior + df),
        class_df=class_df, classes=tuple(classes),
    )  # fmt: skip


def contrasts(fitted: Fit, first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """For pairs of stacks, by index: difference of their logs, its standard error, degrees of freedom; each (runs, pairs).

    NaN where two stacks were neither alive together nor held together by others.
    """
    i, j = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    if fitted.complete:
        means, count = fitted.logs.mean(axis=1), fitted.logs.shape[1]
        difference, which = means[:, i] - means[:, j], np.arange(len(i))
        parts = np.zeros((*difference.shape, means.shape[1]))
        parts[:, which, i] = fitted.variance[:, i] / count
        parts[:, which, j] = fitted.variance[:, j] / count
    else:
        found = [_weighted(fitted, run, i, j) for run in range(len(fitted.logs))]
        difference, parts = np.stack([one[0] for one in found]), np.stack([one[1] for one in found])
    variance = parts.sum(axis=2)
    apart = (parts**2 / fitted.df[:, None, :]).sum(axis=2)
    kinds = list(dict.fromkeys(fitted.classes))
    inside = np.array([[one == kind for kind in kinds] for one in fitted.classes], dtype=float)
    class_df = fitted.class_df[:, [fitted.classes.index(kind) for kind in kinds]]
    shared = ((parts @ inside) ** 2 / class_df[:, None, :]).sum(axis=2)  # stacks of a class share one estimate
    return difference, np.sqrt(variance), variance**2 / np.maximum(apart, shared)


def _weighted(fitted: Fit, run: int, i: Indices, j: Indices) -> tuple[Floats, Floats]:
    """Of one incomplete data set: weighted least squares differences (pairs), and each stack's part in their variance (pairs, stacks)."""
    weights, logs = fitted.weights[run], fitted.logs[run]
    total = np.maximum(weights.sum(axis=1), 1e-300)
    shares = weights / total[:, None]
    information = np.diag(weights.sum(axis=0)) - shares.T @ weights
    inverse = np.linalg.pinv(information, hermitian=True)
    wanted = np.zeros((len(i), len(information)))
    wanted[np.arange(len(i)), i], wanted[np.arange(len(i)), j] = 1.0, -1.0
    solved = wanted @ inverse
    loads = weights[None] * (solved[:, None, :] - (solved @ shares.T)[:, :, None])  # of each figure in each difference
    known = np.isclose(solved @ information, wanted, atol=1e-6).all(axis=1)
    difference = np.where(known, (loads * logs[None]).sum(axis=(1, 2)), np.nan)
    return difference, (loads**2).sum(axis=1) * fitted.variance[run]


def _rough(values: Floats, present: NDArray[np.bool_]) -> Floats:
    """One variance for all stacks, to start from: (runs, stacks)."""
    centred = np.where(present, values - (values.sum(axis=2) / np.maximum(present.sum(axis=2), 1))[:, :, None], 0.0)
    centred = np.where(present, centred - (centred.sum(axis=1) / present.sum(axis=1))[:, None, :], 0.0)
    pooled = np.square(centred).sum(axis=(1, 2)) / present.sum(axis=(1, 2)) + LEAST
    return np.repeat(pooled[:, None], values.shape[2], axis=1)


def _means(values: Floats, weights: Floats, total: Floats) -> Floats:
    """Weighted least squares means of the stacks, free of the occasions' effects; plain means where nothing is missing."""
    if (weights > 0).all():
        return np.asarray(values.mean(axis=1))
    shares = weights / total[:, :, None]
    information = (
        np.einsum("rs,st->rst", weights.sum(axis=1), np.eye(values.shape[2])) - shares.swapaxes(1, 2) @ weights
    )
    centred = values - (shares * values).sum(axis=2)[:, :, None]
    inverse = np.linalg.pinv(information, hermitian=True)
    return np.asarray((inverse @ (weights * centred).sum(axis=1)[:, :, None])[:, :, 0])


def _same(classes: Sequence[str]) -> Floats:
    """(stacks, stacks): 1 where two are of one class."""
    names = np.asarray(classes)
    return np.asarray(names[:, None] == names, dtype=float)


def _in_class(values: Floats, counts: Floats, classes: Sequence[str]) -> Floats:
    """The mean of each stack's class, weighted by `counts`."""
    same = _same(classes)
    return np.asarray((values * counts) @ same / (counts @ same))


def _prior_df(own: Floats, counts: Floats, classes: Sequence[str]) -> Floats:
    """How many degrees of freedom the class means are worth, (runs, 1): `ALIKE` where stacks of a class vary no more than by chance.

    The variance of log variances within classes, beyond what estimates with these degrees of freedom vary by (Smyth 2004, section 6.2).
    """
    spare = len(classes) - len(set(classes))
    if not spare:
        return np.zeros((len(own), 1))
    logs = np.log(own)
    within = np.square(logs - _in_class(logs, np.ones_like(own), classes)).sum(axis=1) / spare
    beyond = within - trigamma(counts / 2).mean(axis=1)
    found = np.full(len(own), ALIKE)
    found[beyond > 1 / ALIKE] = 2 * inverse_trigamma(beyond[beyond > 1 / ALIKE])
    return np.asarray(np.minimum(found, ALIKE)[:, None])
