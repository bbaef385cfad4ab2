"""From a stored run to tidy frames: one row a trial, one row a stack, one row a cell of the plan.

Nothing is guessed and nothing is dropped in silence: what cannot be read is named in `Frames.damaged`, and what was planned but
has no record is a cell with the status `missing`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis import outside
from bench.store import read_run

STATUSES = ("measured", "failed", "skipped")
ROLES = ("app", "front", "database", "generator")
PERCENTILES = {"p50": "p50_ms", "p90": "p90_ms", "p99": "p99_ms", "p99_9": "p99_9_ms"}

_NUMBERS = ("requests", "seconds", "rps", "offered_rps", "window_requests", "connections", "slices", "generator_cpu",
            "ceiling_rps", "offset_s")  # fmt: skip
_PARTS = {
    **{("cpu_s", role): f"cpu_{role}_s" for role in ROLES},
    **{("pss_bytes", role): f"pss_{role}_bytes" for role in ("app", "front")},
    **{("latency_ms", key): column for key, column in PERCENTILES.items()},
    ("latency_ms", "max"): "max_ms",
    ("latency_ms", "samples"): "samples",
    ("host", "steal"): "steal",
}
TRIAL_COLUMNS = (
    "trial_id", "cell", "stack", "scenario", "view", "block", "group", "copy", "deployment_id", "status", "reason", "log_tail", "flags",
    "errors", "late", "parameters", "has_front",
    *_NUMBERS, *_PARTS.values(),
)  # fmt: skip
_TEXTS = ("app", "framework", "title", "model", "variant", "version", "server", "front", "data")
STACK_COLUMNS = ("stack", *_TEXTS, "options", "planned")
NO_FRONT = ("direct", "")
"""What a stack id has in the place of a front where there is none, and what is known of a front that nothing names."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """A stored run, ready to be analysed.

    `trials` has `TRIAL_COLUMNS`: figures are floats, NaN where nothing was measured, and `has_front` tells a front that was not measured
    from none. `stacks` has `STACK_COLUMNS`, in the order of the plan. `cells` has a row for each scenario, stack and view: its status, one
    reason if there is no figure, one `failure` if only some of its trials failed, the counts of its trials, and the flags and errors of the
    measured ones. `damaged` holds a line for every
    record that could not be read.
    """

    path: Path
    header: Mapping[str, Any]
    trials: pd.DataFrame
    stacks: pd.DataFrame
    cells: pd.DataFrame
    damaged: tuple[str, ...]

    @property
    def plan(self) -> Mapping[str, Any]:
        """What was planned, or nothing if the run ended before it was."""
        return mapping(self.header.get("plan"))


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is a mapping, else an empty one: a header may lack any part of itself."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as mappings, by name of column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def tried(cell: Mapping[str, Any]) -> int:
    """How many trials a row of `Frames.cells` counts, whatever became of them."""
    return sum(int(cell[status]) for status in STATUSES)


def load(path: Path) -> Frames:
    """The frames of the run stored in folder `path`. Raises BenchError if there is no run there, or a newer one than this reads."""
    run = read_run(path)
    damaged = [outside.line(entry) for entry in run.damaged]
    trials = _trials(run.trials, damaged)
    stacks = _stacks(mapping(run.header.get("plan")), trials)
    return Frames(
        path=path,
        header=run.header,
        trials=trials.assign(has_front=trials["stack"].isin(_behind_a_front(stacks))),
        stacks=stacks,
        cells=_cells(run.header, trials, stacks),
        damaged=tuple(damaged),
    )


def _trials(stored: Sequence[Mapping[str, Any]], damaged: list[str]) -> pd.DataFrame:
    rows: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(stored, 1):
        try:
            row = _trial(record)
        except (KeyError, TypeError, ValueError) as error:
            damaged.append(
                f"trials.jsonl, record {number}: left out, {outside.line(error.args[0] if error.args else error)}"
            )
            continue
        rows[row["trial_id"]] = row  # the unit of an earlier one was cut off and repeated
    frame = pd.DataFrame(
        list(rows.values()), columns=list(TRIAL_COLUMNS), dtype=object
    )  # else an absent reason becomes NaN
    figures = [*_NUMBERS, *_PARTS.values()]
    return frame.astype(dict.fromkeys(figures, "float64") | dict.fromkeys(("block", "group", "copy"), "int64"))


def _trial(record: Mapping[str, Any]) -> dict[str, Any]:
    """One record as a flat row. Raises if a key is missing or holds something else than the store's schema says."""
    row: dict[str, Any] = {key: _text(record, key) for key in ("trial_id", "stack", "scenario", "view", "status")}
    if row["status"] not in STATUSES:
        raise ValueError(f"status {row['status']!r} is none of {', '.join(STATUSES)}")
    row |= {key: int(record.get(key) or 0) for key in ("block", "group", "copy")}
    row["deployment_id"] = str(record.get("deployment_id") or f"{row['stack']}#{row['block']}.{row['copy']}")
    row["cell"] = outside.line(record.get("cell") or "")
    row["reason"] = None if record.get("reason") is None else outside.line(record["reason"])
    row["log_tail"] = None if record.get("log_tail") is None else outside.block(record["log_tail"])
    row["flags"] = tuple(outside.line(flag) for flag in sequence(record.get("flags")))
    row["late"] = tuple(outside.line(name) for name in sequence(record.get("late")))
    row["parameters"] = mapping(record.get("parameters"))
    row["errors"] = {outside.line(kind): int(n) for kind, n in mapping(record.get("errors")).items() if n}
    row |= {key: _figure(record.get(key), key) for key in _NUMBERS}
    row |= {column: _figure(mapping(record.get(part)).get(key), column) for (part, key), column in _PARTS.items()}
    return row


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"key {key!r} is missing or not a text")
    return outside.line(value)


