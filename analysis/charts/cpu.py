"""CPU time of one request, split into application, front and database: the only bars, since only these parts add up from zero."""

import pandas as pd

from analysis import numbers
from analysis.charts import _axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._drawing import Drawing, width_of
from analysis.charts._rows import Row, about, panel, rows, values
from analysis.charts._scene import About, Scene
from analysis.words import say

TOTAL = "cpu_ms"
ROLES = ("app", "front", "database")
HEIGHT = 11.0
LEGEND = 18.0


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """Stacked bars, the cheapest stack first: the app in the framework's colour, the front striped, the database grey."""
    stacks = rows(frame, by=TOTAL, ascending=True)
    picture = panel(stacks, sheet, metric=TOTAL, words=_words, head=LEGEND)
    draw = picture.drawing
    axis = _axis.linear(values(row.figures[TOTAL] for _, row in picture.shown), picture.left, picture.right - 4)
    picture.axis(axis, label=say("charts.cpu_axis"))
    for y, row in picture.shown:
        start = 0.0
        for role in ROLES:
            part = row.figures.get(f"cpu_{role}_ms")
            if part and part.value > 0:
                told = about(row, part, f"ms {role}")
                _bar(
                    draw,
                    role,
                    axis.at(start),
                    y - HEIGHT / 2,
                    axis.at(start + part.value) - axis.at(start),
                    row.ink,
                    told,
                )
                start += part.value
        picture.spread(axis, y, row, row.figures[TOTAL], dots_below=9)
    _legend(draw, picture.left, picture.top - LEGEND + 4)
    return picture.scene(legend=False)


def _bar(draw: Drawing, role: str, x: float, y: float, width: float, ink: str, told: About | None = None) -> None:
    if role == "front":
        draw.striped(x, y, width, HEIGHT, ink, about=told)
    else:
        draw.box(x, y, width, HEIGHT, ink if role == "app" else "axis", about=told)


def _legend(draw: Drawing, x: float, y: float) -> None:
    """Three swatches above the rows, in the colour of text: the framework's colour differs from row to row."""
    for role in ROLES:
        _bar(draw, role, x, y - 2, 14, "text")
        words = say(f"capacity.{role}")
        draw.text(x + 18, y + 4, words, ink="muted")
        x += 34 + width_of(words, draw.small)


def _words(row: Row) -> str:
    total = row.figures[TOTAL]
    return f"{numbers.estimate(total.value, total.low, total.high)} ms"


CHART = Chart(
    name="cpu",
    order=50,
    each="scenario",
    view="capacity",
    metrics=(TOTAL, *(f"cpu_{role}_ms" for role in ROLES)),
    section="cpu",
    question="charts.cpu.question",
    measure="charts.cpu.measure",
    draw=draw,
)
