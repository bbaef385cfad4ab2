"""The verdict on a claim, by the rule that the run holds: never by a hand.

A control whose estimate lies outside what it must be makes the claim invalid. A check supports or refutes the claim when its whole
interval lies in that region, else it is unresolved. All support: supported; all refute: refuted; at least one of each: depends; else
inconclusive. The intervals of a claim's checks hold together at 95%, by Bonferroni's inequality.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.claims.effects import Effect, effect, nothing
from analysis.claims.records import ClaimsRun, Record
from analysis.claims.rule import Check, Claim, Control, Region, RuleError, claim, texts_of

LEVEL = 0.95
SHARED = "shared-cpu"
"""The flag of a record whose servers had the generator's CPUs as well."""
FAMILY = "Bonferroni over the checks of a claim"
"""How the intervals of one claim are held together: whatever they depend on, all hold at once with `LEVEL`."""

Answer = Literal["supports", "refutes", "unresolved", "left-out"]
Status = Literal["judged", "invalid", "not-run"]
Verdict = Literal["supported", "refuted", "depends", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A check with its effect and its answer. `left-out`: this machine has too few CPUs for it, and the verdict is without it."""

    check: Check
    effect: Effect
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Held:
    """A control with its estimate. `ok` is None where it was not measured, or is a bound that does not say."""

    control: Control
    effect: Effect
    ok: bool | None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a verdict is what it is: a key of the sentences `claims.why`, and what fills its slots."""

    key: str
    slots: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with its verdict. Where the rule cannot be applied, `claim` has its texts alone."""

    number: int
    claim: Claim
    status: Status
    verdict: Verdict
    reason: Reason
    checks: tuple[Found, ...]
    controls: tuple[Held, ...]
    records: tuple[Record, ...]

    @property
    def controls_ok(self) -> bool | None:
        """Whether every control came out as it must; None where one says nothing, or there was nothing to control."""
        if any(held.ok is False for held in self.controls):
            return False
        return None if not self.controls or any(held.ok is None for held in self.controls) else True

    @property
    def headline(self) -> Found | None:
        """The check whose effect stands for the claim."""
        return next((found for found in self.checks if found.check.name == self.claim.headline), None)


def judge(run: ClaimsRun) -> list[Judged]:
    """Every claim of the run, by number: those that were run, and those that could not be."""
    return [_judge(run, number) for number in sorted({*run.tables, *run.not_run, *run.records})]


def _judge(run: ClaimsRun, number: int) -> Judged:
    records = tuple(run.records.get(number, ()))
    try:
        rule = claim(number, run.tables.get(number, {}))
    except RuleError as error:
        return _unread(number, str(error), records, texts_of(number, run.tables.get(number, {})))
    if number in run.not_run:
        return _unjudged(rule, "not-run", Reason(key="not_run", slots={"reason": run.not_run[number]}), records)
    if not rule.checks or not rule.controls:
        missing = "check" if not rule.checks else "control"
        return _unread(number, f"claim {number}: it has no {missing}", records, rule)
    return _decided(rule, records, run)


def _unread(number: int, why: str, records: tuple[Record, ...], rule: Claim) -> Judged:
    return Judged(
        number=number, claim=rule, status="not-run", verdict="inconclusive", reason=Reason(key="no_rule", slots={"reason": why}),
        checks=(), controls=(), records=records,
    )  # fmt: skip


def _unjudged(rule: Claim, status: Status, reason: Reason, records: tuple[Record, ...]) -> Judged:
    return Judged(
        number=rule.number, claim=rule, status=status, verdict="inconclusive", reason=reason, checks=(), controls=(), records=records,
    )  # fmt: skip


def _decided(rule: Claim, records: tuple[Record, ...], run: ClaimsRun) -> Judged:
    cpus = run.all_cpus if any(SHARED in record.flags for record in records) else run.server_cpus
    asked = [check for check in rule.checks if check.server_cpus <= cpus]
    level = 1 - (1 - LEVEL) / max(len(asked), 1)
    checks = tuple(
        _checked(check, effect(check, records, level=level, least=run.least))
        if check in asked
        else Found(check=check, effect=nothing(f"it needs {check.server_cpus} server CPUs"), answer="left-out")
        for check in rule.checks
    )
    controls = tuple(
        _held(control, effect(control, records, level=LEVEL, least=run.least)) for control in rule.controls
    )
    status, verdict, reason = _verdict(checks, controls, run.least)
    return Judged(
        number=rule.number, claim=rule, status=status, verdict=verdict, reason=reason, checks=checks, controls=controls,
        records=records,
    )  # fmt: skip


def _checked(check: Check, found: Effect) -> Found:
    answer: Answer = "unresolved"
    if found.has_interval:
        for region, word in ((check.supports, "supports"), (check.refutes, "refutes")):
            if region.holds_all(found.low, found.high) and _still(region, found):
                answer = "supports" if word == "supports" else "refutes"
                break
    return Found(check=check, effect=found, answer=answer)


def _still(region: Region, found: Effect) -> bool:
    """Whether what is only a bound answers: the region must hold all that the true figure may be as well."""
    return region.holds_all(*_possible(found, found.low, found.high))


def _possible(found: Effect, low: float, high: float) -> tuple[float, float]:
    """From `low` to `high`, or beyond, where the figure is only a bound."""
    more = found.bound in ("at least", "either")
    less = found.bound in ("at most", "either")
    return -math.inf if less else low, math.inf if more else high


def _held(control: Control, found: Effect) -> Held:
    """A control is judged by its estimate: what must vanish has no margin to be told apart from.

    Where that is only a bound it says nothing unless every true figure that is possible would say the same: two copies that the generator
    limits are alike whatever they are.
    """
    ok: bool | None = None
    if found.known:
        possible = _possible(found, found.value, found.value)
        ok = True if control.expect.holds_all(*possible) else None if control.expect.meets(*possible) else False
    return Held(control=control, effect=found, ok=ok)


def _verdict(checks: Sequence[Found], controls: Sequence[Held], least: int) -> tuple[Status, Verdict, Reason]:
    broken = next((held for held in controls if held.ok is False), None)
    if broken:
        return "invalid", "inconclusive", Reason(key="invalid", slots={"control": broken})
    unseen = next((held for held in controls if held.ok is None), None)
    if unseen:
        if unseen.effect.known:
            return "judged", "inconclusive", Reason(key="bound_control", slots={"control": unseen})
        slots = {"name": unseen.control.when, "reason": unseen.effect.missing}
        return "judged", "inconclusive", Reason(key="no_control", slots=slots)
    told = [found for found in checks if found.answer != "left-out"]
    if not told:
        return (
            "judged",
            "inconclusive",
            Reason(key="left_out", slots={"cpus": max(one.check.server_cpus for one in checks)}),
        )
    supports, refutes, open_ = (
        [found for found in told if found.answer == answer] for answer in ("supports", "refutes", "unresolved")
    )
    if supports and refutes:
        return "judged", "depends", Reason(key="depends", slots={"for": supports, "against": refutes, "open": open_})
    if not open_:
        return (
            "judged",
            "supported" if supports else "refuted",
            Reason(key="supported" if supports else "refuted", slots={}),
        )
    return "judged", "inconclusive", _unresolved(open_, least)


def _unresolved(open_: Sequence[Found], least: int) -> Reason:
    """Why the first of those that are open is."""
    found = open_[0]
    if not found.effect.known:
        return Reason(key="missing", slots={"check": found, "reason": found.effect.missing})
    if not found.effect.has_interval:
        return Reason(key="few", slots={"check": found, "n": found.effect.n, "least": least})
    if found.effect.bound and any(
        region.holds_all(found.effect.low, found.effect.high) for region in (found.check.supports, found.check.refutes)
    ):
        return Reason(key="bound", slots={"check": found})
    return Reason(key="wide", slots={"check": found, "open": open_})
