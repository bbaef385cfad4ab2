"""Axes: from a figure to its place, and round values to print beside it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 3.0, 5.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
"""Round values of a decade, from the finest on: the first of which there is room for all is used."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `least` to `most`, along `start` to `end` of the picture. `ticks` are the values to print."""

    least: float
    most: float
    start: float
    end: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value stands; beyond the axis, at its end."""
        low, high, value = self._scaled(self.least), self._scaled(self.most), self._scaled(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.least <= value * (1 + 1e-9) and value <= self.most * (1 + 1e-9)

    def _scaled(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.logarithmic else value


def text(value: float) -> str:
    """A round value as people write it: 1,000 and never 10³."""
    return f"{value:,.10g}"


def logarithmic(values: Iterable[float], start: float, end: float, *, most_ticks: int = 6) -> Axis:
    """An axis around positive `values`, a little wider."""
    known = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    least, most = min(known) * 0.95, max(known) * 1.05
    if most / least < 1.6:
        middle = math.sqrt(least * most)
        least, most = middle / 1.3, middle * 1.3
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps if least <= step * 10.0**decade <= most]
        if len(ticks) <= most_ticks:
            break
    if len(ticks) < 2:
        ticks = _linear_ticks(least, most, 3)
    while len(ticks) > most_ticks:
        ticks = ticks[::2]
    return Axis(least=least, most=most, start=start, end=end, logarithmic=True, ticks=tuple(ticks))


def _linear_ticks(least: float, most: float, wanted: int) -> list[float]:
    raw = (most - least) / wanted
    decade = 10.0 ** math.floor(math.log10(raw))
    step = next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= raw)
    first = math.ceil(least / step)
    return [float(f"{number * step:.10g}") for number in range(first, math.floor(most / step) + 1)]


def linear(values: Iterable[float], start: float, end: float, *, most_ticks: int = 6) -> Axis:
    """An axis from zero to a round value above `values`."""
    highest = max((value for value in values if math.isfinite(value)), default=1.0) * 1.04 or 1.0
    ticks = _linear_ticks(0.0, highest, most_ticks - 1)
    return Axis(least=0.0, most=max(highest, ticks[-1]), start=start, end=end, logarithmic=False, ticks=tuple(ticks))
