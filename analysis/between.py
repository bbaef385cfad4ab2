"""What changed between two runs: effect and interval for each stack that both have, and where the runs themselves differ.

Blocks of two runs share no drift, so they are no pairs: the interval of an effect is Welch's, of mean log figures over blocks. What the
machine did between the runs is in every effect. Stacks whose files and pins are the same in both runs cannot have changed, where they
were asked the same: their mean effect is that shift, and it is taken out of the others'. It does not shift all stacks alike: what these
differ by is in the intervals. Without such stacks the shift stays in, and the answer says so.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis import outside, unlike
from analysis.frames import PERCENTILES, Frames
from analysis.stats import MIN_REPLICATES, replicates
from analysis.stats.distributions import of_each, t_quantile
from analysis.stats.layout import unranked
from analysis.stats.pairs import LEVEL, MARGIN, Answer, answer
from bench.model import BenchError

METRICS: Mapping[str, tuple[str, str]] = {
    "capacity_rps": ("throughput", "higher"), "cpu_ms": ("CPU per request", "lower"), "pss_bytes": ("memory", "lower"),
    "p50_ms": ("median latency", "lower"), "p99_ms": ("p99 latency", "lower"),
}  # fmt: skip
"""What is compared: the words for it, and which way is better."""
LATENCIES = ("p50_ms", "p99_ms")
SAME_RATE = 1.05
"""Latencies are compared where the rates offered in the two runs differ by less than this factor."""
WIDEST = math.log(1e6)
"""No bound is further from the effect: two stacks that were shifted very unequally would put it where numbers end."""
OFFERED = "offered"
"""How the reason begins why latencies at unlike rates are not compared."""
BOTH = " in both runs"
LONE = "one unchanged stack alone"
"""Why there is no answer where that is all that tells the machine's shift."""
SHOWN = 20
"""So many lines of a list are printed; `--json` and `--html` have all."""
_WORSE = {"slower": ("capacity_rps", *LATENCIES), "costlier": ("cpu_ms",), "larger": ("pss_bytes",)}
_RULE = re.compile(r"(?P<word>[a-z]+) than (?P<percent>\d+(?:\.\d+)?)\s*%")

