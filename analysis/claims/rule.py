"""A claim as a run holds it: its texts, its arms, and the rule that decides it, as it stood when the run began."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis import outside
from analysis.frames import mapping, sequence
from analysis.words import Spoken

Measure = Literal["value", "ratio", "difference"]
MEASURES: tuple[Measure, ...] = ("value", "ratio", "difference")

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_CONDITION = re.compile(rf"\s*(<=|>=|<|>)\s*({_NUMBER})\s*")
_OUTSIDE = re.compile(rf"\s*outside\s+({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


class RuleError(ValueError):
    """A claim whose rule cannot be applied: what is wrong with it, in words."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The values between `low` and `high`, each bound part of it where `with_low` and `with_high` say so."""

    low: float
    high: float
    with_low: bool
    with_high: bool

    def holds(self, value: float) -> bool:
        """Whether `value` lies in it."""
        above = value > self.low or (self.with_low and value == self.low)
        below = value < self.high or (self.with_high and value == self.high)
        return above and below


@dataclass(frozen=True, kw_only=True)
class Region:
    """The values in any of `spans`: one, or what lies on either side of a range. `text` is how it was written."""

    spans: tuple[Span, ...]
    text: str

    def holds(self, value: float) -> bool:
        """Whether `value` lies in it."""
        return any(span.holds(value) for span in self.spans)

    def holds_all(self, low: float, high: float) -> bool:
        """Whether the whole interval from `low` to `high` lies in it: in one span, since what is between two is not."""
        return any(span.holds(low) and span.holds(high) for span in self.spans)

    def meets(self, low: float, high: float) -> bool:
        """Whether any value from `low` to `high` lies in it."""
        return any(span.holds(low) or span.holds(high) or low < span.low < high for span in self.spans)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Of each span, infinite where it is open."""
        return tuple((span.low, span.high) for span in self.spans)


def region(text: object) -> Region:
    """`">= 0.5"`; several conditions of which all must hold: `">= 0.97, <= 1.03"`; either side of a range: `"outside 0.8..1.25"`.

    Raises RuleError for anything else.
    """
    if outer := _OUTSIDE.fullmatch(str(text)):
        below, above = float(outer[1]), float(outer[2])
        if below >= above:
            raise RuleError(f"'{outside.line(text)}' is no region: its lower bound must come first")
        spans = (
            Span(low=-math.inf, high=below, with_low=True, with_high=False),
            Span(low=above, high=math.inf, with_low=False, with_high=True),
        )
        return Region(spans=spans, text=outside.line(text))
    low, high, with_low, with_high = -math.inf, math.inf, True, True
    for part in str(text).split(","):
        found = _CONDITION.fullmatch(part)
        if not found:
            raise RuleError(f"'{text}' is no region: expected one of < <= > >= and a number, or outside A..B")
        bound, closed = float(found[2]), found[1].endswith("=")
        if found[1].startswith(">") and bound >= low:
            low, with_low = bound, closed
        elif found[1].startswith("<") and bound <= high:
            high, with_high = bound, closed
    span = Span(low=low, high=high, with_low=with_low, with_high=with_high)
    return Region(spans=(span,), text=outside.line(text))


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way in which the experiment is done. `curve` joins arms that are levels of one sweep."""

    name: str
    label: Spoken
    stack: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is measured of which arm, or of it `against` another one."""

    name: str
    when: Spoken
    metric: str
    arm: str
    against: str
    measure: Measure


@dataclass(frozen=True, kw_only=True)
class Check(Question):
    """A comparison with the regions that support and refute the claim. It needs `server_cpus` CPUs to say anything."""

    supports: Region
    refutes: Region
    server_cpus: int = 1


@dataclass(frozen=True, kw_only=True)
class Control(Question):
    """What must come out as `expect`, or the experiment is invalid."""

    expect: Region


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim with its rule. `texts` are title, statement, prediction, mechanism and changes; `traps` what to beware of."""

    number: int
    experiment: str
    texts: Mapping[str, Spoken]
    quote: str
    quote_en: str
    source: str
    traps: Sequence[Spoken]
    parameters: Mapping[str, Any]
    replicates: int
    arms: Sequence[Arm]
    checks: Sequence[Check]
    controls: Sequence[Control]
    headline: str

    @property
    def title(self) -> Spoken:
        """What is claimed, in one line."""
        return self.texts["title"]

    def arm(self, name: str) -> Arm | None:
        """The arm of that name."""
        return next((arm for arm in self.arms if arm.name == name), None)


