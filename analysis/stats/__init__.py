"""The estimates: what is claimed from the trials, and how sure it is. docs/statistics.md has the method, and how it was tested.

    figures -> layout -> mixed -> pairs -> comparison        (and copies, effects, precision beside)

The replicate is a freshly started deployment, never a request or a slice; those of one block met the same drift and are averaged.
Below `MIN_REPLICATES` blocks there is no interval, and without intervals there is no rank.
"""

from analysis.stats.figures import ALL_SCENARIOS, CHARGED, PARTS, REACHED, load_not_reached, replicates
from analysis.stats.intervals import (
    MIN_REPLICATES,
    Interval,
    TooFewReplicates,
    estimates,
    geometric_mean,
    ratio_interval,
)

__all__ = [
    "ALL_SCENARIOS",
    "CHARGED",
    "MIN_REPLICATES",
    "PARTS",
    "REACHED",
    "Interval",
    "TooFewReplicates",
    "estimates",
    "geometric_mean",
    "load_not_reached",
    "ratio_interval",
    "replicates",
]
