"""What the pages say of ASGI servers and of Django and Flask under them, seen on deployments."""

import functools
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from bench import catalog, database
from bench.database import data
from bench.deployment import Deployment, application_name, died
from bench.launch import NativeLauncher, Tools
from bench.machine import default_budget, topology
from bench.plan import plan_stack
from bench.session import Session

HANG_S = 30.0
MANY = 60
"""More requests at once than a process has threads for synchronous views, or connections."""


class Stage:
    """A database, and stacks one after the other."""

    def __init__(self, session: Session, url: str, logs: Path) -> None:
        self.url = url
        self._catalog = catalog.load()
        self._budget = default_budget(topology())
        tools = Tools(paths={}, missing={})
        self._launcher = NativeLauncher(session, self._budget, tools=tools, database_url=url, logs=logs)

    @contextmanager
    def up(self, name: str) -> Iterator[Deployment]:
        planned = plan_stack(catalog.resolve(self._catalog, name), self._budget)
        (one,) = self._launcher.start([(planned, 0)], block=0)
        try:
            assert one.failure is None, one.failure
            yield one
        finally:
            self._launcher.stop([one])

    def connections(self, one: Deployment) -> int:
        """How many the deployment holds."""
        with psycopg.connect(self.url) as connection:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            row = connection.execute(asked, (application_name(one.id),)).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Session() as session:
        spawn = functools.partial(session.spawn, stop_signal=database.STOP_SIGNAL)
        log = tmp_path_factory.mktemp("logs")
        running = database.start(session.scratch, spawn=spawn, log_path=log / "postgresql.log")
        data.prepare(running.url)
        yield Stage(session, running.url, log)


def get(one: Deployment, path: str) -> int:
    return httpx.get(f"{one.client.url}{path}", trust_env=False, timeout=HANG_S).status_code


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_contract_holds_on_each_asgi_server(bench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """One of each kind; `.ci/run` verifies the core stacks."""
    stacks = ("django-async/uvicorn/nginx", "django/gunicorn-asgi/nginx", "flask/granian-asgi+loop=uvloop/direct")
    done = bench("verify", *stacks, "--json", timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one["status"] for one in json.loads(done.stdout).values()} == {"passed"}


@pytest.mark.parametrize("name", ["django/uvicorn/direct", "django-async/uvicorn/direct"])
def test_requests_at_once_share_a_pool_of_connections(stage: Stage, name: str) -> None:
    with stage.up(name) as one, ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(get, one, "/io-db?ms=150") for _ in range(MANY)]
        held = []
        while not all(future.done() for future in asked):
            held.append(stage.connections(one))
        assert {future.result() for future in asked} == {200}
        assert 1 < max(held) <= one.planned.pool_max


def test_synchronous_views_have_so_many_threads_and_no_more(stage: Stage) -> None:
    """Some room above 32: a thread may take a moment to end after its request."""
    with stage.up("django/uvicorn/direct") as one, ExitStack() as opened:
        process = psutil.Process(*one.pids("app"))
        idle = process.num_threads()
        clients = [
            opened.enter_context(socket.create_connection((one.client.host, one.client.port), HANG_S))
            for _ in range(96)
        ]
        for client in clients:
            client.sendall(b"GET /io?ms=1000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        threads = []
        while not select.select([clients[-1]], [], [], 0.02)[0]:
            threads.append(process.num_threads() - idle)
        assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}
        assert 16 < max(threads) <= 48


def test_clients_that_go_away_take_no_connection_with_them(stage: Stage) -> None:
    with stage.up("django-async/uvicorn/direct") as one:
        for _ in range(2 * one.planned.pool_max):
            with socket.create_connection((one.client.host, one.client.port), HANG_S) as client:
                client.sendall(b"GET /io-db?ms=50 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert {get(one, "/db") for _ in range(2)} == {200}


def test_flask_answers_one_request_at_a_time_for_each_process(stage: Stage) -> None:
    with stage.up("flask/gunicorn-asgi/direct") as one, ThreadPoolExecutor(3) as pool:
        start = time.monotonic()
        assert set(pool.map(functools.partial(get, one), ["/io?ms=200"] * 3)) == {200}
        assert (time.monotonic() - start) / 0.2 >= 3


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn-asgi", "hypercorn", "granian-asgi"])
def test_a_long_body_leaves_its_connection_usable(stage: Stage, server: str) -> None:
    with stage.up(f"flask/{server}/direct") as one, httpx.Client(base_url=one.client.url, trust_env=False) as client:
        for _ in range(5):
            assert client.post("/upload", content=bytes(2_000_000), timeout=HANG_S).status_code == 200
            assert client.get("/json").status_code == 200


def kill_a_worker(one: Deployment) -> int:
    worker = int(httpx.get(f"{one.client.url}/whoami", trust_env=False).json()["pid"])
    os.kill(worker, signal.SIGKILL)
    return worker


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn-asgi", "granian-asgi+respawn=on", "granian-wsgi+respawn=on"])
def test_a_worker_that_is_killed_is_replaced(stage: Stage, server: str) -> None:
    with stage.up(f"flask/{server}+workers=2/direct") as one:
        worker = kill_a_worker(one)
        until(lambda: worker not in one.pids("app") and len(one.pids("app")) == one.planned.processes)
        assert died(one) is None
        assert get(one, "/plaintext") == 200


@pytest.mark.parametrize(("server", "codes"), [("granian-asgi", (1,)), ("granian-wsgi", (1,)), ("hypercorn", (0, 241))])
def test_servers_that_end_with_their_first_worker(stage: Stage, server: str, codes: tuple[int, ...]) -> None:
    with stage.up(f"flask/{server}+workers=2/direct") as one:
        kill_a_worker(one)
        until(lambda: died(one) is not None)
        failure = died(one)
        assert failure is not None
        assert failure.reason in {f"the app process exited with code {code}" for code in codes}
