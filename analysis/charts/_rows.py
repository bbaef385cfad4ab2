"""The layout that the charts of stacks share: one row a stack, its name, its figure in words, and a rail for the marks.

A titled sheet has names left of the rails; a narrow one, for the page, has them above.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.charts import _axis
from analysis.charts._absent import instead
from analysis.charts._axis import Axis
from analysis.charts._chart import Sheet
from analysis.charts._drawing import MARGIN, Drawing
from analysis.charts._scene import About, Scene, Words
from analysis.numbers import estimate
from analysis.outside import abridged

NAMES = 222.0
WORDS = 132.0
BOUNDED = frozenset({"generator-bound", "database-bound", "load-not-reached"})
UNSURE = BOUNDED | {"generator-late"}
"""Flags with which a latency is not the stack's own at that load: the generator's lateness is part of it, too."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its interval (NaN without one) and the replicates behind it."""

    value: float
    low: float
    high: float
    n: int
    replicates: tuple[float, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it has an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def all(self) -> list[float]:
        """Every value that an axis must hold."""
        return [value for value in (self.value, self.low, self.high, *self.replicates) if math.isfinite(value)]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stack of a chart. `figures` are those of its first view, by metric; `views` those of every view, `flags` the flags of each."""

    stack: str
    ink: str
    model: str
    status: str
    reason: str
    flags: Mapping[str, tuple[str, ...]]
    figures: Mapping[str, Estimate]
    views: Mapping[str, Mapping[str, Estimate]]
    ratio: Estimate | None = None
    answer: str = ""
    rank: tuple[int, int] | None = None

    def bounded(self, view: str) -> bool:
        """Whether its figure in `view` is not its own, since something else was the limit or the load was missed: hollow."""
        return not BOUNDED.isdisjoint(self.flags.get(view, ()))


def rows(frame: pd.DataFrame, *, by: str, ascending: bool) -> list[Row]:
    """The stacks of a chart's frame: those with a figure sorted by the metric `by`, then the others with their reasons."""
    by_stack: dict[str, list[dict[str, Any]]] = {}
    for entry in frame.to_dict("records"):
        by_stack.setdefault(entry["stack"], []).append({str(key): value for key, value in entry.items()})
    found = [_row(entries, by) for entries in by_stack.values()]
    with_figure = [row for row in found if by in row.figures]
    with_figure.sort(key=lambda row: row.figures[by].value, reverse=not ascending)
    return with_figure + [row for row in found if by not in row.figures]


def _row(entries: Sequence[Mapping[str, Any]], by: str) -> Row:
    first = entries[0]
    views: dict[str, dict[str, Estimate]] = {}
    flags: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if entry["kind"] == "estimate":
            views.setdefault(entry["view"], {})[entry["metric"]] = _estimate(entry, entries)
            flags[entry["view"]] = tuple(entry["flags"])
    ratio = next((entry for entry in entries if entry["kind"] == "ratio" and entry["metric"] == by), None)
    rank = next((entry for entry in entries if entry["kind"] == "rank" and entry["metric"] == by), None)
    return Row(
        stack=first["stack"], ink=f"fw-{first['colour']}", model=first["model"], status=first["status"],
        reason=first["reason"] or "", flags=flags, figures=next(iter(views.values()), {}), views=views,
        ratio=_estimate(ratio, ()) if ratio else None, answer=ratio["answer"] if ratio else "",
        rank=(int(rank["low"]), int(rank["high"])) if rank else None,
    )  # fmt: skip


def _estimate(entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Estimate:
    same = [one for one in entries if (one["view"], one["metric"]) == (entry["view"], entry["metric"])]
    return Estimate(
        value=entry["value"], low=entry["low"], high=entry["high"], n=int(entry["n"]),
        replicates=tuple(one["value"] for one in same if one["kind"] == "replicate"),
    )  # fmt: skip


def about(row: Row, figure: Estimate, unit: str, *, view: str = "") -> About:
    """What a mark of a stack stands for, with its values and in words.

    `view` is the one whose flags tell of the figure; none for CPU time and memory, of which they tell nothing. Only a rate is at least
    what was measured where something else was the limit: a latency may be either side of it.
    """
    said = estimate(figure.value, figure.low, figure.high)
    values: dict[str, float | str] = {"value": figure.value, "unit": unit, "n": figure.n}
    if figure.known:
        values |= {"low": figure.low, "high": figure.high}
    bound, flags = "≥ " if unit == "req/s" and row.bounded(view) else "", flagged(row.flags.get(view, ()))
    return About(stack=row.stack, tip=f"{row.stack}\n{bound}{said} {unit}, n = {figure.n}{flags}", values=values)


def flagged(flags: Iterable[str]) -> str:
    """Those of `flags` that are `UNSURE`, as the end of a tip; empty where there is none."""
    return "".join(f", {flag}" for flag in sorted(UNSURE.intersection(flags)))


@dataclass(kw_only=True)
class Panel:
    """A drawing with one row for each stack, from `top`. Rails lie between `left` and `right`."""

    drawing: Drawing
    stacks: Sequence[Row]
    metric: str
    top: float
    height: float
    left: float
    right: float
    bottom: float = field(init=False)

    def __post_init__(self) -> None:
        self.bottom = self.top + self.height * len(self.stacks)

    @property
    def shown(self) -> list[tuple[float, Row]]:
        """Stacks with a figure, each with the height of its rail."""
        return [(self.rail(number), row) for number, row in enumerate(self.stacks) if self.metric in row.figures]

    def rail(self, number: int) -> float:
        """How far down the marks of row `number` stand."""
        return self.top + self.height * (number + (0.45 if self.drawing.titled else 0.64))

    def axis(self, axis: Axis, *, label: Words = "") -> None:
        """Ticks and their values below the rows, with faint lines up through them."""
        draw, low = self.drawing, self.bottom + 2
        places = [axis.at(tick) for tick in axis.ticks]
        draw.strokes([((at, self.top), (at, low)) for at in places], "line")
        draw.strokes([((axis.start, low), (axis.end, low))], "axis")
        for at, tick in zip(places, axis.ticks, strict=True):
            draw.text(at, low + 10, _axis.text(tick), ink="muted", anchor="middle", size=draw.small - 0.5)
        if label:
            draw.text((axis.start + axis.end) / 2, low + 23, label, ink="muted", anchor="middle", size=draw.small - 0.5)

    def point(
        self, axis: Axis, y: float, row: Row, figure: Estimate, unit: str, *, view: str = "", size: float = 11.0
    ) -> None:
        """The mark of an estimate: the worker model's shape in the framework's colour, hollow where flags of `view` bound the figure."""
        told, hollow = about(row, figure, unit, view=view), row.bounded(view)
        self.drawing.symbol(axis.at(figure.value), y, row.model, row.ink, size=size, hollow=hollow, about=told)

    def spread(
        self, axis: Axis, y: float, row: Row, figure: Estimate, *, dots_below: float = 0.0, below: float = 9.0
    ) -> None:
        """The interval as a bracket below the mark, where there is one, and each replicate as a faint dot, `dots_below` it."""
        if len(figure.replicates) > 1:
            for value in figure.replicates:
                self.drawing.symbol(axis.at(value), y + dots_below, "loop", row.ink, size=4, opacity=0.35)
        if figure.known:
            bracket(self.drawing, axis, y + below, figure.low, figure.high, row.ink)

    def scene(self, *, legend: bool = True) -> Scene:
        """The finished picture, with the legend of worker models where marks tell them."""
        draw = self.drawing
        y = self.bottom + 38
        if legend:
            y += draw.legend((row.model for _, row in self.shown), MARGIN if draw.titled else 4, y)
        return draw.done(y + 2)


def bracket(
    drawing: Drawing, axis: Axis, y: float, low: float, high: float, ink: str, *, dash: tuple[float, float] | None = None
) -> None:  # fmt: skip
    """An interval, outside of its mark so that it is seen however short it is."""
    left, right = axis.at(low), axis.at(high)
    drawing.strokes([((left, y - 3), (left, y), (right, y), (right, y - 3))], ink, width=1.5, dash=dash)


def panel(
    stacks: Sequence[Row], sheet: Sheet, *, metric: str, words: Callable[[Row], str] | None = None, head: float = 0.0
) -> Panel:
    """An empty panel for `stacks`, with `head` of free room above it.

    Rows without `metric` get their status and reason in words instead of a rail.
    """
    draw = Drawing(sheet)
    top = draw.head() + head
    if draw.titled:
        left, right, height = MARGIN + NAMES, draw.width - MARGIN - (WORDS if words else 6), 28.0
    else:
        left, right, height = 8.0, draw.width - 8, 40.0
    made = Panel(drawing=draw, stacks=stacks, metric=metric, top=top, height=height, left=left, right=right)
    for number, row in enumerate(stacks):
        _name(made, number, row, words)
    return made


def _name(made: Panel, number: int, row: Row, words: Callable[[Row], str] | None) -> None:
    draw, top = made.drawing, made.top + made.height * number
    said = words(row) if words and made.metric in row.figures else ""
    y = top + (made.height * 0.45 if draw.titled else 9)
    names = _two_lines(row.stack, 38) if draw.titled else [abridged(row.stack, 52 - len(said))]
    for line, name in enumerate(names):
        draw.text(
            MARGIN if draw.titled else 4, y + 10.5 * (line - (len(names) - 1) / 2), name, about=About(stack=row.stack)
        )
    if said:
        x = draw.width - (MARGIN if draw.titled else 4)
        draw.text(x, y, said, anchor="end", about=About(stack=row.stack))
    if made.metric in row.figures:
        draw.strokes([((made.left, made.rail(number)), (made.right, made.rail(number)))], "line")
        return
    why = instead(row.status, row.reason, 72 if draw.titled else 44)
    draw.text(made.left, y if draw.titled else y + 17, why, ink="muted")


def _two_lines(stack: str, limit: int) -> list[str]:
    """A stack's id on one line or, broken before its server or front, on two; a part too long for its line is abridged."""
    if len(stack) <= limit:
        return [stack]
    parts = stack.split("/")
    breaks = [("/".join(parts[:n]) + "/", "/".join(parts[n:])) for n in range(1, len(parts))] or [(stack, "")]
    return [abridged(line, limit + 6) for line in min(breaks, key=lambda lines: max(map(len, lines))) if line]


def values(figures: Iterable[Estimate]) -> list[float]:
    """Every value of some figures, for an axis."""
    return [value for figure in figures for value in figure.all()]
