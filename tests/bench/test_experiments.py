"""Kinds of experiments on made-up answers: what they ask for, and what they make of what comes."""

import os
import resource
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lab_bench import Bench, Row, answer, planned

from bench import experiments, load, sample
from bench.database import data, observe
from bench.deployment import Deployment
from bench.experiments import _rest, capacity, concurrency, crowd, held, slots
from bench.lab import Found
from bench.model import BenchError, Failed
from bench.service import Database

SYNC, LOOP = "flask/gunicorn-sync+workers=2/direct", "tornado/single/direct"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def metrics(found: Any) -> dict[str, Any]:
    assert isinstance(found, Found), found
    return dict(found.metrics)


@pytest.mark.parametrize("name", experiments.kinds())
def test_every_kind_runs_one_by_one_or_together(name: str) -> None:
    kind = experiments.kinds()[name]
    assert hasattr(kind, "run") != hasattr(kind, "together")


# slots


def served(job: load.Job, slots_of: dict[str, int], wait_s: float) -> list[Row]:
    """A closed loop on servers that serve so many at once, by a part of the target's name."""
    rows: list[Row] = []
    for target in job.targets:
        limit = next((count for part, count in slots_of.items() if part in target.id), target.connections)
        at_once = min(limit, target.connections)
        ends = [wait_s * (turn + 1) for turn in range(int(job.measure_s / wait_s)) for _ in range(at_once)]
        rows += [{"target": target.id, "intended_s": end - wait_s, "end_s": end} for end in ends]
    return rows


def test_slots_show_as_a_plateau_and_a_loop_has_none(bench: Bench) -> None:
    arms = planned(
        "slots", "plateau_rps", ("sync", SYNC, {}), ("loop", LOOP, {"slots": 1}), levels=[1, 2, 8, 32, 64], wait_ms=100
    )
    bench.answer = lambda name, job: (answer(job), served(job, {"sync": 2}, 0.1))
    found = slots.together(bench.lab, arms, 0)
    sync, loop = metrics(found["sync"]), metrics(found["loop"])
    assert sync["plateau_rps"] == pytest.approx(20)
    assert sync["plateau_per_prediction"] == pytest.approx(1)
    assert sync["alone_per_prediction"] == pytest.approx(1)
    assert (sync["rps_per_ideal_at_8"], sync["rps_at_64"]) == (
        pytest.approx(0.25),
        None,
    )  # 64 is above 16 for each slot
    assert loop["plateau_per_prediction"] == pytest.approx(64)
    assert loop["rps_per_ideal_at_64"] == pytest.approx(1)
    assert (loop["p90_ms_at_64"], sync["p90_ms_at_1"]) == (pytest.approx(100), None)
    assert sync.keys() == slots.metrics(arms[0].parameters)


