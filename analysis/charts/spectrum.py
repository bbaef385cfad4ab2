"""Every percentile of latency at one load, the tail drawn out: how long the slowest one in ten, in a hundred, in a thousand waits."""

from itertools import compress
from typing import Any

import pandas as pd

from analysis import spectra
from analysis.charts import _axis
from analysis.charts._absent import parted
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._frames import flags_of, named, table, without_tail
from analysis.charts._plane import CURVES, Label, plane
from analysis.charts._rows import flagged
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.numbers import estimate
from analysis.words import say

COLUMNS = (
    "stack", "colour", "model", "status", "reason", "flags", "view", "metric", "share", "value", "low", "high", "n", "blocks",
)  # fmt: skip
TICKS = ((0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"))
FIRST = 0.5
"""Curves begin at the median."""


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each stack and percentile, all in one view: the equal rate or, where no stack ran at it, the least share of capacity.

    A stack without a median there has one row, with the reason.
    """
    known = {view for (of, view, _), found in evidence.spectra.items() if of == scenario and found.at(FIRST)}
    rows: list[dict[str, Any]] = []
    for view in sorted(known, key=lambda view: (len(view), view))[:1]:
        for stack in evidence.stacks:
            found = evidence.spectra.get((scenario, view, stack["stack"]))
            if found is None or not found.at(FIRST):
                rows.append(without_tail(evidence, scenario, view, stack))
                continue
            common = named(evidence, stack) | {"status": "measured", "reason": "", "view": view, "metric": "latency_ms"}
            common |= {"flags": flags_of(evidence, scenario, view, stack), "n": found.n, "blocks": found.blocks}
            rows += [
                common | {"share": share, "value": value, "low": low, "high": high}
                for share, value, low, high in zip(found.shares, found.values, found.low, found.high, strict=True)
            ]
    return table(rows, COLUMNS)


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """One line a stack, with its interval as a ribbon where there is one; it stops where fewer than 10 requests lie beyond.

    Dashed, its marks hollow, where the latency is not the stack's own at that load.
    """
    frame, absent = parted(frame)
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
        rows = group[group["share"] >= FIRST]
        unsure = bool(flagged(rows["flags"].iloc[0]))
        places = [
            (x.at(1 / (1 - share)), y.at(value)) for share, value in zip(rows["share"], rows["value"], strict=True)
        ]
        if rows["low"].notna().all():
            low = [(place[0], y.at(value)) for place, value in zip(places, rows["low"], strict=True)]
            high = [(place[0], y.at(value)) for place, value in zip(places, rows["high"], strict=True)]
            made.drawing.area([*low, *reversed(high)], ink, opacity=0.1, about=About(stack=stack))
        dash = (5.0, 3.0) if unsure else None
        made.drawing.strokes([places], ink, width=1.8, dash=dash, about=About(stack=stack))
        marked = rows["share"].isin(spectra.NAMED)
        for row, place in zip(rows[marked].to_dict("records"), compress(places, marked), strict=True):
            made.drawing.symbol(*place, row["model"], ink, size=7, hollow=unsure, about=_about(row))
        labels.append(Label(stack=stack, ink=ink, at=places[-1], model=rows["model"].iloc[0]))
    made.labels(labels)
    return made.scene(frame["model"], absent)


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
    tip = f"{row['stack']}\n{name}: {said} ms, n = {row['n']:,} req{flagged(row['flags'])}"
    return About(stack=row["stack"], tip=tip, values=kept)


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
