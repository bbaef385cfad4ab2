"""A run's folder: `run.json`, `trials.jsonl`, and beside them requests, slices, logs and configurations.

    results/<run-id>/run.json        what the run is, on what machine, as planned and as observed
                     trials.jsonl    one record for each trial, appended as it ends
                     requests/ slices/ logs/ configs/ report/

The keys are documented in docs/results.md; `schema` counts their incompatible changes.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.model import BenchError

SCHEMA = 1
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stored run as read back. `damaged` has a line for each record that could not be read; nothing is guessed."""

    folder: Path
    header: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]
    damaged: tuple[str, ...] = field(default=())


class RunStore:
    """Writes one run. Every method leaves the folder readable, whenever the command is cut off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._header: dict[str, Any] = {}

    @classmethod
    def create(cls, results: Path, header: Mapping[str, Any]) -> "RunStore":
        """Make `results/<run-id>/` and point `results/latest` there. Raises BenchError where that cannot be written."""
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        store = cls(results / run_id)
        try:
            for name in ("requests", "slices", "logs", "configs"):
                (store.folder / name).mkdir(parents=True)
            store.update({"schema": SCHEMA, "run_id": run_id, "status": "running", **header})
            (store.folder / "trials.jsonl").touch()
            partial = results / f".latest-{run_id}"
            partial.symlink_to(run_id)
            partial.replace(results / "latest")
        except OSError as error:
            raise BenchError(
                f"{store.folder}: cannot be written: {error.strerror}; choose another folder with --results"
            ) from None
        return store

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

    def append(self, trial: Mapping[str, Any]) -> None:
        """Add one trial. One write of one line, so that a cut leaves at most one damaged line, the last."""
        path = self.folder / "trials.jsonl"
        line = json.dumps({"schema": SCHEMA, "run_id": self.run_id, **trial}, ensure_ascii=False) + "\n"
        try:
            with path.open("ab", buffering=0) as file:
                file.write(line.encode())
                os.fsync(file.fileno())
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}; finished trials are kept") from None


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
    trials, damaged = _read_trials(folder / "trials.jsonl")
    return Run(folder=folder, header=header, trials=tuple(trials), damaged=tuple(damaged))


def _read_trials(path: Path) -> tuple[list[Mapping[str, Any]], list[str]]:
    trials: list[Mapping[str, Any]] = []
    damaged: list[str] = []
    if not path.exists():
        return trials, [f"{path.name} is missing"]
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            trial = json.loads(line)
        except ValueError:
            trial = None
        if not isinstance(trial, dict):
            damaged.append(f"{path.name}, line {number}: is no JSON object")
            continue
        missing = [key for key in ("stack", "scenario", "block", "copy", "view", "status") if key not in trial]
        if missing:
            damaged.append(f"{path.name}, line {number}: key '{missing[0]}' is missing")
        elif trial.get("schema") != SCHEMA:
            damaged.append(f"{path.name}, line {number}: key 'schema': {trial.get('schema')} is not {SCHEMA}")
        else:
            trials.append(trial)
    return trials, damaged


def _known(results: Path) -> list[str]:
    return sorted(path.parent.name for path in results.glob("*/run.json") if _RUN_ID.fullmatch(path.parent.name))
