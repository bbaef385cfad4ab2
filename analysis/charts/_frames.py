"""The frame that most charts are drawn from: every stack with its figures in one view, or with the reason why it has none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.charts._chart import FRAME_COLUMNS, Chart
from analysis.evidence import Evidence
from analysis.stats.comparison import Comparison

Row = dict[str, Any]


def frame(evidence: Evidence, chart: Chart, scenario: str) -> pd.DataFrame:
    """What `chart` draws for `scenario` (`stats.ALL_SCENARIOS` for one of the whole run)."""
    if chart.frame is not None:
        return chart.frame(evidence, scenario)
    return of_stacks(evidence, scenario, [chart.view], chart.metrics, whole_run=chart.each == "run")


def of_stacks(
    evidence: Evidence, scenario: str, views: Sequence[str], metrics: Sequence[str], *, whole_run: bool = False
) -> pd.DataFrame:
    """Rows with `FRAME_COLUMNS`: a stack that has the first metric in none of `views` has one row, with the reason."""
    rows: list[Row] = []
    for stack in evidence.stacks:
        found = [row for view in views for row in _figures(evidence, scenario, view, stack, metrics)]
        rows += found or [without(evidence, scenario, views[0], stack, whole_run=whole_run)]
    for view in views:
        rows += _compared(evidence, evidence.comparisons.get((scenario, view, metrics[0])))
    return table(rows)


def table(rows: Sequence[Row], columns: Sequence[str] = FRAME_COLUMNS) -> pd.DataFrame:
    """Rows as a frame: what a row lacks is NaN where a number belongs."""
    made = pd.DataFrame(rows, columns=list(columns))
    return made.astype({name: "float64" for name in ("value", "low", "high") if name in columns})


def named(evidence: Evidence, stack: Mapping[str, Any]) -> Row:
    """What every row of a stack holds: its id, its colour's key and its worker model."""
    return {"stack": stack["stack"], "colour": evidence.colours[stack["stack"]], "model": stack["model"]}


def flags_of(evidence: Evidence, scenario: str, view: str, stack: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags of a stack in one view: those of its trials, and what `Evidence.cells` adds to them."""
    return tuple(flag for cell in evidence.of(stack["stack"], scenario, view) for flag in cell["flags"])


def _figures(
    evidence: Evidence, scenario: str, view: str, stack: Mapping[str, Any], metrics: Sequence[str]
) -> Iterable[Row]:
    keys = [(scenario, view, stack["stack"], metric) for metric in metrics]
    if keys[0] not in evidence.figures:
        return
    flags = flags_of(evidence, scenario, view, stack)
    common = named(evidence, stack) | {"status": "measured", "reason": "", "flags": flags, "view": view}
    for key in keys:
        if key in evidence.figures:
            yield {**common, "metric": key[3], "kind": "estimate", **vars(evidence.figures[key])}
            for value in evidence.replicates[key]:
                yield {**common, "metric": key[3], "kind": "replicate", "n": 1, "value": value}


def without(evidence: Evidence, scenario: str, view: str, stack: Mapping[str, Any], *, whole_run: bool = False) -> Row:
    """The row of a stack without a figure: its status, reason and flags, for the words that stand in the figure's place."""
    cells = evidence.of(stack["stack"]) if whole_run else evidence.of(stack["stack"], scenario, view)
    row = named(evidence, stack) | {"status": "missing", "reason": "no trial of it was recorded", "flags": (), "n": 0}
    if not cells:
        return row
    row["flags"] = () if whole_run else tuple(cells[0]["flags"])
    if any(cell["status"] == "measured" for cell in cells):
        few = (
            "too few answers for a percentile" if view.startswith("latency") else "the trial recorded no figure for it"
        )
        return row | {"status": "no figure", "reason": few}
    return row | {"status": cells[0]["status"], "reason": cells[0]["reason"]}


def without_tail(evidence: Evidence, scenario: str, view: str, stack: Mapping[str, Any]) -> Row:
    """As `without`, for a percentile over all requests of a stack: these may be lost though it was measured."""
    row = without(evidence, scenario, view, stack) | {"view": view}
    if row["status"] == "no figure" and _lost(evidence, scenario, view, stack["stack"]):
        row["reason"] = "its requests are not all stored"
    return row


def _lost(evidence: Evidence, scenario: str, view: str, stack: str) -> bool:
    """Whether there were latencies, and no file holds all of them."""
    if (scenario, view, stack) in evidence.spectra:
        return False
    trials = evidence.frames.trials
    mine = (trials["scenario"] == scenario) & (trials["view"] == view) & (trials["stack"] == stack)
    return bool((trials.loc[mine, "samples"] > 0).any())


def _compared(evidence: Evidence, found: Comparison | None) -> Iterable[Row]:
    """Ratios to the stack that leads, and ranks; nothing where stacks were not compared."""
    if found is None or not found.places:
        return
    stacks = {stack["stack"]: stack for stack in evidence.stacks}
    first = found.places[0].stack
    for place in found.places:
        common = named(evidence, stacks[place.stack]) | {
            "status": "measured",
            "reason": "",
            "flags": (),
            "n": place.blocks,
        }
        common |= {"view": found.view, "metric": found.metric}
        yield {**common, "kind": "rank", "low": place.rank[0], "high": place.rank[1]}
        pair = found.pair(place.stack, first)
        if pair:
            ratio, low, high = pair.bounds()
            yield {**common, "kind": "ratio", "value": ratio, "low": low, "high": high, "answer": pair.answer}
        elif place.stack == first:
            yield {**common, "kind": "ratio", "value": 1.0, "low": 1 / (1 + found.margin), "high": 1 + found.margin,
                   "answer": "first"}  # fmt: skip
