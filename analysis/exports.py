"""What other programs read of a run: its estimates and pairs as tidy tables, and one JSON document with a published schema.

    estimates, pairs, percentiles, effects -> data/*.csv and *.parquet
    document -> report.json          (summary.md is analysis/summary.py's)

docs/report.md has every column and key. What has no figure has a row too, with its state and the reason; no cell is left out.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis import further, summary
from analysis.document import document
from analysis.evidence import Evidence, Key
from analysis.frames import PERCENTILES, records
from analysis.stats import ALL_SCENARIOS
from analysis.stats.comparison import Comparison
from analysis.stats.layout import BETTER

STATES = ("compared", "bound", "not-compared", "no-figure", "failed", "skipped", "missing")
ESTIMATE_COLUMNS = (
    "scenario", "view", "metric", "unit", "better", "stack", "state", "estimate", "low", "high", "deployments", "blocks", "letters",
    "rank_low", "rank_high", "different", "equivalent", "unresolved", "flags", "reason",
)  # fmt: skip
PAIR_COLUMNS = (
    "scenario", "view", "metric", "better", "stack", "other", "ratio", "low", "high", "low_alone", "high_alone", "answer", "margin",
    "blocks",
)  # fmt: skip
_COUNTS = ("deployments", "blocks", "rank_low", "rank_high", "different", "equivalent", "unresolved")
_UNITS = {"_rps": "requests/s", "_ms": "ms", "_bytes": "bytes"}
_FORMULA = re.compile(r"[=+\-@]")


def write(evidence: Evidence, out: Path) -> None:
    """Write all exports of a run into its report's folder `out`, each file in one step. Raises OSError."""
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    tables = {
        "estimates": estimates(evidence), "pairs": pairs(evidence), "percentiles": further.percentiles(evidence),
        "effects": further.parts(evidence),
    }  # fmt: skip
    for name, table in tables.items():
        with _replaced(data / f"{name}.csv") as new:
            _for_sheets(table).to_csv(new, index=False, float_format="%.10g", lineterminator="\n")
        with _replaced(data / f"{name}.parquet") as new:
            table.to_parquet(new, index=False)
    with _replaced(out / "report.json") as new:
        text = json.dumps(
            document(evidence, records(tables["estimates"])), ensure_ascii=False, allow_nan=False, indent=1
        )
        new.write_text(text + "\n", "utf-8")
    with _replaced(out / "summary.md") as new:
        new.write_text(summary.text(evidence), "utf-8")


class _replaced:  # noqa: N801  (used as a function)
    """A file to be written beside `path`, which takes its place at the end: a reader sees the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path, self._new = path, path.with_name(f".{path.name}.new")

    def __enter__(self) -> Path:
        return self._new

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            os.replace(self._new, self._path)  # noqa: PTH105
        else:
            self._new.unlink(missing_ok=True)


def estimates(evidence: Evidence) -> pd.DataFrame:
    """A row, with `ESTIMATE_COLUMNS`, for each figure, and for each metric of each planned cell that has none."""
    rows = [_estimate(evidence, key) for key in evidence.figures]
    for cell in evidence.cells:
        for metric in _expected(cell["view"]):
            key = (cell["scenario"], cell["view"], cell["stack"], metric)
            if key not in evidence.figures:
                rows.append(_absent(cell, metric))
    frame = pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))
    return frame.astype(dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(("estimate", "low", "high"), "float64"))


def _expected(view: str) -> list[str]:
    return ["capacity_rps", "cpu_ms", "pss_bytes"] if view == "capacity" else [*PERCENTILES.values(), "pss_bytes"]


def _estimate(evidence: Evidence, key: Key) -> dict[str, Any]:
    scenario, view, stack, metric = key
    figure, found = evidence.figures[key], evidence.comparisons.get((scenario, view, metric))
    place = next((one for one in found.places if one.stack == stack), None) if found else None
    reason = found.left_out.get(stack, "") if found else ""
    state = "compared" if place else "not-compared"
    if reason and _is_flag(reason):
        state = "bound"
    elif not place and not reason:
        reason = _why_not_compared(found)
    row = _named(scenario, view, stack, metric) | {
        "state": state, "estimate": figure.value, "low": figure.low, "high": figure.high, "deployments": figure.n,
        "blocks": figure.blocks, "flags": _flags(evidence, key), "reason": reason,
    }  # fmt: skip
    if place and found:
        answers = [pair.answer for pair in found.pairs if stack in (pair.stack, pair.other)]
        row |= {"letters": place.letters, "rank_low": place.rank[0], "rank_high": place.rank[1]}
        row |= {answer: answers.count(answer) for answer in ("different", "equivalent", "unresolved")}
    return row


def _is_flag(reason: str) -> bool:
    """Whether a stack was left out because its figure is a bound: the reason is then a flag's name, and else a sentence."""
    return " " not in reason