def test_slots_load_every_level_of_every_arm_once_and_none_too_many(bench: Bench) -> None:
    arms = planned("slots", "plateau_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), levels=[1, 32, 33, 256])
    slots.together(bench.lab, arms, 4)
    ((name, job),) = bench.jobs.items()
    assert (name, job.mode, job.parameters, job.scenario) == ("claim-07-4-slots", "closed", {"ms": 100}, "io")
    told = [(one.id.partition("|")[0].rpartition("--")[0][4:], one.connections) for one in job.targets]
    assert [count for stack, count in told if "gunicorn" in stack] == [1, 32]
    assert [count for stack, count in told if "tornado" in stack] == [1, 32, 33, 256]


def test_a_rate_counts_from_the_end_of_the_first_batch(bench: Bench) -> None:
    arms = planned("slots", "plateau_rps", ("sync", SYNC, {}), levels=[2])
    bench.answer = lambda name, job: (answer(job), served(job, {}, 5.0))  # longer than the window: nothing ends
    assert metrics(slots.together(bench.lab, arms, 0)["sync"])["plateau_rps"] is None


def test_a_loop_that_is_blocked_shows_one_slot_though_more_are_asked_than_are_answered(bench: Bench) -> None:
    arms = planned("slots", "plateau_rps", ("loop", LOOP, {"slots": 1}), levels=[8], wait_ms=200, window_s=1.3)
    bench.answer = lambda name, job: (answer(job), served(job, {"tornado": 1}, 0.2))
    assert metrics(slots.together(bench.lab, arms, 0)["loop"])["plateau_per_prediction"] == pytest.approx(1)


def test_an_arm_that_dies_meanwhile_has_failed(bench: Bench) -> None:
    arms = planned("slots", "plateau_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), levels=[2])
    bench.during = lambda: bench.launcher.codes.update({one: 3 for one in bench.launcher.up if "tornado" in one})
    found = slots.together(bench.lab, arms, 0)
    assert isinstance(found["loop"], Failed)
    assert isinstance(found["sync"], Found)
    bench.launcher.broken = {name: Failed(reason="no") for name in (SYNC, LOOP)}
    assert {one.reason for one in slots.together(bench.lab, arms, 1).values() if isinstance(one, Failed)} == {"no"}


def test_an_arm_may_be_asked_for_a_path_of_its_own(bench: Bench) -> None:
    arms = planned(
        "slots",
        "plateau_rps",
        ("loop", LOOP, {}),
        ("blocked", LOOP, {"path": "/fault/hang?ms=100"}),
        levels=[2],
        wait_ms=100,
    )
    slots.together(bench.lab, arms, 0)
    (job,) = bench.jobs.values()
    assert [one["path"] for one in job.requests] == ["/io?ms=100", "/fault/hang?ms=100"]
    assert {one["headers"]["X-Fault-Secret"] for one in job.requests} == {bench.lab.secret}
    assert (slots.optional(arms[0].parameters), slots.optional(arms[1].parameters)) == (set(), {"fault"})


# concurrency


def test_concurrency_is_three_experiments_on_one_deployment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (arm,) = planned("concurrency", "delayed_share", ("loop", LOOP, {}), slots={"levels": [4], "wait_ms": 100})
    seen: list[Any] = []

    def part(name: str) -> Any:
        def trying(lab: Any, arms: Any, deployments: Any, replicate: int) -> dict[str, Any]:
            seen.extend((name, one.name, type(one.parameters).__module__) for one in arms)
            return {one.name: Found(metrics={name: 1.0}, flags=[name]) for one in arms}

        return trying

    monkeypatch.setattr(concurrency.burns, "probe_all", part("burnt"))
    monkeypatch.setattr(concurrency.crashes, "crash_all", part("crashed"))
    bench.answer = lambda name, job: (answer(job), served(job, {}, 0.1))
    found = concurrency.together(bench.lab, [arm], 0)["loop"]
    told = metrics(found)
    assert (told["burnt"], told["crashed"], told["rps_at_4"]) == (1, 1, pytest.approx(40))
    assert seen == [("burnt", "loop", "bench.experiments.burn"), ("crashed", "loop", "bench.experiments.crash")]
    assert len([what for what, _ in bench.work if what == "start"]) == 1
    monkeypatch.setattr(concurrency.burns, "probe_all", lambda *arguments: {"loop": Failed(reason="it would not burn")})
    assert concurrency.together(bench.lab, [arm], 1)["loop"] == Failed(reason="it would not burn")
    assert len(seen) == 2  # what failed is not crashed any more
    bench.launcher.broken[LOOP] = Failed(reason="no")
    assert concurrency.together(bench.lab, [arm], 2) == {"loop": Failed(reason="no")}
    names = concurrency.metrics(arm.parameters)
    assert {"rps_at_4", "delayed_share", "collateral_share"} < names
    assert concurrency.optional(arm.parameters) == {"fault"}


# capacity


def test_capacity_has_companions_only_where_they_are_asked_for(bench: Bench) -> None:
    called: list[Any] = []
    bench.launcher.accompany = lambda names, stack: called.append(tuple(names)) or {"UPSTREAM_URL": "http://x"}  # type: ignore[attr-defined]
    bench.launcher.dismiss = lambda: called.append("dismissed")  # type: ignore[attr-defined]
    arms = planned("capacity", "json_rps", ("sync", SYNC, {}), scenarios=["json"])
    capacity.together(bench.lab, arms, 0)
    assert called == []
    beside_ = planned(
        "capacity",
        "up_rps",
        ("sync", SYNC, {}),
        paths={"up": "/fanout?n=1&ms=1"},
        waits=["up"],
        companions=["upstream"],
    )
    capacity.together(bench.lab, beside_, 0)
    assert called == [("upstream",), "dismissed"]
    assert capacity.optional(beside_[0].parameters) == {"fanout"}


def test_capacity_loads_all_arms_side_by_side_scenario_after_scenario(bench: Bench) -> None:
    arms = planned(
        "capacity", "json_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), scenarios=["io", "json"], latency=["json"],
        values={"io": {"ms": 50}}, storm=500,
    )  # fmt: skip
    found = capacity.together(bench.lab, arms, 1)
    parts = [name.removeprefix("claim-07-1-") for name in bench.jobs]
    assert parts == ["json-capacity", "json-latency", "io-capacity", "storm"]
    jobs = dict(zip(parts, bench.jobs.values(), strict=True))
    assert [len(job.targets) for job in jobs.values()] == [2, 2, 2, 2]
    assert [job.mode for job in jobs.values()] == ["duet", "open", "duet", "closed"]
    assert jobs["json-latency"].rate_rps == pytest.approx(0.5 * 100 / 0.5)
    assert jobs["io-capacity"].slice_s == 1.5
    # Waiting requests: 4 for each of the 2 slots, 64 where there are none.
    assert [one.connections for one in jobs["io-capacity"].targets] == [8, 64]
    assert [one.connections for one in jobs["storm"].targets] == [500, 500]
    told = metrics(found["loop"])
    assert (told["json_rps"], told["json_p50_ms"], told["storm_error_share"], told["json_connects_per_request"]) == (
        200,
        2,
        0,
        0.5,
    )
    assert {name for name in told if not name.endswith("_of")} == capacity.metrics(arms[0].parameters)


def test_of_a_crowd_what_was_refused_is_counted_apart_from_what_was_slow(bench: Bench) -> None:
    """A refused connection is tried again at once, so that a few of them can outnumber all others."""
    arms = planned("capacity", "json_rps", ("sync", SYNC, {}), scenarios=["json"], storm=500)
    errors = {"connect": 30, "reset": 10, "timeout": 50, "status": 10}
    bench.answer = lambda name, job: (answer(job, **({"errors": errors} if "storm" in name else {})), [])
    told = metrics(capacity.together(bench.lab, arms, 0)["sync"])
    shares = {name: told[name] for name in told if name.startswith("storm_") and name.endswith("_share")}
    assert shares == {
        "storm_error_share": 0.5, "storm_refused_share": 0.2, "storm_timeout_share": 0.25, "storm_wrong_share": 0.05,
    }  # fmt: skip
    assert told["storm_refused_share_of"] == 200


def test_capacity_asks_each_arm_for_its_own_path(bench: Bench) -> None:
    arms = planned(
        "capacity",
        "fan_rps",
        ("sync", SYNC, {}),
        ("loop", LOOP, {"paths": {"fan": "/other"}}),
        paths={"fan": "/fan?n=5"},
    )
    capacity.together(bench.lab, arms, 0)
    (job,) = bench.jobs.values()
    assert (list(job.requests), job.stored, job.scenario) == ([{"path": "/fan?n=5"}, {"path": "/other"}], True, None)


def test_a_rate_of_waits_does_not_depend_on_how_many_batches_fit_into_a_window(bench: Bench) -> None:
    arms = planned("capacity", "io_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), scenarios=["io"], window_s=0.6)
    waits = {"gunicorn": 0.05, "tornado": 0.056}  # 12 and 10 of them fit

    def told(name: str, job: load.Job) -> Any:
        rows: list[Row] = []
        for target in job.targets:
            wait_s = next(one for part, one in waits.items() if part in target.id)
            at_once = min(2 if "gunicorn" in target.id else 64, target.connections)
            rows += [
                {"target": target.id, "intended_s": 0.0, "end_s": wait_s * (turn + 1)}
                for turn in range(int(0.6 / wait_s))
                for _ in range(at_once)
            ]
        return answer(job, rps=1.0, connections=64), rows

    bench.answer = told
    found = capacity.together(bench.lab, arms, 0)
    assert metrics(found["sync"])["io_rps"] == pytest.approx(2 / 0.05)
    assert metrics(found["loop"])["io_rps"] == pytest.approx(64 / 0.056)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"scenarios": ["jason"]}, "there is no scenario 'jason'"), ({"scenarios": ["items"]}, "'items' of single requests"),
        ({}, "names one or more"), ({"scenarios": ["json"], "latency": ["db"]}, "`latency` names some of"),
        ({"scenarios": ["json"], "waits": ["x"]}, "`waits` names some of `paths`"),
        ({"scenarios": ["json"], "companions": ["redis"]}, "`companions` are some of"),
        ({"paths": {"json": "/x"}}, "give a name that no scenario has"), ({"paths": {"x": "y"}}, "a path from / on"),
    ],
)  # fmt: skip
def test_capacity_knows_what_may_be_asked_for(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        planned("capacity", "json_rps", ("sync", SYNC, {}), **parameters)


def test_capacity_counts_errors_and_cpu_for_each_request(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = planned("capacity", "json_rps", ("sync", SYNC, {}), scenarios=["json"])
    bench.answer = lambda name, job: (answer(job, errors={"reset": 25}), [])
    used = {"app": 0.3, "front": 0.1, "database": None}
    accounts = {
        **dict.fromkeys(
            ("worker_shares", "restarts", "database_connections", "processes", "context_switches", "open_files", "host")
        )
    }
    made = {**accounts, "cpu_s": used, "pss_bytes": {"app": 1000, "front": 24}}
    monkeypatch.setattr("bench.lab.account.accounts", lambda deployment, snapshots: made)
    found = capacity.together(bench.lab, arms, 0)["sync"]
    told = metrics(found)
    assert (told["json_error_share"], told["json_error_share_of"]) == (0.2, 125)
    assert (told["json_cpu_ms"], told["json_front_cpu_ms"], told["pss_bytes"]) == (
        pytest.approx(4),
        pytest.approx(1),
        1024,
    )
    assert isinstance(found, Found)
    assert "errors" in found.flags


def test_capacity_goes_on_without_an_arm_that_died(bench: Bench) -> None:
    arms = planned("capacity", "json_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), scenarios=["json", "cpu"])
    bench.during = lambda: bench.launcher.codes.update({one: 3 for one in bench.launcher.up if "tornado" in one})
    found = capacity.together(bench.lab, arms, 0)
    assert isinstance(found["loop"], Failed)
    assert metrics(found["sync"])["cpu_rps"] is not None
    assert [len(job.targets) for job in bench.jobs.values()] == [2, 1]


def test_sessions_of_the_database_are_counted_without_our_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = planned("capacity", "db_rps", ("sync", SYNC, {}), scenarios=["db"], sessions=True)
    assert metrics(capacity.together(bench.lab, arms, 0)["sync"])["db_sessions_per_request"] is None
    seen = iter([1000, 1105])
    monkeypatch.setattr(observe, "sessions", lambda url: next(seen))
    monkeypatch.setattr(data, "settle", lambda url: None)
    monkeypatch.setattr(Database, "backends", lambda self: {})
    monkeypatch.setattr(Database, "connections", lambda self: {})
    bench.lab.database.url = "postgresql://x"
    assert metrics(capacity.together(bench.lab, arms, 1)["sync"])["db_sessions_per_request"] == 1.0


def trial(stack: str, block: int, copy: int, rps: float, **changes: Any) -> dict[str, Any]:
    return {
        "stack": stack, "block": block, "group": 0, "copy": copy, "scenario": "json", "view": "capacity", "parameters": {},
        "status": "measured", "rps": rps,
        "requests": 1, "errors": {}, "flags": [], "cpu_s": {"app": 1.0}, "window_requests": 10, "connects": None, "pss_bytes": None,
        "database_connections": None, "latency_ms": None, **changes,
    }  # fmt: skip


def test_capacity_reads_each_block_and_copy_of_a_matrix_as_a_replicate() -> None:
    arms = planned("capacity", "json_rps", ("sync", SYNC, {}), ("loop", LOOP, {}), scenarios=["json"])
    trials = [
        trial(arm.stack.stack.id, block, copy, 10 * block + copy)
        for arm in arms
        for block in range(2)
        for copy in range(2)
    ]
    trials.append(trial(LOOP, 2, 0, 99))  # its partner failed
    trials.append(trial(SYNC, 2, 0, 99, status="failed"))
    trials += [trial(stack, 3, 0, 99, parameters={"n": 1}) for stack in (SYNC, LOOP)]  # asked for something else
    trials += [trial(stack, 4, 0, 99, group=group) for group, stack in enumerate((SYNC, LOOP))]  # not alive together
    found = capacity.from_trials(trials, arms)
    assert [{name: one[0].metrics["json_rps"] for name, one in each.items()} for each in found] == [
        {"sync": rps, "loop": rps} for rps in (0, 1, 10, 11)
    ]  # fmt: skip


def test_capacity_gives_a_stack_and_itself_different_copies() -> None:
    arms = planned(
        "capacity", "json_rps", ("one", SYNC, {}), ("again", SYNC, {}), ("loop", LOOP, {}), scenarios=["json"]
    )
    trials = [
        trial(stack, block, copy, 10 * block + copy)
        for stack in (SYNC, LOOP)
        for block in range(2)
        for copy in range(2)
    ]
    found = capacity.from_trials(trials, arms)
    assert [[each[name][0].metrics["json_rps"] for name in ("one", "again", "loop")] for each in found] == [
        [0, 1, 0],
        [10, 11, 10],
    ]


# crowd


def beside(**changes: Any) -> dict[str, Any]:
    return {
        "held": 4, "present": 4, "on_the_way": 0, "settled_s": 1.0, "outcomes": {"completed": 12, "truncated": 4},
        "arrival": {"requests": 30, "errors": {"timeout": 20}}, **changes,
    }  # fmt: skip


def test_a_crowd_is_a_fresh_deployment_for_each_level(bench: Bench) -> None:
    (arm,) = planned("crowd", "probe_failed_share_at_16", ("sync", SYNC, {}), levels=[4, 16])

    def probes(name: str, job: load.Job) -> Any:
        (target,) = job.targets
        rows: list[Row] = [{"target": target.id, "intended_s": float(n), "end_s": n + 0.01} for n in range(100)]
        rows += [
            {"target": target.id, "intended_s": float(n), "end_s": n + 1.5, "error": "timeout"} for n in range(100)
        ]
        return {**answer(job), "beside": beside()}, rows

    bench.answer = probes
    told = metrics(crowd.together(bench.lab, [arm], 0)["sync"])
    assert (
        told["probe_failed_share_at_16"],
        told["probe_failed_share_at_16_of"],
        told["probe_delayed_share_at_4"],
    ) == (0.5, 200, 0.5)
    assert (told["probe_p50_ms_at_16"], told["probe_p90_ms_at_16"]) == (pytest.approx(10), pytest.approx(1500))
    assert (told["slow_held_share_at_16"], told["slow_held_share_at_4"], told["slow_truncated_share_at_16"]) == (
        0.25,
        1,
        0.25,
    )
    assert (told["slow_present_share_at_16"], told["slow_present_share_at_16_of"]) == (0.25, 16)
    assert (told["arrival_failed_share_at_16"], told["arrival_failed_share_at_16_of"]) == (0.4, 50)
    assert {name for name in told if not name.endswith("_of")} == crowd.metrics(arm.parameters)
    assert [ids for what, ids in bench.work if what == "start"] == [
        ["0c07-flask--gunicorn-sync+workers=2--direct-0"], ["0c07n1-flask--gunicorn-sync+workers=2--direct-0"],
    ]  # fmt: skip
    assert [(job.beside.count, job.beside.path) for job in bench.jobs.values() if job.beside] == [
        (4, "/blob?bytes=8000000"), (16, "/blob?bytes=8000000"),
    ]  # fmt: skip


def test_slow_bodies_are_sent_and_slow_heads_ask_for_little(bench: Bench) -> None:
    bodies, heads = planned(
        "crowd", "probe_failed_share_at_4", ("a", SYNC, {"kind": "slow-bodies", "bytes": 65536}), ("b", SYNC, {"kind": "slow-heads"}),
        levels=[4],
    )  # fmt: skip
    with bench.lab.deploy(bodies, 0) as deployment:
        sent = crowd.job(bodies.parameters, deployment, 4).beside
        headed = crowd.job(heads.parameters, deployment, 4).beside
    assert sent is not None
    assert headed is not None
    assert (sent.path, sent.bytes, headed.path, headed.bytes) == ("/upload", 65536, "/plaintext", None)
    with pytest.raises(BenchError, match="numbers of slow clients"):
        planned("crowd", "probe_failed_share_at_4", ("a", SYNC, {}), levels=[0])


def test_a_server_that_slow_clients_kill_has_failed(bench: Bench) -> None:
    (arm,) = planned("crowd", "probe_failed_share_at_4", ("sync", SYNC, {}), levels=[4])
    bench.answer = lambda name, job: ({**answer(job), "beside": beside()}, [])
    bench.during = lambda: bench.launcher.codes.update(dict.fromkeys(bench.launcher.up, 1))
    found = crowd.together(bench.lab, [arm], 0)["sync"]
    assert isinstance(found, Failed)
    assert found.reason == "the app process exited with code 1"


def test_arms_of_a_crowd_are_measured_at_the_same_time(bench: Bench) -> None:
    arms = planned("crowd", "probe_failed_share_at_4", ("one", SYNC, {}), ("two", LOOP, {"levels": [4, 8]}), levels=[4])
    bench.answer = lambda name, job: ({**answer(job), "beside": beside()}, [])
    measuring = threading.Barrier(2)
    bench.during = lambda: measuring.wait(5) if len(bench.launcher.up) == 2 else None  # passes only if both are there
    found = crowd.together(bench.lab, arms, 0)
    assert not measuring.broken
    assert metrics(found["one"])["slow_held_share_at_4"] == 1
    assert {"slow_held_share_at_4", "slow_held_share_at_8"} < metrics(found["two"]).keys()
    bench.launcher.broken[LOOP] = Failed(reason="no")
    bench.during = lambda: None
    found = crowd.together(bench.lab, arms, 1)
    assert isinstance(found["one"], Found)
    assert found["two"] == Failed(reason="no")


def test_probes_count_once_the_stack_is_at_rest_and_what_it_did_until_then_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = planned(
        "crowd", "probe_failed_share_at_4", ("one", SYNC, {}), ("two", LOOP, {"rest_s": 0.5}), levels=[4], rest_s=3.0
    )
    order: list[Any] = []
    both = threading.Barrier(2)

    def rest(deployment: Any, most_s: float) -> float | None:
        order.append(most_s)
        both.wait(5)
        return 1.25 if most_s == 3.0 else None

    monkeypatch.setattr(crowd, "rest", rest)
    monkeypatch.setattr(Deployment, "pids", lambda self, role, among=None: [os.getpid()])
    bench.answer = lambda name, job: ({**answer(job), "beside": beside()}, [])
    bench.during = lambda: order.append("measured")
    found = crowd.together(bench.lab, arms, 0)
    assert (set(order[:2]), order[2:]) == ({3.0, 0.5}, ["measured", "measured"])
    one, two = metrics(found["one"]), metrics(found["two"])
    assert (one["arrival_work_s_at_4"], one["at_rest_share_at_4"]) == (1.25, 1)
    assert (two["arrival_work_s_at_4"], two["at_rest_share_at_4"]) == (None, 0)


def test_of_a_stack_out_of_sight_nobody_says_whether_it_rests(bench: Bench) -> None:
    arms = planned("crowd", "probe_failed_share_at_4", ("one", SYNC, {}), levels=[4])
    bench.answer = lambda name, job: ({**answer(job), "beside": beside()}, [])
    assert metrics(crowd.together(bench.lab, arms, 0)["one"])["at_rest_share_at_4"] is None


def until_rest(busy: Sequence[float], most_s: float, waits: Sequence[bool] = ()) -> float | None:
    """What is said of a stack that takes these shares of a CPU, look by look."""
    clock, cpu_s, looks = [0.0], [0.0], [-1]

    def pause(seconds: float) -> None:
        looks[0] += 1
        clock[0] += seconds
        cpu_s[0] += seconds * busy[min(looks[0], len(busy) - 1)]

    def used() -> tuple[float, bool]:
        return cpu_s[0], looks[0] >= 0 and looks[0] < len(waits) and waits[looks[0]]

    return _rest.until_rest(used, most_s, now=lambda: clock[0], pause=pause)


def test_a_stack_is_at_rest_after_looks_in_a_row_and_never_while_it_works_or_waits_for_a_disk() -> None:
    assert until_rest([0.01], 6.0) == 0.0
    assert until_rest([0.5, 0.5, 0.5, 0.5, 0.01], 6.0) == 1.0
    assert until_rest([0.5, 0.01, 0.5, 0.01], 6.0) == 0.75, "one look of rest is a pause"
    assert until_rest([0.25], 2.0) is None, "it wants more than it may at rest"
    assert until_rest([0.0], 6.0, waits=[True, True]) == 0.5
    assert until_rest([0.0], 1.0, waits=[True] * 9) is None


def test_who_waits_for_a_cpu_that_others_have_is_not_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for task, text in (("7", "100000000 2000000000 9"), ("8", "50000000 0 1")):
        (tmp_path / "7" / "task" / task).mkdir(parents=True)
        (tmp_path / "7" / "task" / task / "schedstat").write_text(text, encoding="ascii")
    monkeypatch.setattr(_rest, "PROC", tmp_path)
    assert _rest.wanted_s(7) == pytest.approx(2.15)
    monkeypatch.setattr(sample, "cpu_seconds", lambda pid: 0.15)
    assert _rest.wanted_s(8) == 0.15, "where the kernel tells no more"
    assert _rest.used([os.getpid()])[1], "this process runs"


# held


def test_held_looks_at_memory_before_and_while_the_crowd_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (arm,) = planned("held", "idle_held_share", ("loop", LOOP, {}), levels=[64], idle=1000, probe_s=0.01, wait_ms=100)
    sizes = iter([50_000_000, 70_000_000])
    monkeypatch.setattr(held, "_memory", lambda deployment: {"app": next(sizes), "front": None})
    looked = [False]

    def looking() -> None:
        looked[0] = True

    def told(name: str, job: load.Job) -> Any:
        if job.beside is None:
            return answer(job), served(job, {}, 0.1)
        return {**answer(job), "beside": beside(held=1000)}, []

    bench.answer, bench.during = told, looking
    found = metrics(held.together(bench.lab, [arm], 0)["loop"])
    assert looked == [True]
    assert (found["idle_held_share"], found["idle_held_share_of"]) == (1, 1000)
    assert (found["idle_app_per_connection_bytes"], found["idle_front_per_connection_bytes"]) == (20_000, None)
    assert (found["idle_probe_p50_ms"], found["rps_per_ideal_at_64"]) == (2, pytest.approx(1))
    assert {name for name in found if not name.endswith("_of")} == held.metrics(arm.parameters)
    crowd_job = next(job for job in bench.jobs.values() if job.beside)
    assert crowd_job.beside is not None
    assert (crowd_job.beside.kind, crowd_job.beside.count, crowd_job.beside.settle_s) == ("idle", 1000, 6.0)
    assert (found["idle_arrived_share"], found["idle_arrival_s"]) == (1, 1.0)


@pytest.mark.parametrize(
    ("came", "held_share", "of", "arrived_share"),
    [
        ({"held": 600, "on_the_way": 400, "settled_s": None}, 1.0, 600, 0.6),  # slow to arrive: all that came are held
        ({"held": 600, "on_the_way": 0}, 0.6, 1000, 1.0),  # refused or closed: those are not held
        ({"held": 0, "on_the_way": 1000, "settled_s": None}, None, 0, 0.0),
    ],
)
def test_who_is_still_on_the_way_is_told_apart_from_who_is_not_held(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, came: dict[str, Any], held_share: float | None, of: int, arrived_share: float
) -> None:  # fmt: skip
    (arm,) = planned("held", "idle_held_share", ("loop", LOOP, {}), idle=1000, probe_s=0.01)
    monkeypatch.setattr(held, "_memory", lambda deployment: {"app": 1, "front": None})
    bench.answer = lambda name, job: ({**answer(job), "beside": beside(**came)}, [])
    found = metrics(held.together(bench.lab, [arm], 0)["loop"])
    assert (found["idle_held_share"], found["idle_held_share_of"]) == (held_share, of)
    assert (found["idle_arrived_share"], found["idle_arrived_share_of"]) == (arrived_share, 1000)


@pytest.mark.parametrize(
    ("limit", "ports", "told"),
    [
        (4096, "32768 60999", "10000 connections need 10144 open files in one process, the hard limit here is 4096 (ulimit -Hn); "),
        (20000, "32768 34000", "10000 connections to one address need as many local ports, net.ipv4.ip_local_port_range has 1233; widen"),
    ],
)  # fmt: skip
def test_too_few_descriptors_or_ports_are_an_obstacle_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, ports: str, told: str
) -> None:
    arms = planned("held", "idle_held_share", ("loop", LOOP, {}), idle=10000)
    (tmp_path / "ports").write_text(ports)
    monkeypatch.setattr(held, "_PORTS", tmp_path / "ports")
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, limit))
    assert str(held.obstacle(arms)).startswith(told)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(held, "_PORTS", tmp_path / "none")
    assert held.obstacle(arms) is None


