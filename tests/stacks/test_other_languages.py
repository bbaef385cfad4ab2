"""Stacks in Node and Go as they run: what is measured and recorded, and what becomes of them when a process is killed."""

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench import catalog, environments
from bench.launch import free_port
from tests.stacks.conftest import ROOT
from tests.waiting import missing

Bench = Callable[..., subprocess.CompletedProcess[str]]
PATIENCE_S = 20


@pytest.fixture(scope="module")
def koa() -> None:
    """Where a runtime could not be had at set-up, its application is left out, here too."""
    needs("koa")


@pytest.fixture(scope="module")
def go() -> None:
    """Likewise."""
    needs("go")


def needs(name: str) -> None:
    found = catalog.load()
    if not environments.is_ready(found, found.apps[name]):
        missing(f"{name} was left out by `bench setup`")


@pytest.mark.usefixtures("koa", "go")
def test_they_are_measured_and_recorded_like_the_others(bench: Bench, tmp_path: Path) -> None:
    done = bench(
        "run", "--profile", "smoke", "--stacks", "koa/node-cluster/nginx,go/go/direct", "--scenarios", "plaintext,db",
        "--results", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = (tmp_path / "latest").resolve()
    run = json.loads((folder / "run.json").read_text())
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert {one["status"] for one in run["verified"].values()} == {"passed"}
    koa, go = run["observed"]["koa/node-cluster/nginx"], run["observed"]["go/go/direct"]
    assert " (" in koa["server"]["node"], "the version, and where it came from"
    assert {"koa", "pg"} <= koa["versions"].keys()
    assert " (" in go["server"]["go"]
    assert sum(one["role"] == "app" for one in koa["processes"]) == koa["workers"] + 1
    assert len(go["processes"]) == 1
    assert {path.read_text() for path in (folder / "logs" / "block-0").glob("*/app-*.log")} == {""}, (
        "a client's mistake is no error"
    )
    for trial in trials:
        if (trial["stack"], trial["scenario"]) == ("go/go/direct", "db"):
            assert (trial["status"], trial["reason"]) == ("skipped", "Go net/http has no db")
        else:
            assert (trial["status"], trial["errors"]) == ("measured", {})
            assert trial["cpu_s"]["app"] > 0
            assert trial["pss_bytes"]["app"] > 0


@pytest.fixture
def host(tmp_path: Path, koa: None) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start the runner on a file; returns its process and port."""
    environment = environments.path_of(catalog.load().apps["koa"])
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *options: str) -> tuple[subprocess.Popen[str], int]:
        (tmp_path / "app.js").write_text(script)
        port = free_port()
        runner = ROOT / "deploy" / "runners" / "run_node.cjs"
        started.append(
            subprocess.Popen(
                [environment / "bin" / "node", runner, f"--bind=tcp:127.0.0.1:{port}", *options, "app.js"],
                cwd=tmp_path, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return started[-1], port

    yield start
    for one in started:
        family = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
        one.kill()
        one.communicate()
        for process in family:
            process.kill()


WHO = """
module.exports = (request, response) => response.end(String(process.pid))
module.exports.close = async () => console.error('closed')
"""


def answering(port: int, count: int) -> set[int]:
    """The processes that answer on fresh connections, until there are `count`, or patience ends."""
    found: set[int] = set()
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=0.5) as answer:
                found.add(int(answer.read()))
        except OSError:
            time.sleep(0.05)
    return found


def test_a_worker_that_is_killed_is_replaced(host: Callable[..., tuple[subprocess.Popen[str], int]]) -> None:
    primary, port = host(WHO, "--workers=2")
    before = answering(port, 2)
    assert len(before) == 2
    assert primary.pid not in before
    victim = min(before)
    psutil.Process(victim).send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while victim in {one.pid for one in psutil.Process(primary.pid).children()} and time.monotonic() < deadline:
        time.sleep(0.02)
    after = answering(port, 2)
    assert len(after) == 2
    assert victim not in after
    assert before & after == before - {victim}


def test_a_worker_that_cannot_start_ends_them_all(host: Callable[..., tuple[subprocess.Popen[str], int]]) -> None:
    primary, _ = host("throw new Error('not today')", "--workers=2")
    _, said = primary.communicate(timeout=PATIENCE_S)
    assert primary.returncode == 1
    assert "not today" in said
    assert "ended (1)" in said


@pytest.mark.parametrize("options", [(), ("--workers=2",)])
def test_asked_to_stop_they_close_what_they_hold_and_leave_well(
    host: Callable[..., tuple[subprocess.Popen[str], int]], options: tuple[str, ...]
) -> None:
    primary, port = host(WHO, *options)
    pids = answering(port, 2 if options else 1) | {primary.pid}
    primary.send_signal(signal.SIGTERM)
    _, said = primary.communicate(timeout=PATIENCE_S)
    assert primary.returncode == 0
    assert said.count("closed") == len(pids - {primary.pid} or pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--bind=8000",), "run_node.cjs: 8000 is neither tcp:HOST:PORT nor unix:PATH\n"),
        (("--workers=two",), "run_node.cjs: two is not a whole number\n"),
        (("more.js",), "run_node.cjs: usage: "),
        (("--worker=2",), "run_node.cjs: Unknown option '--worker'"),
    ],
)
def test_a_mistake_in_the_call_is_one_line(
    host: Callable[..., tuple[subprocess.Popen[str], int]], options: tuple[str, ...], line: str
) -> None:
    process, _ = host(WHO, *options)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert said.startswith(line)
    assert said.count("\n") == 1


def test_a_port_that_is_taken_is_named(host: Callable[..., tuple[subprocess.Popen[str], int]]) -> None:
    _, port = host(WHO)
    assert answering(port, 1)
    second, _ = host(WHO, f"--bind=tcp:127.0.0.1:{port}")
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert said.startswith("run_node.cjs: cannot listen: ")
    assert "EADDRINUSE" in said
