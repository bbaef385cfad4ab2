"""The verdicts for a terminal, and the document as the text of its file."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.claims import sentences
from analysis.claims.page import ICONS, counts, kind
from analysis.claims.records import ClaimsRun
from analysis.claims.verdict import Judged

WIDTH = 100


def as_json(document: Mapping[str, Any]) -> str:
    """`verdicts.json`."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def summary(run: ClaimsRun, judged: Sequence[Judged]) -> str:
    """How many of each verdict, then each claim with what was measured and why."""
    if not judged:
        return f"run {run.run_id}: no claim was run"
    told = ", ".join(f"{n} {word.plain('en')}" for _, word, n in counts(judged))
    lines = [f"run {run.run_id}: {told}"]
    for one in judged:
        title = one.claim.title.english
        lines.append(f"{one.number:>2} {ICONS[kind(one)]} {sentences.word(one).plain('en').upper()}: {title}")
        said = " ".join(sentence.plain("en") for sentence in sentences.sentence(one))
        lines += textwrap.wrap(said, WIDTH, initial_indent="     ", subsequent_indent="     ")
    lines += [f"damaged: {line}" for line in run.damaged]
    return "\n".join(lines)
