"""A private PostgreSQL from installed binaries: made for one run, on a unix socket only, gone with the run's folder."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
import psycopg

from bench.database.installation import Owner, environment, reachable_programs, run_program, unprivileged_owner
from bench.database.url import application_url
from bench.model import BenchError, Failed, Role

USER = "forkloop"
DATABASE = "postgres"
"""The database that initdb makes. It is ours alone, so making another one would only take time."""

START_TIMEOUT_S = 20.0
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 103
"""The longest path of a unix socket that both Linux (107) and macOS (103) take."""
LOG_TAIL_LINES = 15

STOP_SIGNAL = signal.SIGQUIT
"""Immediate shutdown: clients are cut off and nothing is written, since the data go too, but shared memory is given back.

SIGTERM would wait for the clients, SIGINT for the disk, and SIGKILL leaves the shared memory behind.
"""

SETTINGS: Mapping[str, str] = {
    # Unix sockets only: nothing listens on the network, and no port can be taken.
    "listen_addresses": "",
    # Its workers would wake in some trials and not in others; we VACUUM between scenarios instead.
    "autovacuum": "off",
    # A commit does not wait for the disk, whose noise on a shared virtual machine would be most of what /updates shows.
    # TechEmpower's postgresql.conf does the same. A crash may lose the last commits, never consistency.
    "synchronous_commit": "off",
    # As in real deployments: with the above no request waits for it, and the background work is still done.
    "fsync": "on",
    # TechEmpower's value; the tables take 1 MB, so they fit many times over.
    "shared_buffers": "256MB",
    # No checkpoint falls into a trial, neither by volume (/updates writes some MB a second) nor by time: we CHECKPOINT
    # between scenarios.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    # Never worth it for statements this short: off, so that no estimate starts a compiler within a trial.
    "jit": "off",
    # Otherwise initdb searches for the machine's time zone, and the log would hold local times.
    "log_timezone": "UTC",
    "timezone": "UTC",
}
"""What differs from PostgreSQL's defaults, or is pinned; besides these, `max_connections` and the socket's place."""


class Running(Protocol):
    """A started process; `psutil.Process` is one."""

    @property
    def pid(self) -> int: ...


class Spawn(Protocol):
    """Starts a process as one of the run's: pinned, recorded, and torn down with it.

    `env` is its whole environment. Its output goes to the end of `log`. `user` and `group` None mean ours.
    """

    def __call__(
        self,
        argv: list[str],
        *,
        role: Role,
        cwd: Path,
        env: dict[str, str],
        log: Path,
        user: int | None,
        group: int | None,
    ) -> Running: ...


class NotStartedError(BenchError):
    """PostgreSQL did not come up; `log_tail` is the end of what it wrote."""

    def __init__(self, message: str, log_tail: str | None = None) -> None:
        super().__init__(message)
        self.log_tail = log_tail

    def failed(self) -> Failed:
        """The same as a value, for the trials that needed the database."""
        return Failed(reason=str(self), log_tail=self.log_tail)


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A running server. `url` is as `application_url` makes it, and good for our own functions too."""

    url: str
    version: str
    pid: int
    folder: Path
    log: Path


def start(scratch: Path, *, spawn: Spawn, log_path: Path, max_connections: int = 300) -> Embedded:
    """Makes a new cluster in `scratch/postgresql`, starts its server through `spawn`, and waits until it answers.

    `scratch` exists, has mode 0755, and lies directly under the system's temporary directory, since as root another
    user must reach into it. Raises `NotStartedError`, and `BenchError` for what can be seen before; nothing runs then.
    """
    folder = scratch / "postgresql"
    data, socket_folder = folder / "data", folder / "socket"
    if len(os.fsencode(socket_folder / SOCKET_NAME)) > SOCKET_PATH_BYTES:
        raise BenchError(f"the path of PostgreSQL's socket, in {socket_folder}, is too long: set TMPDIR")
    owner = unprivileged_owner()
    try:
        _make_folders(folder, (data, socket_folder), owner)
        programs = reachable_programs(folder, owner)
    except OSError as error:
        raise BenchError(f"cannot make {folder} for PostgreSQL ({error}): free disk space, or set TMPDIR") from error
    private = {"unix_socket_directories": str(socket_folder), "unix_socket_permissions": "0700"}
    _initialise(programs, data, {**SETTINGS, "max_connections": str(max_connections), **private}, owner)
    process = spawn(
        [str(programs / "postgres"), "-D", str(data)],
        role="database",
        cwd=data,
        env=environment(),
        log=log_path,
        user=owner.user,
        group=owner.group,
    )
    try:
        version = _wait_until_ready(process.pid, socket_folder, log_path)
    except BaseException:
        stop(process.pid)
        raise
    url = application_url(f"postgresql://{USER}@/{DATABASE}?host={socket_folder}")
    return Embedded(url=url, version=version, pid=process.pid, folder=folder, log=log_path)


def stop(pid: int, *, patience_s: float = 2.0) -> None:
    """Ends the server: STOP_SIGNAL, then SIGKILL after `patience_s`."""
    try:
        process = psutil.Process(pid)
        for ending in (STOP_SIGNAL, signal.SIGKILL):
            process.send_signal(ending)
            gone, _ = psutil.wait_procs([process], timeout=patience_s)
            if gone:
                return
    except psutil.NoSuchProcess:
        return


def _make_folders(folder: Path, private: tuple[Path, ...], owner: Owner) -> None:
    folder.mkdir()
    folder.chmod(0o755)  # whatever the umask
    for path in private:
        path.mkdir(mode=0o700)
        if owner.user is not None and owner.group is not None:
            os.chown(path, owner.user, owner.group)


def _initialise(programs: Path, data: Path, settings: Mapping[str, str], owner: Owner) -> None:
    argv = [str(programs / "initdb"), "-D", str(data), f"--username={USER}", "--auth-local=trust", "--auth-host=reject"]
    # PostgreSQL's own C.UTF-8, which sorts by code point on every system, whatever locales that has.
    argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # The cluster does not outlive the run, so initdb need not wait for the disk.
    argv += ["--no-sync", "--no-instructions", *(f"--set={name}={value}" for name, value in settings.items())]
    try:
        done = run_program(argv, data.parent, owner)
    except OSError as error:
        raise NotStartedError(f"cannot run initdb ({error}): run `make setup` again, or set DATABASE_URL") from error
    if done.returncode != 0:
        tail = _tail(done.stdout)
        said = (tail or "and said nothing").splitlines()[-1]
        raise NotStartedError(
            f"PostgreSQL's initdb ended with status {done.returncode} ({said}): set DATABASE_URL", tail
        )


def _wait_until_ready(pid: int, socket_folder: Path, log: Path) -> str:
    """The server's version, once it answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        alive = _alive(pid)
        try:
            with psycopg.connect(
                host=str(socket_folder), port=5432, user=USER, dbname=DATABASE, connect_timeout=2
            ) as connection:
                return (connection.info.parameter_status("server_version") or "").partition(" ")[0]
        except psycopg.OperationalError:
            if not alive:
                reason = "the embedded PostgreSQL ended while starting"
            elif time.monotonic() > deadline:
                reason = f"the embedded PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s"
            else:
                time.sleep(0.02)
                continue
        tail = _tail(log.read_text(errors="replace")) if log.exists() else None
        raise NotStartedError(f"{reason}: see the end of {log}, or set DATABASE_URL", tail)


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _tail(text: str) -> str | None:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:]) or None