Cell = tuple[str, str, str, str]
"""Metric, scenario, view, stack."""
Errors = list[tuple[float, float]]
"""Independent parts of an effect's error: the variance of each, on the logarithmic scale, and half the variance of that estimate, which is
its square over its degrees of freedom.
"""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """`ratio`: the second run's figure over the first's, with an interval that holds together with all others of the metric (95%).

    `shift`: what was taken out for the machine (a ratio; None where no unchanged stack tells), and by how many `controls` it is told. One
    alone does not tell how unlike stacks are shifted: the interval lacks that then, and there is no answer. `blocks`: of either run.
    `offered_rps`: in either run, the rate that a latency belongs to.
    """

    metric: str
    scenario: str
    view: str
    stack: str
    ratio: float
    low: float | None
    high: float | None
    answer: Answer | None
    changed: bool
    shift: float | None
    controls: int
    blocks: tuple[int, int]
    offered_rps: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """The answer, or in its place why there is none."""
        return self.answer or (LONE if self.controls == 1 else "too few blocks")

    @property
    def load(self) -> str:
        """The view, and for a latency the rates: `latency at 100/s, 101/s`."""
        return f"{self.view} at {', '.join(map(_rate, self.offered_rps))}" if self.offered_rps else self.view


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A figure that both runs have and that says nothing of what changed, with the reason."""

    metric: str
    scenario: str
    view: str
    stack: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Between:
    """Two runs compared. `unlike` says what forbids to read an effect as the stack's.

    `failures`: what `--fail-if` found; `unjudged`: what the first run has of the rule's metrics and the rule could not judge.
    """

    first: str
    second: str
    margin: float
    unlike: tuple[str, ...]
    differences: tuple[str, ...]
    effects: tuple[Effect, ...]
    not_compared: tuple[LeftOut, ...]
    only: Mapping[str, tuple[str, ...]]
    failures: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"schema": 1, **asdict(self)}


def between(first: Frames, second: Frames, *, margin: float = MARGIN, fail_if: str | None = None) -> Between:
    """Compare two stored runs. Raises BenchError where they have no figure in common or `fail_if` says nothing."""
    rule = _rule(fail_if) if fail_if else None
    logs = [_logs(frames) for frames in (first, second)]
    common = [cell for cell in logs[0] if cell in logs[1]]
    if not common:
        raise BenchError(
            f"{_id(first)} and {_id(second)} have no stack, scenario and view in common that was measured in both; "
            "give two runs of the same stacks"
        )
    rates = _rates(common, (first, second))
    reasons = not_to_be_compared(common, (first, second))
    compared = [cell for cell in common if cell not in reasons]
    unchanged = {name: unlike.unchanged(first, second, name) for name in {cell[1] for cell in compared}}
    effects = [
        replace(effect, offered_rps=rates.get((effect.metric, effect.scenario, effect.view, effect.stack)))
        for metric in METRICS
        for effect in _effects([cell for cell in compared if cell[0] == metric], logs, unchanged, margin)
    ]
    found = Between(
        first=_id(first), second=_id(second), margin=margin, unlike=unlike.machines(first, second),
        differences=unlike.differences(first, second), effects=tuple(effects), not_compared=tuple(
            LeftOut(metric=cell[0], scenario=cell[1], view=cell[2], stack=cell[3], reason=reason) for cell, reason in reasons.items()
        ),
        only={name: _only(one, other) for name, one, other in (("first", logs[0], logs[1]), ("second", logs[1], logs[0]))},
    )  # fmt: skip
    if not rule:
        return found
    return replace(found, failures=tuple(_failures(effects, rule)), unjudged=tuple(_unjudged(logs[0], found, rule)))


def _logs(frames: Frames) -> dict[Cell, np.ndarray[Any, np.dtype[np.float64]]]:
    """From cell to mean log figures, one for each block (its copies averaged: they met the same drift)."""
    tidy = replicates(frames.trials)
    tidy = tidy[tidy["metric"].isin(METRICS) & (tidy["value"] > 0)].assign(log=lambda frame: np.log(frame["value"]))
    means = tidy.groupby(["metric", "scenario", "view", "stack", "block"], sort=False)["log"].mean().reset_index()
    rows: dict[Cell, list[float]] = {}
    for row in means.to_dict("records"):
        metric, scenario, view, stack = (str(row[key]) for key in ("metric", "scenario", "view", "stack"))
        rows.setdefault((metric, scenario, view, stack), []).append(float(row["log"]))
    return {cell: np.array(logs) for cell, logs in rows.items()}


def _offered(trials: pd.DataFrame) -> dict[unlike.Place, float]:
    rows = trials[(trials["status"] == "measured") & trials["offered_rps"].notna()]
    means = rows.groupby(["scenario", "view", "stack"])["offered_rps"].mean().reset_index()
    return {
        (str(row["scenario"]), str(row["view"]), str(row["stack"])): float(row["offered_rps"])
        for row in means.to_dict("records")
    }


def _rates(cells: Iterable[Cell], runs: tuple[Frames, Frames]) -> dict[Cell, tuple[float, float]]:
    """Requests a second that were offered in either run, of the latencies among `cells`."""
    latencies = [cell for cell in cells if cell[0] in PERCENTILES.values()]
    if not latencies:
        return {}
    offered = [_offered(frames.trials) for frames in runs]
    return {
        cell: (offered[0][cell[1:]], offered[1][cell[1:]])
        for cell in latencies if all(cell[1:] in each for each in offered)
    }  # fmt: skip


def not_to_be_compared(cells: Sequence[Cell], runs: tuple[Frames, Frames]) -> dict[Cell, str]:
    """Which of `cells` are not to be compared, and why: of unlike work, no measurement of the stack, or latencies at unlike rates."""
    work = unlike.other_work(*runs)
    found = {cell: work[cell[1:]] for cell in cells if cell[1:] in work}
    for cell, (one, other) in _rates(cells, runs).items():
        if abs(math.log(other / one)) >= math.log(SAME_RATE):
            found.setdefault(cell, f"{OFFERED}: {_rate(one)} and {_rate(other)}")
    bounds = [unranked(frames.trials) for frames in runs]
    for cell in cells:
        metric, scenario, view, stack = cell
        flags = [each.get((scenario, view, metric, stack)) for each in bounds]
        if any(flags):
            found.setdefault(cell, _bound(flags))
    return found


def _bound(flags: Sequence[str | None]) -> str:
    """`generator-bound in both runs`."""
    if all(flags):
        return " and ".join(dict.fromkeys(map(str, flags))) + BOTH
    return ", ".join(f"{flag} in the {name} run" for name, flag in zip(("first", "second"), flags, strict=True) if flag)


def _effects(
    cells: Sequence[Cell], logs: Sequence[Mapping[Cell, Any]], unchanged: Mapping[str, set[str]], margin: float
) -> list[Effect]:
    """All of one metric, whose intervals are one family. `unchanged`: by scenario."""
    raw = {cell: _welch(logs[0][cell], logs[1][cell]) for cell in cells}
    level = of_each(LEVEL, max(len(cells), 1))
    found = []
    for cell in cells:
        metric, scenario, view, stack = cell
        controls = [
            raw[other] for other in cells
            if other[1:3] == (scenario, view) and other[3] in unchanged[scenario] and other[3] != stack and raw[other][1]
        ]  # fmt: skip
        effect, errors = raw[cell]
        shift, half = None, None
        if errors and controls:
            shift, added = _shift(controls)
            effect, errors = effect - shift, [*errors, *added]
        if errors:
            variance, df = _satterthwaite(errors)
            half = min(float(t_quantile((1 + level) / 2, df)) * math.sqrt(variance), WIDEST)
        found.append(Effect(
            metric=metric, scenario=scenario, view=view, stack=stack, ratio=math.exp(effect),
            low=None if half is None else math.exp(effect - half), high=None if half is None else math.exp(effect + half),
            answer=None if half is None or len(controls) == 1 else answer(effect, half, margin), changed=stack not in unchanged[scenario],
            shift=None if shift is None else math.exp(shift), controls=0 if shift is None else len(controls),
            blocks=(len(logs[0][cell]), len(logs[1][cell])),
        ))  # fmt: skip
    return found


def _shift(controls: Sequence[tuple[float, Errors]]) -> tuple[float, Errors]:
    """The mean effect of `controls`, and what taking it out adds to the errors of another stack's effect.

    Beside the mean's own error that is how unlike the machine shifts stacks: the variance of the controls' effects beyond their own errors
    (by moments and without weights, as W. G. Cochran, Biometrics 10, 1954), once for the other stack and once, over their number, for the
    mean. It is known as well as the variance of so few effects is, also where that is by chance no more than their own errors explain. A
    single control says nothing of it.
    """
    count, effects = len(controls), [effect for effect, _ in controls]
    added = [(variance / count**2, doubt / count**4) for _, errors in controls for variance, doubt in errors]
    if count > 1:
        seen = float(np.var(effects, ddof=1))
        unlike_shifts = max(0.0, seen - sum(variance for _, errors in controls for variance, _ in errors) / count)
        added.append((unlike_shifts * (1 + 1 / count), (seen * (1 + 1 / count)) ** 2 / (count - 1)))
    return sum(effects) / count, added


def _welch(one: Any, other: Any) -> tuple[float, Errors]:
    """Difference of means and its errors, one of either run; none where either has too few blocks.

    Source: B. L. Welch, Biometrika 34 (1947).
    """
    difference = float(np.mean(other) - np.mean(one))
    if min(len(one), len(other)) < MIN_REPLICATES:
        return difference, []
    variances = [(float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in (one, other)]
    return difference, [(variance, variance**2 / df) for variance, df in variances]


def _satterthwaite(errors: Errors) -> tuple[float, float]:
    """The variance of a sum with these errors, and its degrees of freedom. F. E. Satterthwaite, Biometrics Bulletin 2 (1946)."""
    total = sum(variance for variance, _ in errors)
    doubt = sum(doubt for _, doubt in errors)
    return total, total**2 / doubt if doubt else math.inf  # nothing varied: the interval is a point


def _only(one: Mapping[Cell, Any], other: Mapping[Cell, Any]) -> tuple[str, ...]:
    """Cells, and single figures of cells that both have."""
    both = {cell[1:] for cell in other}
    return tuple(dict.fromkeys(_named(cell) if cell[1:] in both else _place(cell) for cell in one if cell not in other))


def _place(cell: Cell) -> str:
    return f"{cell[3]} {cell[1]} {cell[2]}"


def _named(cell: Cell) -> str:
    return f"{_place(cell)}: {METRICS[cell[0]][0]}"


def _rule(text: str) -> tuple[str, float]:
    found = _RULE.fullmatch(text.strip())
    if not found or found["word"] not in _WORSE:
        raise BenchError(
            f"--fail-if '{text}': expected such as 'slower than 5%', 'costlier than 10%' (CPU) or 'larger than 10%' (memory)"
        )
    return found["word"], float(found["percent"]) / 100


def _failures(effects: Sequence[Effect], rule: tuple[str, float]) -> list[str]:
    """Only what is sure: the whole interval lies beyond the limit, and holds all that varies."""
    return [
        f"{one.stack} {one.scenario} {one.load}: {METRICS[one.metric][0]} {shown(one)}, {rule[0]} than {100 * rule[1]:g}%"
        for one in effects if one.controls != 1 and _beyond(one, rule)
    ]  # fmt: skip


def _beyond(one: Effect, rule: tuple[str, float]) -> bool:
    """Whether the whole interval lies beyond the limit."""
    word, share = rule
    if one.metric not in _WORSE[word] or one.low is None or one.high is None:
        return False
    return one.high < 1 - share if METRICS[one.metric][1] == "higher" else one.low > 1 + share


def _unjudged(cells: Iterable[Cell], found: Between, rule: tuple[str, float]) -> Iterator[str]:
    """Figures of the first run that the rule is about and that have no interval, with the reason: a stack that is gone got no better.

    Not latencies at unlike rates: a share of capacity is another rate each time, and the capacity itself is judged. Nor a bound in both
    runs, which no third run would lift: a gate that can never pass is none. Where one unchanged stack alone tells the shift, what would
    fail is not judged, since it may be the machine's: a wider interval would not make the rest fail. An unchanged stack got no worse.
    """
    metrics = _WORSE[rule[0]]
    effects = {(one.metric, one.scenario, one.view, one.stack): one for one in found.effects}
    reasons = {(one.metric, one.scenario, one.view, one.stack): one.reason for one in found.not_compared}
    mine = [cell for cell in cells if cell[0] in metrics]
    for cell in mine:
        one, reason = effects.get(cell), reasons.get(cell, "")
        if one is None and not reason.startswith(f"{OFFERED}:") and not reason.endswith(BOTH):
            yield f"{_named(cell)}: {reason or 'not in the second run'}"
        elif one is not None and one.low is None:
            yield f"{_named(cell)}: fewer than {MIN_REPLICATES} blocks"
        elif one is not None and one.controls == 1 and one.changed and _beyond(one, rule):
            yield f"{_named(cell)} {shown(one)}: {LONE} tells the machine's shift, keep two"
    if not mine:
        yield f"{', '.join(METRICS[metric][0] for metric in metrics)}: not in the first run"


def shown(one: Effect) -> str:
    """`-7.1% [-9.0, -5.2]`."""
    words = f"{one.ratio - 1:+.1%}"
    return (
        words
        if one.low is None or one.high is None
        else f"{words} [{100 * (one.low - 1):+.1f}, {100 * (one.high - 1):+.1f}]"
    )


def left_out(found: Between) -> list[tuple[str, str]]:
    """What was not compared, metrics of one cell that share a reason together, and the reason."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for one in found.not_compared:
        metrics.setdefault((f"{one.stack} {one.scenario} {one.view}", one.reason), []).append(METRICS[one.metric][0])
    return [(f"{cell}: {', '.join(words)}", reason) for (cell, reason), words in metrics.items()]


