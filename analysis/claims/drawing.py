"""Which pictures a claim has, and what they are drawn from: the records of its arms, and the rule."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis import numbers
from analysis.charts import Sheet
from analysis.charts._scene import Scene, Words
from analysis.claims import sentences, stacks
from analysis.claims.charts import Course, Curve, Line, draw_burn, draw_crowd, draw_dip, draw_forest, draw_plateau
from analysis.claims.charts.crowd import FAILED
from analysis.claims.charts.plateau import RATE
from analysis.claims.charts.series import Row
from analysis.claims.effects import Effect, t_interval
from analysis.claims.records import ClaimsRun, Record
from analysis.claims.requests import Requests, delayed_share, middle, read, recovery_s
from analysis.claims.rule import Arm, Question, Region
from analysis.claims.verdict import LEVEL, Judged
from analysis.words import say
from bench.model import BenchError

BEGIN, END, FAULT = "burn-begin", "burn-end", "fault"
SWEPT = {
    "rps": RATE, "probe_p99_ms": "p99", "probe_p90_ms": "p90", "probe_p50_ms": "p50", "probe_failed_share": FAILED,
}  # fmt: skip
"""Metrics that are stored by level of a sweep, as NAME_at_X, and the line of a curve that they make."""
LEVELS = ("levels", "connections", "slow_clients", "idle", "curve")
"""Parameters of an arm that say where on a sweep it stands, and not what it is."""
DASHES: tuple[tuple[float, float] | None, ...] = (None, (6, 3), (1.5, 2.5), (10, 3))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One picture of a claim: its kind names its words (`claims.chart.KIND`), `draw` makes it on a sheet."""

    kind: str
    draw: Callable[[Sheet], Scene]


def pictures(run: ClaimsRun, judged: Judged) -> list[Drawn]:
    """What there is to show of a claim, the experiment's own picture first, the effects against the rule last."""
    found: list[Drawn] = []
    for kind, event, draw, note in (("burn", BEGIN, draw_burn, _delayed), ("dip", FAULT, draw_dip, _recovered)):
        if courses := _courses(run, judged, event, note):
            found.append(Drawn(kind=kind, draw=_bound(draw, courses)))
    for kind, key, draw_curves in (("crowd", FAILED, draw_crowd), ("plateau", RATE, draw_plateau)):
        if curves := [curve for curve in _curves(run, judged) if key in curve.lines]:
            found.append(Drawn(kind=kind, draw=_bound(draw_curves, curves)))
    if rows := _rows(judged):
        found.append(Drawn(kind="forest", draw=_bound(draw_forest, rows)))
    return found


def _bound[T](draw: Callable[[Sequence[T], Sheet], Scene], values: Sequence[T]) -> Callable[[Sheet], Scene]:
    return lambda sheet: draw(values, sheet)


def _arms(judged: Judged) -> list[Arm]:
    """The arms, those that are there for a control alone last."""
    return sorted(judged.claim.arms, key=lambda arm: _is_control(judged, arm))


def _is_control(judged: Judged, arm: Arm) -> bool:
    """Whether an arm is there for a control alone."""
    checked = {name for check in judged.claim.checks for name in (check.arm, check.against)}
    return arm.name in {control.arm for control in judged.claim.controls} - checked


def _measured(judged: Judged, arm: Arm) -> list[Record]:
    return [record for record in judged.records if record.arm == arm.name and record.status == "measured"]


def _courses(
    run: ClaimsRun, judged: Judged, event: str, note: Callable[[Requests, float], tuple[float, Words]]
) -> list[Course]:
    """Every arm of which requests around `event` are stored. `note` ranks its replicates, and says what is seen of one."""
    found = []
    for arm in _arms(judged):
        seen = [one for record in _measured(judged, arm) if (one := _around(run, record, event)) is not None]
        if not seen:
            continue
        ranks = [note(requests, ends) for requests, ends in seen]
        at = middle([rank for rank, _ in ranks])
        requests, ends = seen[at]
        found.append(
            Course(
                label=arm.label,
                middle=requests,
                others=[other for number, (other, _) in enumerate(seen) if number != at],
                ends_s=ends,
                note=ranks[at][1],
            )
        )
    return found


def _around(run: ClaimsRun, record: Record, event: str) -> tuple[Requests, float] | None:
    """A record's requests with the clock's zero at `event`, and when what began there ended."""
    zero, path = record.at_s(event), run.file(record.requests)
    if math.isnan(zero) or path is None:
        return None
    try:
        requests = read(path).shifted(zero)
    except BenchError:  # the trials say that it is there; a picture of the others is better than none
        return None
    end = record.at_s(END)
    return (requests, 0.0 if math.isnan(end) else end - zero) if len(requests.intended_s) else None


