"""What the pictures of claims are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.charts._scene import Words
from analysis.claims.requests import Requests


@dataclass(frozen=True, kw_only=True)
class Course:
    """One arm around a moment, which is 0 s: the replicate in the middle, the others, and until when what was done lasted.

    `note` is what is seen of the replicate in the middle.
    """

    label: Words
    middle: Requests
    others: Sequence[Requests]
    ends_s: float
    note: Words


@dataclass(frozen=True, kw_only=True)
class Line:
    """A metric over a sweep: at each x the mean, its bounds (NaN without), and the replicates."""

    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    replicates: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One arm over a sweep: its lines by metric. `slots` is what the prediction stands on, `workers` where it turns.

    `dash` tells curves of one ink apart (on and off, in points; None: a full line).
    """

    label: Words
    stack: str
    ink: str
    model: str
    lines: Mapping[str, Line]
    dash: tuple[float, float] | None = None
    slots: float | None = None
    wait_s: float | None = None
    workers: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One effect against its rule. Regions are of one or more (low, high), infinite where open; values in the unit that is drawn.

    `answer` is a check's answer, or `ok`, `broken` and `unknown` for a control, whose one region is in `supports`.
    """

    label: Words
    figure: Words
    unit: str
    value: float
    low: float
    high: float
    supports: Sequence[tuple[float, float]]
    refutes: Sequence[tuple[float, float]]
    answer: str
    replicates: Sequence[float] = ()
