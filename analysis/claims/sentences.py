"""What is said of a claim: figures with their units, regions, and one sentence each for effect and verdict, in every language."""

from collections.abc import Sequence
from dataclasses import replace

from analysis import numbers
from analysis.claims.effects import Effect, is_share
from analysis.claims.rule import Claim, Question, Region, Span
from analysis.claims.verdict import Found, Held, Judged
from analysis.words import Coded, Listed, Said, known, say

UNITS = ("rps", "ms", "s", "bytes")
KB = 1000
_SIGNS = {(True, False): "≥", (False, False): ">", (True, True): "≤", (False, True): "<"}
_SUFFIXES = {"share": "%", "points": "%", "ratio": "x", "ms": " ms", "s": " s", "bytes": " MiB", "kilobytes": " kB"}


def unit(question: Question) -> str:
    """In what a question is answered: `ratio`, `share`, `points`, one of `UNITS`, or `plain`."""
    if question.measure == "ratio":
        return "ratio"
    if is_share(question.metric):
        return "points" if question.measure == "difference" else "share"
    return of_metric(question.metric)


def of_metric(metric: str) -> str:
    """The unit of a metric's value, from the end of its name."""
    name = metric.split("_at_")[0]
    if is_share(metric):
        return "share"
    return next((unit for unit in UNITS if name.endswith(f"_{unit}")), "plain")


def scale(unit: str) -> float:
    """By what a stored value is multiplied to be told in its unit."""
    return {"share": 100.0, "points": 100.0, "bytes": 1 / numbers.MIB, "kilobytes": 1 / KB}.get(unit, 1.0)


def _in(kind: str, value: float) -> str:
    """The unit in which `value` is told: bytes below 1 MiB in kB."""
    return "kilobytes" if kind == "bytes" and abs(value) < numbers.MIB else kind


def figure(question: Question, effect: Effect) -> Said:
    """An effect with its interval, in its unit."""
    if not effect.known:
        return say("claims.figure.none")
    if effect.bound:
        sign = {"at least": "≥", "at most": "≤", "either": "≷"}[effect.bound]
        return say("claims.figure.bound", sign=sign, figure=figure(question, replace(effect, bound="")))
    kind = unit(question)
    if kind == "ratio":
        return say("claims.figure.ratio", value=_ratio(effect))
    by = scale(kind := _in(kind, effect.value))
    value, bounds = numbers.parts(effect.value * by, effect.low * by, effect.high * by)
    return _said(kind, value, f" {bounds}" if bounds else "")


WIDE = 4.0
"""Bounds of a ratio farther apart than this factor are told each with digits of its own: one place for all would tell 0."""


def _ratio(effect: Effect) -> str:
    """A factor, as the bounds of the rule are."""
    if not effect.has_interval or effect.high / effect.low < WIDE:
        factor, bounds = numbers.parts(effect.value, effect.low, effect.high)
        return f"{factor}x {bounds}".rstrip()
    value, low, high = (numbers.estimate(one) for one in (effect.value, effect.low, effect.high))
    return f"{value}x [{low}, {high}]"


def number(metric: str, value: float) -> Said:
    """One stored value of a metric, in its unit."""
    kind = _in(of_metric(metric), value)
    return _said(kind, numbers.estimate(value * scale(kind)), "")


def _said(kind: str, value: str, bounds: str) -> Said:
    if kind == "share":
        return say("claims.figure.plain", value=f"{value}%", bounds=bounds)
    return say(f"claims.figure.{kind}", value=value, bounds=bounds)


def metric(name: str) -> Said | Coded:
    """What a metric is, in words; its bare name where nobody has put it in words.

    `fast_probes_ms_at_16` is `fast_probes_ms` at 16, and `json_rps` is `rps` of the scenario `json`.
    """
    base, _, level = name.partition("_at_")
    words = _metric(base)
    return say("claims.metric_at", metric=words, x=level) if level else words


