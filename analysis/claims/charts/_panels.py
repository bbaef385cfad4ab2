"""What pictures of claims share: panels one below the other, each with a label and axes, and very many dots as one shape."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.charts import Sheet
from analysis.charts._axis import Axis, text
from analysis.charts._drawing import MARGIN, Drawing, width_of
from analysis.charts._scene import About, Scene, Words
from analysis.claims.requests import RESOLUTION_S, Floats


@dataclass(frozen=True, kw_only=True)
class Field:
    """The drawing area of one panel."""

    left: float
    right: float
    top: float
    bottom: float


class Panels:
    """A picture of panels, each as wide as the sheet allows."""

    def __init__(self, sheet: Sheet, *, left: float = 46.0) -> None:
        """`left`: the room for the ticks of vertical axes."""
        self.draw = Drawing(sheet)
        self.edge = MARGIN if self.draw.titled else 2.0
        self._left = self.edge + left
        self._right = self.draw.width - self.edge - 10
        self._y = self.draw.head()

    def add(self, label: Words, height: float, *, note: Words = "") -> Field:
        """Another panel below the last one, with its label above it and a note at the label's right end."""
        line = self.draw.small + 7
        self.draw.text(self.edge, self._y + line / 2, label, bold=True)
        if note:
            label_width, note_width = (width_of(words, self.draw.small) for words in (label, note))
            if label_width + note_width > self._right - self.edge:
                self._y += line  # a note that does not fit beside its label stands below it
            self.draw.text(self._right, self._y + line / 2, note, ink="muted", anchor="end")
        top = self._y + line + 4
        self._y = top + height + 9
        return Field(left=self._left, right=self._right, top=top, bottom=top + height)

    def room(self, height: float) -> float:
        """Room below what was drawn so far; returns where it begins."""
        self._y += height
        return self._y - height

    def vertical(self, field: Field, axis: Axis, words: Sequence[str] | None = None) -> None:
        """The axis at the left of a panel, with lines across it."""
        self.draw.strokes([((field.left, field.top), (field.left, field.bottom))], "axis", width=0.8)
        told = words or [text(tick) for tick in axis.ticks]
        self.draw.strokes([((field.left, y), (field.right, y)) for y in map(axis.at, axis.ticks)], "line", width=0.7)
        for tick, word in zip(axis.ticks, told, strict=True):
            self.draw.text(field.left - 5, axis.at(tick), word, ink="muted", anchor="end", size=self.draw.small - 1)

    def horizontal(self, field: Field, places: Iterable[tuple[float, Words]], label: Words = "") -> None:
        """The line below a panel with ticks at `places`, and what they are; without places, the line alone."""
        self.draw.strokes([((field.left, field.bottom), (field.right, field.bottom))], "axis", width=0.8)
        shown = list(places)
        if not shown:
            return
        self.draw.strokes([((x, field.bottom), (x, field.bottom + 3)) for x, _ in shown], "axis", width=0.8)
        for x, words in shown:
            self.draw.text(x, field.bottom + 11, words, ink="muted", anchor="middle", size=self.draw.small - 1)
        self.room(12)
        if label:
            at, half = self.room(17) + 5, width_of(label, self.draw.small - 1) / 2
            middle = max((field.left + field.right) / 2, self.edge + half)
            self.draw.text(middle, at, label, ink="muted", anchor="middle", size=self.draw.small - 1)

    def dots(self, points: Iterable[tuple[float, float]], ink: str, *, size: float, opacity: float = 1.0) -> None:
        """Very many dots as one shape: each a stroke as long as it is wide."""
        half = size / 2
        lines = [((x - half, y), (x + half, y)) for x, y in points]
        if lines:
            self.draw.strokes(lines, ink, width=size, opacity=opacity)

    def losses(self, axis: Axis, times_s: Floats, y: float, *, opacity: float = 1.0) -> None:
        """Lost requests on a rail, when they were due; what lies within `RESOLUTION_S` is one tick."""
        shown = np.unique(np.round(times_s / RESOLUTION_S)) * RESOLUTION_S
        ticks = [((x, y - 3.5), (x, y + 3.5)) for x in map(axis.at, shown.tolist())]
        if ticks:
            self.draw.strokes(ticks, "bad", width=1.1, opacity=opacity)

    def bracket(
        self, axis: Axis, y: float, low: float, high: float, *, ink: str = "text", about: About | None = None
    ) -> None:
        """An interval below a mark, along a horizontal axis."""
        left, right = axis.at(low), axis.at(high)
        self.draw.strokes([((left, y - 3), (left, y), (right, y), (right, y - 3))], ink, width=1.5, about=about)

    def scene(self) -> Scene:
        """The picture."""
        return self.draw.done(self._y + 2)


def seconds(least: float, most: float, start: float, end: float, step: float) -> Axis:
    """A linear axis of time, ticked at whole multiples of `step`."""
    first, last = int(np.ceil(least / step - 1e-9)), int(np.floor(most / step + 1e-9))
    ticks = tuple(round(number * step, 3) for number in range(first, last + 1))
    return Axis(least=least, most=most, start=start, end=end, logarithmic=False, ticks=ticks)
