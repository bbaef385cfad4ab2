"""Several processes of one server: who answers, who comes back, and who goes along."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench import catalog
from bench.deployment import Deployment, census, probe
from bench.launch import NativeLauncher, Tools
from bench.machine import default_budget, topology
from bench.plan import plan_stack
from bench.session import Session
from bench.whoami import answering

HANG_S = 20.0
Deploy = Callable[[str], Deployment]


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Starts a stack of the catalogue, without a database and a front."""
    with Session(home=tmp_path / "home") as session:
        budget = default_budget(topology())
        launcher = NativeLauncher(
            session, budget, tools=Tools(paths={}, missing={}), database_url=None, logs=tmp_path / "logs"
        )

        def start(name: str) -> Deployment:
            planned = plan_stack(catalog.resolve(catalog.load(), name), budget)
            (deployment,) = launcher.start([(planned, 0)], block=0)
            assert deployment.failure is None, deployment.failure
            return deployment

        yield start


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(deployment: Deployment) -> set[int]:
    return {one.pid for one in census(deployment)}


@pytest.mark.parametrize(
    "name", ["tornado/reuse-port", "aiohttp/reuse-port+loop=uvloop", "asyncio/reuse-port+workers=3"]
)
def test_the_kernel_shares_out_connections_on_one_port(deploy: Deploy, name: str) -> None:
    deployment = deploy(f"{name}/direct")
    assert set(answering(deployment.client, 100)) == pids(deployment)


@pytest.mark.parametrize("name", ["tornado/fork+loop=uvloop", "aiohttp/gunicorn-aiohttp"])
def test_a_worker_that_is_killed_is_replaced(deploy: Deploy, name: str) -> None:
    deployment = deploy(f"{name}/direct")
    before, (master,) = pids(deployment), deployment.spawned
    victim = min(before - {master.pid})
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(pids(deployment) - before) == 1 and victim not in pids(deployment))
    assert len(pids(deployment)) == len(before)
    assert probe(deployment) is None


def test_processes_that_were_forked_do_not_outlive_their_master(deploy: Deploy) -> None:
    deployment = deploy("tornado/fork/direct")
    before, (master,) = pids(deployment), deployment.spawned
    os.kill(master.pid, signal.SIGKILL)
    until(lambda: not any(runs(pid) for pid in before))


def test_of_processes_on_one_port_the_others_go_on(deploy: Deploy) -> None:
    deployment = deploy("asyncio/reuse-port/direct")
    victim, other = deployment.spawned
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: victim.exit_code() is not None)
    assert set(answering(deployment.client, 50)) == {other.pid}
