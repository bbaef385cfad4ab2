"""The layout that the charts of stacks share: one row a stack, its name, its figure in words, and a rail for the marks.

Lengths are in points. A titled sheet (10 in wide) has names left of the rails; a narrow one, for the page, has them above.
"""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis.charts._chart import Sheet
from analysis.outside import abridged, shortened
from analysis.palette import COLOURS, INK, Mark, mark

ROW_PT = 32.0
NAMES_PT = 236.0
MARGIN_PT = 22.0
TEXT, MUTED, AXIS, PAPER = (INK[name].light for name in ("text", "muted", "axis", "bg"))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its interval (NaN without one) and the replicates behind it."""

    value: float
    low: float
    high: float
    n: int
    replicates: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stack of a chart."""

    stack: str
    colour: str
    mark: Mark
    status: str
    reason: str
    flags: tuple[str, ...]
    figures: dict[str, Estimate]

    @property
    def bounded(self) -> bool:
        """Whether the figure is not the stack's own, since something else was the limit or the load was missed: hollow."""
        return not {"generator-bound", "database-bound", "load-not-reached"}.isdisjoint(self.flags)


def rows(frame: pd.DataFrame, *, by: str, ascending: bool) -> list[Row]:
    """The stacks of a chart's frame: those with a figure sorted by the metric `by`, then the others with their reasons."""
    by_stack: dict[str, list[dict[str, Any]]] = {}
    for entry in frame.to_dict("records"):
        by_stack.setdefault(entry["stack"], []).append({str(key): value for key, value in entry.items()})
    found = [_row(entries) for entries in by_stack.values()]
    with_figure = [row for row in found if by in row.figures]
    with_figure.sort(key=lambda row: row.figures[by].value, reverse=not ascending)
    return with_figure + [row for row in found if by not in row.figures]


def _row(entries: Sequence[Mapping[str, Any]]) -> Row:
    first = entries[0]
    figures = {
        entry["metric"]: Estimate(
            value=entry["value"],
            low=entry["low"],
            high=entry["high"],
            n=int(entry["n"]),
            replicates=tuple(
                r["value"] for r in entries if r["metric"] == entry["metric"] and r["kind"] == "replicate"
            ),
        )
        for entry in entries
        if entry["kind"] == "estimate"
    }
    return Row(
        stack=first["stack"],
        colour=COLOURS[first["colour"]].light,
        mark=mark(first["model"]),
        status=first["status"],
        reason=first["reason"] or "",
        flags=tuple(first["flags"]),
        figures=figures,
    )


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure whose axes count rows downwards from 0, with names and words placed; the marks are the chart's own work."""

    figure: Figure
    axes: Axes
    titled: bool


def panel(
    stacks: Sequence[Row], sheet: Sheet, *, metric: str, words: Callable[[Row], str], legend: bool = False
) -> Panel:
    """An empty panel for `stacks`. Rows without `metric` get their status and reason in words instead of a rail."""
    titled = sheet.title is not None
    width = sheet.width_in * 72
    title = textwrap.wrap(sheet.title or "", 64)
    subtitle = textwrap.wrap(sheet.subtitle, 126) if titled else []
    head = (MARGIN_PT + 21 * len(title) + 13 * len(subtitle) + 8 if titled else 2) + (18 if legend else 0)
    foot = 22 + (26 if titled else 0)
    height = head + ROW_PT * len(stacks) + foot
    left, right = (MARGIN_PT + NAMES_PT, width - 142) if titled else (7.0, width - 7)

    figure = Figure(figsize=(sheet.width_in, height / 72), facecolor=PAPER)

    def write(
        x: float, y: float, text: str, *, size: float, colour: str = TEXT, ha: str = "left", bold: bool = False
    ) -> None:
        figure.text(
            x / width, 1 - y / height, text, size=size, color=colour, ha=ha, va="center",
            weight="bold" if bold else "normal", parse_math=False,
        )  # fmt: skip

    for number, text in enumerate(title):
        write(MARGIN_PT, MARGIN_PT + 8 + 21 * number, text, size=15, bold=True)
    for number, text in enumerate(subtitle):
        write(MARGIN_PT, MARGIN_PT + 7 + 21 * len(title) + 13 * number, text, size=9, colour=MUTED)
    if titled:
        write(MARGIN_PT, height - 14, shortened(sheet.footer, 158), size=7.5, colour=MUTED)

    axes = figure.add_axes(
        (left / width, foot / height, (right - left) / width, ROW_PT * len(stacks) / height), facecolor="none"
    )
    axes.set_ylim(len(stacks), 0)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(AXIS)
    axes.tick_params(axis="x", colors=AXIS, labelcolor=MUTED, labelsize=8, length=3)

    for number, row in enumerate(stacks):
        y = head + ROW_PT * number + (ROW_PT / 2 if titled else 9)
        said = words(row) if metric in row.figures else ""
        names = _two_lines(row.stack, 38) if titled else [abridged(row.stack, int((width - 18) / 4.9) - len(said))]
        for line, name in enumerate(names):
            write(
                MARGIN_PT if titled else left, y + 11 * (line - (len(names) - 1) / 2), name, size=9 if titled else 8.5
            )
        if said:
            write(width - MARGIN_PT if titled else right, y, said, size=9 if titled else 8.5, ha="right")
            axes.axhline(rail(number, titled=titled), color=AXIS, linewidth=0.7, alpha=0.35, zorder=0)
        else:
            text = f"\N{MULTIPLICATION X} {row.status}: {row.reason}"
            write(left, y if titled else y + 13, shortened(text, 88 if titled else 54), size=8, colour=MUTED)
    return Panel(figure=figure, axes=axes, titled=titled)


