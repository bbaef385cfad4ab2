"""`report.json`: a run's estimates and what was compared, as analysis/schemas/report.schema.json describes it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import mapping, sequence
from analysis.page.trust import trust
from analysis.stats.comparison import Comparison
from analysis.stats.pairs import FAMILY, LEVEL

SCHEMA = 1
"""Raised when a key, or a column of the tables beside it, is removed, renamed or gets another meaning."""
_HEADER = (
    "status", "mode", "profile", "started", "ended", "seed", "command", "planned_s", "elapsed_s", "sampling_cpu_s", "blocks_done",
    "stopped",
)  # fmt: skip


def document(evidence: Evidence, estimates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`report.json`, as analysis/schemas/report.schema.json says. `estimates`: the rows of `exports.estimates`."""
    frames = evidence.frames
    header = frames.header
    counts = frames.trials["status"].value_counts()
    return {
        "schema": SCHEMA,
        "run_id": outside.line(header.get("run_id") or frames.path.resolve().name),
        "run": {
            **{key: _plain(header.get(key)) for key in _HEADER},
            "host": _plain(mapping(header.get("environment")).get("host")),
            "blocks": int(frames.trials["block"].nunique()),
            "trials": len(frames.trials),
            **{status: int(counts.get(status, 0)) for status in ("measured", "failed", "skipped")},
            "flagged": int(sum(bool(flags) for flags in frames.trials["flags"])),
            "damaged": list(frames.damaged),
        },
        "environment": {outside.line(k): _plain(v) for k, v in mapping(header.get("environment")).items()},
        "placement": {outside.line(k): _plain(v) for k, v in mapping(header.get("placement")).items()},
        "hashes": {"contract": _plain(_hashes(evidence).get("contract")), "stacks": _stack_hashes(evidence)},
        "trust": _trust(evidence),
        "level": LEVEL,
        "family": FAMILY,
        "stacks": [outside.line(stack["stack"]) for stack in evidence.stacks],
        "comparisons": [_comparison(found) for found in evidence.comparisons.values()],
        "estimates": [{k: _json(v) for k, v in row.items()} for row in estimates],
        "not_planned": [
            {"stack": outside.line(entry.get("id") or "?"), "reason": outside.line(entry.get("reason") or "")}
            for entry in map(mapping, sequence(frames.plan.get("skipped")))
        ],
    }


def _trust(evidence: Evidence) -> dict[str, Any]:
    """The page's verdict and its lines, in English."""
    found = trust(evidence)
    return {"level": found.level, "lines": [{"level": one.level, "text": one.words.plain()} for one in found.lines]}


def _hashes(evidence: Evidence) -> Mapping[str, Any]:
    return mapping(evidence.frames.header.get("hashes"))


def _stack_hashes(evidence: Evidence) -> dict[str, dict[str, Any]]:
    return {
        outside.line(stack): {outside.line(part): _plain(one) for part, one in mapping(found).items()}
        for stack, found in mapping(_hashes(evidence).get("stacks")).items()
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "scenario": found.scenario, "view": found.view, "metric": found.metric, "better": found.better, "margin": found.margin,
        "blocks": found.blocks, "pairs": len(found.pairs), **found.counts(), "half_width": _json(found.precision),
        "detectable": {"0.8": _json(found.detectable[0]), "0.9": _json(found.detectable[1])},
        "copies_spread": _json(found.copies.spread), "order": [place.stack for place in found.places],
        "left_out": dict(found.left_out),
    }  # fmt: skip


def _json(value: Any) -> Any:
    """null for what is absent; what pandas holds as its own kind of number as a plain one."""
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def _plain(value: object) -> Any:
    """A header's value as JSON may hold it: text cleaned, lists kept, anything else as a line of text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _json(value)
    return [_plain(one) for one in value] if isinstance(value, list) else outside.line(value)
