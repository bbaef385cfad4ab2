"""Latency of each stack at one offered load, from the median to the 99th percentile, as dumbbells on a logarithmic axis."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import numbers
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import Row, log_scale, panel, point, rail, rows, spread

PERCENTILES = ("p50_ms", "p90_ms", "p99_ms")


def draw(frame: pd.DataFrame, sheet: Sheet) -> Figure:
    """Dumbbells, the lowest tail first: the mark is p50, the small tick p90, the bar at the end p99."""
    by = "p99_ms" if (frame["metric"] == "p99_ms").any() else "p50_ms"
    stacks = rows(frame, by=by, ascending=True)
    picture = panel(stacks, sheet, metric="p50_ms", words=_words)
    shown = [(rail(number, titled=picture.titled), row) for number, row in enumerate(stacks) if "p50_ms" in row.figures]
    figures = [figure for _, row in shown for metric, figure in row.figures.items() if metric in PERCENTILES]
    bounds = [bound for figure in figures for bound in (figure.low, figure.high) if bound == bound]
    log_scale(
        picture.axes,
        [figure.value for figure in figures] + bounds + [r for figure in figures for r in figure.replicates],
    )
    for y, row in shown:
        marks = {metric: row.figures[metric] for metric in PERCENTILES if metric in row.figures}
        ends = [figure.value for figure in marks.values()]
        picture.axes.add_line(
            Line2D([min(ends), max(ends)], [y, y], color=row.colour, linewidth=2.2, zorder=1, clip_on=False)
        )
        for metric, size in (("p90_ms", 7), ("p99_ms", 13)):
            if metric in marks:
                picture.axes.add_line(
                    Line2D(
                        [marks[metric].value], [y], linestyle="none", marker="|", markersize=size, markeredgewidth=2.2,
                        color=row.colour, zorder=3, clip_on=False,
                    )
                )  # fmt: skip
        for metric in ("p50_ms", "p99_ms"):
            if metric in marks:
                spread(picture.axes, y, row, marks[metric])
        point(picture.axes, marks["p50_ms"].value, y, row, size=8)
    return picture.figure


def _words(row: Row) -> str:
    """From the median to the highest percentile that there were enough answers for."""
    last = max(metric for metric in row.figures if metric in PERCENTILES)
    said = " to ".join(numbers.estimate(row.figures[metric].value) for metric in dict.fromkeys(("p50_ms", last)))
    return f"{said} ms" if last == "p99_ms" else f"{said} ms ({last.removesuffix('_ms')})"


CHART = Chart(
    name="latency",
    order=20,
    each="scenario",
    view="latency",
    metrics=PERCENTILES,
    question="{scenario}: how long does a request take at {load}?",
    measure="latency in ms: p50 (mark), p90 (tick) and p99 (end), open loop, from the intended start, log scale, less is better",
    draw=draw,
)
