"""Effects against the rule: a row a check, then a row a control, each with the regions that the rule declares."""

import math
from collections.abc import Sequence
from itertools import chain, groupby

from analysis.charts import Sheet
from analysis.charts import _axis as axes
from analysis.charts._axis import Axis, text
from analysis.charts._drawing import width_of
from analysis.charts._scene import About, Scene, Words
from analysis.claims.charts._panels import Field, Panels
from analysis.claims.charts.series import Row
from analysis.words import plain, say

UNITS = ("ratio", "share", "points", "rps", "ms", "s", "bytes", "plain")
BAND = 13.0
CONTROLS = ("ok", "broken", "unknown")


def draw_forest(rows: Sequence[Row], sheet: Sheet) -> Scene:
    """Rows of one unit share a panel and an axis."""
    panels = Panels(sheet, left=0.0)
    ordered = sorted(rows, key=lambda row: UNITS.index(row.unit))
    for unit, group in groupby(ordered, key=lambda row: row.unit):
        _panel(panels, unit, list(group))
    return panels.scene()


def _panel(panels: Panels, unit: str, rows: Sequence[Row]) -> None:
    line, width = panels.draw.small + 5, panels.draw.width
    heights = [line * (1 + _wraps(row, panels, width)) + BAND + 15 for row in rows]
    field = panels.add(say(f"claims.axis.{unit}"), sum(heights))
    axis = _scale(unit, rows, field)
    top = field.top
    for row, height in zip(rows, heights, strict=True):
        _row(panels, field, axis, row, top, line)
        top += height
    suffix = {"ratio": "x", "share": "%"}.get(unit, "")
    panels.horizontal(field, [(axis.at(tick), f"{text(tick)}{suffix}") for tick in axis.ticks])


def _wraps(row: Row, panels: Panels, width: float) -> bool:
    """Whether a row's figure needs a line of its own below its label."""
    words = width_of(_label(row), panels.draw.small) + width_of(row.figure, panels.draw.small)
    return words > width - 2 * panels.edge - 24


def _label(row: Row) -> Words:
    return say("claims.axis.control", name=row.label) if row.answer in CONTROLS else row.label


def _scale(unit: str, rows: Sequence[Row], field: Field) -> Axis:
    """Around estimates, bounds and the finite edges of regions; shares from 0 to 100."""
    span = {"start": field.left + 6, "end": field.right - 6}
    if unit == "share":
        return Axis(least=0.0, most=100.0, logarithmic=False, ticks=(0.0, 25.0, 50.0, 75.0, 100.0), **span)
    found = [
        value
        for row in rows
        for value in (row.value, row.low, row.high, *chain(*row.supports, *row.refutes), *row.replicates)
        if math.isfinite(value)
    ]
    if unit == "ratio":
        return axes.logarithmic([*(one for one in found if one > 0), 1.0], span["start"], span["end"], most_ticks=7)
    if min(found, default=0.0) >= 0:
        return axes.linear(found, span["start"], span["end"])
    reach = max(abs(one) for one in found)
    both = axes.linear([reach], span["start"], span["end"], most_ticks=3)
    ticks = sorted({sign * tick for tick in both.ticks for sign in (-1, 1)})
    return Axis(least=-both.most, most=both.most, logarithmic=False, ticks=tuple(ticks), **span)


def _row(panels: Panels, field: Field, axis: Axis, row: Row, top: float, line: float) -> None:
    draw = panels.draw
    control = row.answer in CONTROLS
    ink = "muted" if control else "text"
    draw.text(field.left, top + line / 2, _label(row), ink=ink)
    top += line * _wraps(row, panels, draw.width)
    draw.text(field.right, top + line / 2, row.figure, ink=ink, anchor="end")
    top += line
    for bounds, hatched in [*((one, True) for one in row.refutes), *((one, False) for one in row.supports)]:
        if bounds[0] > axis.most or bounds[1] < axis.least:
            continue
        left = field.left if bounds[0] <= axis.least else axis.at(bounds[0])
        right = field.right if bounds[1] >= axis.most else axis.at(bounds[1])
        if hatched:
            draw.striped(left, top, right - left, BAND, "axis")
        else:
            draw.box(left, top, right - left, BAND, "good", opacity=0.25)
    if row.unit == "ratio" and axis.holds(1.0):
        draw.strokes([((axis.at(1.0), top - 2), (axis.at(1.0), top + BAND + 2))], "axis", width=1.2)
    if not math.isfinite(row.value):
        return
    mark = {"supports": "good", "ok": "good", "refutes": "bad", "broken": "bad"}.get(row.answer, "text")
    y = top + BAND / 2
    panels.dots([(axis.at(one), y) for one in row.replicates], mark, size=3.5, opacity=0.4)
    tip = f"{plain(_label(row), 'en')}\n{plain(row.figure, 'en')}"
    values = {"value": row.value, "low": row.low, "high": row.high} if math.isfinite(row.low) else {"value": row.value}
    about = About(tip=tip, values=values)
    hollow = row.answer in ("unresolved", "broken", "unknown")
    draw.symbol(axis.at(row.value), y, "sync" if control else "loop", mark, size=9, hollow=hollow, about=about)
    if math.isfinite(row.low):
        panels.bracket(axis, top + BAND + 5, row.low, row.high)
