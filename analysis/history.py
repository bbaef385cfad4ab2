"""The runs of a results folder, and the history of each stack over runs of one kind: what `index.py` writes as a page.

Figures are those of each run's `report/report.json`: a run without one is listed, and has no history.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis import document, frames, outside
from analysis.claims import document as verdicts
from analysis.claims.records import is_claims_run
from analysis.frames import mapping, sequence
from analysis.numbers import estimate
from analysis.page.trust import LEVELS
from analysis.setups import date_words
from bench.model import BenchError
from bench.store import ClaimsRun, read_claims, read_run

SIDES = ("server", "front", "load", "database")
METRIC = ("capacity", "capacity_rps")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One run as the index shows it. `kind`: host, mode and CPUs, alike in runs whose figures may stand side by side.

    `error` says why the run cannot be read, and nothing else is known then. Of its report.json, if it has one, `figures` holds the rows,
    `trust` the verdict and `why` the conditions that are not good. A run over `claims` has its verdicts instead, and is compared with none.
    """

    name: str
    date: str = ""
    host: str = ""
    mode: str = ""
    profile: str = ""
    status: str = ""
    blocks: int = 0
    counts: Mapping[str, int]
    report: str | None = None
    kind: tuple[str, ...] = ()
    claims: bool = False
    verdicts: str = ""
    trust: str = ""
    why: tuple[str, ...] = ()
    error: str = ""
    figures: Sequence[Mapping[str, Any]] = ()
    hashes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class History:
    """One stack over runs of one kind: a row a run, the newest first: date, run, whether its files changed, a figure a scenario."""

    stack: str
    scenarios: tuple[str, ...]
    rows: tuple[tuple[str, str, str, tuple[str, ...]], ...]


def listed(results: Path) -> list[Listed]:
    """Every run of the folder, the newest first. A run that cannot be read is there too, with the reason."""
    folders = [path.parent for path in results.glob("*/run.json") if not path.parent.is_symlink()]
    return [_listed(folder) for folder in sorted(folders, key=lambda one: one.name, reverse=True)]


def _listed(folder: Path) -> Listed:
    try:
        run = read_run(folder)
        if is_claims_run(run.header):
            return _claims(read_claims(folder))
    except BenchError as error:
        return Listed(name=folder.name, error=outside.line(error), counts={}, hashes={})
    report = _document(folder, "report.json", document.SCHEMA)
    return replace(
        _run(folder, run.header, run.trials, len(run.damaged)), blocks=len({str(trial.get("block")) for trial in run.trials}),
        figures=_figures(report), trust=_verdict(report), why=_why(report),
    )  # fmt: skip


def _claims(run: ClaimsRun) -> Listed:
    """A run over claims: its records as trials, its replicates as blocks, and how many claims got which verdict."""
    found = Counter(
        str(one.get("verdict") if one.get("status") == "judged" else one.get("status")).replace("-", " ")
        for one in map(mapping, sequence(_document(run.folder, "verdicts.json", verdicts.SCHEMA).get("claims")))
    )
    return replace(
        _run(run.folder, run.header, run.records, len(run.damaged)), claims=True,
        blocks=len({str(record.get("replicate")) for record in run.records}),
        verdicts=", ".join(f"{n} {outside.line(verdict)}" for verdict, n in found.most_common()),
    )  # fmt: skip


def _run(folder: Path, header: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], damaged: int) -> Listed:
    """What runs of every kind have."""
    environment, placement = mapping(header.get("environment")), mapping(header.get("placement"))
    host, mode = (outside.line(value or "not recorded") for value in (environment.get("host"), header.get("mode")))
    cpus = tuple(f"{side} {', '.join(map(str, sequence(placement.get(side)))) or 'not recorded'}" for side in SIDES)
    counts = {status: sum(trial.get("status") == status for trial in trials) for status in frames.STATUSES}
    flagged = sum(bool(trial.get("flags")) for trial in trials)
    return Listed(
        name=folder.name, date=_date(header.get("started")), host=host, mode=mode,
        profile=outside.line(header.get("profile") or "none"), status=outside.line(header.get("status") or "not recorded"),
        counts={"trials": len(trials), **counts, "flagged": flagged, "damaged": damaged},
        report=f"{quote(folder.name)}/report/index.html" if (folder / "report" / "index.html").exists() else None,
        kind=(host, mode, *cpus), hashes=mapping(header.get("hashes")),
    )  # fmt: skip


