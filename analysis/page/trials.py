"""Every trial as a row, by scenario, so that any figure can be followed to what it was made of."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis import tables
from analysis.evidence import Evidence
from analysis.frames import records
from analysis.numbers import to_place
from analysis.stats.figures import charged_s
from analysis.words import Said

MOST = 6000
"""Trials beyond this are not printed, but those that failed or are flagged: the page would outgrow its size."""

COLUMNS = (
    "block",
    "copy",
    "view",
    "status",
    "rps",
    "offered",
    "p50",
    "p99",
    "cpu",
    "memory",
    "generator",
    "errors",
    "flags",
)
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial: its stack by number and name, and its texts in the order of `COLUMNS`."""

    number: int
    stack: str
    trial_id: str
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The trials of one scenario; `left_out` of them are in the stored file only."""

    scenario: str
    title: Said | str
    rows: tuple[Row, ...]
    left_out: int


def trials(evidence: Evidence) -> list[Group]:
    """All trials of the run by scenario, in the order in which they ran."""
    frame = evidence.frames.trials
    frame = frame.assign(charged_s=charged_s(frame))
    whole = len(frame) <= MOST
    numbers = {stack["stack"]: number for number, stack in enumerate(evidence.stacks)}
    groups = []
    for scenario in tables.scenarios(evidence):
        mine = records(frame[frame["scenario"] == scenario])
        kept = [row for row in mine if whole or row["flags"] or row["status"] != "measured"]
        rows = tuple(
            Row(number=numbers[row["stack"]], stack=row["stack"], trial_id=row["trial_id"], texts=tuple(_texts(row)))
            for row in kept
        )
        if mine:
            groups.append(
                Group(
                    scenario=scenario,
                    title=tables.title(evidence, scenario),
                    rows=rows,
                    left_out=len(mine) - len(kept),
                )
            )
    return groups


def _texts(row: dict[str, object]) -> Iterable[str]:
    def figure(key: str, digits: int = 4, unit: float = 1) -> str:
        value = row[key]
        return _significant(value / unit, digits) if isinstance(value, float) and math.isfinite(value) else ""

    block, copy = row["block"], row["copy"]
    assert isinstance(block, int)
    assert isinstance(copy, int)
    yield str(block + 1)
    yield str(copy + 1)
    yield str(row["view"])
    yield str(row["status"])
    yield figure("rps")
    yield figure("offered_rps")
    yield figure("p50_ms")
    yield figure("p99_ms")
    yield _cpu(row)
    yield figure("pss_app_bytes", 3, MIB)
    generator = row["generator_cpu"]
    yield f"{100 * generator:.0f}" if isinstance(generator, float) and math.isfinite(generator) else ""
    errors = row["errors"]
    yield ", ".join(f"{n} {kind}" for kind, n in errors.items()) if isinstance(errors, dict) else ""
    flags = row["flags"]
    told = ", ".join(flags) if isinstance(flags, tuple) else ""
    yield told or str(row["reason"] or "")


def _cpu(row: dict[str, object]) -> str:
    """Milliseconds of CPU for a request, of application, front and database together; nothing where a part of it is not known."""
    used_s, answered = row["charged_s"], row["window_requests"]
    if not isinstance(used_s, float) or not isinstance(answered, float) or not (math.isfinite(used_s) and answered > 0):
        return ""
    return _significant(1000 * used_s / answered, 3)


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    return to_place(value, min(0, math.floor(math.log10(abs(value))) - digits + 1))
