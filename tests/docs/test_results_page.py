"""docs/results.md, held to what is really written: keys of run.json and trials.jsonl, columns and types of the parquet files."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from markdown_pages import code, page
from pyarrow import parquet
from rich.console import Console

from bench import account, catalog, record, sample, trial
from bench.claims import execute, stored
from bench.claims.choose import choose
from bench.claims.execute import Outcomes
from bench.console import Progressing
from bench.lab import Found
from bench.launch import Deployment, Tools
from bench.model import Budget, Failed, Skipped
from bench.plan import PROFILES, Cell, Plan, make
from bench.render import Endpoint, Rendered
from bench.run.prepare import verify_all
from bench.service import Database
from bench.store import RunStore
from bench.verify import Check, Report
from loadtests import results, scenario
from loadtests.durations import Durations
from loadtests.errors import FAULT_NAMES
from loadtests.job import Job, Target
from loadtests.measured import Measured, Side
from loadtests.recorder import Recorder
from loadtests.steps import Steps

RESULTS = page("docs/results.md")
CPU = frozenset({0})


def keys(heading: str, table: int = 0) -> list[str]:
    """The names in the first column of a table."""
    return [name for row in RESULTS.tables(heading)[table] for name in code(row[0])]


def same(told: list[str], written: Mapping[str, Any]) -> bool:
    assert sorted(told) == sorted(written)
    return True


@pytest.fixture(scope="module")
def plan() -> Plan:
    found = catalog.load()
    stacks = [catalog.resolve(found, "flask/gunicorn-sync/nginx")]
    budget = Budget(server_cpus=CPU, load_cpus=CPU, database_cpus=CPU)
    return make(PROFILES["quick"], stacks, list(found.scenarios.values())[:1], budget, seed=1)


@pytest.fixture(scope="module")
def deployment(plan: Plan) -> Deployment:
    """One that needs no environment: its application is in no language that has one."""
    (planned,) = plan.stacks
    elsewhere = replace(planned.stack, app=replace(planned.stack.app, language="none"))
    nowhere = Endpoint(host="127.0.0.1", port=1)
    rendered = Rendered(commands=(), files={}, folders=(), client=nowhere, servers=())
    return Deployment(id="x", planned=replace(planned, stack=elsewhere), copy=0, rendered=rendered)


@pytest.fixture
def store(plan: Plan, tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path, record.header(plan, "bench run"))


def test_run_json(plan: Plan, store: RunStore) -> None:
    written = json.loads((store.folder / "run.json").read_text())
    same(keys("run.json"), written)
    same(keys("placement"), written["placement"])
    same(keys("plan"), written["plan"])
    same(keys("plan", 1), written["plan"]["stacks"][0])
    same(keys("environment"), record.environment(Tools(paths={}, missing={}), Database(), None))


def test_a_run_over_claims(plan: Plan, deployment: Deployment, tmp_path: Path) -> None:
    found = catalog.load()
    ready = choose(found, plan.budget, only=[2])
    outcomes = Outcomes()
    progress = Progressing({}, console=Console(quiet=True))
    nothing = replace(ready, ready=())  # then it starts nothing
    execute.execute(nothing, plan.budget, results=tmp_path, command="", progress=progress, outcomes=outcomes, seed=1)
    assert outcomes.folder is not None
    written = json.loads((outcomes.folder / "run.json").read_text())
    common = [key for key in keys("run.json") if key not in ("plan", "planned_s", "pilot", "blocks_done", "stopped")]
    same([*common, *keys("A run over claims")], written)
    arm = ready.ready[0].arms[0]
    named = stored.named(arm, 0, deployment, mode="native", started="", offset_s=0.0)
    for outcome in (Found(metrics={}), Failed(reason="")):
        record_ = {"schema": 1, "run_id": "", **named, **stored.figures(outcome, tmp_path)}
        same(keys("claims.jsonl"), record_)


def test_what_was_observed_and_verified(deployment: Deployment, store: RunStore) -> None:
    same(keys("observed"), record.observed(Database(), deployment, {}))
    check = Check(endpoint="json", rule="body", expected="this", got="that")
    context = SimpleNamespace(
        database=Database(), store=store, verified={}, progress=SimpleNamespace(say=lambda text: None),
        verify=lambda one, url: Report(target="", checks=(check,), skipped=()),
    )  # fmt: skip
    verify_all(context, [deployment])  # type: ignore[arg-type]
    (found,) = context.verified.values()
    same(keys("verified"), found)
    told = next(row for row in RESULTS.tables("verified")[0] if code(row[0]) == ["failures"])
    same(code(told[2]), found["failures"][0])


def test_trial_records(plan: Plan, deployment: Deployment, store: RunStore) -> None:
    named = trial.identity(plan, Cell(block=0, scenario=plan.scenarios[0], view="capacity"), "x", "a/b/c", 0)
    still = sample.Snapshot(at=0.0, cpu_s={})
    accounts = account.accounts(deployment, (still, still))
    answer = dict.fromkeys(("bytes", "seconds", "rps", "connections", "window_requests"), 1)
    measured = trial.measured(
        named, deployment, {**answer, "requests": 1, "errors": {"reset": 1}}, accounts=accounts,
        generator={"cpu_share": 1.0}, slice_s=None, rate_rps=None, started="", offset_s=0.0,
    )  # fmt: skip
    for one in (
        measured,
        trial.without_figures(named, Failed(reason=""), offset_s=0.0),
        trial.without_figures(named, Skipped(reason=""), offset_s=0.0),
    ):
        store.append(trial.unit([one], part=0))
    for line in (store.folder / "trials.jsonl").read_text().splitlines():
        same(keys("trials.jsonl"), json.loads(line))
    same(keys("cpu_s"), measured["cpu_s"])
    assert set(measured["flags"]) < set(keys("flags"))
    host = next(row for row in RESULTS.tables("trials.jsonl")[0] if code(row[0]) == ["host"])
    same([name for name in code(host[2]) if name != "_"], measured["host"])


def test_statuses_and_kinds_of_error() -> None:
    assert keys("status") == ["measured", "failed", "skipped"]
    assert keys("errors") == list(FAULT_NAMES)


def test_latency_and_the_columns_of_requests_and_slices(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.open(target=0, phase="measure", slice=0, start_s=1.0, seconds=1.0)
    recorder.add(1.0, 1.0, 1.1, 1.2, 13, 200, 0)
    paths = {name: tmp_path / f"{name}.parquet" for name in ("requests", "slices")}
    job = Job(
        version=1, scenario="plaintext", mode="duet", targets=(Target(id="x", connections=1),), measure_s=1.0,
        requests_path=paths["requests"], slices_path=paths["slices"], result_path=tmp_path / "result.json",
    )  # fmt: skip
    measured = Measured(
        request=scenario.resolve("plaintext"), recorder=recorder, origin_s=0.0, generator={}, steps=Steps(),
        sides=[Side(connecting=Durations(), problems=[])],
    )  # fmt: skip
    results.write(job, measured, results.Table(measured))
    for name, path in paths.items():
        schema = parquet.read_schema(path)
        told = {code(row[0])[0]: row[1] for row in RESULTS.tables(name)[0]}
        assert told == {field.name: column_type(field.type) for field in schema}
    summary = results.latency_ms(np.zeros(0, recorder.since(0).dtype))
    same(keys("latency_ms"), summary)


def column_type(kind: Any) -> str:
    return f"dictionary of {kind.value_type}" if hasattr(kind, "value_type") else str(kind)
