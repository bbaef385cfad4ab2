"""Capacity of each stack in one scenario, as points on a logarithmic axis."""

import pandas as pd
from matplotlib.figure import Figure

from analysis import numbers
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import Row, log_scale, panel, point, rail, rows, spread

METRIC = "capacity_rps"


def draw(frame: pd.DataFrame, sheet: Sheet) -> Figure:
    """Points, the most capable stack first. Hollow with "at least" where the generator or the database was the limit."""
    stacks = rows(frame, by=METRIC, ascending=False)
    picture = panel(stacks, sheet, metric=METRIC, words=_words)
    shown = [(rail(number, titled=picture.titled), row) for number, row in enumerate(stacks) if METRIC in row.figures]
    figures = [row.figures[METRIC] for _, row in shown]
    bounds = [bound for figure in figures for bound in (figure.low, figure.high) if bound == bound]
    log_scale(
        picture.axes,
        [figure.value for figure in figures] + bounds + [r for figure in figures for r in figure.replicates],
    )
    for y, row in shown:
        spread(picture.axes, y, row, row.figures[METRIC])
        point(picture.axes, row.figures[METRIC].value, y, row)
    return picture.figure


def _words(row: Row) -> str:
    figure = row.figures[METRIC]
    return ("at least " if row.bounded else "") + numbers.estimate(figure.value, figure.low, figure.high)


CHART = Chart(
    name="throughput",
    order=10,
    each="scenario",
    view="capacity",
    metrics=(METRIC,),
    question="{scenario}: how many requests can each stack answer in a second?",
    measure="capacity in requests per second, log scale, more is better",
    draw=draw,
)
