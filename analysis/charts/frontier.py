"""Throughput against the memory that it takes, and which stacks no other one surely beats in both."""

from typing import Any

import pandas as pd

from analysis.charts import _axis
from analysis.charts._absent import parted
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import flags_of, named, table, without
from analysis.charts._plane import CURVES, Label, plane
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.numbers import MIB, estimate
from analysis.stats.frontier import frontier
from analysis.stats.layout import BOUNDING
from analysis.words import say

COLUMNS = (
    "stack", "colour", "model", "status", "reason", "flags", "metric", "value", "low", "high", "n", "memory", "memory_low",
    "memory_high", "place",
)  # fmt: skip


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each stack with both figures: requests per second and MiB; its `place` is `first`, `behind` or `unknown`.

    A stack that lacks one of them has a row with the reason.
    """
    found = beaten(evidence, scenario)
    rows: list[dict[str, Any]] = []
    for stack in evidence.stacks:
        rps, pss = (
            evidence.figures.get((scenario, "capacity", stack["stack"], key)) for key in ("capacity_rps", "pss_bytes")
        )
        if not rps or not pss:
            row = without(evidence, scenario, "capacity", stack)
            rows.append(row | {"reason": "the trial recorded no memory"} if rps else row)
            continue
        place = "unknown" if stack["stack"] not in found else "behind" if found[stack["stack"]] else "first"
        rows.append(
            named(evidence, stack)
            | {"status": "measured", "reason": "", "flags": flags_of(evidence, scenario, "capacity", stack),
               "metric": "capacity_rps", **vars(rps), "memory": pss.value / MIB, "memory_low": pss.low / MIB,
               "memory_high": pss.high / MIB, "place": place}
        )  # fmt: skip
    return table(rows, COLUMNS)


def beaten(evidence: Evidence, scenario: str) -> dict[str, tuple[str, ...]]:
    """From each stack that was compared to those that dominate it: none, if it is on the frontier."""
    keys = [(scenario, "capacity", metric) for metric in ("capacity_rps", "pss_bytes")]
    return dict(frontier(*(evidence.comparisons.get(key) for key in keys)))


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """Points with their intervals crossed; those on the frontier are named in bold, the others are faint where that is known."""
    frame, absent = parted(frame)
    rows = frame.to_dict("records")
    made = plane(sheet, [row["stack"] for row in rows])
    draw = made.drawing
    x = _axis.logarithmic(
        [row[key] for row in rows for key in ("memory", "memory_low", "memory_high")], made.left, made.right - 6
    )
    y = _axis.logarithmic([row[key] for row in rows for key in ("value", "low", "high")], made.bottom, made.top + 4)
    made.grid(x, y, x_label=say("charts.memory_axis"), y_label=say("charts.rps"))
    for row in rows:
        ink, place = f"fw-{row['colour']}", (x.at(row["memory"]), y.at(row["value"]))
        if row["low"] == row["low"]:
            draw.strokes([((place[0], y.at(row["low"])), (place[0], y.at(row["high"])))], ink, width=1.2)
        if row["memory_low"] == row["memory_low"]:
            draw.strokes([((x.at(row["memory_low"]), place[1]), (x.at(row["memory_high"]), place[1]))], ink, width=1.2)
        faint = 0.55 if row["place"] == "behind" else 1.0
        draw.symbol(
            *place,
            row["model"],
            ink,
            size=10 if faint == 1 else 8,
            hollow=not BOUNDING.isdisjoint(row["flags"]),
            opacity=faint,
            about=_about(row),
        )
    made.labels([
        Label(stack=row["stack"], ink=f"fw-{row['colour']}", at=(x.at(row["memory"]), y.at(row["value"])), model=row["model"],
              bold=row["place"] == "first")
        for row in rows
    ])  # fmt: skip
    return made.scene(frame["model"], absent)


def _about(row: dict[Any, Any]) -> About:
    rps = estimate(row["value"], row["low"], row["high"])
    mib = estimate(row["memory"], row["memory_low"], row["memory_high"])
    values = {key: row[key] for key in ("value", "low", "high", "memory", "n", "place") if row[key] == row[key]}
    return About(stack=row["stack"], tip=f"{row['stack']}\n{rps} req/s, {mib} MiB, n = {row['n']}", values=values)


CHART = Chart(
    name="frontier",
    order=61,
    each="scenario",
    section="memory",
    question="charts.frontier.question",
    measure="charts.frontier.measure",
    draw=draw,
    frame=frame,
    page_width=CURVES,
)
