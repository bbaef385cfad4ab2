"""The page of the claims: one file that asks nothing of the network, whole without a script."""

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from analysis import outside, words
from analysis.claims import sentences
from analysis.claims.effects import BOUNDED, OF, Effect
from analysis.claims.records import FILE, ClaimsRun, Record
from analysis.claims.rule import Question, Region
from analysis.claims.verdict import FAMILY, Judged
from analysis.frames import mapping, sequence
from analysis.page.head import machine, when
from analysis.page.render import TEMPLATES, environment
from analysis.page.sections import Picture
from analysis.page.trust import how_far
from analysis.palette import COLOURS, INK
from analysis.words import Said, say

ICONS: Mapping[str, str] = {
    "supported": "✓", "refuted": "✕", "depends": "◐", "inconclusive": "?", "invalid": "!", "not-run": "–",
}  # fmt: skip
"""Beside each word, so that no verdict is told by its colour alone."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A claim as the page shows it: the judgement and its pictures."""

    judged: Judged
    pictures: Sequence[Picture]


def render(run: ClaimsRun, shown: Sequence[Shown], *, data: str, language: str = "en") -> str:
    """The page as text, shown in `language` first. `data` links the run's folder."""
    script = (TEMPLATES / "claims.js").read_text("utf-8")
    values = {
        "language": language,
        "languages": words.LANGUAGES,
        "heading": heading(run),
        "counts": counts([one.judged for one in shown]),
        "claims": [_claim(run, one) for one in shown],
        "limits": _limits(run),
        "data": data,
        "file": FILE,
        "icons": ICONS,
        "colours": {**INK, **{f"fw-{name}": colour for name, colour in COLOURS.items()}},
        "style": Markup(
            "".join((TEMPLATES / name).read_text("utf-8") for name in ("style.css", "verdicts.css", "claims.css"))
        ),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment(language).get_template("claims.html").render(values)


def heading(run: ClaimsRun) -> dict[str, Any]:
    """Run, date, host, mode and status, as plain text."""
    header = run.header
    host = mapping(header.get("environment"))
    return {
        "run_id": run.run_id,
        "date": when(header.get("started")),
        "host": outside.line(host.get("host") or "host not recorded"),
        "machine": machine(host),
        "mode": outside.line(header.get("mode") or "mode not recorded"),
        "profile": "quick" if run.quick else "all",
        "status": outside.line(header.get("status") or "status not recorded"),
        "state": how_far(header.get("status")),
        "command": outside.line(header.get("command") or ""),
    }


def kind(judged: Judged) -> str:
    """The verdict, or what stands in its place: a key of `ICONS`."""
    return judged.verdict if judged.status == "judged" else judged.status


def counts(judged: Sequence[Judged]) -> list[tuple[str, Said, int]]:
    """How many of each verdict there are: kind, word, number."""
    found = Counter(kind(one) for one in judged)
    return [(name, say(f"claims.verdicts.{name}"), found[name]) for name in ICONS if found[name]]


def _limits(run: ClaimsRun) -> list[Said]:
    cpus = sequence(mapping(run.header.get("placement")).get("server"))
    said = [say("claims.cpus", cpus=say("count.cpus", n=len(cpus)))] if cpus else []
    said += [say("claims.relative"), say("claims.family", family=FAMILY)]
    if run.quick:
        said.append(say("claims.quick", least=run.least))
    if run.damaged:
        said.append(say("claims.damaged", n=len(run.damaged), first=words.Coded(run.damaged[0], "span")))
    return said


def _claim(run: ClaimsRun, shown: Shown) -> dict[str, Any]:
    judged = shown.judged
    headline = judged.headline
    claim = judged.claim
    return {
        "number": judged.number,
        "kind": kind(judged),
        "word": sentences.word(judged),
        "claim": claim,
        "source": source(claim.source),
        "title": claim.title if claim.title.english else say("claims.rule_unread"),
        "sentences": sentences.sentence(judged),
        "why": sentences.why(judged),
        "told": sentences.told(claim, headline.check, headline.effect)
        if headline and headline.effect.known and judged.status == "judged"
        else None,
        "effect": sentences.figure(headline.check, headline.effect) if headline and headline.effect.known else None,
        "n": headline.effect.n if headline and headline.effect.known else "",
        "rail": rail(headline.check, headline.effect, headline.check.supports, headline.check.refutes)
        if headline
        else None,
        "checks": [
            {
                "when": one.check.when,
                "metric": sentences.metric(one.check.metric),
                "figure": sentences.figure(one.check, one.effect),
                "missing": one.effect.missing,
                "n": one.effect.n,
                "supports": sentences.region(one.check, one.check.supports),
                "refutes": sentences.region(one.check, one.check.refutes),
                "answer": say(f"claims.answers.{one.answer}"),
                "kind": one.answer,
            }
            for one in judged.checks
        ],
        "controls": [
            {
                "when": one.control.when,
                "metric": sentences.metric(one.control.metric),
                "figure": sentences.figure(one.control, one.effect),
                "missing": one.effect.missing,
                "n": one.effect.n,
                "expect": sentences.region(one.control, one.control.expect),
                "answer": say(f"claims.answers.{_kept(one.ok)}"),
                "kind": _kept(one.ok),
            }
            for one in judged.controls
        ],
        "pictures": shown.pictures,
        "flags": _flags(judged.records),
        "trials": [_trial(record, judged) for record in judged.records],
        "reads": run.reads.get(judged.number),
    }


def source(text: str) -> Said | str:
    """Where a claim is from: in the page's words where it is the article, else as the file says."""
    found = re.fullmatch(r"the article, section (\d+)\b.*", text)
    if found:
        return say("claims.section", n=found[1])
    return say("claims.elsewhere") if text.startswith("travels with the article") else text


def _flags(records: Sequence[Record]) -> list[Said]:
    """What was flagged, how often, and what that means."""
    found = Counter(flag for record in records for flag in record.flags)
    return [
        say(
            "claims.flagged" if words.known(f"flag.{flag}") else "claims.flagged_bare",
            flag=words.Coded(flag), n=n, total=len(records), **({"meaning": say(f"flag.{flag}")} if words.known(f"flag.{flag}") else {}),
        )
        for flag, n in found.items()
    ]  # fmt: skip


def _kept(ok: bool | None) -> str:
    return "unknown" if ok is None else "ok" if ok else "broken"


def _trial(record: Record, judged: Judged) -> dict[str, Any]:
    arm = judged.claim.arm(record.arm)
    return {
        "arm": arm.label if arm else record.arm,
        "replicate": record.replicate,
        "stack": record.stack,
        "status": record.status,
        "figures": [
            (sentences.metric(name), sentences.number(name, value))
            for name, value in record.metrics.items()
            if not name.endswith((OF, BOUNDED))
        ],
        "events": [(event.name, f"{event.at_s:.3f}") for event in record.events],
        "flags": record.flags,
        "reason": record.reason,
        "log": record.log_tail,
        "requests": record.requests,
    }


def rail(question: Question, effect: Effect, supports: Region, refutes: Region) -> dict[str, Any] | None:
    """Where on a rail from 0 to 100 the headline's estimate, its interval and the two regions stand; None without an estimate."""
    if not effect.known:
        return None
    edges = [one for region in (supports, refutes) for both in region.bounds for one in both if math.isfinite(one)]
    log = question.measure == "ratio"
    values = [one for one in (effect.value, effect.low, effect.high, *edges, 1.0 if log else 0.0) if math.isfinite(one)]
    values = [math.log(one) for one in values if one > 0] if log else values
    low, high = (0.0, 1.0) if sentences.unit(question) == "share" else (min(values), max(values))
    room = 0.08 * (high - low or 1.0)
    low, high = low - room, high + room

    def at(value: float) -> float:
        if log:
            value = math.log(value) if value > 0 else -math.inf
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 1)

    return {
        "at": at(effect.value),
        "low": at(effect.low) if effect.has_interval else None,
        "high": at(effect.high) if effect.has_interval else None,
        "regions": [
            (name, at(low), at(high))
            for name, region in (("supports", supports), ("refutes", refutes))
            for low, high in region.bounds
        ],
    }