def _why_not_compared(found: Comparison | None) -> str:
    return "no other stack to compare with" if found else "a part of a sum, or an offered load: not compared by itself"


def _named(scenario: str, view: str, stack: str, metric: str) -> dict[str, Any]:
    unit = next((unit for ending, unit in _UNITS.items() if metric.endswith(ending)), "")
    return {
        "scenario": scenario, "view": view, "metric": metric, "unit": unit, "better": BETTER.get(metric, ""), "stack": stack,
        "letters": "", "flags": "", "reason": "",
    }  # fmt: skip


def _flags(evidence: Evidence, key: Key) -> str:
    scenario, view, stack, _ = key
    cells = [] if scenario == ALL_SCENARIOS else evidence.of(stack, scenario, view)
    return " ".join(dict.fromkeys(flag for cell in cells for flag in cell["flags"]))


def _absent(cell: Mapping[str, Any], metric: str) -> dict[str, Any]:
    measured = cell["status"] == "measured"
    few = "too few answers for this percentile" if metric in PERCENTILES.values() else "the trials recorded no figure"
    return _named(cell["scenario"], cell["view"], cell["stack"], metric) | {
        "state": "no-figure" if measured else cell["status"], "reason": few if measured else cell["reason"] or "",
        "flags": " ".join(cell["flags"]), "deployments": 0, "blocks": 0,
    }  # fmt: skip


def pairs(evidence: Evidence) -> pd.DataFrame:
    """A row, with `PAIR_COLUMNS`, for each pair of stacks that was compared: `stack` over `other`."""
    tables = [_pairs(found) for found in evidence.comparisons.values() if found.pairs]
    frame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(PAIR_COLUMNS))
    floats = ("ratio", "low", "high", "low_alone", "high_alone", "margin")
    return frame.astype(dict.fromkeys(floats, "float64") | {"blocks": "Int64"})


def _pairs(found: Comparison) -> pd.DataFrame:
    numbers = np.array([(pair.log_ratio, pair.half, pair.half_alone) for pair in found.pairs])
    middle, half, alone = numbers.T
    columns = {
        "scenario": found.scenario, "view": found.view, "metric": found.metric, "better": found.better,
        "stack": [pair.stack for pair in found.pairs], "other": [pair.other for pair in found.pairs],
        "ratio": np.exp(middle), "low": np.exp(middle - half), "high": np.exp(middle + half),
        "low_alone": np.exp(middle - alone), "high_alone": np.exp(middle + alone),
        "answer": [pair.answer for pair in found.pairs], "margin": found.margin, "blocks": [pair.blocks for pair in found.pairs],
    }  # fmt: skip
    return pd.DataFrame(columns, columns=list(PAIR_COLUMNS))


def _for_sheets(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that a spreadsheet would take for a formula get an apostrophe before them: they may come from outside."""
    texts = {str(name): table[name].map(_no_formula) for name in table.columns if not is_numeric_dtype(table[name])}
    return table.assign(**texts)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
