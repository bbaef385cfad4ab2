"""Latency against throughput: what a stack's answers wait when it is asked for more."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import spectra
from analysis.charts import _axis
from analysis.charts._absent import parted
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import flags_of, named, table, without_tail
from analysis.charts._plane import CURVES, Label, plane
from analysis.charts._rows import flagged
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.numbers import estimate
from analysis.words import say

COLUMNS = (
    "stack", "colour", "model", "status", "reason", "where", "flags", "view", "metric", "share", "rate", "value", "low", "high", "n",
)  # fmt: skip
TAILS = (0.99, 0.9, 0.5)
BEYOND = 3.0
"""An interval that reaches further than this factor beyond all figures is cut at the edge of the plane."""


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each stack and open-loop view: what was answered a second, and the highest percentile that most of them have.

    What a stack lacks has a row with the reason: one for each view (`where`), or one for a stack that has none of them.
    """
    cells = {key: found for key, found in evidence.spectra.items() if key[0] == scenario}
    counts = {share: sum(found.at(share) is not None for found in cells.values()) for share in TAILS}
    tail = max(TAILS, key=lambda share: (counts[share] >= 0.9 * max(counts.values()), share))
    views = sorted({view for _, view, _ in cells}, key=lambda view: (len(view), view))
    rows: list[dict[str, Any]] = []
    for stack in evidence.stacks:
        mine = [_row(evidence, scenario, view, stack, tail) for view in views]
        absent = [row for row in mine if "metric" not in row]
        nowhere = len(absent) == len(mine)
        rows += [row for row in mine if "metric" in row]
        rows += [row | {"where": "" if nowhere else row["view"]} for row in (absent[:1] if nowhere else absent)]
    made = table(rows, COLUMNS)
    return made if parted(made)[0]["view"].nunique() > 1 else made.iloc[:0]


def _row(evidence: Evidence, scenario: str, view: str, stack: Mapping[str, Any], tail: float) -> dict[str, Any]:
    key = (scenario, view, stack["stack"])
    found, rate = evidence.spectra.get(key), evidence.answered.get(key)
    at = found.at(tail) if found else None
    if not found or not at or not rate:
        return without_tail(evidence, scenario, view, stack)
    return named(evidence, stack) | {
        "status": "measured", "reason": "", "flags": flags_of(evidence, scenario, view, stack), "view": view,
        "metric": "latency_ms", "share": tail, "rate": rate, "value": at[0], "low": at[1], "high": at[2], "n": found.n,
    }  # fmt: skip


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """One line a stack through the loads that it kept up with; a latency that is not its own at that load is hollow and not joined."""
    frame, absent = parted(frame)
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
        sure = [(x.at(row["rate"]), y.at(row["value"])) for row in rows if not flagged(row["flags"])]
        if len(sure) > 1:
            draw.strokes([sure], ink, width=1.6, about=About(stack=stack))
        for row in rows:
            at, hollow = x.at(row["rate"]), bool(flagged(row["flags"]))
            if row["low"] == row["low"]:
                draw.strokes([((at, y.at(row["low"])), (at, y.at(row["high"])))], ink, width=1.2, opacity=0.6)
            draw.symbol(at, y.at(row["value"]), model, ink, size=9, hollow=hollow, about=_about(row, tail))
        labels.append(Label(stack=stack, ink=ink, at=(x.at(rows[-1]["rate"]), y.at(rows[-1]["value"])), model=model))
    made.labels(labels)
    return made.scene(frame["model"], absent)


def _about(row: dict[Any, Any], tail: str) -> About:
    said, rate = estimate(row["value"], row["low"], row["high"]), estimate(row["rate"])
    values = {key: row[key] for key in ("view", "rate", "value", "low", "high", "n") if row[key] == row[key]}
    tip = f"{row['stack']}\n{row['view']}: {rate} req/s, {tail} {said} ms, n = {row['n']:,} req"
    tip += flagged(row["flags"])
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
