"""`verdicts.json`: every claim of a run with its verdict, as analysis/schemas/verdicts.schema.json describes it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analysis import outside
from analysis.claims import sentences
from analysis.claims.effects import Effect
from analysis.claims.records import ClaimsRun
from analysis.claims.rule import Question
from analysis.claims.verdict import FAMILY, LEVEL, Judged
from analysis.frames import STATUSES, mapping, sequence
from analysis.page.head import machine
from analysis.words import LANGUAGES, Said

SCHEMA = 1
"""Raised when a key is removed, renamed or gets another meaning."""


def document(
    run: ClaimsRun, judged: Sequence[Judged], pictures: Mapping[int, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The document. `pictures`: by claim, the files below the report's folder."""
    header = run.header
    return {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "status": outside.line(header.get("status") or ""),
        "mode": outside.line(header.get("mode") or ""),
        "quick": run.quick,
        "seed": header.get("seed") if isinstance(header.get("seed"), int) else None,
        "machine": machine(mapping(header.get("environment"))),
        "server_cpus": len(sequence(mapping(header.get("placement")).get("server"))) or None,
        "started": outside.line(header.get("started") or ""),
        "host": outside.line(mapping(header.get("environment")).get("host") or ""),
        "level": LEVEL,
        "family": FAMILY,
        "least_replicates": run.least,
        "claims": [_claim(run, one, (pictures or {}).get(one.number, ())) for one in judged],
        "damaged": list(run.damaged),
    }


def _claim(run: ClaimsRun, judged: Judged, pictures: Sequence[str]) -> dict[str, Any]:
    headline = judged.headline
    title = judged.claim.title
    statuses = Counter(record.status for record in judged.records)
    return {
        "id": judged.number,
        "title": {"en": title.english, "zh": title.chinese} if title.english else None,
        "experiment": judged.claim.experiment or None,
        "status": judged.status,
        "verdict": judged.verdict,
        **(_effect(headline.effect) if headline else _effect(None)),
        "headline": headline.check.name if headline else None,
        "unit": sentences.unit(headline.check) if headline else None,
        "controls_ok": judged.controls_ok,
        "reason": sentences.why(judged).plain("en"),
        "sentence": {
            tag.partition("-")[0]: " ".join(one.plain(tag) for one in sentences.sentence(judged)) for tag in LANGUAGES
        },
        "checks": [
            {
                **_question(found.check, found.effect),
                "supports": found.check.supports.text,
                "refutes": found.check.refutes.text,
                "answer": found.answer,
            }
            for found in judged.checks
        ],
        "controls": [
            {**_question(held.control, held.effect), "expect": held.control.expect.text, "ok": held.ok}
            for held in judged.controls
        ],
        "trials": {status: statuses[status] for status in STATUSES},
        "reads": run.reads.get(judged.number),
        "pictures": list(pictures),
    }  # fmt: skip


def _question(question: Question, effect: Effect) -> dict[str, Any]:
    return {
        "name": question.name,
        "when": {"en": question.when.english, "zh": question.when.chinese},
        "metric": question.metric,
        "measure": question.measure,
        "arm": question.arm,
        "against": question.against or None,
        "unit": sentences.unit(question),
        **_effect(effect),
        "figure": _spoken(sentences.figure(question, effect)),
        "bound": effect.bound or None,
        "missing": effect.missing or None,
    }


def _spoken(said: Said) -> dict[str, str]:
    return {tag.partition("-")[0]: said.plain(tag) for tag in LANGUAGES}


def _effect(effect: Effect | None) -> dict[str, Any]:
    if effect is None:
        return {"effect": None, "low": None, "high": None, "n": 0}
    return {
        "effect": _number(effect.value), "low": _number(effect.low), "high": _number(effect.high), "n": effect.n,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