def _two_lines(stack: str, limit: int) -> list[str]:
    """A stack's id on one line or, broken before its server or front, on two; a part too long for its line is abridged."""
    if len(stack) <= limit:
        return [stack]
    parts = stack.split("/")
    breaks = [("/".join(parts[:n]) + "/", "/".join(parts[n:])) for n in range(1, len(parts))] or [(stack, "")]
    return [abridged(line, limit + 6) for line in min(breaks, key=lambda lines: max(map(len, lines))) if line]


def rail(number: int, *, titled: bool) -> float:
    """Where on the vertical axis the marks of row `number` stand."""
    return number + (0.5 if titled else 0.64)


def log_scale(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis around `values`, ticked at 1, 2 and 5 in plain numbers, from the tick below to the tick above them."""
    lowest, highest = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = [step * 10.0**decade for decade in range(lowest - 1, highest + 1) for step in (1, 2, 5)]
    low = max(step for step in steps if step <= min(values) * 0.96)
    high = min(step for step in [*steps, 10.0 ** (highest + 1)] if step >= max(values) * 1.04)
    ticks = [step for step in steps if low <= step <= high]
    if len(ticks) > 6:
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:,.10g}" for tick in ticks])


def linear_scale(axes: Axes, values: Sequence[float]) -> None:
    """A linear axis from zero to a round number above `values`."""
    highest = max(values) * 1.04
    decade = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade * 5 >= highest)
    ticks = [step * number for number in range(math.ceil(highest / step) + 1)]
    axes.set_xlim(0, ticks[-1])
    axes.set_xticks(ticks, [f"{tick:,.10g}" for tick in ticks])


def point(axes: Axes, x: float, y: float, row: Row, *, size: float = 8.5) -> None:
    """The mark of an estimate: the shape of the worker model in the framework's colour, hollow where it is only a bound."""
    axes.add_line(
        Line2D(
            [x], [y], linestyle="none", marker=row.mark.matplotlib, markersize=size, markeredgewidth=1.4,
            markerfacecolor=PAPER if row.bounded else row.colour, markeredgecolor=row.colour, zorder=4, clip_on=False,
        )
    )  # fmt: skip


def spread(axes: Axes, y: float, row: Row, figure: Estimate, *, dots_below: float = 0.0) -> None:
    """The interval as a bracket below the mark, where there is one, and each replicate as a faint dot, `dots_below` it."""
    if math.isfinite(figure.low) and math.isfinite(figure.high):
        below = y + 0.29
        xs, ys = [figure.low, figure.low, figure.high, figure.high], [below - 0.07, below, below, below - 0.07]
        axes.add_line(Line2D(xs, ys, color=row.colour, linewidth=1.5, zorder=3, clip_on=False))
    if len(figure.replicates) > 1:
        axes.add_line(
            Line2D(
                figure.replicates, [y + dots_below] * len(figure.replicates), linestyle="none", marker="o", markersize=4,
                markerfacecolor=row.colour, markeredgewidth=0, alpha=0.35, zorder=2, clip_on=False,
            )
        )  # fmt: skip
