"""What is looked at. Nothing here judges, nothing is changed, and what cannot be seen is None."""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import database
from bench.machine import Topology, find_nginx, topology
from bench.machine.description import governor, turbo
from bench.model import BenchError

STEAL_WINDOW_S = 1.0
COMMAND_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something a run needs: what was found, in words, or why it cannot be used and what to do, in one line."""

    found: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A machine as the checks see it. `steal` is a share of all CPU time, `ports` first and last ephemeral port."""

    platform: str
    topology: Topology
    steal: float | None
    load1: float
    files_soft: int
    files_hard: int
    ports: tuple[int, int] | None
    somaxconn: int | None
    governor: str | None
    turbo: bool | None
    memory_available_bytes: int
    results: Path
    disk_free_bytes: int
    python: tuple[int, int, int]
    nginx: Part
    postgresql: Part
    docker_client: Part
    docker_daemon: Part
    docker_compose: Part


def gather(results: Path, environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Facts:
    """This machine now; takes a little over a second, in which steal is measured. `results` need not exist yet."""
    before, started = psutil.cpu_times(), time.monotonic()
    url = environ.get("DATABASE_URL")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    nginx = _part(lambda: str(find_nginx(environ)))
    postgresql = _part(lambda: _user_database(url) if url else f"{database.installed_version()} (embedded)")
    client = _docker("--version")
    daemon = _docker("info", "--format", "{{.ServerVersion}}") if client.found else Part(problem="no client")
    compose = _docker("compose", "version", "--short") if client.found else Part(problem="no client")
    time.sleep(max(0.0, STEAL_WINDOW_S - (time.monotonic() - started)))
    return Facts(
        platform=platform.system(),
        topology=topology(root),
        steal=steal_share(before._asdict(), psutil.cpu_times()._asdict()),
        load1=os.getloadavg()[0],
        files_soft=_limit(soft),
        files_hard=_limit(hard),
        ports=_port_range(root),
        somaxconn=_number(root / "proc/sys/net/core/somaxconn"),
        governor=governor(root),
        turbo=turbo(root),
        memory_available_bytes=psutil.virtual_memory().available,
        results=results,
        disk_free_bytes=shutil.disk_usage(_nearest(results)).free,
        python=sys.version_info[:3],
        nginx=nginx,
        postgresql=postgresql,
        docker_client=client,
        docker_daemon=daemon,
        docker_compose=compose,
    )


def steal_share(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """The share of CPU time between two readings that a hypervisor gave to others; None where it is not counted."""
    if "steal" not in before:
        return None
    # Guest time is counted within user and nice already.
    spent = {name: after[name] - before[name] for name in before if not name.startswith("guest")}
    total = sum(spent.values())
    return max(0.0, spent["steal"] / total) if total > 0 else None


def _part(look: Callable[[], str]) -> Part:
    try:
        return Part(found=look())
    except BenchError as error:
        return Part(problem=str(error))


def _user_database(url: str) -> str:
    free = database.max_connections(url)
    return f"{database.server_version(url)} at {database.masked(url)}, {free} connections"


def _docker(*arguments: str) -> Part:
    if shutil.which("docker") is None:
        return Part(problem="not installed")
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Part(problem=type(error).__name__)
    said = done.stdout.strip()
    if done.returncode != 0 or not said:
        return Part(problem=done.stderr.strip().partition("\n")[0] or f"status {done.returncode}")
    return Part(found=said)


def _limit(value: int) -> int:
    return sys.maxsize if value == resource.RLIM_INFINITY else value


def _port_range(root: Path) -> tuple[int, int] | None:
    try:
        first, last = (root / "proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(first), int(last)
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
