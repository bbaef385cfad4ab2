"""Capacity over a row of values of one option, such as the number of workers, or over numbers of connections: a panel for each stack."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import tables
from analysis.charts import _absent, _axis
from analysis.charts._axis import Axis
from analysis.charts._chart import Chart, Sheet
from analysis.charts._drawing import MARGIN, Drawing
from analysis.charts._frames import flags_of, named, table, without
from analysis.charts._scene import About, Scene
from analysis.evidence import Evidence
from analysis.frames import mapping, sequence
from analysis.numbers import estimate
from analysis.outside import abridged
from analysis.words import Coded, say

COLUMNS = (
    "stack",
    "colour",
    "model",
    "status",
    "reason",
    "base",
    "option",
    "x",
    "where",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "predicted",
    "flags",
)
CONNECTIONS = re.compile(r"(?P<name>.+)-(?P<count>\d+)-connections")
"""The scenarios of a sweep over connections, as `bench run --sweep connections=...` names them."""
WAIT = "io"
"""The scenario whose requests do nothing but wait: its capacity can be told beforehand, from how many can wait at once."""
SLOTS = {"sync", "threads"}
"""Worker models in which each worker or thread waits for one request at a time."""
REFUTED = 1.2
"""From this factor above the prediction on, it is refuted."""
HEIGHT, GAP = 138.0, 54.0


def frame(evidence: Evidence, scenario: str) -> pd.DataFrame:
    """A row for each value of an option and stack; `base` is the stack without it. Empty where no option has figures at two values.

    A value without a figure has a row with the reason.
    """
    rows = _connections(evidence, scenario) or _options(evidence, scenario)
    made = table(rows, COLUMNS)
    measured = _absent.parted(made)[0].groupby(["base", "option"])["x"].nunique()
    if not (measured > 1).any():
        return made.iloc[:0]
    several = made.groupby(["base", "option"])["x"].transform("nunique") > 1
    return made[several].sort_values(["base", "option", "x"], kind="stable").reset_index(drop=True)


def _options(evidence: Evidence, scenario: str) -> list[dict[str, Any]]:
    rows = []
    for stack in evidence.stacks:
        for text in stack["options"]:
            option, _, value = str(text).partition("=")
            if value.isdigit():
                base = re.sub(rf"[+,]{re.escape(option)}={value}(?=[+,/@]|$)", "", stack["stack"])
                rows.append(_row(evidence, scenario, stack, base=base, option=option, x=int(value)))
    return rows


def _connections(evidence: Evidence, scenario: str) -> list[dict[str, Any]]:
    """All scenarios of the sweep, told once: with the first of them."""
    matched = CONNECTIONS.fullmatch(scenario)
    if not matched:
        return []
    family = [
        (name, int(found["count"]))
        for name in tables.scenarios(evidence)
        if (found := CONNECTIONS.fullmatch(name)) and found["name"] == matched["name"]
    ]
    if family[0][0] != scenario:
        return []
    return [
        _row(evidence, name, stack, base=stack["stack"], option="connections", x=count)
        for stack in evidence.stacks
        for name, count in family
    ]


def _row(
    evidence: Evidence, scenario: str, stack: Mapping[str, Any], *, base: str, option: str, x: int
) -> dict[str, Any]:
    """The capacity of a stack at one value, or the reason why there is none; `where` is the value, unless the stack's name holds it."""
    figure = evidence.figures.get((scenario, "capacity", stack["stack"], "capacity_rps"))
    place = {"base": base, "option": option, "x": x, "where": f"{option}={x}" if base == stack["stack"] else ""}
    if figure is None:
        return without(evidence, scenario, "capacity", stack) | place
    flags = flags_of(evidence, scenario, "capacity", stack)
    return {
        **named(evidence, stack), **place, "status": "measured", "reason": "", "flags": flags, "metric": "capacity_rps",
        **vars(figure), "predicted": _predicted(evidence, scenario, stack),
    }  # fmt: skip


def _predicted(evidence: Evidence, scenario: str, stack: Mapping[str, Any]) -> float:
    """Requests per second if nothing but the number that can wait at once were the limit; NaN where work is done, too."""
    matched = CONNECTIONS.fullmatch(scenario)
    if (matched["name"] if matched else scenario) != WAIT:
        return math.nan
    trials = evidence.frames.trials
    mine = trials[
        (trials["scenario"] == scenario) & (trials["stack"] == stack["stack"]) & (trials["view"] == "capacity")
    ]
    waits = [ms for one in mine["parameters"] if isinstance(ms := one.get("ms"), int | float) and ms > 0]
    at_once = mine["connections"].max()
    if not waits or not at_once > 0:
        return math.nan
    if stack["model"] in SLOTS:
        plans = {str(one.get("id")): one for one in map(mapping, sequence(evidence.frames.plan.get("stacks")))}
        plan = plans.get(stack["stack"], {})
        if not isinstance(plan.get("workers"), int):
            return math.nan
        at_once = min(at_once, plan["workers"] * (plan.get("threads") or 1))
    return float(1000 * at_once / waits[0])


