"""Every percentile of latency at one load, the tail drawn out: how long the slowest one in ten, in a hundred, in a thousand waits."""

from itertools import compress
from typing import Any

import pandas as pd

from analysis import spectra
from analysis.charts import _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import named, table
from analysis.charts._plane import CURVES, Label, plane
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.numbers import estimate
from analysis.words import say

COLUMNS = ("stack", "colour", "model", "view", "metric", "share", "value", "low", "high", "n", "blocks")
TICKS = ((0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each stack and percentile, at the equal rate or, where that was not run, in the first view that was."""
    views = sorted({view for of, view, _ in evidence.spectra if of == scenario}, key=lambda view: (len(view), view))
    rows: list[dict[str, Any]] = []
    for stack in evidence.stacks:
        found = evidence.spectra.get((scenario, views[0], stack["stack"])) if views else None
        for number, share in enumerate(found.shares if found else ()):
            assert found
            rows.append(
                named(evidence, stack)
                | {"view": views[0], "metric": "latency_ms", "share": share, "value": found.values[number], "n": found.n,
                   "low": found.low[number], "high": found.high[number], "blocks": found.blocks}
            )  # fmt: skip
    return table(rows, COLUMNS)


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """One line a stack, with its interval as a ribbon where there is one; it stops where fewer than 10 requests lie beyond."""
    groups = {str(stack): group for stack, group in frame.groupby("stack", sort=False)}
    made = plane(sheet, list(groups))
    deepest = max(float(frame["share"].max()), 0.99)
    shown = [(share, words) for share, words in TICKS if share <= deepest + 1e-9]
    x = Axis(
        least=1 / (1 - 0.5), most=1 / (1 - deepest), start=made.left, end=made.right - 6, logarithmic=True, ticks=()
    )
    y = _axis.logarithmic(frame["value"], made.bottom, made.top + 4)
    made.grid(
        x, y, x_label=say("charts.percentile"), y_label=say("charts.ms"), x_ticks=[(1 / (1 - share), words) for share, words in shown]
    )  # fmt: skip
    labels = []
    for stack, group in groups.items():
        ink = f"fw-{group['colour'].iloc[0]}"
        rows = group[group["share"] >= 0.5]
        if rows.empty:
            continue
        places = [
            (x.at(1 / (1 - share)), y.at(value)) for share, value in zip(rows["share"], rows["value"], strict=True)
        ]
        if rows["low"].notna().all():
            low = [(place[0], y.at(value)) for place, value in zip(places, rows["low"], strict=True)]
            high = [(place[0], y.at(value)) for place, value in zip(places, rows["high"], strict=True)]
            made.drawing.area([*low, *reversed(high)], ink, opacity=0.1, about=About(stack=stack))
        made.drawing.strokes([places], ink, width=1.8, about=About(stack=stack))
        marked = rows["share"].isin(spectra.NAMED)
        for row, place in zip(rows[marked].to_dict("records"), compress(places, marked), strict=True):
            made.drawing.symbol(*place, row["model"], ink, size=7, about=_about(row))
        labels.append(Label(stack=stack, ink=ink, at=places[-1], model=rows["model"].iloc[0]))
    made.labels(labels)
    return made.scene(frame["model"])


def _about(row: dict[Any, Any]) -> About:
    name = spectra.words(row["share"])
    said = estimate(row["value"], row["low"], row["high"])
    values = {
        "share": row["share"],
        "value": row["value"],
        "low": row["low"],
        "high": row["high"],
        "unit": f"ms {name}",
        "n": row["n"],
    }
    kept = {key: value for key, value in values.items() if value == value}
    return About(stack=row["stack"], tip=f"{row['stack']}\n{name}: {said} ms, n = {row['n']:,} req", values=kept)


CHART = Chart(
    name="spectrum",
    order=40,
    each="scenario",
    section="spectrum",
    question="charts.spectrum.question",
    measure="charts.spectrum.measure",
    draw=draw,
    frame=frame,
    counts="requests",
    page_width=CURVES,
)
