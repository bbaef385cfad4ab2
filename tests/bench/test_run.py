"""The main job with a launcher, a generator and a verifier that only pretend: the order of work and what becomes of each trial."""

import contextlib
import io
import itertools
import json
import os
import re
import signal
import threading
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes import NO_SUCH_PROCESS, FakeLauncher
from made_stacks import Tree, plan, scenario, three_stacks
from rich.console import Console

from analysis import frames
from analysis.stats import text
from bench import account, ceiling, environments, estimate, load, provenance, record, run, site
from bench.ceiling import Ceiling
from bench.clock import Clock
from bench.console import Progressing
from bench.database import data
from bench.deployment import Deployment
from bench.launch import Launcher, Tools
from bench.model import App, BenchError, Failed, Scenario, Skipped
from bench.plan import CONNECTIONS, SHORTEST_S, WAITS, Plan
from bench.render import Endpoint
from bench.run.context import Context
from bench.service import Database
from bench.session import Session
from bench.store import RunStore, read_run
from bench.verify import Report
from bench.verify.report import Check

JSON, DB, IO = scenario("json"), scenario("db", needs=("db",)), scenario("io", windows=True)
ANT, BEE, CAT = (f"{name}/plain/direct" for name in ("ant", "bee", "cat"))


class FakeLoad:
    """Answers `rps` requests a second for each target, and lets the clock go on by what that takes."""

    def __init__(self, work: list[Any], clock: list[float]) -> None:
        self.work = work
        self.clock = clock
        self.jobs: list[load.Job] = []
        self.names: list[str] = []
        self.rps: dict[str, float] = {}
        self.left_out: set[str] = set()
        """Targets that fall silent after some good slices."""
        self.overhead_s = 1.0
        self.before: Callable[[str], None] = lambda name: None
        """Called with the job's name before anything is answered."""

    def __call__(
        self, session: Session, job: load.Job, *, name: str, on_ready: Any, on_measured: Any, on_progress: Any, **how: Any
    ) -> dict[str, Any]:  # fmt: skip
        self.work.append(("load", name))
        self.jobs.append(job)
        self.names.append(name)
        self.before(name)
        on_ready(NO_SUCH_PROCESS)
        on_progress(0.5)
        on_measured(NO_SUCH_PROCESS)
        self.clock[0] += len(job.targets) * (job.measure_s + job.warmup_s) + self.overhead_s
        return {"targets": [self._answer(job, target) for target in job.targets], "generator": {"cpu_share": 0.4}}

    def _answer(self, job: load.Job, target: load.Target) -> dict[str, Any]:
        name = target.id
        rate = target.rate_rps or self.rps.get(name, 100.0)
        return {
            "id": name, "requests": round(rate * job.measure_s), "errors": {} if rate else {"status": 9}, "bytes": 1,
            "seconds": job.measure_s, "rps": rate, "connections": 32, "window_requests": 1, "slices": 20,
            "latency_ms": {"p50": 1.0} if job.mode == "open" else None, "late_ms": None, "left_out": name in self.left_out,
        }  # fmt: skip


@dataclass(kw_only=True)
class World:
    """Everything of a run that pretends, and the context that holds it."""

    work: list[Any]
    clock: list[float]
    launcher: FakeLauncher
    load: FakeLoad
    said: io.StringIO
    breaking: dict[str, Check] = field(default_factory=dict)
    context: Context

    @property
    def trials(self) -> list[Mapping[str, Any]]:
        return self.context.trials

    def of(self, stack: str) -> list[tuple[str, str, str]]:
        """Scenario, view and status of one stack's trials."""
        return [(one["scenario"], one["view"], one["status"]) for one in self.trials if one["stack"] == stack]

    def reasons(self, stack: str) -> set[str | None]:
        return {one["reason"] for one in self.trials if one["stack"] == stack}

    def check_complete(self) -> None:
        """Every deployment has exactly one record for every cell, and the file holds the same as memory."""
        made = self.context.plan
        wanted = {
            (cell.block, cell.scenario.name, cell.view, planned.stack.id, copy)
            for cell, planned, copy in itertools.product(made.cells(), made.stacks, range(made.profile.copies))
        }
        keys = ("block", "scenario", "view", "stack", "copy")
        assert Counter(tuple(one[key] for key in keys) for one in self.trials) == Counter(wanted)
        stored = read_run(self.context.store.folder)
        assert [one["trial_id"] for one in stored.trials] == [one["trial_id"] for one in self.trials]
        assert len({one["trial_id"] for one in self.trials}) == len(self.trials)
        assert stored.damaged == ()


