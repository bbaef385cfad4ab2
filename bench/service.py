"""The database of one command: the user's own (`DATABASE_URL`), or an embedded PostgreSQL for as long as the session lasts."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.connections import MOST
from bench.database import data, embedded, observe
from bench.deployment import tail
from bench.machine import placement
from bench.model import BenchError, Budget, Failed
from bench.plan import RESERVED_CONNECTIONS
from bench.session import Session


@dataclass(kw_only=True)
class Database:
    """The run's database: `url` is None where there is none, and `failure` says why."""

    url: str | None = None
    failure: Failed | None = None
    version: str | None = None
    pids: tuple[int, ...] = ()
    container_pid: int | None = None
    """Where it runs in a container: its first process as this machine sees it."""

    def backends(self) -> dict[int, str]:
        """From process id on this machine to application name; empty where its processes are out of sight."""
        if self.url is None or not (self.pids or self.container_pid):
            return {}
        found = observe.backends(self.url)
        if self.container_pid is None:
            return found
        seen = _inner_pids(self.container_pid)
        return {seen[pid]: name for pid, name in found.items() if pid in seen}

    def connections(self) -> dict[str, int] | None:
        """Open connections by application name; None where the database cannot be asked."""
        if self.url is None:
            return None
        with contextlib.suppress(BenchError):
            return observe.connections(self.url)
        return None


def allowed_connections(mode: str) -> int:
    """How many connections the stacks of a run can have: what `DATABASE_URL`'s database allows, else what ours is started for at most."""
    given = os.environ.get("DATABASE_URL")
    return observe.max_connections(given) if given and mode == "native" else MOST


def start_database(session: Session, budget: Budget, *, connections: int, log: Path) -> Database:
    """The database of `DATABASE_URL`, else an embedded one, filled. A failure is a value: stacks without it can still be measured.

    `connections` is how many the stacks may hold together. Raises BenchError where `DATABASE_URL` names a database that must not be
    touched, or that allows fewer.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        session.enter(data.claim(given))
        data.prepare(given)
        check_connections(
            connections, observe.max_connections(given), "the database of DATABASE_URL", "raise its max_connections"
        )
        return Database(url=given, version=f"{observe.server_version(given)} (DATABASE_URL)")
    check_connections(connections, MOST, "the embedded database", "name a larger one with DATABASE_URL")
    cpus = budget.pins("database")

    def spawn(argv: list[str], **how: Any) -> Any:
        return session.spawn(argv, cpus=cpus, stop_signal=embedded.STOP_SIGNAL, **how)

    try:
        running = embedded.start(
            session.scratch, spawn=spawn, log_path=log, max_connections=max(100, connections + RESERVED_CONNECTIONS)
        )
        data.prepare(running.url)
        placement.check([running.pid], cpus, "the database")
    except embedded.NotStartedError as error:
        return Database(failure=error.failed())
    except BenchError as error:
        return Database(failure=Failed(reason=str(error), log_tail=tail(log)))
    return Database(url=running.url, version=f"{running.version} (embedded)", pids=(running.pid,))


def check_connections(needed: int, allowed: int, what: str, remedy: str) -> None:
    """Raises BenchError where the stacks that are alive together may hold more connections than there are."""
    if allowed < needed:
        raise BenchError(
            f"{what} allows {allowed} connections, these stacks may hold {needed} together; "
            f"choose fewer stacks with --stacks, or {remedy}"
        )


def _inner_pids(first: int) -> dict[int, int]:
    """From process id within the container's namespace to the one outside: the last of `NSpid` in /proc (proc(5), since Linux 4.1)."""
    pairs = {}
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(first).children():
            with contextlib.suppress(OSError, psutil.Error, StopIteration):
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
                line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
                pairs[int(line.split()[-1])] = process.pid
    return pairs