def _metric(base: str) -> Said | Coded:
    if known(f"metric.{base}"):
        return say(f"metric.{base}")
    parts = base.split("_")
    for begin in range(1, len(parts)):
        rest = "_".join(parts[begin:])
        if known(f"metric.{rest}"):
            return say("claims.metric_of", metric=say(f"metric.{rest}"), what=Coded("_".join(parts[:begin]), "span"))
    return Coded(base)


def region(question: Question, found: Region) -> str:
    """A region with its bounds in the question's unit: `≥ 50%`, `≥ 1.5x`, `< 0.8x / > 1.25x` of either side. Language-free."""
    return " / ".join(_span(question, span) for span in found.spans)


def _span(question: Question, found: Span) -> str:
    kind = unit(question)
    parts = []
    for bound, closed, is_high in ((found.low, found.with_low, False), (found.high, found.with_high, True)):
        if abs(bound) != float("inf"):
            shown_in = _in(kind, bound)
            shown, suffix = bound * scale(shown_in), _SUFFIXES.get(shown_in, "")
            parts.append(
                f"{_SIGNS[closed, is_high]} {shown:,.6g}{suffix}"
                if abs(shown) >= 1
                else f"{_SIGNS[closed, is_high]} {shown:.3g}{suffix}"
            )
    return ", ".join(parts)


def told(claim: Claim, question: Question, effect: Effect) -> Said:
    """A question and its effect as a sentence: who, what, how much, from how many."""
    arm, against = claim.arm(question.arm), claim.arm(question.against)
    slots = {"arm": arm.label if arm else question.arm, "metric": metric(question.metric)}
    if against:
        slots["against"] = against.label
    return say(f"claims.told.{question.measure}", figure=figure(question, effect), n=effect.n, **slots)


def why(judged: Judged) -> Said:
    """Why the verdict is what it is."""
    key, slots = judged.reason.key, judged.reason.slots
    if key == "invalid":
        held: Held = slots["control"]
        expect = region(held.control, held.control.expect)
        return say(
            "claims.why.invalid", when=held.control.when, figure=figure(held.control, held.effect), expect=expect
        )
    if key == "bound_control":
        bound: Held = slots["control"]
        return say("claims.why.bound_control", name=bound.control.when, figure=figure(bound.control, bound.effect))
    if key == "depends":
        still = say("claims.why.open", open=_whens(slots["open"])) if slots["open"] else ""
        return say("claims.why.depends", holds=_whens(slots["for"]), fails=_whens(slots["against"]), open=still)
    if "check" in slots:
        found: Found = slots["check"]
        rest = {
            name: Coded(value, "span") if name == "reason" else value
            for name, value in slots.items()
            if name != "check"
        }
        rest |= {"figure": figure(found.check, found.effect)} if key in ("wide", "bound") else {}
        rest |= {"open": _whens(slots["open"]), "n": len(slots["open"])} if key == "wide" else {}
        return say(f"claims.why.{key}", when=found.check.when, **rest)
    return say(
        f"claims.why.{key}",
        **{name: Coded(str(value).rstrip("."), "span") if name == "reason" else value for name, value in slots.items()},
    )


def left_out(judged: Judged) -> Said | None:
    """What this machine could not show, beside a verdict on the rest."""
    left = [found for found in judged.checks if found.answer == "left-out"]
    return say("claims.why.left_out_some", left=_whens(left)) if left and judged.reason.key != "left_out" else None


def sentence(judged: Judged) -> list[Said]:
    """What stands in a claim's line: the headline's effect, then why, unless the figure alone says it."""
    headline = judged.headline
    said = []
    if headline and headline.effect.known and judged.status == "judged":
        said.append(told(judged.claim, headline.check, headline.effect))
    if judged.reason.key not in ("supported", "refuted") or not said:
        said.append(why(judged))
    left = left_out(judged)
    return [*said, left] if left else said


def word(judged: Judged) -> Said:
    """The verdict in a word; `invalid` and `not run` are no verdicts, and are said instead of one."""
    return say(f"claims.verdicts.{judged.verdict if judged.status == 'judged' else judged.status}")


def _whens(found: Sequence[Found]) -> Listed:
    return Listed([one.check.when for one in found], last="list.apart")