def text(found: Between) -> str:
    """For a terminal, at 80 columns."""
    lines = [f"{found.second} against {found.first}: its figures over the earlier ones"]
    lines += [f"UNLIKE {line}" for line in found.unlike]
    if found.unlike:
        lines.append("these runs are unlike: an effect may be the machine's, and nothing below speaks of a stack alone")
    lines += [f"differs: {line}" for line in found.differences[:SHOWN]]
    if len(found.differences) > SHOWN:
        lines.append(f"and {len(found.differences) - SHOWN} more differences")
    if not found.effects:
        lines.append("nothing that both have can be compared")
    elif all(one.low is None for one in found.effects):
        lines.append(f"fewer than {MIN_REPLICATES} blocks in one of them: no intervals, and no answers")
    elif all(one.shift is None for one in found.effects):
        lines.append("no stack is unchanged in both, so what the machine did between the runs is in every effect")
    if any(one.controls == 1 for one in found.effects):
        lines.append(f"{LONE} tells the machine's shift, not how unlike it is: no answers; keep two")
    for metric, (words, better) in METRICS.items():
        mine = [one for one in found.effects if one.metric == metric]
        if not mine:
            continue
        lines += ["", f"{words} ({better} is better)"]
        for one in mine:
            lines.append(f"  {one.stack} {one.scenario} {one.load}")
            lines.append(
                f"    {shown(one):<30} {one.verdict}{'' if one.changed else ', unchanged files'}  n {one.blocks[0]}, {one.blocks[1]}"
            )
    if found.not_compared:
        lines += ["", "not compared"]
        lines += [line for cell, reason in left_out(found) for line in (f"  {cell}", f"    {reason}")]
    for name, cells in found.only.items():
        if cells:
            lines += ["", f"only in the {name} run", *(f"  {line}" for line in cells[:SHOWN])]
        if len(cells) > SHOWN:
            lines.append(f"  and {len(cells) - SHOWN} more")
    if found.unjudged:
        more = f"; and {len(found.unjudged) - 1} more" if len(found.unjudged) > 1 else ""
        lines += ["", f"NOT JUDGED, so the rule cannot pass: {found.unjudged[0]}{more}"]
    if found.failures:
        lines += ["", "FAILED:", *(f"  {line}" for line in found.failures)]
    return "\n".join(lines)


def _rate(rps: float) -> str:
    return f"{rps:,.0f}/s" if rps >= 100 else f"{rps:.3g}/s"


def _id(frames: Frames) -> str:
    return outside.line(frames.header.get("run_id") or frames.path.name)
