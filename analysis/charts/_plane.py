"""The layout that curves and clouds share: a plane with two axes, and every stack named at the right, joined to its mark."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.charts import _absent, _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Sheet
from analysis.charts._drawing import MARGIN, Drawing, width_of
from analysis.charts._scene import About, Point, Scene, Words
from analysis.outside import abridged

CURVES = 620.0
"""The width of a plane on the page."""
SCALE = 46.0
"""Room for the values beside the vertical axis."""
NAME = 32
"""Longest name, in letters, that is not abridged."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A name at the right, joined to the point where its curve ends."""

    stack: str
    ink: str
    at: Point
    model: str = ""
    bold: bool = False
    note: str = ""


@dataclass(kw_only=True)
class Plane:
    """A drawing with room for points between `left` and `right`, `top` and `bottom`."""

    drawing: Drawing
    left: float
    right: float
    top: float
    bottom: float

    def grid(
        self, x: Axis, y: Axis, *, x_label: Words, y_label: Words, x_ticks: Sequence[tuple[float, str]] | None = None
    ) -> None:
        """Both axes with faint lines, values and what they count. `x_ticks` are values with other words for them."""
        draw, small = self.drawing, self.drawing.small - 0.5
        told = x_ticks if x_ticks is not None else [(tick, _axis.text(tick)) for tick in x.ticks]
        draw.strokes([((x.at(value), self.top), (x.at(value), self.bottom)) for value, _ in told], "line")
        draw.strokes([((self.left, y.at(value)), (self.right, y.at(value))) for value in y.ticks], "line")
        draw.strokes([((self.left, self.bottom), (self.right, self.bottom))], "axis")
        for value, words in told:
            draw.text(x.at(value), self.bottom + 10, words, ink="muted", anchor="middle", size=small)
        for value in y.ticks:
            draw.text(self.left - 5, y.at(value), _axis.text(value), ink="muted", anchor="end", size=small)
        draw.text((self.left + self.right) / 2, self.bottom + 24, x_label, ink="muted", anchor="middle", size=small)
        draw.text(self.left - SCALE + 4, self.top - 10, y_label, ink="muted", size=small)

    def labels(self, labels: Sequence[Label]) -> None:
        """Names one below the other, as near to their marks' heights as they fit, each with a line to its mark."""
        draw, step = self.drawing, self.drawing.small + 2.5
        ordered = sorted(labels, key=lambda label: label.at[1])
        heights = apart([label.at[1] for label in ordered], step, self.top, self.bottom)
        for label, y in zip(ordered, heights, strict=True):
            x, about = self.right + 14, About(stack=label.stack)
            draw.strokes([(label.at, (self.right + 4, y), (x - 2, y))], label.ink, width=0.7, opacity=0.55, about=about)
            name = abridged(label.stack, NAME) + (f" {label.note}" if label.note else "")
            draw.symbol(x + 4, y, label.model, label.ink, size=8, about=about)
            draw.text(x + 12, y, name, bold=label.bold, about=about)

    def scene(self, models: Iterable[str], absent: pd.DataFrame) -> Scene:
        """The finished picture, with the legend of worker models, and below it the stacks that are `absent` with the reason."""
        draw, edge = self.drawing, MARGIN if self.drawing.titled else 4.0
        y = self.bottom + 36
        y += draw.legend(models, edge, y)
        y += _absent.told(draw, absent, edge, y)
        return draw.done(y + 2)


def plane(sheet: Sheet, names: Sequence[str], *, height: float = 290.0) -> Plane:
    """An empty plane beside a column for `names`, tall enough for all of them."""
    draw = Drawing(sheet)
    top = draw.head() + 20
    room = max((width_of(abridged(name, NAME), draw.small) for name in names), default=0.0) + 34
    edge = MARGIN if draw.titled else 4.0
    tall = max(height, (draw.small + 2.5) * len(names) + 8)
    return Plane(drawing=draw, left=edge + SCALE, right=draw.width - edge - room, top=top, bottom=top + tall)


def apart(places: Sequence[float], step: float, top: float, bottom: float) -> list[float]:
    """`places`, in ascending order, moved as little as keeps them `step` apart between `top` and `bottom`."""
    groups: list[tuple[float, int]] = []  # mean of the wanted places less their offset within the group, members
    for place in places:
        wanted, members = place, 1
        while groups and groups[-1][0] + groups[-1][1] * step > wanted:
            above, count = groups.pop()
            wanted = (above * count + (wanted - count * step) * members) / (count + members)
            members += count
        groups.append((wanted, members))
    found = [first + number * step for first, members in groups for number in range(members)]
    if found and found[-1] > bottom - step / 2:
        found = [place - max(0.0, found[-1] - (bottom - step / 2)) for place in found]
    floor = top + step / 2
    for number, place in enumerate(found):
        found[number] = floor = max(place, floor)
        floor += step
    return found