def draw(frame: pd.DataFrame, sheet: Sheet) -> Scene:
    """Points with intervals, joined; the prediction dashed, and shaded from where it would be refuted. Each panel has its own scale."""
    draw = Drawing(sheet)
    frame, absent = _absent.parted(frame)
    edge, top = (MARGIN if draw.titled else 4.0), draw.head() + 20
    groups = list(frame.groupby(["base", "option"], sort=False))
    across = 3 if draw.titled else 2
    wide = (draw.width - 2 * edge) / across
    for number, ((base, option), rows) in enumerate(groups):
        x, y = edge + wide * (number % across), top + (HEIGHT + GAP) * (number // across)
        _panel(draw, rows, str(base), str(option), x, y, wide)
    below = top + (HEIGHT + GAP) * math.ceil(len(groups) / across)
    below += draw.legend(frame["model"], edge, below - 4)
    below += _absent.told(draw, absent, edge, below - 4)
    return draw.done(below)


def _panel(draw: Drawing, rows: pd.DataFrame, base: str, option: str, left: float, top: float, wide: float) -> None:
    start, end, bottom = left + 44, left + wide - 14, top + HEIGHT
    entries = rows.to_dict("records")
    values = [value for row in entries for value in (row["value"], row["high"], row["predicted"]) if value == value]
    y = _axis.linear(
        [value for value in values if value <= 1.5 * max(row["value"] for row in entries)], bottom, top, most_ticks=6
    )
    xs = sorted({int(row["x"]) for row in entries})
    x = Axis(least=xs[0] / 1.15, most=xs[-1] * 1.15, start=start, end=end, logarithmic=True, ticks=tuple(xs))
    draw.text(
        left,
        top - 12,
        abridged(base, int(wide / (draw.small * 0.6))),
        bold=True,
        about=About(stack=entries[0]["stack"]),
    )
    draw.strokes([((start, y.at(tick)), (end, y.at(tick))) for tick in y.ticks], "line")
    draw.strokes([((start, bottom), (end, bottom))], "axis")
    for tick in y.ticks:
        draw.text(start - 5, y.at(tick), _axis.text(tick), ink="muted", anchor="end", size=draw.small - 0.5)
    for tick in xs:
        draw.text(x.at(tick), bottom + 10, _axis.text(tick), ink="muted", anchor="middle", size=draw.small - 0.5)
    draw.text((start + end) / 2, bottom + 23, say("charts.sweep_axis", option=Coded(option, "span")), ink="muted", anchor="middle",
              size=draw.small - 0.5)  # fmt: skip
    _prediction(draw, entries, x, y, top)
    ink = f"fw-{entries[0]['colour']}"
    draw.strokes([[(x.at(row["x"]), y.at(row["value"])) for row in entries]], ink, width=1.6)
    for row in entries:
        at = (x.at(row["x"]), y.at(row["value"]))
        if row["low"] == row["low"]:
            draw.strokes([((at[0], y.at(row["low"])), (at[0], y.at(row["high"])))], ink, width=1.2)
        said = estimate(row["value"], row["low"], row["high"])
        kept = {key: row[key] for key in ("x", "value", "low", "high", "n", "predicted") if row[key] == row[key]}
        told = About(
            stack=row["stack"], tip=f"{row['stack']}\n{option} = {row['x']}: {said} req/s, n = {row['n']}", values=kept
        )
        bound = "generator-bound" in row["flags"] or "database-bound" in row["flags"]
        draw.symbol(*at, row["model"], ink, size=9, hollow=bound, about=told)


def _prediction(draw: Drawing, entries: list[dict[Any, Any]], x: Axis, y: Axis, top: float) -> None:
    known = [(x.at(row["x"]), row["predicted"]) for row in entries if row["predicted"] == row["predicted"]]
    if len(known) < 2:
        return
    above = [(at, y.at(min(REFUTED * value, y.most))) for at, value in known]
    draw.area([*above, (known[-1][0], top), (known[0][0], top)], "bad", opacity=0.07)
    inside = [(at, y.at(value)) for at, value in known if value <= y.most]
    if len(inside) > 1:
        draw.strokes([inside], "muted", dash=(4, 3), width=1.2)


CHART = Chart(
    name="sweeps",
    order=80,
    each="scenario",
    section="sweeps",
    question="charts.sweeps.question",
    measure="charts.sweeps.measure",
    draw=draw,
    frame=frame,
    page_width=620.0,
)
