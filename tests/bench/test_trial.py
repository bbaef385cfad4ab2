"""A trial's record holds every key, with null for what was not measured."""

import json
from typing import Any, cast

import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import trial
from bench.deployment import Deployment
from bench.model import Budget, Failed, Skipped
from bench.plan import Plan
from loadtests.job import Job

DEPLOYMENT = cast(Deployment, None)  # whose figures these are is said by `named`
ACCOUNTS: dict[str, Any] = {
    "cpu_s": {"app": 1.0, "front": None, "database": None, "generator": 0.9}, "pss_bytes": {"app": 5}, "processes": {"app": 1},
    "host": {"steal": 0.0, "load1": 0.5},
}  # fmt: skip


@pytest.fixture
def made(tree: Tree) -> Plan:
    return plan(three_stacks(tree), [scenario("db")])


@pytest.fixture
def named(made: Plan) -> dict[str, Any]:
    return trial.identity(made, made.cells()[0], "0-ant--plain--direct-1", "ant+raw/plain/direct", 1)


def answer(**changes: Any) -> dict[str, Any]:
    return {
        "id": "x", "requests": 120, "errors": {}, "bytes": 999, "seconds": 2.0, "rps": 60.0, "connections": 32, "connects": 32,
        "window_requests": 130, "slices": 40, "latency_ms": None, "late_ms": None, **changes,
    }  # fmt: skip


def measured(named: dict[str, Any], found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "accounts": ACCOUNTS, "generator": {"cpu_share": 0.5}, "slice_s": 0.05, "rate_rps": None,
        "started": "2026-11-23T12:00:00.000+00:00", "offset_s": 12.34567, **changes,
    }  # fmt: skip
    return trial.measured(named, DEPLOYMENT, found, **given)


def test_the_keys_that_name_a_trial(named: dict[str, Any]) -> None:
    assert named == {
        "trial_id": "0-db-capacity-ant+raw--plain--direct-1", "cell": "0-db-capacity", "deployment_id": "0-ant--plain--direct-1",
        "block": 0, "group": 0, "copy": 1, "stack": "ant+raw/plain/direct", "scenario": "db", "view": "capacity", "mode": "native",
        "parameters": {},
    }  # fmt: skip


def test_every_record_has_the_same_keys(named: dict[str, Any]) -> None:
    records = [
        measured(named, answer()),
        measured(named, answer(requests=0, rps=0.0)),
        trial.without_figures(named, Failed(reason="it died"), offset_s=1.0),
        trial.without_figures(named, Skipped(reason="no time"), offset_s=1.0),
    ]
    keys = {*named, *trial.EMPTY, "status", "flags"}
    for record in records:
        assert record.keys() == keys
        assert json.loads(json.dumps(record)) == record


def test_a_measured_trial_holds_the_generators_figures_and_the_accounts(named: dict[str, Any]) -> None:
    record = measured(named, answer(latency_ms={"p50": 1.5}), rate_rps=30.0)
    assert (record["status"], record["reason"], record["log_tail"], record["flags"]) == ("measured", None, None, [])
    assert (record["requests"], record["seconds"], record["rps"], record["window_requests"]) == (120, 2.0, 60.0, 130)
    assert (record["slices"], record["slice_s"], record["offered_rps"]) == (40, 0.05, 30.0)
    assert record["latency_ms"] == {"p50": 1.5}
    assert record["cpu_s"] == ACCOUNTS["cpu_s"]
    assert record["generator_cpu"] == 0.5
    assert record["offset_s"] == 12.346


def test_only_percentiles_that_lateness_can_have_moved_are_kept_from_comparison(named: dict[str, Any]) -> None:
    record = measured(named, answer(late=["p50", "p99"], late_moved=[]))
    assert (record["late"], record["flags"]) == ([], [])
    record = measured(named, answer(late=["p50", "p99"], late_moved=["p99"]))
    assert (record["late"], record["flags"]) == (["p99"], ["generator-late"])


def test_who_was_left_out_has_no_rate(named: dict[str, Any]) -> None:
    why = "no answer within 10 s: left out from then on"
    record = measured(named, answer(errors={"timeout": 32}, left_out=True, problems=[why]))
    assert (record["status"], record["rps"], record["requests"]) == ("failed", None, 120)
    assert record["reason"] == f"given up after 120 requests; {why}"


@pytest.mark.parametrize(
    ("errors", "share", "flags"),
    [
        ({}, 0.85, []),
        ({}, 0.86, ["generator-bound"]),
        ({}, None, []),
        ({"timeout": 0}, 0.1, []),
        ({"timeout": 2}, 0.1, ["errors"]),
        ({"reset": 1}, 0.99, ["generator-bound", "errors"]),
    ],
)  # fmt: skip
def test_flags(named: dict[str, Any], errors: dict[str, int], share: float | None, flags: list[str]) -> None:
    record = measured(named, answer(errors=errors), generator={"cpu_share": share})
    assert record["flags"] == flags
    assert record["errors"] == errors


