"""What the machine did over the run: every deployment's capacity against its stack's own mean, on the clock."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.charts import _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._drawing import MARGIN, Drawing, width_of
from analysis.charts._frames import named, table
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.frames import records
from analysis.words import Coded, say

COLUMNS = (
    "stack",
    "colour",
    "model",
    "scenario",
    "metric",
    "block",
    "copy",
    "minutes",
    "value",
    "low",
    "high",
    "n",
    "flags",
)
STRIP = 70.0
NAMES = 108.0
LIMITS = (0.5, 2.0)
"""Beyond these a figure stands at the edge of its strip."""


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each measured trial of capacity: its rate over the geometric mean of its stack and scenario, and when it began.

    Empty where no stack was measured at two times: there is no drift to see then.
    """
    trials = evidence.frames.trials
    mine = trials[(trials["view"] == "capacity") & (trials["status"] == "measured") & (trials["rps"] > 0)]
    mine = mine[mine["offset_s"].notna()]
    logs = np.log(mine["rps"])
    ratio = np.exp(logs - logs.groupby([mine["stack"], mine["scenario"]]).transform("mean"))
    stacks = {stack["stack"]: named(evidence, stack) for stack in evidence.stacks}
    rows: list[dict[str, Any]] = [
        stacks[row["stack"]]
        | {"scenario": row["scenario"], "metric": "capacity_rps", "block": row["block"], "copy": row["copy"],
           "minutes": row["offset_s"] / 60, "value": value, "n": 1, "flags": row["flags"]}
        for row, value in zip(records(mine), ratio, strict=True)
    ]  # fmt: skip
    made = table(rows, COLUMNS)
    return made if made.groupby(["stack", "scenario"])["minutes"].nunique().max() > 1 else made.iloc[:0]


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """A strip for each scenario: thin lines are deployments of one copy number, the heavy one is the median of all. Nothing is smoothed."""
    draw = Drawing(sheet)
    edge = MARGIN if draw.titled else 4.0
    top = draw.head() + 10
    scenarios = list(dict.fromkeys(frame["scenario"]))
    bottom = top + STRIP * len(scenarios)
    words = max(width_of(say(f"charts.drift_{key}", share="10.0%"), draw.small) for key in ("spread", "each"))
    left, right = edge + NAMES, draw.width - edge - words - 8
    clock = _axis.linear(frame["minutes"], left + 4, right - 4)
    far = min(max(1.05, float(np.exp(np.abs(np.log(frame["value"])).quantile(0.995)))), LIMITS[1])
    _bands(draw, frame, clock, top, bottom)
    for number, scenario in enumerate(scenarios):
        at = top + STRIP * number
        y = Axis(least=1 / far, most=far, start=at + STRIP - 9, end=at + 9, logarithmic=True, ticks=(1 / far, 1.0, far))
        _strip(draw, frame[frame["scenario"] == scenario], str(scenario), clock, y, edge)
    for tick in clock.ticks:
        draw.text(clock.at(tick), bottom + 12, _axis.text(tick), ink="muted", anchor="middle", size=draw.small - 0.5)
    draw.text(
        (left + right) / 2, bottom + 26, say("charts.minutes"), ink="muted", anchor="middle", size=draw.small - 0.5
    )
    return draw.done(bottom + 38)


def _bands(draw: Drawing, frame: pd.DataFrame, clock: Axis, top: float, bottom: float) -> None:
    """Every other block shaded, with its number above."""
    for block, minutes in frame.groupby("block")["minutes"]:
        start, end = clock.at(minutes.min()) - 3, clock.at(minutes.max()) + 3
        if int(str(block)) % 2 == 0:
            draw.box(start, top, end - start, bottom - top, "panel")
        draw.text(
            (start + end) / 2, top - 7, str(int(str(block)) + 1), ink="muted", anchor="middle", size=draw.small - 0.8
        )


def _strip(draw: Drawing, rows: pd.DataFrame, scenario: str, clock: Axis, y: Axis, edge: float) -> None:
    draw.strokes([((clock.start, y.at(1.0)), (clock.end, y.at(1.0)))], "axis", width=0.8)
    draw.strokes([((clock.start, y.at(value)), (clock.end, y.at(value))) for value in (y.least, y.most)], "line")
    draw.text(edge, y.at(1.0), scenario)
    for value in (y.least, y.most):
        draw.text(
            clock.start - 8, y.at(value), f"{100 * (value - 1):+.0f}%", ink="muted", anchor="end", size=draw.small - 1
        )
    for (stack, _), group in rows.groupby(["stack", "copy"], sort=False):
        ordered = group.sort_values("minutes")
        places = [(clock.at(x), y.at(value)) for x, value in zip(ordered["minutes"], ordered["value"], strict=True)]
        ink = f"fw-{group['colour'].iloc[0]}"
        draw.strokes([places], ink, width=0.8, opacity=0.4, about=About(stack=str(stack)))
        for row, place in zip(ordered.to_dict("records"), places, strict=True):
            if row["flags"]:
                tip = f"{stack}\n{scenario}, {row['block'] + 1}.{row['copy'] + 1}: {', '.join(row['flags'])}"
                draw.strokes(
                    [((place[0], y.end - 5), (place[0], y.end - 1))],
                    "warn",
                    width=1.4,
                    about=About(stack=str(stack), tip=tip),
                )
    medians = rows.groupby("minutes")["value"].median()
    middle = [(clock.at(x), y.at(value)) for x, value in zip(medians.index.to_numpy(), medians, strict=True)]
    told = About(tip=scenario, values={"scenario": scenario, "spread": _spread(medians)})
    draw.strokes([middle], "text", width=1.8, about=told)
    for place in middle:
        draw.symbol(*place, "loop", "text", size=4.5)
    draw.text(draw.width - edge, y.at(1.0) - 6, say("charts.drift_spread", share=Coded(f"{100 * _spread(medians):.1f}%", "span")),
              anchor="end", ink="muted", size=draw.small - 0.8)  # fmt: skip
    apart = float(np.expm1(np.log(rows["value"]).std(ddof=1)))
    draw.text(draw.width - edge, y.at(1.0) + 7, say("charts.drift_each", share=Coded(f"{100 * apart:.1f}%", "span")),
              anchor="end", ink="muted", size=draw.small - 0.8)  # fmt: skip


def _spread(medians: "pd.Series[float]") -> float:
    """Standard deviation of the median's logarithm, as a share; 0 for a single moment."""
    return float(np.expm1(np.log(medians).std(ddof=1))) if len(medians) > 1 else 0.0


CHART = Chart(
    name="drift",
    order=90,
    each="run",
    section="drift",
    question="charts.drift.question",
    measure="charts.drift.measure",
    draw=draw,
    frame=frame,
    counts="",
    page_width=760.0,
)