TEXTS = ("title", "statement", "prediction", "mechanism", "changes")


def claim(number: int, table: Mapping[str, Any]) -> Claim:
    """The claim that `table`, the content of its file, describes. Raises RuleError where its rule cannot be applied."""
    arms = tuple(_arm(one) for one in map(mapping, sequence(table.get("arm"))))
    checks = tuple(_check(one, number, arms) for one in map(mapping, sequence(table.get("check"))))
    controls = tuple(
        Control(**_question(one, "control", number, arms), expect=_region(one, "expect", "control", number))
        for one in map(mapping, sequence(table.get("control")))
    )
    headline = outside.line(mapping(table.get("headline")).get("check") or "")
    if headline not in [check.name for check in checks]:  # a run of some arms is without the checks of the others
        headline = checks[0].name if checks else ""
    return Claim(
        number=number,
        experiment=outside.line(table.get("experiment") or ""),
        texts={key: spoken(table.get(key)) for key in TEXTS},
        quote=outside.line(table.get("quote") or ""),
        quote_en=outside.line(table.get("quote_en") or ""),
        source=outside.line(table.get("source") or ""),
        traps=tuple(spoken(trap) for trap in sequence(table.get("traps"))),
        parameters=mapping(table.get("parameters")),
        replicates=int(table.get("replicates") or 0),
        arms=arms,
        checks=checks,
        controls=controls,
        headline=headline,
    )


def texts_of(number: int, table: Mapping[str, Any]) -> Claim:
    """The claim without its rule, which cannot be applied."""
    return claim(
        number, {key: value for key, value in table.items() if key not in ("arm", "check", "control", "headline")}
    )


def spoken(value: object) -> Spoken:
    """A text in every language: a table with one for each, or one text for all."""
    if isinstance(value, Mapping):
        english = outside.line(value.get("en") or value.get("zh") or "")
        return Spoken(english, outside.line(value.get("zh") or english))
    return Spoken(outside.line(value or ""), outside.line(value or ""))


def _arm(table: Mapping[str, Any]) -> Arm:
    name = outside.line(table.get("name") or "")
    label = spoken(table.get("label") or name)
    return Arm(
        name=name,
        label=label,
        stack=outside.line(table.get("stack") or ""),
        parameters=mapping(table.get("parameters")),
    )


def _check(table: Mapping[str, Any], number: int, arms: Sequence[Arm]) -> Check:
    return Check(
        **_question(table, "check", number, arms),
        supports=_region(table, "supports", "check", number),
        refutes=_region(table, "refutes", "check", number),
        server_cpus=int(table.get("server_cpus") or 1),
    )


def _region(table: Mapping[str, Any], key: str, kind: str, number: int) -> Region:
    if table.get(key) is None:
        raise RuleError(f"claim {number}, {kind} '{outside.line(table.get('name') or '')}': key '{key}' is missing")
    return region(table[key])


def _question(table: Mapping[str, Any], kind: str, number: int, arms: Sequence[Arm]) -> dict[str, Any]:
    name = outside.line(table.get("name") or "")
    where = f"claim {number}, {kind} '{name}'"
    known = [arm.name for arm in arms]
    found = {key: outside.line(table.get(key) or "") for key in ("metric", "arm", "against")}
    measure = table.get("measure") or "value"
    if measure not in MEASURES:
        raise RuleError(f"{where}: key 'measure': '{outside.line(measure)}' is none of {', '.join(MEASURES)}")
    for key in ("arm", "against"):
        if (found[key] or key == "arm") and found[key] not in known:
            raise RuleError(f"{where}: key '{key}': there is no arm '{found[key]}'")
    if (measure != "value") != bool(found["against"]):
        raise RuleError(f"{where}: a ratio or difference, and nothing else, is taken against another arm")
    return {"name": name, "when": spoken(table.get("when") or name.replace("-", " ")), "measure": measure, **found}
