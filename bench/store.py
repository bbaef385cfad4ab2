"""A run's folder: `run.json`, `trials.jsonl`, and beside them requests, slices, logs and configurations.

    results/<run-id>/run.json        what the run is, on what machine, as planned and as observed
                     trials.jsonl    one record for each trial, appended as it ends
                     claims.jsonl    of a run over claims: one for each claim, arm and replicate
                     requests/ slices/ logs/ configs/ report/

The keys are documented in docs/results.md; `schema` counts their incompatible changes.
"""

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.model import BenchError

SCHEMA = 1
LATEST, LATEST_CLAIMS = "latest", "latest-claims"
"""The names under which the newest run over the matrix, and the newest over claims, are found."""
DRAWS = 16
"""How often a run's id is drawn at the most: one in 65,536 is that of another run of the same second."""
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stored run as read back. `damaged` has a line for each record that could not be read; nothing is guessed."""

    folder: Path
    header: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]
    damaged: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class ClaimsRun:
    """A stored run over claims as read back: `records` of its `claims.jsonl`, and `damaged` as in `Run`."""

    folder: Path
    header: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...]
    damaged: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What a run had finished before it was interrupted. A cell is finished when each deployment of it has its record."""

    header: Mapping[str, Any] = field(default_factory=dict)
    """`run.json` as it stood."""
    parts: int = 0
    """How often the run was taken up again."""
    seconds: float = 0.0
    """How long it ran."""
    cells: frozenset[str] = frozenset()
    trials: tuple[Mapping[str, Any], ...] = ()
    """Of the finished cells; those of the others are repeated."""
    capacities: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """From name of cell, stack and copy to requests a second."""
    connections: dict[tuple[str, str], int] = field(default_factory=dict)
    """From stack and scenario to what the pilot chose."""


def _new_folder(results: Path) -> Path:
    """Of a run that begins now. Two that begin in one second may draw the same id: the later one draws again. Raises OSError."""
    for left in reversed(range(DRAWS)):
        folder = results / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not left:
                raise
        else:
            break
    return folder


