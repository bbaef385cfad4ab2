"""What a claims run holds: a record for each claim, arm and replicate, read one by one. Nothing is guessed; what is damaged is named."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import outside
from analysis.frames import STATUSES, mapping, sequence
from bench.store import read_claims

FILE = "claims.jsonl"
LEAST_REPLICATES = 3
"""From so many there are intervals: Student's t with two degrees of freedom is wide, and says so itself."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that the experiment did or saw, at a time on the clock of the requests."""

    name: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Record:
    """One replicate of one arm: a freshly started deployment. `requests` is the engine's own record, below the run's folder.

    `workers`: how many were seen to run; NaN where that was not recorded.
    """

    claim: int
    arm: str
    replicate: int
    stack: str
    status: str
    reason: str
    log_tail: str
    flags: tuple[str, ...]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    events: tuple[Event, ...]
    requests: str
    workers: float

    def at_s(self, name: str) -> float:
        """When `name` first happened or, of what lasted, began; NaN if it did not."""
        return next((event.at_s for event in self.events if event.name in (name, f"{name}-begin")), math.nan)


@dataclass(frozen=True, kw_only=True)
class ClaimsRun:
    """A stored claims run. `tables` are the claim files as they stood when it began, by number; `not_run` says what could not be run."""

    path: Path
    header: Mapping[str, Any]
    tables: Mapping[int, Mapping[str, Any]]
    not_run: Mapping[int, str]
    reads: Mapping[int, str]
    records: Mapping[int, Sequence[Record]]
    damaged: tuple[str, ...]

    @property
    def run_id(self) -> str:
        """The run's name."""
        return outside.line(self.header.get("run_id") or self.path.resolve().name)

    @property
    def quick(self) -> bool:
        """Whether it is the short form, with three replicates of each."""
        return bool(self.header.get("quick"))

    @property
    def least(self) -> int:
        """The fewest replicates of which an interval is made."""
        return LEAST_REPLICATES

    @property
    def server_cpus(self) -> int:
        """How many CPUs the servers had; as many as anyone asks for where that was not recorded."""
        return len(sequence(mapping(self.header.get("placement")).get("server"))) or 10**6

    @property
    def all_cpus(self) -> int:
        """How many CPUs the servers have together with the generator, as a claim about several may get them."""
        placement = mapping(self.header.get("placement"))
        return len({*sequence(placement.get("server")), *sequence(placement.get("load"))}) or self.server_cpus

    def file(self, name: str) -> Path | None:
        """A file of the run by its name below the folder; None where there is none, or the name leads out of it."""
        folder = self.path.resolve()
        found = (folder / name).resolve()
        return found if name and found.is_relative_to(folder) and found.is_file() else None


def is_claims_run(header: Mapping[str, Any]) -> bool:
    """Whether a run's header is that of a claims run."""
    return header.get("kind") == "claims"


def load(path: Path) -> ClaimsRun:
    """The claims run in folder `path`. Raises BenchError where there is none, or a run of another kind."""
    run = read_claims(path)
    records, damaged = _records(run.records)
    return ClaimsRun(
        path=path,
        header=run.header,
        tables={int(n): mapping(table) for n, table in mapping(run.header.get("claims")).items() if _number(n)},
        not_run={int(n): outside.line(why) for n, why in mapping(run.header.get("not_run")).items() if _number(n)},
        reads={int(n): outside.line(name) for n, name in mapping(run.header.get("reads")).items() if _number(n)},
        records=records,
        damaged=(*map(outside.line, run.damaged), *damaged),
    )


def _number(key: object) -> bool:
    return str(key).isdecimal()


def _records(stored: Sequence[Mapping[str, Any]]) -> tuple[dict[int, list[Record]], list[str]]:
    found: dict[int, dict[tuple[str, int], Record]] = defaultdict(dict)
    damaged: list[str] = []
    for number, entry in enumerate(stored, 1):
        try:
            one = _record(entry)
        except (KeyError, TypeError, ValueError) as error:
            damaged.append(f"{FILE}, record {number}: left out, {outside.line(error.args[0] if error.args else error)}")
            continue
        found[one.claim][one.arm, one.replicate] = one  # the later record takes the place of one that was cut off
    return {claim: list(ones.values()) for claim, ones in sorted(found.items())}, damaged


def _record(stored: Mapping[str, Any]) -> Record:
    status = str(stored["status"])
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is none of {', '.join(STATUSES)}")
    return Record(
        claim=int(stored["claim"]),
        arm=outside.line(stored["arm"]),
        replicate=int(stored["replicate"]),
        stack=outside.line(stored.get("stack") or ""),
        status=status,
        reason=outside.line(stored.get("reason") or ""),
        log_tail=outside.block(stored.get("log_tail") or ""),
        flags=tuple(outside.line(flag) for flag in sequence(stored.get("flags"))),
        parameters=mapping(stored.get("parameters")),
        metrics={outside.line(k): float(v) for k, v in mapping(stored.get("metrics")).items() if _figure(v)},
        events=tuple(_event(one) for one in map(mapping, sequence(stored.get("events")))),
        requests=str(stored.get("requests") or ""),
        workers=_workers(mapping(stored.get("observed"))),
    )


def _workers(observed: Mapping[str, Any]) -> float:
    workers = observed.get("workers")
    return float(workers) if isinstance(workers, int | float) and _figure(workers) else math.nan


def _event(stored: Mapping[str, Any]) -> Event:
    return Event(name=outside.line(stored["name"]), at_s=float(stored["at_s"]))


def _figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
