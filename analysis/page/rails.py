"""Where marks stand on an axis: positions in percent, on a logarithmic and on a linear one, for the style sheet to place them by."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.numbers import to_place

STEPS = (1, 2, 5)
ROOM = 0.06
"""The part of the axis that stays free at either end."""


@dataclass(frozen=True, kw_only=True)
class Rail:
    """Percent from the left: of the mark and its interval's bounds on the logarithmic axis, then on the linear one. None: no interval."""

    value: tuple[float, float]
    low: tuple[float, float] | None
    high: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label and its place in percent."""

    text: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis from `least` to `most`, both positive; linear ones begin at 0."""

    least: float
    most: float

    @classmethod
    def around(cls, values: Iterable[float]) -> "Scale":
        """The axis on which all `values` lie; those that are not positive numbers are passed over."""
        known = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
        least, most = min(known), max(known)
        if most / least < 1.1:  # a single figure, or figures that hardly differ, stand in the middle
            least, most = least / 1.1, most * 1.1
        return cls(least=least, most=most)

    def rail(self, value: float, low: float = math.nan, high: float = math.nan) -> Rail:
        """The places of an estimate and its bounds (NaN: none)."""
        known = high >= low
        return Rail(value=self.at(value), low=self.at(low) if known else None, high=self.at(high) if known else None)

    def at(self, value: float) -> tuple[float, float]:
        """The place of a positive value on the logarithmic and on the linear axis."""
        logarithmic = (math.log(value) - math.log(self.least)) / (math.log(self.most) - math.log(self.least))
        return _percent(logarithmic), _percent(value / self.most, from_zero=True)

    def ticks(self, *, most: int = 5) -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
        """Round values with their places on the logarithmic, and on the linear axis."""
        decades = range(math.floor(math.log10(self.least)) - 1, math.ceil(math.log10(self.most)) + 1)
        found = [step * 10.0**decade for decade in decades for step in STEPS]
        inside = [value for value in found if self.least * 0.999 <= value <= self.most * 1.001]
        while len(inside) > most:
            inside = inside[::2]
        step = next(value for value in found if value >= self.most / (most - 1)) if found else self.most
        linear = [number * step for number in range(most + 1) if number * step <= self.most * 1.001]
        return (
            tuple(Tick(text=_text(value), at=self.at(value)[0]) for value in inside),
            tuple(Tick(text=_text(value), at=_percent(value / self.most, from_zero=True)) for value in linear),
        )


def _percent(share: float, *, from_zero: bool = False) -> float:
    room = (0.0, 1 - ROOM) if from_zero else (ROOM, 1 - 2 * ROOM)
    return round(100 * (room[0] + room[1] * share), 2)


def _text(value: float) -> str:
    return "0" if value == 0 else to_place(value, min(0, math.floor(math.log10(value) + 1e-9)))
