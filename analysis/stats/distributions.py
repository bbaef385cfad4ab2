"""Quantiles and tails, vectorised. scipy takes half a second to import, and a quick run has no intervals: not before it is needed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def t_quantile(probability: ArrayLike, df: ArrayLike) -> Any:
    """Student's t below which `probability` lies."""
    from scipy.special import stdtrit

    return stdtrit(df, probability)


def normal_quantile(probability: ArrayLike) -> Any:
    """The standard normal below which `probability` lies."""
    from scipy.special import ndtri

    return ndtri(probability)


def t_tail(t: ArrayLike, df: ArrayLike) -> Any:
    """How probable a value above `t` is under Student's t."""
    from scipy.special import stdtr

    return stdtr(df, -np.asarray(t))


def f_tail(f: float, above: float, below: float) -> float:
    """How probable a value above `f` is under Snedecor's F with `above` and `below` degrees of freedom."""
    from scipy.special import fdtrc

    return float(fdtrc(above, below, f))


def trigamma(x: ArrayLike) -> Any:
    """Variance of the logarithm of a gamma variable of shape `x`."""
    from scipy.special import zeta

    return zeta(2, x)


def inverse_trigamma(y: Floats) -> Floats:
    """The shape whose trigamma is `y` (positive). Newton's method after Smyth (2004), Appendix.

    zeta(2, x) is the trigamma and -2 zeta(3, x) its derivative; `polygamma` would work out for each call which of its cases it is in.
    """
    from scipy.special import zeta

    x = 0.5 + 1 / y
    for _ in range(8):  # it converges monotonically, as a rule within five steps
        value = zeta(2, x)
        x = x + value * (1 - value / y) / (-2 * zeta(3, x))
    return np.asarray(x)


def of_each(level: float, count: int) -> float:
    """The level of each of `count` intervals at which all of them hold together with `level`, after Šidák (1967).

    Z. Šidák, Rectangular Confidence Regions for the Means of Multivariate Normal Distributions, J. Amer. Statist. Assoc. 62:
    never less than `level` together, however the estimates are correlated.
    """
    return float(level ** (1 / count))
