"""The matrix: stacks by scenarios against a baseline, and the pairs behind it, so that the reader's baseline needs no arithmetic.

The ratios, bounds and answers of all pairs come from one family (analysis.stats.pairs). They are rounded to `STEP` of a logarithm for
the page, and what Python writes into the page is made of the rounded ones too, so that both agree to the last digit.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import tables
from analysis.evidence import Evidence, Figure
from analysis.frames import tried
from analysis.numbers import parts, percent
from analysis.stats.comparison import Comparison
from analysis.stats.layout import BOUNDING

STEP = 1 / 4000
ANSWERS = ("", "different", "equivalent", "unresolved")
EDGES = (1.25, 2.0, 4.0)
"""Factors at which the colour gets stronger."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One thing that the matrix can show. `key` names it in the address, `unit` is what one of its figures is counted in."""

    key: str
    view: str
    metric: str
    unit: float
    higher_is_better: bool


METRICS = (
    Metric(key="capacity", view="capacity", metric="capacity_rps", unit=1, higher_is_better=True),
    Metric(key="p99", view="latency", metric="p99_ms", unit=1, higher_is_better=False),
    Metric(key="p90", view="latency", metric="p90_ms", unit=1, higher_is_better=False),
    Metric(key="p50", view="latency", metric="p50_ms", unit=1, higher_is_better=False),
    Metric(key="cpu", view="capacity", metric="cpu_ms", unit=1, higher_is_better=False),
    Metric(key="memory", view="capacity", metric="pss_bytes", unit=1024 * 1024, higher_is_better=False),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one square shows: `state` is its style, `words` its text; the rest stands in the box beside it."""

    state: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Square:
    """A stack in a scenario: `status` is measured, bound, failed, skipped or missing; `why` the reason or the limiting flag.

    `failures`: of a stack with a figure, in how many of how many trials it failed, and why; None where it did in none.
    """

    status: str
    why: str
    figure: Figure | None
    failures: tuple[int, int, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One scenario of the matrix: a square for each stack, and the packed pairs (upper triangle, row by row)."""

    scenario: str
    squares: tuple[Square, ...]
    ratios: Sequence[int]
    halves: Sequence[int]
    answers: Sequence[int]
    blocks: int
    margin: float

    def pair(self, stack: int, other: int) -> tuple[float, float, float, str] | None:
        """Ratio of `stack` over `other`, its bounds and the answer, as the page knows them."""
        if stack == other:
            return None
        first, second = min(stack, other), max(stack, other)
        n = len(self.squares)
        at = first * n - first * (first + 1) // 2 + second - first - 1
        answer = ANSWERS[self.answers[at]]
        if not answer:
            return None
        sign = 1 if stack < other else -1
        log, half = sign * self.ratios[at] * STEP, self.halves[at] * STEP
        return math.exp(log), math.exp(log - half), math.exp(log + half), answer


def columns(evidence: Evidence, metric: Metric) -> list[Column]:
    """The scenarios that have the metric's view, in the order of the plan."""
    with_view = {cell["scenario"] for cell in evidence.cells if cell["view"] == metric.view}
    return [_column(evidence, metric, name) for name in tables.scenarios(evidence) if name in with_view]


def _column(evidence: Evidence, metric: Metric, scenario: str) -> Column:
    found = evidence.comparisons.get((scenario, metric.view, metric.metric))
    stacks = [stack["stack"] for stack in evidence.stacks]
    first, second = np.triu_indices(len(stacks), 1)
    ratios, halves, answers = (np.zeros(len(first), dtype=int) for _ in range(3))
    if found and found.pairs:
        known = {(pair.stack, pair.other): pair for pair in found.pairs}
        for at, names in enumerate(zip(first, second, strict=True)):
            one, other = (stacks[number] for number in names)
            pair = known.get((one, other)) or ((turned := known.get((other, one))) and turned.turned())
            if pair:
                ratios[at] = np.clip(round(pair.log_ratio / STEP), -32767, 32767)
                halves[at] = min(round(pair.half / STEP), 65535)
                answers[at] = ANSWERS.index(pair.answer)
    return Column(
        scenario=scenario, squares=tuple(_square(evidence, metric, scenario, stack, found) for stack in stacks),
        ratios=ratios.tolist(), halves=halves.tolist(), answers=answers.tolist(),
        blocks=found.blocks if found else 0, margin=found.margin if found else math.nan,
    )  # fmt: skip


def _square(evidence: Evidence, metric: Metric, scenario: str, stack: str, found: Comparison | None) -> Square:
    cells = evidence.of(stack, scenario, metric.view)
    figure = evidence.figures.get((scenario, metric.view, stack, metric.metric))
    if not cells:
        return Square(status="missing", why="no trial of it was recorded", figure=None)
    if figure is None:
        status = "missing" if cells[0]["status"] == "measured" else cells[0]["status"]
        return Square(status=status, why=cells[0]["reason"] or "the trial recorded no figure for it", figure=None)
    left_out = found.left_out.get(stack, "") if found else ""
    # A bound's reason is the name of its flag; a sentence tells what a comparison lacked, and the figure is a measurement.
    status = "bound" if left_out and " " not in left_out else "measured"
    failures = (cells[0]["failed"], tried(cells[0]), cells[0]["failure"]) if cells[0]["failure"] else None
    return Square(status=status, why=left_out, figure=figure, failures=failures)


def cell(column: Column, metric: Metric, stack: int, base: int) -> Cell:
    """What a square shows against the baseline; `templates/page.js` does the same for the reader's own."""
    square, against = column.squares[stack], column.squares[base]
    if square.figure is None:
        return Cell(state=square.status, words={"failed": "✕", "skipped": "–", "missing": "–"}[square.status])
    if stack == base:
        return Cell(state="base", words="≥ 1" if square.status == "bound" else "1")
    if against.figure is None:
        return Cell(state="nobase", words="·")
    pair = column.pair(stack, base)
    if pair is None:
        words = parts(square.figure.value / against.figure.value)[0]
        limits = [one.why for one in (square, against) if one.status == "bound"]
        if limits:
            return Cell(state="bound", words=_bound(words, limits, own=square.status == "bound", metric=metric))
        return Cell(state="alone", words=words)
    ratio, low, high, answer = pair
    words = parts(ratio, low, high)[0]
    if answer == "different":
        return Cell(state=_strength(ratio, metric.higher_is_better), words=words)
    return Cell(state=answer, words=f"{'≈' if answer == 'equivalent' else '?'} {words}")


def against(column: Column, metric: Metric, stack: int, base: int) -> Cell:
    """The same square with its ratio as a change, with the interval: for the tables."""
    shown, pair = cell(column, metric, stack, base), column.pair(stack, base)
    if pair is None:
        return shown
    sign = {"equivalent": "≈ ", "unresolved": "? "}.get(shown.state, "")
    return Cell(state=shown.state, words=f"{sign}{percent(*pair[:3])}")


def _bound(ratio: str, limits: Sequence[str], *, own: bool, metric: Metric) -> str:
    """At least or at most, where one side is a bound; only a warning where what was offered was not reached."""
    if len(limits) > 1 or limits[0] not in BOUNDING:
        return f"! {ratio}"
    return f"{'≥' if own == metric.higher_is_better else '≤'} {ratio}"


def _strength(ratio: float, higher_is_better: bool) -> str:
    """`better-1` to `worse-4`."""
    better = (ratio > 1) == higher_is_better
    factor = max(ratio, 1 / ratio)
    return f"{'better' if better else 'worse'}-{1 + sum(factor >= edge for edge in EDGES)}"


def packed(column: Column) -> dict[str, Any]:
    """A column for the page's script: little endian, base64. Ratios are signed, half-widths unsigned 16 bit, answers one byte."""
    return {
        "scenario": column.scenario,
        "blocks": column.blocks,
        "squares": [_square_values(square) for square in column.squares],
        "ratios": _base64(np.asarray(column.ratios, dtype="<i2").tobytes()),
        "halves": _base64(np.asarray(column.halves, dtype="<u2").tobytes()),
        "answers": _base64(np.asarray(column.answers, dtype="<u1").tobytes()),
    }


def _square_values(square: Square) -> list[object]:
    if square.figure is None:
        return [square.status, square.why]
    figure = square.figure
    bounds = [_short(figure.low), _short(figure.high)] if figure.high >= figure.low else [None, None]
    return [square.status, square.why, _short(figure.value), *bounds, figure.n, *(square.failures or ())]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def baseline(evidence: Evidence) -> int:
    """The stack that a page compares with first: of those with the most figures, the first of the plan."""
    capacities: Mapping[str, int] = {
        stack["stack"]: sum(key[1:] == ("capacity", stack["stack"], "capacity_rps") for key in evidence.figures)
        for stack in evidence.stacks
    }
    order = [stack["stack"] for stack in evidence.stacks]
    return max(range(len(order)), key=lambda number: (capacities[order[number]], -number), default=0)
