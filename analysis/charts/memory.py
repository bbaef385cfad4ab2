"""Memory that each stack holds, application and front, as points on an axis from zero."""

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import numbers
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import Estimate, Row, linear_scale, panel, point, rail, rows, spread

TOTAL = "pss_bytes"
MIB = numbers.MIB


def draw(frame: pd.DataFrame, sheet: Sheet) -> Figure:
    """The smallest stack first: the mark is the whole stack, the small tick the application without its front."""
    stacks = rows(frame, by=TOTAL, ascending=True)
    picture = panel(stacks, sheet, metric=TOTAL, words=_words)
    in_mib = [{name: _mib(figure) for name, figure in row.figures.items()} for row in stacks]
    totals = [figures[TOTAL] for figures in in_mib if TOTAL in figures]
    linear_scale(picture.axes, [x for total in totals for x in (total.value, total.high, *total.replicates) if x == x])
    for number, (row, figures) in enumerate(zip(stacks, in_mib, strict=True)):
        if TOTAL not in figures:
            continue
        y = rail(number, titled=picture.titled)
        ends = [figures[name].value for name in ("pss_app_bytes", TOTAL) if name in figures]
        picture.axes.add_line(Line2D([min(ends), max(ends)], [y, y], color=row.colour, linewidth=2.2, zorder=1))
        picture.axes.add_line(
            Line2D(
                [min(ends)],
                [y],
                linestyle="none",
                marker="|",
                markersize=9,
                markeredgewidth=2.2,
                color=row.colour,
                zorder=3,
            )
        )
        spread(picture.axes, y, row, figures[TOTAL])
        point(picture.axes, figures[TOTAL].value, y, row)
    return picture.figure


def _mib(figure: Estimate) -> Estimate:
    scaled = tuple(replicate / MIB for replicate in figure.replicates)
    return replace(figure, value=figure.value / MIB, low=figure.low / MIB, high=figure.high / MIB, replicates=scaled)


def _words(row: Row) -> str:
    total = _mib(row.figures[TOTAL])
    return f"{numbers.estimate(total.value, total.low, total.high)} MiB"


CHART = Chart(
    name="memory",
    order=40,
    each="run",
    view="peak",
    metrics=(TOTAL, "pss_app_bytes", "pss_front_bytes"),
    question="How much memory does each stack hold?",
    measure="PSS of all its processes in MiB (mark), without the front (tick), in the scenario where it held most, less is better",
    draw=draw,
)
