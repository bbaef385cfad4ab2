"""Latency of each stack from the median to the 99th percentile, as dumbbells on a logarithmic axis: one panel for each load."""

import pandas as pd

from analysis.charts import _axis
from analysis.charts._absent import LETTER, instead
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import of_stacks, table, without
from analysis.charts._rows import Estimate, Panel, Row, about, panel, rows, values
from analysis.charts._scene import About, Scene, Words
from analysis.evidence import Evidence
from analysis.frames import records
from analysis.numbers import estimate
from analysis.words import say

PERCENTILES = ("p50_ms", "p90_ms", "p99_ms")
OPEN_LOOP = "latency"


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """The percentiles in every open-loop view of the scenario, the equal rate first; where a stack has them in some only, the reason."""
    views = {cell["view"] for cell in evidence.cells if cell["scenario"] == scenario and cell["view"] != "capacity"}
    ordered = sorted(views, key=lambda view: (view != OPEN_LOOP, len(view), view)) or [OPEN_LOOP]
    found = of_stacks(evidence, scenario, ordered, PERCENTILES)
    drawn = set(zip(found["stack"], found["view"], strict=True))
    partly = [stack for stack in evidence.stacks if any((stack["stack"], view) in drawn for view in ordered)]
    missing = [
        without(evidence, scenario, view, stack) | {"view": view}
        for stack in partly
        for view in ordered
        if (stack["stack"], view) not in drawn
    ]
    return table([*records(found), *missing])


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """Dumbbells, the lowest tail of the first load first: the mark is p50, the small tick p90, the bar at the end p99."""
    by = "p99_ms" if (frame["metric"] == "p99_ms").any() else "p50_ms"
    stacks = sorted(rows(frame, by="p50_ms", ascending=True), key=lambda row: _worst(row, by))
    views = sorted(
        {view for row in stacks for view in row.views}, key=lambda view: (view != OPEN_LOOP, len(view), view)
    )
    picture = panel(stacks, sheet, metric="p50_ms", words=_words if len(views) < 2 else None, head=16)
    shown = [figure for row in stacks for found in row.views.values() for figure in found.values()]
    wide = (picture.right - picture.left) / max(len(views), 1)
    for number, view in enumerate(views):
        left = picture.left + wide * number + (8 if number else 0)
        axis = _axis.logarithmic(values(shown), left + 4, picture.left + wide * (number + 1) - 6, most_ticks=4)
        picture.axis(axis, label=say("charts.ms") if picture.drawing.titled else "")
        picture.drawing.text((axis.start + axis.end) / 2, picture.top - 9, _load(view), anchor="middle", ink="muted")
        for at, row in enumerate(stacks):
            if view in row.views:
                _dumbbell(picture, axis, picture.rail(at), row, view)
        _not_drawn(picture, axis, frame[frame["metric"].isna() & (frame["view"] == view)])
    return picture.scene()


def _worst(row: Row, by: str) -> float:
    return row.figures[by].value if by in row.figures else float("inf")


def _load(view: str) -> Words:
    return say("charts.equal") if view == OPEN_LOOP else say("charts.share", share=view.removeprefix(f"{OPEN_LOOP}-"))


def _dumbbell(picture: Panel, axis: Axis, y: float, row: Row, view: str) -> None:
    draw, figures = picture.drawing, row.views[view]
    marks = {metric: figures[metric] for metric in PERCENTILES if metric in figures}
    ends = [axis.at(figure.value) for figure in marks.values()]
    draw.strokes([((min(ends), y), (max(ends), y))], row.ink, width=2)
    for metric, half in (("p90_ms", 3.0), ("p99_ms", 6.0)):
        if metric in marks:
            x = axis.at(marks[metric].value)
            told = about(row, marks[metric], f"ms {metric.removesuffix('_ms')}", view=view)
            draw.strokes([((x, y - half), (x, y + half))], row.ink, width=2.2, about=told)
    for metric in ("p50_ms", "p99_ms"):
        if metric in marks:
            picture.spread(axis, y, row, Estimate(**vars(marks[metric]) | {"replicates": ()}))
    picture.point(axis, y, row, marks["p50_ms"], "ms p50", view=view, size=9)


def _not_drawn(picture: Panel, axis: Axis, missing: pd.DataFrame) -> None:
    """Below the rails of one load, why they are empty."""
    draw = picture.drawing
    places = {row.stack: picture.rail(at) for at, row in enumerate(picture.stacks)}
    letters = int((axis.end - axis.start) / (draw.small * LETTER))
    for stack, status, reason in zip(missing["stack"], missing["status"], missing["reason"], strict=True):
        why = instead(status, reason, max(letters - 12, 12))
        draw.text(axis.start, places[stack] + 9, why, ink="muted", about=About(stack=stack))


def _words(row: Row) -> str:
    """From the median to the highest percentile that there were enough answers for."""
    last = max(metric for metric in row.figures if metric in PERCENTILES)
    said = " to ".join(estimate(row.figures[metric].value) for metric in dict.fromkeys(("p50_ms", last)))
    return f"{said} ms" if last == "p99_ms" else f"{said} ms ({last.removesuffix('_ms')})"


CHART = Chart(
    name="latency",
    order=20,
    each="scenario",
    view="latency",
    metrics=PERCENTILES,
    section="latency",
    question="charts.latency.question",
    measure="charts.latency.measure",
    draw=draw,
    frame=frame,
)
