"""What experiments work with: deploying afresh, acting at set times, and how failures come back."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from lab_bench import Bench, answer, planned, write_rows

from bench import load, recorded
from bench.clockwork import Action
from bench.lab import ArmFailedError, PlannedArm, job_name
from bench.model import BenchError, Failed
from bench.render import Endpoint


@pytest.fixture
def arms() -> tuple[PlannedArm, ...]:
    return planned(
        "slots", "rps_at_1", ("one", "flask/gunicorn-sync/direct", {}), ("two", "tornado/single/direct", {}), levels=[1]
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def job() -> load.Job:
    target = load.Target(id="x", endpoint=Endpoint(host="127.0.0.1", port=1), connections=1)
    return load.Job(mode="closed", scenario="io", targets=[target], seed=0, warmup_s=0.0, measure_s=1.0)


def test_an_arm_that_is_deployed_again_has_another_id(bench: Bench, arms: tuple[PlannedArm, ...]) -> None:
    ids = []
    for _ in range(2):
        with bench.lab.deploy(arms[1], 3) as deployment:
            ids.append(deployment.id)
    assert ids == ["3c07-tornado--single--direct-1", "3c07n1-tornado--single--direct-1"]
    assert bench.launcher.up == []


def test_an_arm_that_does_not_come_up_is_an_error_with_its_reason(bench: Bench, arms: tuple[PlannedArm, ...]) -> None:
    bench.launcher.broken["tornado/single/direct"] = Failed(reason="exited with code 1", log_tail="why")
    with pytest.raises(ArmFailedError) as caught, bench.lab.deploy(arms[1], 0):
        raise AssertionError
    assert caught.value.failed.log_tail == "why"
    with bench.lab.deploy_all(arms, 0) as up:
        assert (list(up.deployments), list(up.failed)) == (["one"], ["two"])
    assert bench.launcher.up == []


def test_actions_are_done_while_load_goes_on_and_told_on_the_clock_of_the_requests(bench: Bench) -> None:
    done = threading.Event()
    bench.during = lambda: done.wait(5)
    bench.answer = lambda name, job: ({**answer(job), "origin_s": began}, [])
    began = time.perf_counter()
    acted = [Action(at_s=0.0, name="first", do=lambda: None), Action(at_s=0.01, name="last", do=done.set)]
    loaded = bench.lab.load(job(), name="x", at=acted)
    assert done.is_set()
    assert sorted(one["name"] for one in loaded.events) == ["first-begin", "first-end", "last-begin", "last-end"]
    times = [one["at_s"] for one in loaded.events]
    assert times == sorted(times)
    assert times[0] >= 0


def test_an_action_that_fails_fails_the_arm(bench: Bench) -> None:
    def fail() -> None:
        raise BenchError("nothing answered")

    with pytest.raises(BenchError, match="nothing answered"):
        bench.lab.load(job(), name="x", at=[Action(at_s=0.0, name="a", do=fail)])


def test_an_action_that_does_not_end_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.clockwork.PATIENCE_S", 0.05)
    begun, over = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        over.wait(10)

    bench.during = lambda: begun.wait(5)
    with pytest.raises(BenchError, match="restart was not done 0 s after the load"):
        bench.lab.load(job(), name="x", at=[Action(at_s=0.0, name="restart", do=wait)])
    over.set()


def test_a_load_that_fails_names_the_process_that_died(
    bench: Bench, arms: tuple[PlannedArm, ...], tmp_path: Path
) -> None:
    def fail(name: str, job: load.Job) -> Any:
        raise load.LoadFailedError("no answer", tmp_path / "load.log")

    bench.answer = fail
    with bench.lab.deploy(arms[0], 0) as deployment:
        with pytest.raises(ArmFailedError, match="no answer"):
            bench.lab.load(job(), name="x", watched=[deployment])
        bench.launcher.codes[deployment.id] = -9
        with pytest.raises(ArmFailedError, match="the app process was ended by signal 9"):
            bench.lab.load(job(), name="y", watched=[deployment])


def test_loads_have_names_and_seeds_of_their_own(bench: Bench, arms: tuple[PlannedArm, ...]) -> None:
    names = [job_name(arms[0], 2, "waiting"), job_name(arms[1], 2, "waiting"), job_name(arms[0].claim, 2, "waiting")]
    assert names == ["claim-07-2-one-waiting", "claim-07-2-two-waiting", "claim-07-2-waiting"]
    for name in names:
        bench.lab.load(job(), name=name)
    assert len({one.seed for one in bench.jobs.values()}) == 3


def test_of_requests_that_were_not_all_kept_no_figure_is_made(bench: Bench) -> None:
    bench.answer = lambda name, job: ({**answer(job), "recorded": "histograms"}, [])
    loaded = bench.lab.load(job(), name="x")
    with pytest.raises(BenchError, match=r"x\.parquet: more requests than are kept .* give it a shorter time"):
        loaded.rows()


def test_rows_are_read_by_target_and_phase(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_rows(
        path,
        [
            {"target": "a", "intended_s": 0.0, "end_s": 1.0}, {"target": "a", "intended_s": 0.0, "end_s": 2.0, "phase": "drain"},
            {"target": "b", "intended_s": 1.0, "end_s": 1.5, "error": "timeout", "status": 0},
        ],
    )  # fmt: skip
    rows = recorded.read(path)
    assert len(rows) == 3
    assert rows.right.tolist() == [True, True, False]
    assert rows.of("a").end_s.tolist() == [1.0]
    assert (rows.of("b").status.tolist(), rows.of("b").error.tolist()) == ([0], ["timeout"])
    path.write_text("no parquet")
    with pytest.raises(BenchError, match=r"x\.parquet: cannot be read"):
        recorded.read(path)


def test_what_is_done_side_by_side_waits_for_each_other_and_one_that_fails_holds_nobody_up(bench: Bench) -> None:
    passed: list[str] = []
    all_here = threading.Event()

    def work(name: str) -> Any:
        def do(gate: Any) -> str:
            if name == "last":
                all_here.wait(5)
            elif name == "first":
                all_here.set()
            if name == "broken":
                raise ArmFailedError(Failed(reason="died"))
            if name == "wrong":
                raise BenchError("no")
            gate()
            passed.append(name)
            return name

        return do

    found = bench.lab.side_by_side({name: work(name) for name in ("first", "last")})
    assert found == {"first": "first", "last": "last"}
    assert sorted(passed) == ["first", "last"]
    found = bench.lab.side_by_side({name: work(name) for name in ("first", "broken", "wrong")})
    assert found == {"first": "first", "broken": Failed(reason="died"), "wrong": Failed(reason="no")}


def test_an_interruption_ends_the_generators_that_others_wait_for(bench: Bench) -> None:
    ended = threading.Event()
    bench.lab.session.end = lambda role: ended.set()  # type: ignore[method-assign]

    def interrupted(gate: Any) -> None:
        raise KeyboardInterrupt

    def waiting(gate: Any) -> None:
        gate()
        assert ended.wait(5)

    with pytest.raises(KeyboardInterrupt):
        bench.lab.side_by_side({"one": interrupted, "other": waiting})
    assert ended.is_set()
