"""Latency against throughput: what a stack's answers wait when it is asked for more."""

from typing import Any

import pandas as pd

from analysis import spectra
from analysis.charts import _axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import named, table
from analysis.charts._plane import CURVES, Label, plane
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.numbers import estimate
from analysis.words import say

COLUMNS = ("stack", "colour", "model", "view", "metric", "share", "rate", "value", "low", "high", "n", "missed")
TAILS = (0.99, 0.9, 0.5)
BEYOND = 3.0
"""An interval that reaches further than this factor beyond all figures is cut at the edge of the plane."""


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each stack and open-loop view: what was answered a second, and the highest percentile that most of them have."""
    cells = {key: found for key, found in evidence.spectra.items() if key[0] == scenario}
    counts = {share: sum(found.at(share) is not None for found in cells.values()) for share in TAILS}
    tail = max(TAILS, key=lambda share: (counts[share] >= 0.9 * max(counts.values()), share))
    rows: list[dict[str, Any]] = []
    for stack in evidence.stacks:
        for (_, view, name), found in cells.items():
            at, rate = found.at(tail), evidence.answered.get((scenario, view, name))
            if name == stack["stack"] and at and rate:
                missed = any("load-not-reached" in cell["flags"] for cell in evidence.of(name, scenario, view))
                rows.append(
                    named(evidence, stack)
                    | {"view": view, "metric": "latency_ms", "share": tail, "rate": rate, "value": at[0], "low": at[1],
                       "high": at[2], "n": found.n, "missed": missed}
                )  # fmt: skip
    made = table(rows, COLUMNS)
    return made if made["view"].nunique() > 1 else made.iloc[:0]


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """One line a stack through the loads that it kept up with; what it did not keep up with is hollow and not joined."""
    groups = {str(stack): group.sort_values("rate") for stack, group in frame.groupby("stack", sort=False)}
    made = plane(sheet, list(groups))
    draw = made.drawing
    x = _axis.logarithmic(frame["rate"], made.left, made.right - 6)
    least, most = float(frame["value"].min()) / BEYOND, float(frame["value"].max()) * BEYOND
    bounds = [value for value in (*frame["low"], *frame["high"]) if least <= value <= most]
    y = _axis.logarithmic([*frame["value"], *bounds], made.bottom, made.top + 4)
    tail = spectra.words(float(frame["share"].iloc[0]))
    made.grid(x, y, x_label=say("charts.answered"), y_label=say("charts.tail_ms", percentile=tail))
    labels = []
    for stack, group in groups.items():
        ink, model = f"fw-{group['colour'].iloc[0]}", str(group["model"].iloc[0])
        rows = group.to_dict("records")
        reached = [(x.at(row["rate"]), y.at(row["value"])) for row in rows if not row["missed"]]
        if len(reached) > 1:
            draw.strokes([reached], ink, width=1.6, about=About(stack=stack))
        for row in rows:
            at = x.at(row["rate"])
            if row["low"] == row["low"]:
                draw.strokes([((at, y.at(row["low"])), (at, y.at(row["high"])))], ink, width=1.2, opacity=0.6)
            draw.symbol(at, y.at(row["value"]), model, ink, size=9, hollow=bool(row["missed"]), about=_about(row, tail))
        labels.append(Label(stack=stack, ink=ink, at=(x.at(rows[-1]["rate"]), y.at(rows[-1]["value"])), model=model))
    made.labels(labels)
    return made.scene(frame["model"])


def _about(row: dict[Any, Any], tail: str) -> About:
    said, rate = estimate(row["value"], row["low"], row["high"]), estimate(row["rate"])
    values = {key: row[key] for key in ("view", "rate", "value", "low", "high", "n") if row[key] == row[key]}
    tip = f"{row['stack']}\n{row['view']}: {rate} req/s, {tail} {said} ms, n = {row['n']:,} req"
    return About(stack=row["stack"], tip=tip, values=values | {"unit": f"ms {tail}"})


CHART = Chart(
    name="load",
    order=30,
    each="scenario",
    section="load",
    question="charts.load.question",
    measure="charts.load.measure",
    draw=draw,
    frame=frame,
    counts="requests",
    page_width=CURVES,
)
