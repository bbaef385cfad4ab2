"""What a deployment used is charged to the process that used it."""

import os
import sys
import time
from pathlib import Path

import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import account, service
from bench.deployment import Deployment
from bench.model import Role
from bench.plan import PlannedStack
from bench.render import Endpoint, Rendered
from bench.sample import Snapshot
from bench.service import Database
from bench.session import Session

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
    assert idle["host"].keys() == {"steal", "load1"}


def test_what_is_gone_has_no_account(planned: PlannedStack) -> None:
    one = deployment(planned)
    snapshots = [account.snapshot(Database(), [one], os.getpid()) for _ in range(2)]
    found = account.accounts(one, snapshots)
    assert (found["pss_bytes"], found["processes"]) == ({}, {})
    assert found["cpu_s"]["app"] is None


def test_a_database_connections_time_is_charged_to_whom_it_serves(
    planned: PlannedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = f"0-{'x' * 80}-0"
    mine, other = deployment(planned, long), deployment(planned, "0-bee-0")
    backends = {11: account.application_name(long), 12: "0-bee-0", 13: account.application_name(long), 14: "psql"}
    monkeypatch.setattr(service.observe, "backends", lambda _: backends)
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
