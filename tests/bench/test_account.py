"""What a deployment used is charged to the process that used it."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import account, service
from bench.deployment import Census, Deployment
from bench.model import Role
from bench.plan import PlannedStack
from bench.render import Endpoint, Rendered
from bench.sample import Snapshot, context_switches
from bench.service import Database
from bench.session import Session
from tests.waiting import until

HANG_S = 30.0
BURN = """
import os, sys, time
os.fork()
end = time.process_time() + 0.1
while time.process_time() < end: sum(range(100))
print("x", flush=True, file=sys.stderr)
time.sleep(1000)
"""


@pytest.fixture
def planned(tree: Tree) -> PlannedStack:
    return plan(three_stacks(tree), [scenario("db")]).stacks[0]


def deployment(planned: PlannedStack, name: str = "0-ant--plain--direct-0") -> Deployment:
    endpoint = Endpoint(host="127.0.0.1", port=1)
    rendered = Rendered(commands=(), files={}, folders=(), client=endpoint, servers=(endpoint,))
    return Deployment(id=name, planned=planned, copy=0, rendered=rendered)


def asleep(pids: Sequence[int]) -> bool:
    """Whether they do nothing for a while, after what they said last."""
    before = context_switches(pids)
    time.sleep(0.05)
    return {psutil.Process(pid).status() for pid in pids} == {"sleeping"} and context_switches(pids) == before


@pytest.mark.services
@pytest.mark.usefixtures("impatient")
def test_a_deployments_processes_are_charged_by_role(planned: PlannedStack, live: Session, tmp_path: Path) -> None:
    one = deployment(planned)
    roles: tuple[Role, ...] = ("app", "front")
    before = account.snapshot(Database(), [one], os.getpid())
    for role in roles:
        log = tmp_path / role
        script = BURN if role == "app" else BURN.replace("0.1", "0.001")
        argv = [sys.executable, "-I", "-S", "-c", script]
        one.spawned.append(live.spawn(argv, role=role, cwd=tmp_path, env={}, log=log))
    deadline = time.monotonic() + HANG_S
    while not all((tmp_path / role).read_text().count("x") == 2 for role in roles):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    until(lambda: asleep(one.pids("app")))
    middle = account.snapshot(Database(), [one], os.getpid())
    after = account.snapshot(Database(), [one], os.getpid())
    started = account.accounts(one, [before, middle])
    assert started["cpu_s"]["app"] > started["processes"]["app"] * 0.09
    assert started["cpu_s"]["front"] is None, "the stack has none"
    assert started["cpu_s"]["database"] is None
    assert started["cpu_s"]["generator"] > 0
    assert started["processes"] == {"app": 2, "front": 2}
    assert started["pss_bytes"]["app"] > 100_000
    idle = account.accounts(one, [middle, after])
    assert 0 <= idle["cpu_s"]["app"] < started["cpu_s"]["app"]
    assert idle["host"].keys() == {"steal", "load1", "listen_overflows", "retransmits"}
    assert idle["open_files"]["app"] >= 2
    if sys.platform == "linux":
        assert idle["host"]["listen_overflows"] >= 0
        assert idle["context_switches"]["app"] == {"voluntary": 0, "involuntary": 0}, "both sleep"


def test_what_a_deployment_uses_by_itself_is_not_charged_to_the_requests_of_others_turns(planned: PlannedStack) -> None:
    """A timer that takes a tenth of a CPU, over 20 s in which it is loaded for 2."""
    one, other = deployment(planned), deployment(planned, "0-bee-0")

    def seen(at: float, **app: float) -> Snapshot:
        ids = {"ticks": one.id, "rests": other.id}
        return Snapshot(
            at=at, cpu_s={f"{ids[name]} app": {number: used} for number, (name, used) in enumerate(app.items())}
        )

    idle = account.idle([one, other], seen(5.0, ticks=1.0, rests=1.0), seen(7.0, ticks=1.2, rests=1.0))
    assert idle == {
        one.id: {"app": pytest.approx(0.1), "front": None, "database": None},
        other.id: {"app": 0.0, "front": None, "database": None},
    }
    before, after = seen(10.0, ticks=2.0, rests=2.0), seen(30.0, ticks=5.0, rests=3.0)
    ticks, rests = (account.accounts(each, [before, after], idle=idle, loaded_s=2.0) for each in (one, other))
    assert ticks["cpu_s"]["app"] == pytest.approx(3.0 - 18 * 0.1)
    assert rests["cpu_s"]["app"] == pytest.approx(1.0)
    assert (ticks["idle_cpu"], rests["idle_cpu"]) == (idle[one.id], idle[other.id])
    # By itself, as in an experiment, all time is its own; and of what was less than its timer takes nothing is known.
    assert account.accounts(one, [before, after])["cpu_s"]["app"] == pytest.approx(3.0)
    assert account.accounts(one, [before, after])["idle_cpu"] is None
    little = seen(30.0, ticks=2.5, rests=3.0)
    assert account.accounts(one, [before, little], idle=idle, loaded_s=2.0)["cpu_s"]["app"] is None


def test_what_is_gone_has_no_account(planned: PlannedStack) -> None:
    one = deployment(planned)
    snapshots = [account.snapshot(Database(), [one], os.getpid()) for _ in range(2)]
    found = account.accounts(one, snapshots)
    assert (found["pss_bytes"], found["processes"]) == ({}, {})
    assert found["cpu_s"]["app"] is None


# Who did the work


def processes(monkeypatch: pytest.MonkeyPatch, parents: dict[int, int], titles: dict[int, str] | None = None) -> None:
    """Processes that exist nowhere, from number to parent."""
    titles = titles or {}

    def process(pid: int) -> SimpleNamespace:
        return SimpleNamespace(ppid=lambda: parents[pid], cmdline=lambda: ["python", "-c", titles.get(pid, "")])

    monkeypatch.setattr(account, "psutil", SimpleNamespace(Error=Exception, Process=process))


def shares(one: Deployment, before: dict[int, float], after: dict[int, float]) -> list[float] | None:
    first, last = (Snapshot(at=0.0, cpu_s={f"{one.id} app": used}) for used in (before, after))
    return account.worker_shares(one, first, last)


def test_a_workers_share_is_its_part_of_the_time_that_all_workers_used(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deployment(replace(planned, workers=3))
    processes(monkeypatch, {1: 0, 2: 1, 3: 1, 4: 1})
    before = {1: 50.0, 2: 1.0, 3: 2.0, 4: 3.0}
    assert shares(one, before, {1: 60.0, 2: 1.5, 3: 5.0, 4: 3.5}) == [0.75, 0.125, 0.125], "the master does not count"
    assert shares(one, before, before) is None, "nobody worked"


def test_shares_are_unknown_where_a_worker_was_replaced_or_too_few_are_in_sight(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deployment(replace(planned, workers=2))
    processes(monkeypatch, {1: 0, 2: 1, 3: 1, 4: 1})
    assert shares(one, {1: 0.0, 2: 1.0, 3: 1.0}, {1: 0.0, 2: 1.5, 4: 0.5}) is None
    assert shares(one, {1: 0.0, 2: 1.0}, {1: 0.0, 2: 1.5}) is None
    assert shares(one, {}, {}) is None


def test_pythons_keeper_of_shared_things_is_no_worker(planned: PlannedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    one = deployment(replace(planned, workers=2))
    processes(monkeypatch, {1: 0, 2: 1, 3: 1, 4: 1}, {2: "from multiprocessing.resource_tracker import main;main(5)"})
    assert shares(one, dict.fromkeys((1, 2, 3, 4), 0.0), {1: 0.0, 2: 0.5, 3: 3.0, 4: 1.0}) == [0.75, 0.25]


def test_where_there_are_more_processes_than_workers_those_that_answer_are_the_workers(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deployment(replace(planned, workers=2))
    processes(monkeypatch, {1: 0, 2: 1, 3: 1, 4: 1})
    monkeypatch.setattr(account, "_inner", lambda pid: pid + 100)
    asked: list[int] = []
    answers = [Counter({102: 9, 104: 7}), Counter({102: 16})]
    monkeypatch.setattr(account, "answering", lambda _, count: asked.append(count) or answers[len(asked) - 1])
    before = dict.fromkeys((1, 2, 3, 4), 0.0)
    for _ in range(2):
        assert shares(one, before, {1: 0.0, 2: 3.0, 3: 9.0, 4: 1.0}) == [0.75, 0.25], "3 is a helper"
    assert asked == [16], "asked once as long as the same processes are there"
    processes(monkeypatch, {1: 0, 2: 1, 3: 1, 5: 1})
    assert shares(one, {**before, 5: 0.0}, {1: 0.0, 2: 3.0, 3: 9.0, 5: 1.0}) is None, (
        "one that never answered is not guessed"
    )


def test_a_process_that_took_anothers_place_is_a_restart(planned: PlannedStack) -> None:
    one = deployment(planned)
    one.census = tuple(Census(pid=pid, role="app", argv=(), cpus=()) for pid in (1, 2, 3))
    looks = [{1, 2, 3}, {1, 2, 4}, {1, 2, 4, 9}, {1, 4, 9}, {1, 4, 9, 10}, {1, 11, 12, 13}]
    assert [account.restarts(one, look) for look in looks] == [0, 1, 0, 0, 1, 3]


def test_restarts_are_unknown_where_no_process_is_in_sight(planned: PlannedStack) -> None:
    assert account.restarts(deployment(planned), set()) is None
    assert account.restarts(deployment(planned), {1}) is None


def test_the_connections_that_a_deployment_holds_are_counted(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deployment(planned)
    monkeypatch.setattr(service.observe, "backends", lambda _: {})
    monkeypatch.setattr(service.observe, "connections", lambda _: {one.id: 7, "psql": 1})
    local, none = Database(url="postgresql://x"), Database()
    seen = [account.accounts(one, [account.snapshot(base, [one], os.getpid())] * 2) for base in (local, none)]
    assert [found["database_connections"] for found in seen] == [7, None]


def test_a_database_connections_time_is_charged_to_whom_it_serves(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = f"0-{'x' * 80}-0"
    mine, other = deployment(planned, long), deployment(planned, "0-bee-0")
    backends = {11: account.application_name(long), 12: "0-bee-0", 13: account.application_name(long), 14: "psql"}
    monkeypatch.setattr(service.observe, "backends", lambda _: backends)
    monkeypatch.setattr(service.observe, "connections", lambda _: {})
    asked: list[dict[str, list[int]]] = []

    def take(groups: dict[str, list[int]]) -> Snapshot:
        asked.append(groups)
        return Snapshot(at=0.0, cpu_s={})

    monkeypatch.setattr(account.sample, "take", take)
    account.snapshot(Database(url="postgresql://x", pids=(10,)), [mine, other], 99)
    assert asked == [{
        "generator": [99], f"{long} app": [], f"{long} front": [], f"{long} database": [11, 13],
        "0-bee-0 app": [], "0-bee-0 front": [], "0-bee-0 database": [12],
    }]  # fmt: skip
    account.snapshot(Database(url="postgresql://elsewhere"), [mine], 99)
    assert asked[1][f"{long} database"] == [], "a server elsewhere has no processes here"


def test_what_reading_costs_is_counted_also_where_it_fails() -> None:
    sampling = account.Sampling()
    assert sampling(lambda count: sum(range(count)), 300_000) == sum(range(300_000))
    once = sampling.cpu_s
    assert once > 0

    def fail() -> None:
        sum(range(300_000))
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        sampling(fail)
    assert sampling.cpu_s > once


def test_context_switches_are_unknown_where_a_thread_ended_meanwhile() -> None:
    def seen(count: int, *threads: str) -> Snapshot:
        group = {"0-ant-0 app": (count, count)}
        return Snapshot(
            at=0.0, cpu_s={}, steal=(0, 0), switches=group, threads={"0-ant-0 app": frozenset(threads)}, network={}
        )

    one = "0-ant-0 app"
    assert account._switches(one, seen(5, "1", "2"), seen(9, "1", "2", "3")) == {"voluntary": 4, "involuntary": 4}
    assert account._switches(one, seen(5, "1", "2"), seen(9, "1", "3")) is None


def test_context_switches_are_told_of_every_role_whose_cpu_time_is(planned: PlannedStack) -> None:
    one = deployment(planned)

    def seen(count: int, **pids: int) -> Snapshot:
        groups = {role if role == "generator" else f"{one.id} {role}": pid for role, pid in pids.items()}
        return Snapshot(
            at=0.0, cpu_s={group: {pid: float(count)} for group, pid in groups.items()},
            switches=dict.fromkeys(groups, (count, 2 * count)),
            threads={group: frozenset({str(pid)}) for group, pid in groups.items()},
        )  # fmt: skip

    def told(first: Snapshot, last: Snapshot) -> object:
        return account.accounts(one, [first, last])["context_switches"]

    three = {"voluntary": 3, "involuntary": 6}
    assert told(seen(4, app=1, database=2, generator=3), seen(7, app=1, database=2, generator=3)) == {
        "app": three, "database": three, "generator": three,
    }  # fmt: skip
    # A session that was opened since may have had others before it, which have ended.
    assert told(seen(4, app=1, generator=3), seen(7, app=1, database=2, generator=3)) == {
        "app": three, "database": None, "generator": three,
    }  # fmt: skip
