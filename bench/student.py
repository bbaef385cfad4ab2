"""Student's t for whole degrees of freedom, without SciPy, which this side does not import."""

import math


def cdf(t: float, df: int) -> float:
    """P(T <= t). Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(df))
    sin, cos = math.sin(angle), math.cos(angle)
    total, term = 0.0, cos if df % 2 else 1.0
    for k in range(df // 2):
        total += term
        term *= cos * cos * ((2 * k + 2) / (2 * k + 3) if df % 2 else (2 * k + 1) / (2 * k + 2))
    within = 2 / math.pi * (angle + sin * total) if df % 2 else sin * total
    return 0.5 + within / 2


def quantile(p: float, df: int) -> float:
    """The t that T does not exceed with probability `p`, for p of one half and above."""
    low, high = 0.0, 1.0
    while cdf(high, df) < p:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle, df) < p else (low, middle)
    return high