def _delayed(requests: Requests, ends_s: float) -> tuple[float, Words]:
    share = delayed_share(requests, ends_s)
    return share, "" if math.isnan(share) else say("claims.axis.delayed", share=numbers.to_place(100 * share, 0))


def _recovered(requests: Requests, _: float) -> tuple[float, Words]:
    first, again = recovery_s(requests)
    lost = int((~requests.ok & (requests.intended_s >= 0)).sum())
    if math.isnan(first):
        return 0.0, say("claims.axis.none_lost")
    if math.isnan(again):
        return math.nan, say("claims.axis.never", lost=numbers.count(lost))
    return again - first, say("claims.axis.again", lost=numbers.count(lost), after=f"{again - first:.2f}")


def _curves(run: ClaimsRun, judged: Judged) -> list[Curve]:
    """The arms that were swept over levels: arms of one stack that differ in their levels alone make one curve."""
    groups: dict[str, list[Arm]] = {}
    for arm in _arms(judged):
        same = {key: value for key, value in arm.parameters.items() if key not in LEVELS}
        groups.setdefault(str(arm.parameters.get("curve") or (arm.stack, sorted(map(str, same.items())))), []).append(
            arm
        )
    found: list[Curve] = []
    for arms in groups.values():
        lines = {line: made for metric, line in SWEPT.items() if (made := _line(run, judged, arms, metric))}
        if not lines:
            continue
        ink = stacks.ink(arms[0].stack)
        same_ink = sum(one.ink == ink for one in found)
        records = [record for arm in arms for record in _measured(judged, arm)]
        wait_ms = next((wait for one in records if (wait := _positive(one.parameters.get("wait_ms")))), None)
        found.append(
            Curve(
                label=min((arm.label for arm in arms), key=lambda label: len(label.english)),
                stack=arms[0].stack,
                ink=ink,
                model=stacks.model(arms[0].stack),
                lines=lines,
                dash=DASHES[same_ink % len(DASHES)],
                slots=None if all(_is_control(judged, arm) for arm in arms) else _slots(records, wait_ms),
                wait_s=wait_ms / 1000 if wait_ms else None,
                workers=next((one.workers for one in records if one.workers == one.workers), None),
            )
        )
    return found


def _slots(records: Sequence[Record], wait_ms: float | None) -> float | None:
    """How many requests at once the claim says that an arm serves: as its file says, or as its plateau was compared with."""
    for one in records:
        if slots := _positive(one.parameters.get("slots")):
            return slots
        plateau, share = (_positive(one.metrics.get(name)) for name in ("plateau_rps", "plateau_per_prediction"))
        if plateau and share and wait_ms:
            return round(plateau / share * wait_ms / 1000, 3)
    return None


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _line(run: ClaimsRun, judged: Judged, arms: Sequence[Arm], metric: str) -> Line | None:
    """`metric` at each level, over replicates."""
    points: dict[float, list[float]] = {}
    for arm in arms:
        level = next(
            (_positive(arm.parameters.get(key)) for key in ("connections", "slow_clients") if key in arm.parameters),
            None,
        )
        for record in _measured(judged, arm):
            for name, value in record.metrics.items():
                base, _, at = name.partition("_at_")
                x = _number(at) if at else (level if "curve" in arm.parameters else None)
                if base == metric and x is not None:
                    points.setdefault(x, []).append(value)
    if not points:
        return None
    xs = sorted(points)
    bounds = [t_interval(points[x], LEVEL) if len(points[x]) >= run.least else (math.nan, math.nan) for x in xs]
    return Line(
        x=xs, mean=[float(np.mean(points[x])) for x in xs], low=[low for low, _ in bounds], high=[high for _, high in bounds],
        replicates=[points[x] for x in xs],
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _rows(judged: Judged) -> list[Row]:
    """Every check that is not left out, and every control; nothing where none has an estimate."""
    rows = [
        _row(one.check, one.effect, one.check.supports, one.check.refutes, one.answer)
        for one in judged.checks
        if one.answer != "left-out"
    ]
    kept = {None: "unknown", True: "ok", False: "broken"}
    rows += [_row(one.control, one.effect, one.control.expect, None, kept[one.ok]) for one in judged.controls]
    return rows if any(math.isfinite(row.value) for row in rows) else []


def _row(question: Question, effect: Effect, supports: Region, refutes: Region | None, answer: str) -> Row:
    by = sentences.scale(kind := sentences.unit(question))
    return Row(
        label=question.when,
        figure=sentences.figure(question, effect),
        unit=kind,
        value=effect.value * by,
        low=effect.low * by,
        high=effect.high * by,
        supports=[(low * by, high * by) for low, high in supports.bounds],
        refutes=[(low * by, high * by) for low, high in refutes.bounds] if refutes else [],
        answer=answer,
        replicates=[one * by for one in effect.replicates],
    )