def test_a_crowd_that_fails_leaves_the_other_arms_their_figures(bench: Bench) -> None:
    arms = planned("held", "idle_held_share", ("one", LOOP, {"idle": 10}), ("two", LOOP, {"levels": [4]}), wait_ms=100)

    def told(name: str, job: load.Job) -> Any:
        if job.beside:
            raise load.LoadFailedError("no answer", Path("log"))
        return answer(job), served(job, {}, 0.1)

    bench.answer = told
    found = held.together(bench.lab, arms, 0)
    assert found["one"] == Failed(reason="no answer")
    assert metrics(found["two"])["rps_at_4"] == pytest.approx(40)
    with pytest.raises(BenchError, match="give `levels`, `idle` or both"):
        planned("held", "idle_held_share", ("one", LOOP, {}))


def test_more_connections_than_are_ever_tried_are_an_obstacle() -> None:
    direct, behind = planned(
        "held", "idle_held_share", ("a", LOOP, {"idle": 10_001}), ("b", "tornado/single/nginx", {"idle": 5_001})
    )
    assert str(held.obstacle([direct])).startswith(
        "a: 10001 idle connections are more than 10000, the most that are tried with direct"
    )
    assert str(held.obstacle([behind])).startswith(
        "b: 5001 idle connections are more than 5000, the most that are tried with nginx"
    )


def test_the_soft_limit_of_descriptors_is_raised_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, 20000))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: raised.append(limits))
    held.allow_files(1000)
    held.allow_files(5000)
    assert raised == [(5000, 20000)]