@pytest.fixture
def world(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    clock = [1000.0]
    monkeypatch.setattr("bench.run.context.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(environments, "versions", lambda _: {"flask": "3.1"})

    def make(scenarios: list[Scenario] | None = None, *, database: Database | None = None, **changes: Any) -> World:
        work: list[Any] = []
        made = plan(three_stacks(tree), scenarios or [JSON], **changes)
        out = io.StringIO()
        launcher, generator = FakeLauncher(work, tmp_path), FakeLoad(work, clock)
        context = Context(
            plan=made, session=cast(Session, SimpleNamespace(scratch=tmp_path)), launcher=cast(Launcher, launcher),
            store=RunStore.create(tmp_path / "results", {"profile": "tiny"}), database=database or Database(),
            progress=Progressing(estimate.planned_seconds(made, made.cells()), console=Console(file=out, width=500)),
            began=clock[0], trials=[], load=generator,
        )  # fmt: skip
        world = World(work=work, clock=clock, launcher=launcher, load=generator, said=out, context=context)
        guard = threading.Lock()

        def verify(deployment: Deployment, url: str | None) -> Report:
            with guard:
                work.append(("verify", deployment.id))
            broken = world.breaking.get(deployment.planned.stack.id)
            held = Check(endpoint="json", rule="body", expected="the object")
            return Report(target="x", checks=(held, broken) if broken else (held,), skipped=())

        context.verify = verify
        return world

    return make


def rates(job: load.Job) -> set[float | None]:
    return {target.rate_rps for target in job.targets}


# The order of work


def test_a_block_is_fresh_and_holds_every_cell_once(world: Callable[..., World]) -> None:
    one = world([JSON, DB], blocks=2, copies=2)
    run.run_blocks(one.context)
    started = [
        [f"{block}-{name}--plain--direct-{copy}" for name in ("ant", "bee", "cat") for copy in range(2)]
        for block in range(2)
    ]
    cells = [f"{name}-{view}" for name in ("json", "db") for view in ("capacity", "latency")]
    # What is held to the contract is not measured: what it was asked stays in its memory.
    first = [f"0v-{name}--plain--direct-0" for name in ("ant", "bee", "cat")]
    assert one.work[0] == ("start", first)
    assert sorted(one.work[1:4]) == [("verify", name) for name in first]
    assert one.work[4:] == [
        ("stop", first), ("start", started[0]), *(("load", f"0-{cell}") for cell in cells), ("stop", started[0]),
        ("start", started[1]), *(("load", f"1-{cell}") for cell in cells), ("stop", started[1]),
    ]  # fmt: skip
    one.check_complete()
    assert {trial["status"] for trial in one.trials} == {"measured"}
    assert one.launcher.up == []


def test_data_is_restored_before_each_block_and_settled_before_each_cell_that_reads_it(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world([JSON, DB], blocks=2, database=Database(url="postgresql://x"))
    for name in ("restore", "settle"):
        monkeypatch.setattr(data, name, lambda url, name=name: one.work.append((name, url)))
    monkeypatch.setattr(record.observe, "connections", lambda _: {"0-ant--plain--direct-0": 7})
    run.run_blocks(one.context)
    done = [step[0] if step[0] != "load" else step[1] for step in one.work if step[0] != "verify"]
    block = ["json-capacity", "json-latency", "settle", "db-capacity", "settle", "db-latency"]
    assert done == [
        "restore", "start", "stop",
        "restore", "start", *(name if name == "settle" else f"0-{name}" for name in block), "stop",
        "restore", "start", *(name if name == "settle" else f"1-{name}" for name in block), "stop",
    ]  # fmt: skip
    observed = read_run(one.context.store.folder).header["observed"]
    assert observed.keys() == {ANT, BEE, CAT}


def test_a_job_names_all_that_are_loaded_side_by_side(world: Callable[..., World]) -> None:
    one = world(copies=2)
    run.run_blocks(one.context)
    capacity, latency = one.load.jobs
    assert [target.id for target in capacity.targets] == [
        f"0-{name}--plain--direct-{copy}" for name in ("ant", "bee", "cat") for copy in range(2)
    ]
    assert {target.connections for target in capacity.targets} == {CONNECTIONS}
    assert len({target.endpoint.port for target in capacity.targets}) == 6
    assert (capacity.mode, capacity.slice_s, rates(capacity), capacity.measure_s) == ("duet", 0.05, {None}, 1.0)
    assert (latency.mode, latency.slice_s, latency.warmup_s) == ("open", None, 0.1)
    assert capacity.seed != latency.seed


def test_every_cell_has_a_seed_of_its_own_and_the_same_in_every_run(world: Callable[..., World]) -> None:
    seeds = []
    for _ in range(2):
        one = world([JSON, DB], blocks=2)
        run.run_blocks(one.context)
        seeds.append([job.seed for job in one.load.jobs])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 8


def test_latency_is_read_at_half_of_what_the_slowest_can_do(world: Callable[..., World]) -> None:
    one = world([JSON, DB])
    one.load.rps = {"0-ant--plain--direct-0": 500.0, "0-bee--plain--direct-0": 80.0}
    run.run_blocks(one.context)
    assert [rates(job) for job in one.load.jobs] == [{None}, {40.0}, {None}, {40.0}]
    latencies = [trial for trial in one.trials if trial["view"] == "latency"]
    assert {trial["offered_rps"] for trial in latencies} == {40.0}
    assert {trial["slice_s"] for trial in latencies} == {None}
    assert all(trial["latency_ms"] == {"p50": 1.0} for trial in latencies)


def test_a_slow_service_is_offered_at_least_one_request_a_second(world: Callable[..., World]) -> None:
    one = world(latency_s=20.0)
    one.load.rps = {"0-ant--plain--direct-0": 0.8}
    run.run_blocks(one.context)
    assert rates(one.load.jobs[1]) == {1.0}


def test_slow_services_are_loaded_in_windows(world: Callable[..., World]) -> None:
    one = world([IO], capacity_s=0.6, window_s=1.5)
    run.run_blocks(one.context)
    capacity, latency = one.load.jobs
    assert (capacity.slice_s, capacity.measure_s) == (1.5, 1.5)
    assert (latency.slice_s, latency.measure_s) == (None, 1.0)
    # As many answers end at once as requests wait together: all connections here, and one for each of what serves one at a time.
    plans = {planned.stack.id: planned for planned in one.context.plan.stacks}
    assert [target.batch for target in capacity.targets] == [
        min(target.connections, plans[stack].holds(IO)) for target, stack in zip(capacity.targets, plans, strict=True)
    ]
    assert {target.batch for target in latency.targets} == {None}


def test_what_is_loaded_in_slices_has_no_batches(world: Callable[..., World]) -> None:
    one = world([JSON])
    run.run_blocks(one.context)
    assert {target.batch for job in one.load.jobs for target in job.targets} == {None}


def test_what_waits_is_loaded_without_a_warm_up_for_some_waits_at_least(world: Callable[..., World]) -> None:
    waiting = replace(IO, tags=frozenset({"waiting"}), parameters={"ms": 300})
    one = world([waiting], window_s=0.6)
    one.load.rps = {"0-ant--plain--direct-0": 50.0}
    run.run_blocks(one.context)
    capacity, latency = one.load.jobs
    assert (capacity.warmup_s, capacity.measure_s, capacity.slice_s) == (0.0, WAITS * 0.3, WAITS * 0.3)
    assert latency.warmup_s == 0.1


def test_shares_of_workers_are_judged_where_requests_are_alike(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "accounts", lambda *_, **__: {"worker_shares": [0.9, 0.1]})
    monkeypatch.setattr("bench.trial.ENOUGH_EACH", 0)
    one = world([
        JSON, replace(scenario("items"), journey=True), replace(IO, tags=frozenset({"waiting"}), parameters={"ms": 10}),
    ])  # fmt: skip
    run.run_blocks(one.context)
    flagged = {(trial["scenario"], "unbalanced" in trial["flags"]) for trial in one.trials}
    assert flagged == {("json", True), ("items", False), ("io", False)}


def test_an_open_loop_too_slow_for_a_median_is_skipped_and_says_so(world: Callable[..., World]) -> None:
    one = world([JSON], own_loads=(80,))
    one.load.rps = {"0-ant--plain--direct-0": 24.0, "0-bee--plain--direct-0": 25.0, "0-cat--plain--direct-0": 26.0}
    run.run_blocks(one.context)
    one.check_complete()
    assert [len(job.targets) for job in one.load.jobs] == [3, 2]
    assert one.of(ANT)[1:] == [("json", "latency", "skipped"), ("json", "latency-80", "skipped")]
    assert one.of(BEE)[1:] == [("json", "latency", "skipped"), ("json", "latency-80", "measured")]
    assert one.reasons(BEE) == {None, "1 s at 12.5 requests a second hold fewer than the 20 that a median takes"}


def test_who_is_too_slow_for_a_median_does_not_set_the_load_of_the_others(world: Callable[..., World]) -> None:
    one = world([JSON])
    one.load.rps = {"0-ant--plain--direct-0": 15.0, "0-bee--plain--direct-0": 90.0, "0-cat--plain--direct-0": 400.0}
    run.run_blocks(one.context)
    one.check_complete()
    assert {target.id: target.rate_rps for target in one.load.jobs[1].targets} == {
        "0-bee--plain--direct-0": 45.0, "0-cat--plain--direct-0": 45.0,
    }  # fmt: skip
    assert one.reasons(ANT) == {None, "1 s at 7.5 requests a second hold fewer than the 20 that a median takes"}


def test_blocks_that_would_end_too_late_are_loaded_for_less_and_that_is_noted(world: Callable[..., World]) -> None:
    one = world([JSON, DB], blocks=3, budget_s=110.5)
    one.load.overhead_s = 5.0

    def verify(name: str) -> None:
        one.clock[0] += estimate.once_s(one.context.plan) if name == "0-json-capacity" else 0.0

    one.load.before = verify
    run.run_blocks(one.context)
    assert len({trial["block"] for trial in one.trials}) == 3
    lengths = [job.measure_s for job in one.load.jobs]
    assert lengths[0] == 1.0
    assert 0.5 <= lengths[-1] < 1.0
    notes = one.context.store.header["notes"]
    assert re.fullmatch(
        r"From block [23] on each deployment is loaded for \d\d% of the planned time, so that .*", notes[0]
    )
    assert f"note: {notes[0]}" in one.said.getvalue()


def test_a_clock_that_is_set_meanwhile_changes_no_figure_and_is_noted(world: Callable[..., World]) -> None:
    one = world([JSON], blocks=2)
    days = iter([0.0, -3600.0, -3600.0])
    one.context.clock = Clock(lambda: next(days))
    run.run_blocks(one.context)
    one.check_complete()
    (noted,) = one.context.store.header["notes"]
    assert noted.startswith("The clock was set back by 3600 s during the run: ")


def test_a_record_says_by_itself_what_it_was_made_with(world: Callable[..., World]) -> None:
    one = world([JSON])
    parts = {"app": "a1", "server": "5e", "front": "f0", "environment": None}
    one.context.store.update({
        "hashes": {"contract": "c0", "suite": "50", "scenarios": {"json": "7a"}, "stacks": {ANT: parts}},
    })  # fmt: skip
    run.run_blocks(one.context)
    for trial in read_run(one.context.store.folder).trials:
        own = parts if trial["stack"] == ANT else dict.fromkeys(parts)
        assert trial["hashes"] == {"contract": "c0", "suite": "50", "scenario": "7a", **own}


# Failures are values


def check_rest(world: World, *, but: str) -> None:
    world.check_complete()
    for stack in {ANT, BEE, CAT} - {but}:
        assert {status for _, _, status in world.of(stack)} == {"measured"}
    assert world.launcher.up == []


def test_a_stack_that_does_not_start_fails_alone(world: Callable[..., World]) -> None:
    one = world([JSON, DB])
    one.launcher.broken[BEE] = Failed(reason="the app process exited with code 1 while starting", log_tail="no module")
    run.run_blocks(one.context)
    check_rest(one, but=BEE)
    failed = [trial for trial in one.trials if trial["stack"] == BEE]
    assert {(trial["status"], trial["reason"], trial["log_tail"], trial["rps"]) for trial in failed} == {
        ("failed", "the app process exited with code 1 while starting", "no module", None)
    }
    assert ("verify", "0v-bee--plain--direct-0") not in one.work
    assert one.context.verified.keys() == {ANT, CAT}
    assert all("bee" not in target.id for job in one.load.jobs for target in job.targets)
    assert f"failed: {BEE} json capacity: the app process exited with code 1" in one.said.getvalue()
    observed = read_run(one.context.store.folder).header["observed"]
    assert observed[BEE] == {"failure": "the app process exited with code 1 while starting"}


def test_a_stack_that_breaks_the_contract_is_not_measured_in_any_copy_or_block(world: Callable[..., World]) -> None:
    one = world([JSON], blocks=2, copies=2)
    one.breaking[CAT] = Check(endpoint="db", rule="shape", expected="an object", got="a list")
    run.run_blocks(one.context)
    check_rest(one, but=CAT)
    assert {status for _, _, status in one.of(CAT)} == {"failed"}
    assert one.reasons(CAT) == {"breaks the contract at db, rule shape: expected an object, got a list"}
    stored = read_run(one.context.store.folder).header["verified"]
    assert stored[ANT] == {"status": "passed", "rules": 1, "failures": []}
    assert stored[CAT]["status"] == "failed"
    assert stored[CAT]["failures"] == [{"endpoint": "db", "rule": "shape", "expected": "an object", "got": "a list"}]
    assert f"{CAT} breaks the contract: 1 rules; `bench verify {CAT}` lists them" in one.said.getvalue()


def test_a_stack_that_cannot_be_held_to_the_contract_is_not_measured_and_is_tried_again(
    world: Callable[..., World],
) -> None:
    one = world([JSON], blocks=2)
    verify, times = one.context.verify, Counter[str]()

    def fails_once(deployment: Deployment, url: str | None) -> Report:
        times[deployment.planned.stack.id] += 1
        if deployment.id == "0v-bee--plain--direct-0":
            raise BenchError("nothing answers")
        return verify(deployment, url)

    one.context.verify = fails_once
    run.run_blocks(one.context)
    one.check_complete()
    assert times == {ANT: 1, BEE: 2, CAT: 1}
    assert [status for _, _, status in one.of(BEE)] == ["failed", "failed", "measured", "measured"]
    assert one.reasons(BEE) == {None, "could not be verified: nothing answers"}


def test_versions_that_cannot_be_read_cost_no_figure(world: Callable[..., World]) -> None:
    one = world([JSON])

    def versions(deployment: Deployment) -> dict[str, str]:
        if deployment.planned.stack.id == BEE:
            raise BenchError("no such container")
        return {"flask": "3.1"}

    one.launcher.versions = versions  # type: ignore[method-assign]
    run.run_blocks(one.context)
    one.check_complete()
    assert {trial["status"] for trial in one.trials} == {"measured"}
    assert {stack: seen["versions"] for stack, seen in one.context.observed.items()} == {
        ANT: {"flask": "3.1"}, BEE: {}, CAT: {"flask": "3.1"},
    }  # fmt: skip
    assert f"{BEE}: its versions cannot be read: no such container" in one.said.getvalue()


def test_what_a_deployment_uses_while_nobody_asks_is_read_in_every_block(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world([JSON], blocks=2, idle_s=3.0)
    slept: list[float] = []
    monkeypatch.setattr(run.time, "sleep", slept.append)
    found, starting = ({"0-ant--plain--direct-0": {"app": share, "front": None}} for share in (0.005, 0.02))
    readings = [starting, found, found]
    monkeypatch.setattr(account, "idle", lambda deployments, before, after: readings.pop(0))
    given: list[Any] = []
    monkeypatch.setattr(account, "accounts", lambda *_, idle, loaded_s: given.append((idle, loaded_s)) or {})
    run.run_blocks(one.context)
    assert slept == [3.0, 3.0, 3.0], "once more where workers were still starting"
    assert given == [(found, 1.0)] * len(one.trials)


def test_a_stack_that_dies_in_a_closed_loop_has_no_rate(world: Callable[..., World]) -> None:
    one = world([JSON])

    def die(name: str) -> None:
        one.launcher.codes["0-ant--plain--direct-0"] = 70

    one.load.before = die
    run.run_blocks(one.context)
    check_rest(one, but=ANT)
    first, second = (trial for trial in one.trials if trial["stack"] == ANT)
    assert (first["status"], first["rps"], first["requests"], first["flags"]) == ("failed", None, 100, ["died"])
    assert first["reason"] == "the app process exited with code 70, after 100 requests"
    assert (second["status"], second["reason"]) == ("failed", "the app process exited with code 70")


def test_a_stack_that_dies_in_an_open_loop_keeps_its_figures_flagged_and_fails_from_then_on(
    world: Callable[..., World],
) -> None:
    one = world([JSON, DB])

    def die(name: str) -> None:
        if name == "0-json-latency":
            one.launcher.codes["0-ant--plain--direct-0"] = 70

    one.load.before = die
    run.run_blocks(one.context)
    check_rest(one, but=ANT)
    assert [status for _, _, status in one.of(ANT)] == ["measured", "measured", "failed", "failed"]
    second, third = [trial for trial in one.trials if trial["stack"] == ANT][1:3]
    assert second["flags"] == ["died"]
    assert second["log_tail"] == third["log_tail"] == "Traceback\nValueError: no"
    assert third["reason"] == "the app process exited with code 70"


def test_a_stack_that_dies_before_it_answers_fails_with_how_it_died(world: Callable[..., World]) -> None:
    one = world()

    def die(name: str) -> None:
        one.launcher.codes["0-ant--plain--direct-0"] = -9
        one.load.rps["0-ant--plain--direct-0"] = 0.0

    one.load.before = die
    run.run_blocks(one.context)
    check_rest(one, but=ANT)
    assert one.reasons(ANT) == {"the app process was ended by signal 9"}


def test_a_stack_that_dies_between_cells_is_seen_before_it_is_loaded(world: Callable[..., World]) -> None:
    one = world()
    one.launcher.codes["0-bee--plain--direct-0"] = 3
    run.run_blocks(one.context)
    check_rest(one, but=BEE)
    assert one.reasons(BEE) == {"the app process exited with code 3"}


def test_a_stack_without_a_correct_answer_has_no_capacity_and_does_not_set_the_rate(
    world: Callable[..., World],
) -> None:
    one = world()
    one.load.rps = {"0-ant--plain--direct-0": 0.0, "0-bee--plain--direct-0": 60.0}
    run.run_blocks(one.context)
    assert one.of(ANT)[0] == ("json", "capacity", "failed")
    assert one.trials[0]["reason"] == "no request was answered correctly: 9 x status"
    assert rates(one.load.jobs[1]) == {30.0}


def test_a_load_process_that_fails_costs_its_cell_and_no_more(world: Callable[..., World], tmp_path: Path) -> None:
    one = world([JSON, DB])
    log = tmp_path / "load.log"
    log.write_text("line 1\nImportError: locust")

    def fail(name: str) -> None:
        if name == "0-db-capacity":
            raise load.LoadFailedError("the load generator ended early (exit code 1); see load.log", log)

    one.load.before = fail
    run.run_blocks(one.context)
    one.check_complete()
    by_cell = {(trial["scenario"], trial["view"]): trial for trial in one.trials if trial["stack"] == CAT}
    assert [trial["status"] for trial in by_cell.values()] == ["measured", "measured", "failed", "skipped"]
    failed = by_cell["db", "capacity"]
    assert failed["reason"] == "the load generator ended early (exit code 1); see load.log"
    assert failed["log_tail"] == "line 1\nImportError: locust"
    assert by_cell["db", "latency"]["reason"] == "no capacity was measured to derive an offered load from"


def test_without_a_database_only_what_needs_none_is_measured(world: Callable[..., World]) -> None:
    one = world([JSON, DB], database=Database(failure=Failed(reason="PostgreSQL does not start", log_tail="FATAL")))
    run.run_blocks(one.context)
    one.check_complete()
    for stack in (ANT, BEE, CAT):
        assert [status for _, _, status in one.of(stack)] == ["measured", "measured", "failed", "failed"]
    assert one.trials[-1]["reason"] == "PostgreSQL does not start"
    assert one.trials[-1]["log_tail"] == "FATAL"


@pytest.mark.parametrize(("dies", "latency"), [("restore", "failed"), ("settle", "skipped")])
def test_a_database_that_dies_midway_costs_only_what_needs_it(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, dies: str, latency: str
) -> None:
    one = world([JSON, DB], blocks=2, database=Database(url="postgresql://x"))
    calls: Counter[str] = Counter()

    def ask(name: str, url: str) -> None:
        calls[name] += 1
        if (dies, calls[name]) in (("restore", 3), ("settle", 3)) and name == dies:  # of the second block
            raise BenchError("nothing answers there")

    for name in ("restore", "settle"):
        monkeypatch.setattr(data, name, partial(ask, name))
    monkeypatch.setattr(record.observe, "connections", lambda _: {})
    run.run_blocks(one.context)
    one.check_complete()
    lost = {"capacity": "failed", "latency": latency}
    for trial in one.trials:
        hit = trial["block"] == 1 and trial["scenario"] == "db"
        assert trial["status"] == (lost[trial["view"]] if hit else "measured")
    reasons = {trial["reason"] for trial in one.trials if trial["status"] == "failed"}
    assert reasons == {"nothing answers there"}
    assert one.launcher.up == []


def test_what_the_plan_skips_is_recorded_as_skipped(world: Callable[..., World], tree: Tree) -> None:
    tree.app("ant", missing=["db"])
    one = world([JSON, DB])
    assert one.context.plan.skipped == {}  # three_stacks wrote it anew
    skipped = Skipped(reason="ant has no db")
    object.__setattr__(one.context.plan, "skipped", {f"{ANT} db": skipped})
    run.run_blocks(one.context)
    check_rest(one, but=ANT)
    assert [status for _, _, status in one.of(ANT)] == ["measured", "measured", "skipped", "skipped"]
    assert one.reasons(ANT) == {None, "ant has no db"}


# Time


def test_a_run_that_must_end_by_a_set_time_shortens_its_windows(world: Callable[..., World]) -> None:
    one = world([JSON, DB], load_until_s=14.0)
    one.load.overhead_s = 0.5
    began = one.clock[0]
    run.run_blocks(one.context)
    one.check_complete()
    measured = [job.measure_s for job in one.load.jobs]
    first = (14.0 / 4 - estimate.JOB_OVERHEAD_S - 3 * estimate.TARGET_OVERHEAD_S) / 3 - 0.1
    assert measured[0] == pytest.approx(first)
    assert all(SHORTEST_S <= seconds <= 1.0 for seconds in measured)
    # What jobs really take beside their time is learned: the first guess was too long, so that time is given back.
    assert measured[-1] > first
    assert one.clock[0] - began <= 14.0 + 1e-6


def test_a_run_with_time_enough_is_not_shortened(world: Callable[..., World]) -> None:
    one = world([JSON, DB], load_until_s=1000.0)
    run.run_blocks(one.context)
    assert {job.measure_s for job in one.load.jobs} == {1.0}


def test_what_has_no_time_left_is_skipped_and_says_so(world: Callable[..., World]) -> None:
    one = world([JSON, DB], load_until_s=30.0)
    one.load.overhead_s = 17.0
    run.run_blocks(one.context)
    one.check_complete()
    statuses = [status for _, _, status in one.of(ANT)]
    assert statuses[0] == "measured"
    assert statuses[-2:] == ["skipped", "skipped"]
    assert one.trials[-1]["reason"] == "no time left: load stops 30 s after the start"
    assert one.trials[-1]["rps"] is None
    assert len(one.load.jobs) == statuses.count("measured")


def test_planned_seconds_count_windows_copies_and_the_start_of_each_job(world: Callable[..., World]) -> None:
    made = world([JSON, IO], blocks=2, copies=2, capacity_s=0.5, latency_s=2.0, window_s=1.5).context.plan
    short, long, window = (
        estimate.JOB_OVERHEAD_S + 6 * (seconds + 0.1 + estimate.TARGET_OVERHEAD_S) for seconds in (0.5, 2.0, 1.5)
    )
    assert estimate.planned_seconds(made, made.block_cells(1)) == pytest.approx(
        {"1-json-capacity": short, "1-json-latency": long, "1-io-capacity": window, "1-io-latency": long}
    )


# Connections and the ceiling


def test_a_pilot_chooses_connections_once_and_the_run_keeps_them(world: Callable[..., World]) -> None:
    waiting = replace(IO, tags=frozenset({"waiting"}))
    one = world([JSON, waiting], blocks=2, pilot_s=0.3)
    ant, bee = "0v-ant--plain--direct-0", "0v-bee--plain--direct-0"
    one.load.rps |= {f"{ant}|16": 50.0, f"{ant}|32": 99.0, f"{ant}|64": 100.0, f"{bee}|64": 500.0}
    run.run_blocks(one.context)
    tried = one.load.jobs[0]
    assert len(tried.targets) == 9
    assert (tried.scenario, tried.measure_s) == ("json", 0.3), "what waits has a number of its own"
    chosen = {ANT: 32, BEE: 64, CAT: 16}
    assert {name: one.context.connections[name, "json"] for name in chosen} == chosen
    for block, job in enumerate(
        job for job in one.load.jobs if job.mode == "duet" and job.scenario == "json" and job is not tried
    ):
        assert [target.connections for target in job.targets] == [32, 64, 16], block
    header = read_run(one.context.store.folder).header["pilot"]
    assert header["json"][ANT] == {"connections": 32, "rps": {"16": 50.0, "32": 99.0, "64": 100.0}}
    one.check_complete()


def test_connections_under_which_a_stack_falls_silent_are_not_chosen(world: Callable[..., World]) -> None:
    one = world([JSON], pilot_s=0.3)
    ant = "0v-ant--plain--direct-0"
    one.load.rps |= {f"{ant}|16": 50.0, f"{ant}|32": 99.0, f"{ant}|64": 500.0}
    one.load.left_out = {f"{ant}|64"}
    run.run_blocks(one.context)
    assert one.context.connections[ANT, "json"] == 32
    header = read_run(one.context.store.folder).header["pilot"]
    assert header["json"][ANT] == {"connections": 32, "rps": {"16": 50.0, "32": 99.0, "64": None}}


def test_a_run_that_is_taken_up_again_has_its_null_server_and_the_pilots_that_were_to_come(
    world: Callable[..., World],
) -> None:
    asked: list[str] = []

    def calibrate(context: Context, source: Deployment) -> None:
        asked.append(source.id)

    one = world([JSON, DB], blocks=2, pilot_s=0.3, ceiling=True)
    one.context.calibrate = calibrate
    one.context.verified = {stack: {"status": "passed", "rules": 1, "failures": []} for stack in (ANT, BEE, CAT)}
    one.context.connections = {(stack, "json"): 32 for stack in (ANT, BEE, CAT)} | {(ANT, "db"): 64}
    run.run_blocks(one.context)
    assert asked == ["0v-bee--plain--direct-0"]
    pilots = [name for name in one.load.names if name.startswith("pilot")]
    assert pilots == ["pilot-db"], "what has its number keeps it, and nobody is asked twice"
    assert {target.id.partition("|")[0] for target in one.load.jobs[0].targets} == {
        "0v-bee--plain--direct-0", "0v-cat--plain--direct-0",
    }  # fmt: skip
    assert one.context.connections[ANT, "db"] == 64


def test_what_was_loaded_before_a_run_was_taken_up_again_keeps_its_number_of_connections(
    world: Callable[..., World],
) -> None:
    """Its pilot had failed, so that it was loaded with the plan's."""
    one = world([JSON, DB], blocks=1, pilot_s=0.3)
    one.context.trials.append({"stack": ANT, "scenario": "json", "view": "capacity", "status": "measured"})
    run.run_blocks(one.context)
    tried = {job.scenario: {target.id.partition("|")[0] for target in job.targets} for job in one.load.jobs[:2]}
    ant, others = "0v-ant--plain--direct-0", {"0v-bee--plain--direct-0", "0v-cat--plain--direct-0"}
    assert tried == {"json": others, "db": {ant, *others}}


def test_a_pilot_that_fails_leaves_the_plans_connections_and_says_so(world: Callable[..., World]) -> None:
    one = world([JSON], pilot_s=0.3)

    def fail(name: str) -> None:
        if name.startswith("pilot"):
            raise BenchError("no answer")

    one.load.before = fail
    run.run_blocks(one.context)
    assert "no pilot for json, so 8 connections for all" in one.said.getvalue()
    assert {target.connections for target in one.load.jobs[1].targets} == {CONNECTIONS}


def test_a_null_server_that_is_still_to_come_takes_its_answers_from_a_deployment_that_is_not_measured(
    world: Callable[..., World],
) -> None:
    asked: list[str] = []
    one = world([JSON], ceiling=True)
    one.context.calibrate = lambda context, source: asked.append(source.id)
    one.context.verified = {stack: {"status": "passed", "rules": 1, "failures": []} for stack in (ANT, BEE, CAT)}
    run.run_blocks(one.context)
    assert asked == ["0v-ant--plain--direct-0"]
    assert [step for step in one.work if step[0] == "verify"] == []


def test_the_null_server_is_loaded_beside_the_stacks_and_sets_their_ceiling(world: Callable[..., World]) -> None:
    made = replace(JSON, url="/json")
    one = world([made, IO], ceiling=True)
    null = Ceiling(endpoint=Endpoint(host="127.0.0.1", port=9), spawned=cast(Any, None), paths=frozenset({"/json"}))
    one.context.calibrate = lambda context, source: null
    one.load.rps |= {ceiling.ID: 1000.0, "0-ant--plain--direct-0": 701.0, "0-bee--plain--direct-0": 699.0}
    run.run_blocks(one.context)
    first = one.load.jobs[0]
    assert [target.id for target in first.targets][-1] == ceiling.ID
    assert all(ceiling.ID not in [target.id for target in job.targets] for job in one.load.jobs[1:])
    flags = {trial["stack"]: (trial["ceiling_rps"], trial["flags"]) for trial in one.trials[:3]}
    assert flags == {ANT: (1000.0, ["generator-bound"]), BEE: (1000.0, []), CAT: (1000.0, [])}
    one.check_complete()


def test_without_a_null_server_the_run_goes_on(world: Callable[..., World]) -> None:
    def refuse(context: Context, source: Deployment) -> Ceiling | None:
        raise BenchError("nginx is not here")

    one = world([JSON], ceiling=True)
    one.context.calibrate = refuse
    run.run_blocks(one.context)
    assert "no null server: nginx is not here" in one.said.getvalue()
    assert {trial["ceiling_rps"] for trial in one.trials} == {None}


# Interruptions


def test_ctrl_c_midway_keeps_what_is_finished_and_stops_everything(world: Callable[..., World]) -> None:
    one = world([JSON, DB], blocks=2)

    def interrupt(name: str) -> None:
        if name == "0-db-capacity":
            raise KeyboardInterrupt

    one.load.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        run.run_blocks(one.context)
    assert [(trial["scenario"], trial["view"]) for trial in one.trials] == [
        (name, view) for name, view in (("json", "capacity"), ("json", "latency")) for _ in range(3)
    ]
    assert len(read_run(one.context.store.folder).trials) == 6
    assert one.launcher.up == []
    assert one.work[-1][0] == "stop"


def test_ctrl_c_between_blocks_is_not_lost(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    one = world(blocks=2)
    stop = one.launcher.stop

    def interrupted(deployments: Sequence[Deployment]) -> None:
        stop(deployments)
        if one.trials:
            raise KeyboardInterrupt

    monkeypatch.setattr(one.launcher, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.run_blocks(one.context)
    assert {trial["block"] for trial in one.trials} == {0}


# A whole run


@pytest.fixture
def whole(tree: Tree, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., run.Outcome]:
    """`execute` with everything that touches the machine replaced, and `blocks` in the place of the blocks."""
    monkeypatch.setattr(run, "Session", partial(Session, home=home))
    monkeypatch.setattr(site, "find_tools", lambda _: Tools(paths={}, missing={}))
    monkeypatch.setattr(site, "NativeLauncher", lambda *_, **__: None)

    def make(
        blocks: Callable[[Context], None], database: Database | None = None, resumed: Path | None = None
    ) -> run.Outcome:
        monkeypatch.setattr(run, "run_blocks", blocks)
        monkeypatch.setattr(site, "start_database", lambda *_, **__: database or Database())
        made: Plan = plan(three_stacks(tree), [JSON])
        out = io.StringIO()
        outcome = run.Outcome()
        try:
            run.execute(
                made, results=tmp_path / "results", command="bench run", outcome=outcome, resumed=resumed,
                progress=Progressing({}, console=Console(file=out, width=200)),
            )  # fmt: skip
        finally:
            outcome.trials.append({"said": out.getvalue()})
        return outcome

    return make


def header(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "results" / "latest" / "run.json").read_text())
    return found


def test_a_run_that_ends_is_finished(whole: Callable[..., run.Outcome], tmp_path: Path, home: Path) -> None:
    seen = {}

    def blocks(context: Context) -> None:
        seen.update(header(tmp_path))
        context.verified[ANT] = {"status": "passed", "rules": 61, "failures": []}
        assert context.session.scratch.is_dir()

    outcome = whole(blocks)
    assert seen["status"] == "running"
    assert seen["environment"]["cpus"] >= 1
    assert seen["placement"]["server"] == [0]
    assert [stack["id"] for stack in seen["plan"]["stacks"]] == [ANT, BEE, CAT]
    found = header(tmp_path)
    assert (found["status"], found["command"], found["seed"]) == ("finished", "bench run", 7)
    assert found["verified"][ANT]["rules"] == 61
    assert found["ended"] >= found["started"]
    assert outcome.folder is not None
    assert (tmp_path / "results" / "latest").resolve() == outcome.folder.resolve()
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [(KeyboardInterrupt, "interrupted"), (BenchError, "failed"), (RuntimeError, "failed")],
)
def test_a_run_that_is_cut_off_says_so_and_is_raised_on(
    whole: Callable[..., run.Outcome], tmp_path: Path, home: Path, failure: type[BaseException], status: str
) -> None:
    def blocks(context: Context) -> None:
        raise failure

    with pytest.raises(failure):
        whole(blocks)
    assert header(tmp_path)["status"] == status
    assert header(tmp_path)["ended"] is not None
    assert list(home.iterdir()) == []


def test_a_run_without_a_database_says_why(whole: Callable[..., run.Outcome]) -> None:
    outcome = whole(lambda context: None, Database(failure=Failed(reason="initdb failed")))
    assert outcome.trials[-1]["said"] == "  no database: initdb failed\n"


def interrupted(context: Context) -> None:
    raise KeyboardInterrupt


def database(version: str | None) -> Database:
    return Database(version=version)


def test_a_run_is_gone_on_with_by_the_same_tools_only_and_stays_as_it_was(
    whole: Callable[..., run.Outcome], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        whole(interrupted, database("PostgreSQL 17.1 (embedded)"))
    before, folder = header(tmp_path), (tmp_path / "results" / "latest").resolve()
    with pytest.raises(BenchError) as refused:
        whole(lambda context: None, database("PostgreSQL 18.0 (embedded)"), resumed=folder)
    assert str(refused.value) == (
        f"run {folder.name} cannot be resumed: postgresql was PostgreSQL 17.1 (embedded), is PostgreSQL 18.0 (embedded); "
        "all that it measured is kept: go on with what it was begun with, or start a new run, and compare the two with `bench compare`"
    )
    assert header(tmp_path) == before
    whole(lambda context: None, database("PostgreSQL 17.1 (embedded)"), resumed=folder)
    assert (header(tmp_path)["status"], header(tmp_path)["parts"]) == ("finished", ["bench run"])


def test_a_tool_that_is_not_there_any_more_does_not_undo_what_is_known_of_it(
    whole: Callable[..., run.Outcome], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        whole(interrupted, database("PostgreSQL 17.1 (embedded)"))
    whole(lambda context: None, database(None), resumed=(tmp_path / "results" / "latest").resolve())
    assert header(tmp_path)["environment"]["postgresql"] == "PostgreSQL 17.1 (embedded)"


@pytest.mark.parametrize(
    ("environment", "node", "says"),
    [
        ({"nginx": "nginx/1.28.0 (machine)"}, "24.1.0", None),
        ({"nginx": None, "docker": "28.1"}, "24.1.0", None),
        ({"nginx": "nginx/1.29.0 (machine)"}, "24.1.0", "nginx was nginx/1.28.0 (machine), is nginx/1.29.0 (machine); all"),
        ({}, "24.2.0", f"node of {ANT} was 24.1.0, is 24.2.0; all"),
    ],
)  # fmt: skip
def test_versions_that_no_pin_holds_are_compared(environment: dict[str, Any], node: str, says: str | None) -> None:
    stored = {
        "run_id": "x", "environment": {"nginx": "nginx/1.28.0 (machine)", "cpus": 2},
        "observed": {ANT: {"versions": {"node": "24.1.0"}}, BEE: {"failure": "it says no"}},
    }  # fmt: skip
    runtimes = {name: {"node": node} for name in (ANT, BEE, CAT)}
    with pytest.raises(BenchError) if says else contextlib.nullcontext() as refused:
        provenance.refuse_other_tools(stored, environment, runtimes)
    assert says is None or says in str(refused.value)


def test_runtimes_are_asked_once_for_each_application_in_another_language(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(three_stacks(tree)[1:], [JSON]).stacks
    monkeypatch.setattr(environments, "versions", lambda app: {"node": "24.1.0"})
    assert provenance.runtimes(planned) == {}
    node = replace(planned[0].stack.app, language="node")
    others = [replace(one, stack=replace(one.stack, app=node)) for one in planned]
    asked: list[str] = []

    def versions(app: App) -> dict[str, str]:
        asked.append(app.name)
        return {"node": "24.1.0"}

    monkeypatch.setattr(environments, "versions", versions)
    assert provenance.runtimes(others) == {BEE: {"node": "24.1.0"}, CAT: {"node": "24.1.0"}}
    assert asked == ["bee"]


# The report


@pytest.mark.services
@pytest.mark.parametrize(
    ("script", "made", "expected"),
    [
        ("import sys; assert sys.argv[1:] == ['report', '/runs/x', '--index', '--lang', 'en']", True, []),
        ("import sys; sys.exit('no trials')", False, ["the report could not be made: no trials"]),
        ("import sys; print('on stdout'); sys.exit(1)", False, ["the report could not be made: on stdout"]),
    ],
)
def test_the_report_is_made_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, made: bool, expected: list[str]
) -> None:
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").touch()
    (tmp_path / "analysis" / "__main__.py").write_text(script)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    said: list[str] = []
    assert run.write_report(Path("/runs/x"), said.append) is made
    assert said == expected


# Shares of a stack's own capacity, groups, and taking up an interrupted run


def test_a_share_of_its_own_capacity_is_each_deployments_own(world: Callable[..., World]) -> None:
    one = world([JSON], own_loads=(50, 80), latency_s=20.0)
    one.load.rps = {"0-ant--plain--direct-0": 500.0, "0-bee--plain--direct-0": 0.0, "0-cat--plain--direct-0": 1.0}
    run.run_blocks(one.context)
    one.check_complete()
    asked = {job.targets[0].id: [target.rate_rps for target in job.targets] for job in one.load.jobs}
    assert [job.mode for job in one.load.jobs] == ["duet", "open", "open", "open"]
    assert asked == {"0-ant--plain--direct-0": [400.0, 1.0]}
    bee = {(trial["view"], trial["status"]): trial["reason"] for trial in one.trials if trial["stack"] == BEE}
    assert bee["latency-80", "skipped"] == "its own capacity was not measured, so there is no share of it to offer"
    assert {trial["offered_rps"] for trial in one.trials if trial["view"] == "latency-50"} == {250.0, 1.0, None}


def test_the_load_at_which_latency_is_read_is_equal_over_groups(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.plan.GROUP_STACKS", 2)
    one = world([JSON], blocks=3, latency=("json",), latency_s=10.0)
    one.load.rps = {f"{block}g1-cat--plain--direct-0": 30.0 for block in range(3)}
    run.run_blocks(one.context)
    offered = {
        (trial["block"], trial["group"]): trial["offered_rps"] for trial in one.trials if trial["view"] == "latency"
    }
    # The first group cannot know in the first block what the second can do; from then on both go by the slowest of all.
    assert offered.pop((0, 0)) is None
    assert set(offered.values()) == {15.0}
    first = next(trial for trial in one.trials if trial["view"] == "latency")
    assert (first["status"], "from the second block on" in (first["reason"] or "")) == ("skipped", True)


def test_more_stacks_than_fit_are_taken_in_groups_that_share_the_first(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.plan.GROUP_STACKS", 2)
    one = world([JSON], blocks=2)
    run.run_blocks(one.context)
    starts = [step[1] for step in one.work if step[0] == "start"]
    assert [start for start in starts if "v" in start[0].partition("-")[0]] == [
        ["0v-ant--plain--direct-0", "0v-bee--plain--direct-0"], ["0vg1-cat--plain--direct-0"],
    ]  # fmt: skip
    assert [start for start in starts if "v" not in start[0].partition("-")[0]] == [
        [f"{block}{mark}-{name}--plain--direct-0" for name in names]
        for block in range(2)
        for mark, names in (("", ("ant", "bee")), ("g1", ("ant", "cat")))
    ]
    assert sorted(step[1] for step in one.work if step[0] == "verify") == [
        "0v-ant--plain--direct-0", "0v-bee--plain--direct-0", "0vg1-cat--plain--direct-0",
    ]  # fmt: skip
    assert Counter((trial["stack"], trial["group"]) for trial in one.trials) == {
        (ANT, 0): 4, (BEE, 0): 4, (ANT, 1): 4, (CAT, 1): 4,
    }  # fmt: skip
    assert len({trial["trial_id"] for trial in one.trials}) == len(one.trials)
    assert len({trial["deployment_id"] for trial in one.trials}) == 8


class Cut(Exception):
    """Stands for a kill -9: nothing is tidied up."""


def figures(store: RunStore) -> set[tuple[Any, ...]]:
    """What the analysis goes by; of trials that occur twice, the last."""
    stored = {one["trial_id"]: one for one in read_run(store.folder).trials}
    return {
        (name, one["status"], one["rps"], one["offered_rps"], one["requests"], one["block"], one["copy"])
        for name, one in stored.items()
    }


@pytest.mark.parametrize("cut", ["0-json-capacity", "0-db-latency", "1-json-capacity", "1-db-latency"])
def test_a_run_that_was_cut_off_anywhere_goes_on_and_gives_what_it_would_have(
    world: Callable[..., World], cut: str
) -> None:
    whole = world([JSON, DB], blocks=2, copies=2)
    whole.load.rps = {f"{block}-ant--plain--direct-{copy}": 70.0 for block in range(2) for copy in range(2)}
    run.run_blocks(whole.context)

    one = world([JSON, DB], blocks=2, copies=2)
    one.load.rps = whole.load.rps | {
        f"{block}r1-ant--plain--direct-{copy}": 70.0 for block in (0, 1) for copy in (0, 1)
    }

    def stop(name: str) -> None:
        if name == cut:
            raise Cut

    one.load.before = stop
    with pytest.raises(Cut):
        run.run_blocks(one.context)
    with (one.context.store.folder / "trials.jsonl").open("ab") as file:
        file.write(b'{"schema": 1, "stack": "ant/pl')  # the record that was being written
    done = list(one.load.names)[:-1]
    one.context.store.close()  # as the end of a process does

    one.load.before = lambda name: None
    one.load.names.clear()
    one.context.store, one.context.earlier = RunStore.reopen(one.context.store.folder, "bench run --resume")
    one.context.capacities = one.context.earlier.capacities
    one.context.trials.clear()
    run.run_blocks(one.context)
    cells = [
        f"{block}-{name}-{view}" for block in range(2) for name in ("json", "db") for view in ("capacity", "latency")
    ]
    assert [*done, *one.load.names] == cells
    assert figures(one.context.store) == figures(whole.context.store)
    assert [len(read_run(one.context.store.folder).damaged)] == [1]
    for trial in read_run(one.context.store.folder).trials:
        assert ("r1" in trial["deployment_id"]) == (trial["part"] == 1) == (trial["cell"] not in done)


class Steady(dict[str, float]):
    """A rate for each stack, block and copy, whichever part of a run it is asked in."""

    def get(self, name: str, default: Any = None) -> float:
        return 50.0 + zlib.crc32(re.sub(r"^(\d+)r\d+-", r"\1-", name).encode()) % 50


def killed_at(one: World, cut: str, moment: str) -> None:
    """Carry out the run in a process of its own that kill -9 ends: while `cut` is loaded, or when it has just been stored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # nothing of the threads that are here is used there
        child = os.fork()
    if not child:
        signal.alarm(60)  # a lock that a thread of the parent held is held here for ever
        with contextlib.suppress(BaseException):
            sync, at = os.fsync, [""]

            def stored(fd: int) -> None:
                sync(fd)
                if moment == "stored" and at[0] == cut:
                    os.kill(os.getpid(), signal.SIGKILL)

            def load(name: str) -> None:
                at[0] = name
                if moment == "loaded" and name == cut:
                    os.kill(os.getpid(), signal.SIGKILL)

            one.load.before, os.fsync = load, stored
            run.run_blocks(one.context)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.services
@pytest.mark.parametrize(
    ("cut", "moment"), [("0-json-capacity", "loaded"), ("2-json-latency", "stored"), ("5-db-latency", "loaded")]
)
def test_after_a_kill_9_the_analysis_is_that_of_an_uninterrupted_run(
    world: Callable[..., World], cut: str, moment: str
) -> None:
    whole, one = (world([JSON, DB], blocks=6, copies=2) for _ in range(2))
    whole.load.rps, one.load.rps = Steady(), Steady()
    run.run_blocks(whole.context)
    killed_at(one, cut, moment)
    one.context.store.close()  # this process's own hold on it
    one.context.store, one.context.earlier = RunStore.reopen(one.context.store.folder, "bench run --resume")
    one.context.capacities = one.context.earlier.capacities
    run.run_blocks(one.context)
    cells = [cell.name for cell in whole.context.plan.cells()]
    left = cells[cells.index(cut) + (moment == "stored") :]
    assert one.load.names == left, "nothing that was finished is repeated"
    again, before = (frames.load(each.context.store.folder) for each in (one, whole))
    assert text.compare(again) == text.compare(before)
    assert "rank" in text.compare(before)
    assert again.damaged == ()


def test_a_unit_that_was_cut_off_within_is_repeated_whole(world: Callable[..., World]) -> None:
    one = world([JSON])
    run.run_blocks(one.context)
    path = one.context.store.folder / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-40])  # the last record of the second unit
    one.context.store.close()
    _, earlier = RunStore.reopen(one.context.store.folder, "bench run --resume")
    assert earlier.cells == {"0-json-capacity"}
    assert len(earlier.trials) == 3
    assert earlier.parts == 1
    assert earlier.capacities == {("0-json-capacity", stack, 0): 100.0 for stack in (ANT, BEE, CAT)}


def test_a_run_that_is_being_written_is_not_taken_up(world: Callable[..., World]) -> None:
    one = world([JSON])
    with pytest.raises(BenchError, match="is still being written by another command; wait for it or end it"):
        RunStore.reopen(one.context.store.folder, "bench run --resume")


def test_a_wide_scenario_gets_blocks_beyond_the_plan(world: Callable[..., World]) -> None:
    one = world([JSON, DB], blocks=1, latency=("json",), precision=0.03)
    answers = [{"wide": ["db"]}, {"wide": []}]
    one.context.ask = lambda folder, precision: answers.pop(0)
    run.run_blocks(one.context)
    assert one.load.names == ["0-json-capacity", "0-json-latency", "0-db-capacity", "1-db-capacity"]
    header = one.context.store.header
    assert (header["blocks_done"], header["stopped"]) == (2, "every interval is within 3.0% to either side")
    assert "stopped after 2 blocks: every interval is within 3.0% to either side" in one.said.getvalue()
