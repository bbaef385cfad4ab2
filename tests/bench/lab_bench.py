"""A lab in which nothing is started: what an experiment asks for is written down, and the load's answer is made up."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
from fakes import NO_SUCH_PROCESS, FakeLauncher
from pyarrow import parquet

from bench import catalog, claim, load
from bench.claims import choose
from bench.lab import Lab, PlannedArm
from bench.model import Budget
from bench.service import Database
from bench.store import RunStore
from loadtests.batches import whole_turns

TEXT = {"en": "x", "zh": "y"}
BUDGET = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({1}))
CATALOG = catalog.load()

Row = Mapping[str, Any]
"""`target`, `intended_s`, `end_s`; `error` where the answer was wrong; `phase` where it is not `measure`."""


def planned(
    kind: str, metric: str, *arms: tuple[str, str, Mapping[str, Any]], **parameters: Any
) -> tuple[PlannedArm, ...]:
    """The arms (name, stack, own parameters) of a claim that asks for `metric` of the first."""
    rule = {"metric": metric, "arm": arms[0][0]}
    made = msgspec.convert(
        {
            "number": 7, "title": TEXT, "statement": TEXT, "source": "x", "prediction": TEXT, "mechanism": TEXT, "changes": TEXT,
            "experiment": kind, "arm": [{"name": name, "label": TEXT, "stack": stack, "parameters": own} for name, stack, own in arms],
            "check": [{"name": "a", **rule, "supports": "> 1", "refutes": "< 1"}], "control": [{"name": "b", **rule, "expect": "> 0"}],
            "headline": {"check": "a"}, "parameters": parameters,
        },
        claim.Claim,
    )  # fmt: skip
    return choose.plan(CATALOG, made, BUDGET).arms


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Requests as the generator stores them."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def texts(key: str, default: str | None) -> Any:
        return pa.array([row.get(key, default) for row in rows], pa.string()).dictionary_encode()

    def times(key: str) -> Any:
        return pa.array(np.array([row.get(key, row["intended_s"]) for row in rows], np.float64))

    columns = {
        "target": texts("target", None), **{key: times(key) for key in ("intended_s", "start_s", "first_byte_s", "end_s")},
        "status": pa.array(np.array([row.get("status", 200) for row in rows], np.int16)), "error": texts("error", None),
        "phase": texts("phase", "measure"),
    }  # fmt: skip
    parquet.write_table(pa.table(columns), path)


class Bench:
    """The lab, its launcher, and the jobs that were asked for, by name."""

    def __init__(self, tmp_path: Path) -> None:
        self.work: list[Any] = []
        self.launcher = FakeLauncher(self.work, tmp_path)
        self.jobs: dict[str, load.Job] = {}
        self.answer: Callable[[str, load.Job], tuple[dict[str, Any], Sequence[Row]]] = lambda name, job: (
            answer(job),
            [],
        )
        self.during: Callable[[], object] = lambda: None
        store = RunStore.create(tmp_path / "results", {})
        self.lab = Lab(
            session=cast(Any, SimpleNamespace(scratch=tmp_path)), store=store, launcher=self.launcher, database=Database(),
            load_with=self._load, budget=BUDGET, seed=1,
        )  # fmt: skip

    def _load(
        self, session: Any, job: load.Job, *, folder: Path, name: str, on_ready: Any, on_measured: Any, **how: Any
    ) -> dict[str, Any]:
        self.jobs[name] = job
        on_ready(NO_SUCH_PROCESS)
        self.during()
        on_measured(NO_SUCH_PROCESS)
        told, rows = self.answer(name, job)
        for target, asked in zip(told["targets"], job.targets, strict=True):
            target.setdefault("batches", batches(rows, job, asked))
        write_rows(folder / "requests" / f"{name}.parquet", rows)
        return told


def batches(rows: Sequence[Row], job: load.Job, asked: load.Target) -> dict[str, Any] | None:
    """As the generator says it."""
    ends_s = np.array([row["end_s"] for row in rows if row["target"] == asked.id and "error" not in row])
    if asked.batch is None or not rows:
        return None
    requests, seconds = whole_turns(ends_s, asked.batch, job.measure_s) or (0, 0.0)
    return {"requests": requests, "seconds": seconds, "rps": requests / seconds if seconds else None}


def answer(job: load.Job, **of_target: Any) -> dict[str, Any]:
    """What the generator says of a job in which all went well, with these keys for each target."""
    return {
        "targets": [
            {
                "id": one.id, "requests": 100, "errors": {}, "bytes": 1, "seconds": job.measure_s, "rps": 100 / job.measure_s,
                "connections": one.connections, "window_requests": 100, "slices": 1, "late": None, "connects": 50,
                "latency_ms": {"p50": 2.0, "p99": 9.0} if job.mode == "open" else None, "late_ms": None, **of_target,
            }
            for one in job.targets
        ],
        "generator": {"cpu_share": 0.2}, "origin_s": 0.0, "beside": None, "recorded": "requests",
    }  # fmt: skip