class RunStore:
    """Writes one run. Every method leaves the folder readable, whenever the command is cut off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._header: dict[str, Any] = {}
        self._lock: int | None = None

    @classmethod
    def create(cls, results: Path, header: Mapping[str, Any], *, latest: str = LATEST) -> "RunStore":
        """Make `results/<run-id>/` and point `results/<latest>` there. Raises BenchError where that cannot be written."""
        try:
            store = cls(_new_folder(results))
            run_id = store.folder.name
            for name in ("requests", "slices", "logs", "configs"):
                (store.folder / name).mkdir()
            store.lock()
            store.update({"schema": SCHEMA, "run_id": run_id, "status": "running", **header})
            (store.folder / "trials.jsonl").touch()
            partial = results / f".latest-{run_id}"
            partial.symlink_to(run_id)
            partial.replace(results / latest)
        except OSError as error:
            raise BenchError(
                f"{error.filename or results}: cannot be written: {error.strerror}; choose another folder with --results"
            ) from None
        return store

    @classmethod
    def reopen(cls, folder: Path, command: str) -> tuple["RunStore", Earlier]:
        """Go on with the run in `folder`. Raises BenchError where it cannot be read or written."""
        store = cls(folder)
        store.lock()
        store.mend()
        run = read_run(folder)
        try:
            earlier = _earlier(run)
        except (AttributeError, KeyError, TypeError, ValueError):
            store.close()
            raise BenchError(
                f"{folder / 'run.json'}: is damaged: 'parts', 'elapsed_s' or 'pilot' is not what docs/results.md says; start a new run"
            ) from None
        parts = [*run.header.get("parts", []), command]
        store._header = dict(run.header)
        store.update({"status": "running", "ended": None, "parts": parts})
        return store, earlier

    def lock(self) -> None:
        """Keep others from writing into this run until `close` or the process's end. Raises BenchError where one does already."""
        path = self.folder / ".lock"
        try:
            self._lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise BenchError(
                f"run {self.run_id} is still being written by another command; wait for it or end it"
            ) from None
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Others may write from now on."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def mend(self) -> None:
        """End a last line that was cut off in the middle, so that the next record begins on a line of its own."""
        path = self.folder / "trials.jsonl"
        try:
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}") from None

    @property
    def header(self) -> Mapping[str, Any]:
        """`run.json` as it stands."""
        return self._header

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.folder.name

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change top-level keys of `run.json`; the file is replaced whole. Raises BenchError when the disk is full."""
        self._header.update(changes)
        path = self.folder / "run.json"
        partial = path.with_suffix(".partial")
        try:
            partial.write_text(json.dumps(self._header, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}; finished trials are kept") from None

    def append(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Add the trials of one cell: all of them, or none.

        A cut leaves at most one damaged line, the last; such a cell is repeated. Raises BenchError when the disk is full.
        """
        self._append("trials.jsonl", trials)

    def append_claims(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add what came of a claim's arms in one replicate: all of it, or nothing."""
        self._append("claims.jsonl", records)

    def _append(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        path = self.folder / name
        named = ({"schema": SCHEMA, "run_id": self.run_id, **one} for one in records)
        lines = memoryview("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in named).encode())
        try:
            with path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    while lines:  # a disk that is nearly full takes a part, and says nothing
                        lines = lines[file.write(lines) :]
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)
                    raise
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}; finished trials are kept") from None


def _earlier(run: Run) -> Earlier:
    by_cell: dict[str, dict[str, Mapping[str, Any]]] = {}
    for trial in run.trials:
        # A repeated cell takes the place of one that was cut off.
        by_cell.setdefault(str(trial.get("cell")), {})[str(trial.get("trial_id"))] = trial
    finished = {
        name: list(trials.values()) for name, trials in by_cell.items()
        if len(trials) == max(int(one.get("cell_trials") or 0) for one in trials.values())
        and len({one.get("part") for one in trials.values()}) == 1
    }  # fmt: skip
    trials = [one for cell in finished.values() for one in cell]
    capacities = {
        (str(one["cell"]), one["stack"], one["copy"]): float(one["rps"])
        for one in trials if one["view"] == "capacity" and one.get("rps")
    }  # fmt: skip
    pilots: Mapping[str, Mapping[str, Any]] = run.header.get("pilot") or {}
    return Earlier(
        header=run.header,
        parts=len(run.header.get("parts", [])) + 1,
        seconds=max([float(run.header.get("elapsed_s") or 0), *(float(one.get("offset_s") or 0) for one in run.trials)]),
        cells=frozenset(finished), trials=tuple(trials), capacities=capacities,
        connections={
            (stack, scenario): int(found["connections"])
            for scenario, stacks in pilots.items() for stack, found in stacks.items()
        },
    )  # fmt: skip


def find_run(results: Path, name: str | None = None) -> Path:
    """The folder of a run: by id, by path, or the latest. Raises BenchError, with the nearest ids, where there is none."""
    if name is None or name == "latest":
        latest = results / "latest"
        if latest.is_dir():
            return latest.resolve()
        known = _known(results)
        if not known:
            raise BenchError(f"{results} holds no run yet; `make bench` makes one")
        return results / known[-1]
    for folder in (results / name, Path(name)):
        if (folder / "run.json").exists():
            return folder.resolve()
    known = _known(results)
    shown = f"the last ones are {', '.join(known[-3:])}" if known else "`make bench` makes one"
    raise BenchError(f"no run '{name}' in {results}; {shown}")


def read_run(folder: Path) -> Run:
    """Read a stored run. Raises BenchError where run.json is absent, damaged or newer than this version understands."""
    path = folder / "run.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{folder} is not a run: it holds no run.json") from None
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BenchError(f"{path}: is damaged: {error}") from None
    if not isinstance(header, dict) or not isinstance(header.get("schema"), int):
        raise BenchError(f"{path}: is damaged: key 'schema' is missing")
    if header["schema"] > SCHEMA:
        raise BenchError(
            f"{path}: key 'schema': {header['schema']} was written by a newer version; this one reads up to {SCHEMA}"
        )
    trials, damaged = _read_records(folder / "trials.jsonl", _TRIAL_KEYS, header)
    return Run(folder=folder, header=header, trials=tuple(trials), damaged=tuple(damaged))


