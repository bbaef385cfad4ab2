"""Capacity of each stack in one scenario, as points on a logarithmic axis; in files beside its ratio to the stack that leads."""

import pandas as pd

from analysis import numbers
from analysis.charts import _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import Estimate, Panel, Row, bracket, panel, rows, values
from analysis.charts._scene import About, Scene
from analysis.words import Coded, say

METRIC = "capacity_rps"
VIEW = "capacity"
RATIOS = 168.0
"""The width of the panel of ratios."""


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """Points, the most capable stack first. Hollow with "at least" where the generator or the database was the limit."""
    stacks = rows(frame, by=METRIC, ascending=False)
    compared = [row for row in stacks if row.ratio]
    beside = sheet.title is not None and len(compared) > 1
    picture = panel(stacks, sheet, metric=METRIC, words=_words, head=14 if beside else 0)
    right = picture.right - RATIOS if beside else picture.right
    axis = _axis.logarithmic(values(row.figures[METRIC] for _, row in picture.shown), picture.left + 4, right - 4)
    picture.axis(axis, label=say("charts.rps"))
    for y, row in picture.shown:
        picture.spread(axis, y, row, row.figures[METRIC])
        picture.point(axis, y, row, row.figures[METRIC], "req/s", view=VIEW)
    if beside:
        _ratios(picture, compared, right + 16, picture.right)
    return picture.scene()


def _ratios(picture: Panel, compared: list[Row], left: float, right: float) -> None:
    """Each stack over the one that leads, with the margin as a band: what is beyond the axis stands at its end as an arrow."""
    draw = picture.drawing
    first = next(row for row in compared if row.answer == "first")
    known = [row.ratio for row in compared if row.ratio]
    least = max(0.25, min(min(figure.low for figure in known) * 0.95, 0.9))
    axis = Axis(least=least, most=max(1.1, *(min(figure.high, 4.0) * 1.03 for figure in known)), start=left, end=right,
                logarithmic=True, ticks=tuple(tick for tick in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0) if tick >= least))  # fmt: skip
    axis = Axis(**vars(axis) | {"ticks": tuple(tick for tick in axis.ticks if tick <= axis.most)})
    assert first.ratio
    margin = first.ratio
    draw.box(axis.at(margin.low), picture.top, axis.at(margin.high) - axis.at(margin.low),
             picture.bottom - picture.top, "axis", opacity=0.16)  # fmt: skip
    picture.axis(axis, label=say("charts.ratio_axis"))
    draw.text(right, picture.top - 8, say("charts.ratio_to", stack=Coded(first.stack, "span")), ink="muted", anchor="end",
              size=8.5)  # fmt: skip
    draw.strokes([((axis.at(1.0), picture.top), (axis.at(1.0), picture.bottom))], "axis", dash=(3, 2))
    for y, row in picture.shown:
        if row.ratio and row is not first:
            _ratio(picture, axis, y, row, row.ratio)


def _ratio(picture: Panel, axis: Axis, y: float, row: Row, ratio: Estimate) -> None:
    draw, open_ = picture.drawing, row.answer != "different"
    said = f"{row.stack}\n{numbers.percent(ratio.value, ratio.low, ratio.high)}, {row.answer}"
    about = About(stack=row.stack, tip=said, values={"ratio": ratio.value, "low": ratio.low, "high": ratio.high})
    if not axis.holds(ratio.value):
        draw.text(
            axis.start + 2,
            y,
            f"\N{LEFTWARDS ARROW} {numbers.parts(ratio.value, ratio.low, ratio.high)[0]}x",
            about=about,
        )
        return
    ink = "axis" if row.answer == "unresolved" else row.ink
    draw.symbol(axis.at(ratio.value), y, "loop", ink, size=7, hollow=open_, about=about)
    bracket(draw, axis, y + 8, ratio.low, ratio.high, ink, dash=(2, 2) if row.answer == "unresolved" else None)


def _words(row: Row) -> str:
    figure = row.figures[METRIC]
    rank = f"{row.rank[0]}\N{EN DASH}{row.rank[1]}: " if row.rank and row.rank[0] != row.rank[1] else ""
    rank = f"{row.rank[0]}: " if row.rank and not rank else rank
    return (
        rank
        + ("\N{GREATER-THAN OR EQUAL TO} " if row.bounded(VIEW) else "")
        + numbers.estimate(figure.value, figure.low, figure.high)
    )


CHART = Chart(
    name="throughput",
    order=10,
    each="scenario",
    view=VIEW,
    metrics=(METRIC,),
    section="capacity",
    question="charts.throughput.question",
    measure="charts.throughput.measure",
    draw=draw,
)
