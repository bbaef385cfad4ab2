"""Throughput against concurrency, one panel an arm, with the plateau that was predicted and the region that would refute it."""

from collections.abc import Sequence

from analysis.charts import Sheet
from analysis.charts._axis import Axis, text
from analysis.charts._scene import About, Scene
from analysis.claims.charts._panels import Field, Panels
from analysis.claims.charts.series import Curve
from analysis.words import plain, say

RATE = "rate"
BEYOND = 1.2
"""Of the plateau: above it the prediction is refuted."""


def draw_plateau(curves: Sequence[Curve], sheet: Sheet) -> Scene:
    """Panels with the same logarithmic axes for all: superposed lines would hide each other below the plateau."""
    panels = Panels(sheet)
    levels = sorted({x for curve in curves for x in curve.lines[RATE].x})
    rates = [rate for curve in curves for rate in curve.lines[RATE].mean if rate > 0]
    rates += [curve.slots / curve.wait_s * BEYOND for curve in curves if curve.slots and curve.wait_s]
    for curve in curves:
        predicted = curve.slots / curve.wait_s if curve.slots and curve.wait_s else None
        field = panels.add(
            curve.label, 84.0, note=say("claims.axis.predicted", rate=text(round(predicted, 1))) if predicted else ""
        )
        across = Axis(
            least=levels[0] / 1.25,
            most=levels[-1] * 1.25,
            start=field.left,
            end=field.right,
            logarithmic=True,
            ticks=tuple(levels),
        )
        up = Axis(
            least=min(rates) / 1.6, most=max(rates) * 1.9, start=field.bottom, end=field.top, logarithmic=True,
            ticks=tuple(tick for tick in (1.0, 10.0, 100.0, 1000.0, 10000.0) if min(rates) / 1.6 <= tick <= max(rates) * 1.9),
        )  # fmt: skip
        panels.vertical(field, up)
        _predicted(panels, field, across, up, curve)
        _measured(panels, across, up, curve)
        last = curve is curves[-1]
        places = [(across.at(level), text(level)) for level in _thin(levels)] if last else []
        panels.horizontal(field, places, say("claims.axis.plateau") if last else "")
    return panels.scene()


def _thin(levels: Sequence[float]) -> Sequence[float]:
    return levels if len(levels) < 12 else levels[::2]


def _predicted(panels: Panels, field: Field, across: Axis, up: Axis, curve: Curve) -> None:
    if not curve.wait_s:
        return
    if curve.slots:
        edge = up.at(curve.slots / curve.wait_s * BEYOND)
        panels.draw.box(field.left, field.top, field.right - field.left, edge - field.top, "warn", opacity=0.16)
        panels.draw.strokes([((field.left, edge), (field.right, edge))], "warn", width=0.8)
    slots = min(curve.slots or across.most, across.most)
    line = [(x, up.at(min(x, slots) / curve.wait_s)) for x in (across.least, slots, across.most)]
    panels.draw.strokes([[(across.at(x), y) for x, y in line]], "text", width=1.2, dash=(5, 3))


def _measured(panels: Panels, across: Axis, up: Axis, curve: Curve) -> None:
    line = curve.lines[RATE]
    panels.draw.strokes(
        [[(across.at(x), up.at(y)) for x, y in zip(line.x, line.mean, strict=True)]], curve.ink, width=1.5
    )
    for x, mean, low, high, values in zip(line.x, line.mean, line.low, line.high, line.replicates, strict=True):
        at = across.at(x)
        panels.dots([(at, up.at(value)) for value in values], curve.ink, size=3.0, opacity=0.35)
        if low > 0:
            panels.draw.strokes([((at, up.at(low)), (at, up.at(high)))], curve.ink, width=1.5)
        tip = f"{plain(curve.label, 'en')}, {text(x)}\n{mean:,.4g} req/s"
        about = About(stack=curve.stack, tip=tip, values={"connections": x, "rps": mean})
        panels.draw.symbol(at, up.at(mean), curve.model, curve.ink, size=9, about=about)
