"""The leader's end of the line to its workers: who they are, orders and answers, and that none of them is lost.

Locust's master holds the connections, and hears every second from each worker that it is there. Every wait here has an end: a worker that
has ended, has been silent for `SILENT_S`, or has not answered in time makes the job fail.
"""

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust.env import Environment

from loadtests.errors import LoadError
from loadtests.job import Workers
from loadtests.rows import clock
from loadtests.workers.offset import Offset
from loadtests.workers.processes import STARTING_S, end, how_it_ended, refuse_busy, start
from loadtests.workers.words import ANSWER, ORDER, SILENT_S, VERSION

_LOOK_EVERY_S = 0.2


class LostError(LoadError):
    """A worker is no longer there."""


@dataclass(kw_only=True)
class Worker:
    """One of them; `number` from 0, those of this machine first."""

    number: int
    client_id: str
    host: str
    pid: int
    cpus: Sequence[int]
    local: bool
    process: "subprocess.Popen[bytes] | None" = None
    offset: Offset = field(default_factory=Offset)
    heard_s: float = 0.0
    """When it last said anything, on `clock()`."""

    @property
    def name(self) -> str:
        """For messages."""
        where = "of this machine" if self.local else f"on {self.host}"
        return f"worker {self.number} {where} (process {self.pid})"


class Master:
    """Use as: `gather`, then `ask` as often as needed, then `close`."""

    def __init__(self, wanted: Workers) -> None:
        self._wanted = wanted
        host, port = (wanted.bind, wanted.port) if wanted.remote else ("127.0.0.1", 0)
        refuse_busy(host, port)
        environment = Environment(user_classes=[])
        self._runner: Any = environment.create_master_runner(host, port)
        self._runner.register_message(ANSWER, self._heard)
        events: Any = environment.events
        events.heartbeat_sent.add_listener(self._noted)
        self.port: int = self._runner.server.port
        self.workers: list[Worker] = []
        self._token = secrets.token_hex(8)
        self._started: list[subprocess.Popen[bytes]] = []
        self._came: dict[str, Mapping[str, Any]] = {}
        self._waiting: dict[tuple[str, int], AsyncResult] = {}
        self._number = 0
        self._closed = False

    def gather(self) -> None:
        """Start the workers of this machine and wait for the others. Raises LoadError where too few come."""
        for cpu in self._wanted.cpus:
            self._started.append(start(cpu, self.port, self._token))
        deadline_s = clock() + (self._wanted.wait_s if self._wanted.remote else STARTING_S)
        while len(self._local()) < len(self._started) or len(self._remote()) < self._wanted.remote:
            self._check_started()
            if clock() > deadline_s:
                raise LoadError(self._too_few())
            gevent.sleep(_LOOK_EVERY_S / 4)
        by_pid = {process.pid: process for process in self._started}
        local = sorted(self._local(), key=lambda one: list(by_pid).index(self._came[one]["pid"]))
        for client_id in [*local, *self._remote()[: self._wanted.remote]]:
            told = self._came[client_id]
            if told["version"] != VERSION:
                raise LoadError(
                    f"the worker on {told['host']} speaks version {told['version']}, here it is {VERSION}: same code?"
                )
            self.workers.append(
                Worker(
                    number=len(self.workers), client_id=client_id, host=str(told["host"]), pid=int(told["pid"]), cpus=list(told["cpus"]),
                    local=client_id in local, process=by_pid.get(told["pid"]) if client_id in local else None, heard_s=clock(),
                )
            )  # fmt: skip

    def ask(self, worker: Worker, do: str, *, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """One order and its answer; see `ask_all`."""
        (answer,) = self.ask_all(do, [fields], timeout_s=timeout_s, workers=[worker])
        return answer

    def ask_all(
        self, do: str, fields: Sequence[Mapping[str, Any]], *, timeout_s: float, workers: Sequence[Worker] | None = None
    ) -> list[dict[str, Any]]:
        """Send each worker an order at the same time, and wait for all answers. Blocks the calling greenlet only.

        Raises LostError for a worker that is no longer there or does not answer in time, LoadError for what one refused.
        """
        asked = self.workers if workers is None else workers
        results, sent_s = [], []
        for worker, own in zip(asked, fields, strict=True):
            self._number += 1
            result = self._waiting[worker.client_id, self._number] = AsyncResult()
            results.append(result)
            sent_s.append(clock())
            self._runner.send_message(ORDER, {"id": self._number, "do": do, **own}, client_id=worker.client_id)
        deadline_s = clock() + timeout_s
        answers = []
        for worker, result, at_s in zip(asked, results, sent_s, strict=True):
            while not result.ready():
                self._check(asked)
                if clock() > deadline_s:
                    raise LostError(f"{worker.name} has not answered to '{do}' within {timeout_s:.0f} s")
                result.wait(_LOOK_EVERY_S)
            answer = result.get()
            if "error" in answer:
                raise LoadError(f"{worker.name}: {answer['error']}")
            if not worker.local:
                worker.offset.add(at_s, answer["received_s"], answer["sent_s"], answer["back_s"])
            answers.append(answer)
        return answers

    def close(self) -> None:
        """Send all workers home, and end those that were started here. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._runner.quit()
        self._runner.server.socket.context.destroy(linger=0)
        for process in self._started:
            end(process)

    def _local(self) -> list[str]:
        return [one for one, told in self._came.items() if self._token == told["token"]]

    def _remote(self) -> list[str]:
        return [one for one, told in self._came.items() if self._token != told["token"]]

    def _heard(self, msg: Any, **_: Any) -> None:
        """A message from a worker, or from somebody who says so."""
        back_s, told = clock(), msg.data
        if told["id"] == 0:
            if msg.node_id not in self._came and {"host", "pid", "cpus", "version", "token"} <= told.keys():
                self._came[msg.node_id] = told
            return
        self._noted(msg.node_id)
        result = self._waiting.pop((msg.node_id, told["id"]), None)
        if result is not None:
            result.set({**told, "back_s": back_s})

    def _noted(self, client_id: str, **_: Any) -> None:
        for worker in self.workers:
            if worker.client_id == client_id:
                worker.heard_s = clock()

    def _check(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            if worker.process is not None and worker.process.poll() is not None:
                raise LostError(f"{worker.name} has ended ({how_it_ended(worker.process)}){_WHY}")
            if worker.client_id not in self._runner.clients:
                raise LostError(f"{worker.name} has left{_WHY}")
            if clock() - worker.heard_s > SILENT_S:
                raise LostError(f"{worker.name} has been silent for {SILENT_S:.0f} s{_WHY}")

    def _check_started(self) -> None:
        ended = next((process for process in self._started if process.poll() is not None), None)
        if ended is not None:
            raise LoadError(
                f"a worker of this machine could not start ({how_it_ended(ended)}); the load generator's log says why"
            )

    def _too_few(self) -> str:
        if not self._wanted.remote:
            return f"{len(self._local())} of {len(self._started)} workers of this machine were up within {STARTING_S:.0f} s"
        return (
            f"{len(self._remote())} of {self._wanted.remote} workers came within {self._wanted.wait_s:g} s; "
            f"start them: bench load-worker --master HOST --port {self.port}, where HOST is this machine ({self._wanted.bind})"
        )


_WHY = ": the load was not what was asked for, so there is no result"