def _date(started: object) -> str:
    try:
        return str(date_words(started))
    except (TypeError, ValueError):
        return "not recorded"


def _document(folder: Path, name: str, schema: int) -> Mapping[str, Any]:
    """A document of the run's report; empty where that is absent, damaged or of another version."""
    try:
        found = mapping(json.loads((folder / "report" / name).read_text("utf-8")))
    except (OSError, ValueError):
        return {}
    return found if found.get("schema") == schema else {}


def _figures(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The run's capacities as its last report gave them."""
    rows = [mapping(row) for row in sequence(report.get("estimates"))]
    return [row for row in rows if (row.get("view"), row.get("metric")) == METRIC]


def _verdict(report: Mapping[str, Any]) -> str:
    level = mapping(report.get("trust")).get("level")
    return level if level in LEVELS else ""


def _why(report: Mapping[str, Any]) -> tuple[str, ...]:
    lines = [mapping(line) for line in sequence(mapping(report.get("trust")).get("lines"))]
    return tuple(outside.line(line.get("text") or "") for line in lines if line.get("level") != "good")


def kinds(found: Sequence[Listed]) -> list[tuple[str, list[History]]]:
    """For each kind of which there are several runs, its words and the history of every stack that is in two of them."""
    groups: dict[tuple[str, ...], list[Listed]] = {}
    for one in found:
        if not one.error:
            groups.setdefault(one.kind, []).append(one)
    told = []
    for kind, members in groups.items():
        stacks = dict.fromkeys(str(row.get("stack")) for one in members for row in one.figures)
        histories = [history for stack in stacks if len((history := _history(stack, members)).rows) > 1]
        if histories:
            host, mode, *cpus = kind
            told.append((f"host {host}, mode {mode}, CPUs: {'; '.join(cpus)}", histories))
    return told


def _history(stack: str, members: Sequence[Listed]) -> History:
    having = [one for one in members if any(row.get("stack") == stack for row in one.figures)]
    scenarios = tuple(
        dict.fromkeys(str(row.get("scenario")) for one in having for row in one.figures if row.get("stack") == stack)
    )
    rows = []
    for one, earlier in zip(having, [*having[1:], None], strict=True):
        by = {str(row.get("scenario")): row for row in one.figures if row.get("stack") == stack}
        rows.append(
            (one.date, one.name, _since(one, earlier, stack), tuple(_figure(by.get(name)) for name in scenarios))
        )
    return History(stack=stack, scenarios=scenarios, rows=tuple(rows))


def _since(one: Listed, earlier: Listed | None, stack: str) -> str:
    """Whether the stack's files and pins and the contract are those of the run before: empty for the first."""
    if earlier is None:
        return ""
    files = [mapping(run.hashes.get("stacks")).get(stack) for run in (one, earlier)]
    if not all(files):
        return "not known"
    return (
        "as before"
        if files[0] == files[1] and one.hashes.get("contract") == earlier.hashes.get("contract")
        else "changed"
    )


def _figure(row: Mapping[str, Any] | None) -> str:
    """A figure with its interval, or in its place the word that says why there is none."""
    if row is None:
        return "not in this run"
    value, low, high = (row.get(key) for key in ("estimate", "low", "high"))
    if not isinstance(value, int | float) or value <= 0:
        return outside.line(row.get("state") or "no figure")
    numbers = [float(one) if isinstance(one, int | float) else float("nan") for one in (low, high)]
    return f"{'at least ' if row.get('state') == 'bound' else ''}{estimate(float(value), *numbers)}"