@pytest.mark.parametrize(
    ("shares", "requests", "flagged"),
    [
        ([0.6, 0.4], 1000, False),
        ([0.605, 0.395], 1000, True),
        ([0.605, 0.395], 199, False),
        ([0.34, 0.34, 0.32], 1000, False),
        ([0.35, 0.35, 0.25, 0.05], 1000, True),
        ([1.0], 1000, False),
        (None, 1000, False),
    ],
)
def test_a_worker_far_from_an_equal_share_is_named(
    named: dict[str, Any], shares: list[float] | None, requests: int, flagged: bool
) -> None:
    record = measured(named, answer(window_requests=requests), accounts={**ACCOUNTS, "worker_shares": shares})
    assert record["flags"] == (["unbalanced"] if flagged else [])
    assert record["worker_shares"] == shares
    assert record["rps"] == 60.0


def test_shares_of_unlike_requests_are_kept_and_not_judged(named: dict[str, Any]) -> None:
    accounts = {**ACCOUNTS, "worker_shares": [0.9, 0.1]}
    for is_even, flags in ((True, ["unbalanced"]), (False, [])):
        record = measured(named, answer(window_requests=1000), accounts=accounts, is_even=is_even)
        assert (record["flags"], record["worker_shares"]) == (flags, [0.9, 0.1])


def test_processes_that_were_replaced_are_named_and_counted(named: dict[str, Any]) -> None:
    for count, flags in ((2, ["restarted"]), (0, []), (None, [])):
        record = measured(named, answer(), accounts={**ACCOUNTS, "restarts": count})
        assert (record["flags"], record["restarts"]) == (flags, count)


def test_without_a_correct_answer_there_is_no_rate(named: dict[str, Any]) -> None:
    found = answer(requests=0, rps=0.0, errors={"status": 40, "reset": 2}, latency_ms={"p50": 1.0})
    record = measured(named, found)
    assert (record["status"], record["rps"], record["latency_ms"]) == ("failed", None, None)
    assert record["reason"] == "no request was answered correctly: 40 x status, 2 x reset"
    assert measured(named, answer(requests=0))["reason"] == "no request was answered correctly: none was tried"


def test_a_trial_without_figures_has_its_reason(named: dict[str, Any]) -> None:
    failed = trial.without_figures(named, Failed(reason="it died", log_tail="Traceback"), offset_s=3.00049)
    assert (failed["status"], failed["reason"], failed["log_tail"]) == ("failed", "it died", "Traceback")
    assert failed["offset_s"] == 3.0
    skipped = trial.without_figures(named, Skipped(reason="no time"), offset_s=3.0)
    assert (skipped["status"], skipped["reason"], skipped["log_tail"]) == ("skipped", "no time", None)
    for record in (failed, skipped):
        given = {"status", "reason", "log_tail", "offset_s", "flags", *named}
        assert {key: value for key, value in record.items() if key not in given and value is not None} == {}


@pytest.mark.parametrize(
    ("database_s", "share", "apart", "bound"),
    [
        (2.2, 0.1, True, True),  # of 2.5 s loaded, 2 s of which were counted
        (2.1, 0.1, True, False),
        (1.2, 0.5, True, False),
        (1.2, 0.5, False, True),  # both on one CPU, which is full
        (1.0, 0.4, False, False),
        (None, 0.5, False, False),
    ],
)
def test_a_database_at_its_limit_is_named_by_itself_or_with_the_generator_beside_it(
    named: dict[str, Any], database_s: float | None, share: float, apart: bool, bound: bool
) -> None:
    one = frozenset({1})
    budget = Budget(server_cpus=frozenset({0}), load_cpus=one, database_cpus=frozenset({2}) if apart else one)
    accounts = {**ACCOUNTS, "cpu_s": {**ACCOUNTS["cpu_s"], "database": database_s}}
    record = measured(named, answer(generator_cpu=share), accounts=accounts, budget=budget)
    assert ("database-bound" in record["flags"]) == bound


def test_a_database_with_several_cpus_may_use_them(named: dict[str, Any]) -> None:
    budget = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({2, 3}))
    accounts = {**ACCOUNTS, "cpu_s": {**ACCOUNTS["cpu_s"], "database": 3.0}}
    assert measured(named, answer(), accounts=accounts, budget=budget)["flags"] == []


def test_a_rate_over_whole_batches_is_the_figure_and_what_it_is_made_of_too(named: dict[str, Any]) -> None:
    batches = {"requests": 64, "seconds": 0.25, "rps": 256.0}
    found = measured(named, answer(batches=batches))
    assert (found["status"], found["requests"], found["seconds"], found["rps"]) == ("measured", 64, 0.25, 256.0)
    assert found["window_requests"] == 130, "CPU time is shared out among all that were answered"


def test_too_few_turns_for_a_rate_are_no_figure_and_no_failure(named: dict[str, Any]) -> None:
    found = measured(named, answer(requests=3, batches={"requests": 0, "seconds": 0.0, "rps": None}))
    assert (found["status"], found["rps"], found["flags"]) == ("skipped", None, [])
    assert found["reason"] == "3 answers in 2 s to 32 connections: too few turns to tell a rate from"


def test_the_lead_is_the_engines() -> None:
    """It imports nothing of the orchestrator, nor the other way round: two constants that must be one."""
    assert Job.__dataclass_fields__["lead"].default == trial.LEAD
