"""Memory that each stack holds, application and front, as points on an axis from zero."""

from dataclasses import replace

import pandas as pd

from analysis import numbers
from analysis.charts import _axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import Estimate, Row, about, panel, rows, values
from analysis.charts._scene import Scene
from analysis.words import say

TOTAL = "pss_bytes"
MIB = numbers.MIB


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """The smallest stack first: the mark is the whole stack, the small tick the application without its front."""
    stacks = rows(frame, by=TOTAL, ascending=True)
    picture = panel(stacks, sheet, metric=TOTAL, words=_words)
    axis = _axis.linear(values(mib(row.figures[TOTAL]) for _, row in picture.shown), picture.left, picture.right - 4)
    picture.axis(axis, label=say("charts.mib"))
    for y, row in picture.shown:
        figures = {name: mib(figure) for name, figure in row.figures.items()}
        part = figures.get("pss_app_bytes")
        if part:
            start, end = sorted((axis.at(part.value), axis.at(figures[TOTAL].value)))
            picture.drawing.strokes([((start, y), (end, y))], row.ink, width=2)
            told = about(row, part, "MiB app")
            picture.drawing.strokes(
                [((axis.at(part.value), y - 4), (axis.at(part.value), y + 4))], row.ink, width=2.2, about=told
            )
        picture.spread(axis, y, row, figures[TOTAL])
        picture.point(axis, y, row, figures[TOTAL], "MiB")
    return picture.scene()


def mib(figure: Estimate) -> Estimate:
    """A figure in bytes as one in MiB."""
    scaled = tuple(replicate / MIB for replicate in figure.replicates)
    return replace(figure, value=figure.value / MIB, low=figure.low / MIB, high=figure.high / MIB, replicates=scaled)


def _words(row: Row) -> str:
    total = mib(row.figures[TOTAL])
    return f"{numbers.estimate(total.value, total.low, total.high)} MiB"


CHART = Chart(
    name="memory",
    order=60,
    each="run",
    view="peak",
    metrics=(TOTAL, "pss_app_bytes", "pss_front_bytes"),
    section="memory",
    question="charts.memory.question",
    measure="charts.memory.measure",
    draw=draw,
)
