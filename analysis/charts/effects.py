"""What one part of a stack does to capacity, all else equal: a forest of ratios, pooled over all pairs that differ in that part alone."""

from typing import Any

import pandas as pd

from analysis.charts import _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._drawing import MARGIN, Drawing, width_of
from analysis.charts._frames import table
from analysis.charts._scene import About, Scene, Words
from analysis.evidence import Evidence
from analysis.numbers import percent
from analysis.outside import abridged
from analysis.stats.effects import axis_order, effects
from analysis.words import Coded, say

COLUMNS = (
    "effect",
    "axis",
    "before",
    "after",
    "metric",
    "kind",
    "value",
    "low",
    "high",
    "n",
    "answer",
    "stack",
    "margin",
)
ROW = 30.0
CHANGES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0)
DIAMOND = "greenlets"
"""The worker model whose mark is a diamond; here it tells a pooled effect and no model."""


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each effect, `pooled`, and one for each `pair` behind it; empty where nothing was compared."""
    compared = evidence.comparisons.get((scenario, "capacity", "capacity_rps"))
    if compared is None or not compared.pairs:
        return table([], COLUMNS)
    rows: list[dict[str, Any]] = []
    found = sorted(
        effects(compared, evidence.stacks), key=lambda one: (axis_order(one.axis), one.axis, one.before, one.after)
    )
    for number, one in enumerate(found):
        common = {
            "effect": number,
            "axis": one.axis,
            "before": one.before,
            "after": one.after,
            "metric": "capacity_rps",
        }
        common |= {"n": one.n, "answer": one.answer, "margin": compared.margin}
        rows.append(common | {"kind": "pooled", "value": one.ratio, "low": one.low, "high": one.high, "stack": ""})
        for pair in one.pairs:
            ratio, low, high = pair.bounds(alone=True)
            told = f"{pair.stack} / {pair.other}"
            rows.append(
                common
                | {"kind": "pair", "value": ratio, "low": low, "high": high, "stack": told, "answer": pair.answer}
            )
    return table(rows, COLUMNS)


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """A row an effect: faint dots are its pairs, the diamond is what they have in common. Where they disagree there is none."""
    draw = Drawing(sheet)
    top = draw.head() + 6
    edge = MARGIN if draw.titled else 4.0
    pooled = frame[frame["kind"] == "pooled"].to_dict("records")
    bottom = top + ROW * len(pooled)
    wide = max(width_of(_name(row), draw.small) * 1.1 for row in pooled) + 12
    names, words = min(max(wide, 120.0), draw.width / 2.4), 130.0 if draw.titled else 150.0
    axis = _around([*frame["value"], *frame["low"][frame["kind"] == "pooled"], *frame["high"][frame["kind"] == "pooled"]],
                   edge + names, draw.width - edge - words)  # fmt: skip
    margin = float(frame["margin"].iloc[0])
    draw.box(
        axis.at(1 / (1 + margin)),
        top,
        axis.at(1 + margin) - axis.at(1 / (1 + margin)),
        bottom - top,
        "axis",
        opacity=0.16,
    )
    for tick in axis.ticks:
        draw.strokes([((axis.at(tick), top), (axis.at(tick), bottom + 2))], "axis" if tick == 1 else "line",
                     dash=(3, 2) if tick == 1 else None)  # fmt: skip
        draw.text(axis.at(tick), bottom + 12, _tick(tick), ink="muted", anchor="middle", size=draw.small - 0.5)
    draw.strokes([((axis.start, bottom + 2), (axis.end, bottom + 2))], "axis")
    draw.text(
        (axis.start + axis.end) / 2,
        bottom + 26,
        say("charts.change_axis"),
        ink="muted",
        anchor="middle",
        size=draw.small - 0.5,
    )
    for number, row in enumerate(pooled):
        pairs = frame[(frame["effect"] == row["effect"]) & (frame["kind"] == "pair")].to_dict("records")
        _effect(draw, axis, top + ROW * number, row, pairs, edge)
    return draw.done(bottom + 38)


def _effect(
    draw: Drawing, axis: Axis, top: float, row: dict[Any, Any], pairs: list[dict[Any, Any]], edge: float
) -> None:
    y = top + ROW / 2 - 3
    draw.text(edge, y - 5, _name(row), bold=True)
    draw.text(
        edge,
        y + 8,
        say("charts.pairs", axis=Coded(row["axis"], "span"), n=row["n"]),
        ink="muted",
        size=draw.small - 0.8,
    )
    for pair in pairs:
        told = About(stack=pair["stack"].split(" / ")[0], tip=f"{pair['stack']}\n{percent(pair['value'], pair['low'], pair['high'])}",
                     values={"value": pair["value"], "low": pair["low"], "high": pair["high"]})  # fmt: skip
        draw.symbol(axis.at(pair["value"]), y, "loop", "text", size=5.5, opacity=0.4, about=told)
    has_interval = row["low"] == row["low"]
    if row["answer"] != "depends" and has_interval:
        told = About(tip=f"{row['axis']}: {percent(row['value'], row['low'], row['high'])}, n = {row['n']}",
                     values={"value": row["value"], "low": row["low"], "high": row["high"], "n": row["n"]})  # fmt: skip
        draw.symbol(axis.at(row["value"]), y, DIAMOND, "link", size=11, hollow=row["answer"] != "different", about=told)
        left, right = axis.at(row["low"]), axis.at(row["high"])
        draw.strokes([((left, y + 6), (left, y + 9), (right, y + 9), (right, y + 6))], "link", width=1.5)
    end = draw.width - edge
    draw.text(
        end,
        y - 5,
        percent(row["value"], row["low"], row["high"]) if has_interval else percent(row["value"]),
        anchor="end",
    )
    draw.text(
        end, y + 8, say(f"effects.{row['answer'].replace(' ', '_')}"), anchor="end", ink="muted", size=draw.small - 0.8
    )


def _name(row: dict[Any, Any]) -> Words:
    after, before = (Coded(abridged(str(row[key]), 24), "span") for key in ("after", "before"))
    return say("charts.instead", after=after, before=before)


def _around(values: list[float], start: float, end: float) -> Axis:
    """A logarithmic axis that holds no change and all values, with round changes to print as far as they do not touch."""
    plain = _axis.logarithmic([1.0, *(value for value in values if value == value)], start, end)
    axis = Axis(**vars(plain) | {"ticks": ()})
    kept: list[float] = [1.0]
    for tick in sorted(CHANGES, key=lambda change: abs(change - 1)):
        near = min(abs(axis.at(tick) - axis.at(other)) for other in kept)
        if axis.holds(tick) and near > 36:
            kept.append(tick)
    return Axis(**vars(axis) | {"ticks": tuple(sorted(kept))})


def _tick(ratio: float) -> str:
    return "0%" if ratio == 1 else f"{100 * (ratio - 1):+.0f}%"


CHART = Chart(
    name="effects",
    order=70,
    each="scenario",
    section="effects",
    question="charts.effects.question",
    measure="charts.effects.measure",
    draw=draw,
    frame=frame,
    counts="",
    page_width=620.0,
)