def _figure(value: object, key: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"key {key!r} holds {value!r}, which is no figure")
    return float(value)


def _stacks(plan: Mapping[str, Any], trials: pd.DataFrame) -> pd.DataFrame:
    """The planned stacks, then any that has trials without being in the plan."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in map(mapping, sequence(plan.get("stacks"))):
        if isinstance(entry.get("id"), str):
            stack = outside.line(entry["id"])
            text = {key: outside.line(entry.get(key) or "") for key in _TEXTS}
            options = sorted(f"{outside.line(k)}={outside.line(v)}" for k, v in mapping(entry.get("options")).items())
            rows[stack] = {"stack": stack, "planned": True, **text, "options": tuple(options)}
    for stack in trials["stack"].unique():
        app = stack.split("/")[0].split("+")[0].split("@")[0]
        known = dict.fromkeys(_TEXTS, "") | {"app": app, "framework": app, "title": app}
        rows.setdefault(stack, {"stack": stack, "planned": False, **known, "options": ()})
    return pd.DataFrame(list(rows.values()), columns=list(STACK_COLUMNS))


def _behind_a_front(stacks: pd.DataFrame) -> set[str]:
    """Those that have one, as the plan says or, where it does not know the stack, the third part of the id."""
    named = {row["stack"]: row["front"] or row["stack"].partition("/")[2].partition("/")[2] for row in records(stacks)}
    return {stack for stack, front in named.items() if front.partition("+")[0] not in NO_FRONT}


def _cells(header: Mapping[str, Any], trials: pd.DataFrame, stacks: pd.DataFrame) -> pd.DataFrame:
    """A row for each scenario, view and stack that was planned or has trials."""
    plan = mapping(header.get("plan"))
    seen = dict.fromkeys(zip(trials["scenario"], trials["view"], strict=True))
    planned = dict.fromkeys(
        (outside.line(scenario), outside.line(view))
        for scenario in sequence(plan.get("scenarios"))
        for view in sequence(mapping(plan.get("views")).get(scenario))
    )
    found: dict[tuple[str, str, str], list[_Outcome]] = {}
    columns = (trials[name].tolist() for name in ("scenario", "view", "stack", "status", "reason", "flags", "errors"))
    for scenario, view, stack, *outcome in zip(*columns, strict=True):
        found.setdefault((scenario, view, stack), []).append(_Outcome(*outcome))
    rows = [
        {
            "scenario": scenario,
            "view": view,
            "stack": stack,
            **_cell(found.get((scenario, view, stack)), header.get("status")),
        }
        for scenario, view in {**planned, **seen}
        for stack in stacks["stack"]
    ]
    names = [
        "scenario", "view", "stack", "status", "reason", "failure", "measured", "failed", "skipped", "flags", "errors",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names, dtype=object)


class _Outcome(NamedTuple):
    """What became of one trial of a cell."""

    status: str
    reason: str | None
    flags: tuple[str, ...]
    errors: Mapping[str, int]


def _cell(trials: Sequence[_Outcome] | None, run_status: object) -> dict[str, Any]:
    if trials is None:
        why = {"interrupted": "the run was interrupted before it", "running": "the run had not come to it"}
        reason = why.get(str(run_status), "no trial of it was recorded")
        return {
            "status": "missing",
            "reason": reason,
            "failure": None,
            "measured": 0,
            "failed": 0,
            "skipped": 0,
            "flags": (),
            "errors": {},
        }
    counts = {status: sum(trial.status == status for trial in trials) for status in STATUSES}
    status = next(status for status in STATUSES if counts[status])
    measured = [trial for trial in trials if trial.status == "measured"]
    errors: Counter[str] = Counter()
    for trial in measured:
        errors.update(trial.errors)
    return {
        "status": status,
        "reason": None if status == "measured" else _last_reason(trials, status),
        # A stack that failed now and then is ranked by the rest: whoever shows its figure has to say so.
        "failure": _last_reason(trials, "failed") if status == "measured" and counts["failed"] else None,
        **counts,
        "flags": tuple(dict.fromkeys(flag for trial in measured for flag in trial.flags)),
        "errors": dict(errors),
    }


def _last_reason(trials: Sequence[_Outcome], status: str) -> str:
    reasons = [trial.reason for trial in trials if trial.status == status and trial.reason]
    return str(reasons[-1]) if reasons else "no reason was recorded"
