"""CPU time of one request, split into application, front and database: the only bars, since only these parts add up from zero."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis import numbers
from analysis.charts._chart import Chart, Sheet
from analysis.charts._rows import AXIS, MUTED, PAPER, TEXT, Row, linear_scale, panel, rail, rows, spread

TOTAL = "cpu_ms"
ROLES = ("app", "front", "database")
HEIGHT = 0.36


def draw(frame: pd.DataFrame, sheet: Sheet) -> Figure:
    """Stacked bars, the cheapest stack first: the app in the framework's colour, the front striped, the database grey."""
    stacks = rows(frame, by=TOTAL, ascending=True)
    picture = panel(stacks, sheet, metric=TOTAL, words=_words, legend=True)
    shown = [(rail(number, titled=picture.titled), row) for number, row in enumerate(stacks) if TOTAL in row.figures]
    totals = [row.figures[TOTAL] for _, row in shown]
    linear_scale(picture.axes, [x for total in totals for x in (total.value, total.high, *total.replicates) if x == x])
    for y, row in shown:
        start = 0.0
        for role in ROLES:
            part = row.figures.get(f"cpu_{role}_ms")
            if part and part.value > 0:
                picture.axes.add_patch(_bar(role, start, y - HEIGHT / 2, part.value, row.colour))
                start += part.value
        spread(picture.axes, y, row, row.figures[TOTAL], dots_below=0.29)
    _legend(picture.figure, sheet, picture.axes.get_position().x0, picture.axes.get_position().y1)
    return picture.figure


def _bar(role: str, x: float, y: float, width: float, colour: str) -> Rectangle:
    fill = {"app": colour, "front": PAPER, "database": AXIS}[role]
    edge = {"app": colour, "front": colour, "database": AXIS}[role]
    return Rectangle(
        (x, y), width, HEIGHT, facecolor=fill, edgecolor=edge, linewidth=0.8, hatch="////" if role == "front" else None
    )


def _legend(figure: Figure, sheet: Sheet, x: float, y: float) -> None:
    """Three swatches above the rows, in the colour of text: the framework's colour differs from row to row."""
    width, height = sheet.width_in * 72, figure.get_figheight() * 72
    at = x * width
    for role in ROLES:
        bar = _bar(role, at / width, y + 7 / height, 14 / width, TEXT if role != "database" else AXIS)
        bar.set_height(8 / height)
        bar.set_transform(figure.transFigure)
        figure.add_artist(bar)
        figure.text((at + 18) / width, y + 11 / height, role, size=8, color=MUTED, va="center", parse_math=False)
        at += 34 + 4.2 * len(role)


def _words(row: Row) -> str:
    total = row.figures[TOTAL]
    return f"{numbers.estimate(total.value, total.low, total.high)} ms"


CHART = Chart(
    name="cpu",
    order=30,
    each="scenario",
    view="capacity",
    metrics=(TOTAL, *(f"cpu_{role}_ms" for role in ROLES)),
    question="{scenario}: how much CPU time does one request cost?",
    measure="CPU ms per request, by app, front and database, at capacity, less is better",
    draw=draw,
)