def read_claims(folder: Path) -> ClaimsRun:
    """Read a stored run over claims. Raises BenchError as `read_run` does, and where the run is of another kind."""
    run = read_run(folder)
    if run.header.get("kind") != "claims":
        raise BenchError(f"{folder} is no run over claims; `bench claims` makes one")
    records, damaged = _read_records(folder / "claims.jsonl", _CLAIM_KEYS, run.header)
    return ClaimsRun(folder=folder, header=run.header, records=tuple(records), damaged=tuple(damaged))


_TEXT, _WHOLE, _NUMBER, _OBJECT = "text", "whole number", "number", "object"
_TYPES: Mapping[str, tuple[type, ...]] = {_TEXT: (str,), _WHOLE: (int,), _NUMBER: (int, float), _OBJECT: (dict,)}
_TRIAL_KEYS = {
    "stack": _TEXT, "scenario": _TEXT, "block": _WHOLE, "copy": _WHOLE, "view": _TEXT, "status": _TEXT,
}  # fmt: skip
_CLAIM_KEYS = {"claim": _WHOLE, "arm": _TEXT, "replicate": _WHOLE, "status": _TEXT, "metrics": _OBJECT}
_NULLABLE = {
    "cell": _TEXT, "trial_id": _TEXT, "cell_trials": _WHOLE, "part": _WHOLE, "rps": _NUMBER, "offset_s": _NUMBER, "hashes": _OBJECT,
}  # fmt: skip
"""Of keys that older records lack, or that hold null, those that going on with a run counts by."""


def _read_records(
    path: Path, keys: Mapping[str, str], header: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], list[str]]:
    records: list[Mapping[str, Any]] = []
    damaged: list[str] = []
    if not path.exists():
        return records, [f"{path.name} is missing"]
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            damaged.append(f"{path.name}, line {number}: is no JSON object")
            continue
        missing = [key for key in keys if key not in record]
        if missing:
            damaged.append(f"{path.name}, line {number}: key '{missing[0]}' is missing")
        elif mistaken := _mistaken(record, keys):
            damaged.append(f"{path.name}, line {number}: {mistaken}")
        elif record.get("schema") != SCHEMA:
            damaged.append(f"{path.name}, line {number}: key 'schema': {record.get('schema')} is not {SCHEMA}")
        elif "run_id" in header and record.get("run_id", header["run_id"]) != header["run_id"]:
            damaged.append(f"{path.name}, line {number}: key 'run_id': is of another run, {record['run_id']}")
        elif unlike := _unlike(record, header):
            damaged.append(
                f"{path.name}, line {number}: key 'hashes.{unlike}': was made with other files than this run"
            )
        else:
            records.append(record)
    return records, damaged


def _mistaken(record: Mapping[str, Any], keys: Mapping[str, str]) -> str | None:
    """Which key holds another type than it should: JSON may be whole and still no record."""
    wanted = {**keys, **{key: kind for key, kind in _NULLABLE.items() if record.get(key) is not None}}
    for key, kind in wanted.items():
        if not isinstance(record[key], _TYPES[kind]) or isinstance(record[key], bool):
            return f"key '{key}': is no {kind}"
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unlike(trial: Mapping[str, Any], header: Mapping[str, Any]) -> str | None:
    """What of the files that a trial was made with is not this run's: figures of unlike things are never taken for like ones."""
    of, own = header.get("hashes"), trial.get("hashes")
    if not isinstance(of, dict) or not isinstance(own, dict):
        return None
    known = {
        "contract": of.get("contract"),
        "suite": of.get("suite"),
        "scenario": _mapping(of.get("scenarios")).get(trial["scenario"]),
        **_mapping(_mapping(of.get("stacks")).get(trial["stack"])),
    }
    return next((key for key, value in own.items() if value != known.get(key)), None)


def _known(results: Path) -> list[str]:
    return sorted(path.parent.name for path in results.glob("*/run.json") if _RUN_ID.fullmatch(path.parent.name))
