"""Runs jobs on the engine within the test's process: gevent's event loop here, the servers in threads."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted_servers import Respond, ScriptedServer, StallingServer

from loadtests import results
from loadtests.job import Job, Target
from loadtests.measured import Measured
from loadtests.session import Session
from loadtests.workers.leader import Leader


class Deaf:
    """A control that says yes to everything and remembers what was said."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def emit(self, event: str, **fields: Any) -> None:
        self.events.append(event)

    def wait(self, word: str) -> None:
        self.events.append(f"<{word}")


class Outcome:
    """What a job left: its summaries, its rows, and the parts they were made from."""

    def __init__(self, job: Job, measured: Measured, result: dict[str, Any], control: Deaf) -> None:
        self.job, self.measured, self.result, self.control = job, measured, result, control
        self.table = results.Table(measured)
        self.targets: list[dict[str, Any]] = result["targets"]
        self.first = self.targets[0]

    def assert_windows_hold_their_own_target_alone(self, servers: Sequence[ScriptedServer]) -> None:
        """What ended in a window was begun in it, and was sent to that window's target: the servers counted as many."""
        opened_s = np.array([window.start_s for window in self.table.windows])[self.table.window]
        assert (self.table.rows["start_s"] >= opened_s - 1e-9).all(), "nothing is left from the window before"
        counted = [int((self.table.target == number).sum()) for number in range(len(servers))]
        assert counted == [server.requests for server in servers]
        assert min(counted) > 0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start(respond: Respond, *, unix: bool = False) -> ScriptedServer:
        servers.append(ScriptedServer(respond, unix=tmp_path / f"{len(servers)}.sock" if unix else None))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def stalling() -> Iterator[Callable[..., StallingServer]]:
    servers: list[StallingServer] = []

    def start(*, period_s: float, stall_s: float) -> StallingServer:
        servers.append(StallingServer(period_s=period_s, stall_s=stall_s))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Outcome]:
    """Runs a job on the ports (or unix paths) given, and returns what it left."""

    def run(
        *places: int | Path, connections: int = 4, batch: int | None = None, control: Deaf | None = None, **keys: Any
    ) -> Outcome:
        targets = tuple(
            Target(id=f"t{number}", connections=connections, batch=batch, host="127.0.0.1", port=place)
            if isinstance(place, int)
            else Target(id=f"t{number}", connections=connections, batch=batch, unix=str(place))
            for number, place in enumerate(places)
        )
        orders: dict[str, Any] = {
            "version": 1,
            "scenario": "plaintext",
            "mode": "closed",
            "measure_s": 0.3,
            "requests_path": tmp_path / "requests.parquet",
            "slices_path": tmp_path / "slices.parquet",
            "result_path": tmp_path / "result.json",
            **keys,
        }
        job = Job(targets=targets, **orders)
        control = control or Deaf()
        crew = Session(job) if job.workers is None else Leader(job)
        measured = crew.run(control)  # type: ignore[arg-type]
        results.write(job, measured, results.Table(measured))
        return Outcome(job, measured, json.loads(job.result_path.read_text()), control)

    return run


@pytest.fixture
def known_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives a name these addresses, in that order; all others are found as ever."""
    ask = socket.getaddrinfo

    def give(name: str, *addresses: str) -> None:
        def known(host: str, *how: Any, **more: Any) -> Any:
            return [one for each in (addresses if host == name else [host]) for one in ask(each, *how, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", known)

    return give
