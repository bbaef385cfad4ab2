"""Quick probes beside slow clients: their p99 and the share that failed, over the number of slow clients."""

import math
from collections.abc import Sequence

from analysis.charts import Sheet
from analysis.charts import _axis as axes
from analysis.charts._axis import Axis, text
from analysis.charts._drawing import width_of
from analysis.charts._scene import About, Scene, Words
from analysis.claims.charts._panels import Field, Panels
from analysis.claims.charts.series import Curve, Line
from analysis.words import Said, Spoken, plain, say

PERCENTILES = ("p99", "p90", "p50")
"""Latency is drawn by the highest of these that was measured."""
FAILED = "failed"


def draw_crowd(curves: Sequence[Curve], sheet: Sheet) -> Scene:
    """Two panels with one axis of slow clients, its levels evenly apart; the curves' names stand at their right ends."""
    panels = Panels(sheet)
    levels = sorted({x for curve in curves for line in curve.lines.values() for x in line.x})
    size = panels.draw.small
    most = 0.38 * panels.draw.width
    labels = {id(curve): _wrapped(curve.label, size, most) for curve in curves}
    names = max(width_of(line, size) for lines in labels.values() for line in lines) + 14
    latency = next((key for key in PERCENTILES if any(key in curve.lines for curve in curves)), "")
    for key in (latency, FAILED):
        shown = [(curve, curve.lines[key]) for curve in curves if key in curve.lines]
        if not shown:
            continue
        whole = panels.add(_title(key), 128.0)
        field = Field(left=whole.left, right=whole.right - names, top=whole.top, bottom=whole.bottom)
        axis = _axis(key, [line for _, line in shown], field)
        panels.vertical(field, axis, [f"{100 * tick:g}%" for tick in axis.ticks] if key == FAILED else None)
        step = (field.right - field.left - 20) / max(len(levels) - 1, 1)
        places = {level: field.left + 10 + step * number for number, level in enumerate(levels)}
        workers_seen = sorted({curve.workers for curve in curves if curve.workers and 1 < curve.workers <= levels[-1]})
        for workers in workers_seen:
            x = _between(workers, places)
            panels.draw.strokes([((x, field.top), (x, field.bottom))], "text", dash=(4, 3))
        heights = [len(labels[id(curve)]) * (size + 2) + 3 for curve, _ in shown]
        ends = _apart([axis.at(line.mean[-1]) for _, line in shown], field, heights)
        for (curve, line), y in zip(shown, ends, strict=True):
            _line(panels, axis, places, curve, line, key)
            x = places[line.x[-1]] + 8
            panels.draw.strokes([((x - 2, axis.at(line.mean[-1])), (field.right + 6, y))], "axis", width=0.6)
            rows = labels[id(curve)]
            for number, row in enumerate(rows):
                panels.draw.text(field.right + 8, y + (number - (len(rows) - 1) / 2) * (size + 2), row, ink=curve.ink)
        label = say("claims.axis.crowd") if key == FAILED else ""
        panels.horizontal(field, [(x, text(level)) for level, x in places.items()], label)
    return panels.scene()


def _title(key: str) -> Said:
    return say("claims.axis.failed") if key == FAILED else say("claims.axis.latency", percentile=key)


def _axis(key: str, lines: Sequence[Line], field: Field) -> Axis:
    if key == FAILED:
        return Axis(
            least=0.0,
            most=1.0,
            start=field.bottom - 4,
            end=field.top + 4,
            logarithmic=False,
            ticks=(0.0, 0.25, 0.5, 0.75, 1.0),
        )
    values = [value for line in lines for ones in (line.mean, *line.replicates) for value in ones if value > 0]
    return axes.logarithmic(values, field.bottom - 2, field.top + 4, most_ticks=5)


def _between(workers: float, places: dict[float, float]) -> float:
    """Where a number of workers stands between the levels."""
    below = [level for level in places if level <= workers] or [min(places)]
    above = [level for level in places if level >= workers] or [max(places)]
    low, high = below[-1], above[0]
    share = (workers - low) / (high - low) if high > low else 0.0
    return places[low] + share * (places[high] - places[low])


def _line(panels: Panels, axis: Axis, places: dict[float, float], curve: Curve, line: Line, key: str) -> None:
    points = [(places[x], axis.at(mean)) for x, mean in zip(line.x, line.mean, strict=True) if math.isfinite(mean)]
    panels.draw.strokes([points], curve.ink, width=1.7, dash=curve.dash)
    faint = [(places[x], axis.at(v)) for x, values in zip(line.x, line.replicates, strict=True) for v in values]
    panels.dots(faint, curve.ink, size=3.0, opacity=0.35)
    for x, mean in zip(line.x, line.mean, strict=True):
        told = f"{100 * mean:.3g}%" if key == FAILED else f"{mean:,.3g} ms"
        about = About(
            stack=curve.stack,
            tip=f"{plain(curve.label, 'en')}, {text(x)}\n{told}",
            values={"slow_clients": x, key: mean},
        )
        panels.draw.symbol(places[x], axis.at(mean), curve.model, curve.ink, size=9, about=about)


def _apart(ends: Sequence[float], field: Field, heights: Sequence[float]) -> list[float]:
    """Middles for labels of such heights, each below the one above it, as near to its curve's end as that allows, within the panel."""
    found = [0.0] * len(ends)
    below = field.top - 12
    for number in sorted(range(len(ends)), key=lambda one: ends[one]):
        found[number] = max(ends[number], below + heights[number] / 2)
        below = found[number] + heights[number] / 2
    lift = max(0.0, below - field.bottom - 8)
    return [y - lift for y in found]


def _wrapped(label: Words, size: float, most: float) -> list[Words]:
    """A label in one line, or broken in two where it is wider than `most`: each language where its own middle is."""
    if width_of(label, size) <= most:
        return [label]
    halves = [_broken(plain(label, language)) for language in ("en", "zh-Hans")]
    return [Spoken(halves[0][line], halves[1][line]) for line in (0, 1)]


def _broken(text: str) -> tuple[str, str]:
    """Two lines, broken at the blank or comma nearest to the middle; a text without any stays whole."""
    places = [at + 1 for at, letter in enumerate(text) if letter in " ，、" and 0 < at < len(text) - 1]
    if not places:
        return text, ""
    at = min(places, key=lambda place: abs(place - len(text) / 2))
    return text[:at].rstrip(), text[at:]
