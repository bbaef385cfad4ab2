"""An engine that is reached over TCP counts as another machine: nothing is mounted, and its processes and addresses are not ours."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import BENCH, ROOT

STACK = "aiohttp/multi/nginx"
SOCKET = "/var/run/docker.sock"


def carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(client,), daemon=True).start()


def answer(client: socket.socket) -> None:
    with client, socket.socket(socket.AF_UNIX) as engine:
        engine.connect(SOCKET)
        back = threading.Thread(target=carry, args=(engine, client))
        back.start()
        carry(client, engine)
        back.join()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a way to this machine's engine that says nothing of where it leads."""
    if not Path(SOCKET).exists():
        pytest.skip(f"no engine at {SOCKET}")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_run_on_an_engine_elsewhere_measures_and_says_what_it_cannot_see(
    elsewhere: str, ours: Callable[[], list[str]], tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            BENCH, "run", "--mode", "compose", "--profile", "smoke", "--stacks", STACK, "--scenarios", "db", "--results", str(tmp_path),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False, env={**os.environ, "DOCKER_HOST": elsewhere},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = (tmp_path / "latest").resolve()
    run = json.loads((folder / "run.json").read_text())
    assert f"at {elsewhere} (context " in run["environment"]["docker"]
    assert any("out of sight from here" in note for note in run["notes"])
    assert run["verified"][STACK]["status"] == "passed"
    seen = run["observed"][STACK]
    assert {tuple(one["cpus"]) for one in seen["processes"]} == {tuple(run["placement"]["server"])}
    assert [one["role"] for one in seen["processes"]].count("app") == seen["workers"]
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert len(trials) == 2
    for trial in trials:
        assert (trial["status"], trial["errors"]) == ("measured", {})
        assert trial["requests"] > 0
        assert trial["database_connections"] > 0
        assert set(trial["cpu_s"].values()) == {None}, "a number that is another process here must not be charged"
        assert (trial["worker_shares"], trial["restarts"]) == (None, None)
        assert (folder / "requests" / f"0-db-{trial['view']}.parquet").stat().st_size > 0
    assert ours() == []
