"""Where the benchmarks take place: nginx on one CPU, the generator on another; and one job of our own engine."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCUST = [sys.executable, "-m", "locust", "--headless"]
UP_DEADLINE_S = 20.0
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr crit; worker_rlimit_nofile 20000;
events {{ worker_connections 12000; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ default_type text/plain; return 200 "Hello, World!"; }} }} }}
"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A scratch folder, CPUs for server and generator, and the port where nginx answers a constant."""

    folder: Path
    server_cpus: frozenset[int]
    load_cpus: frozenset[int]
    port: int

    @property
    def url(self) -> str:
        """Of the constant."""
        return f"http://127.0.0.1:{self.port}/"


@contextlib.contextmanager
def nginx_up(nginx: str, folder: Path) -> Iterator[Setting]:
    """nginx with a constant, as long as the context lasts."""
    usable = sorted(os.sched_getaffinity(0))
    port = free_port()
    (folder / "logs").mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(port=port))
    setting = Setting(folder=folder, server_cpus=frozenset(usable[:1]), load_cpus=frozenset(usable[-1:]), port=port)
    argv = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with running(argv, setting.server_cpus, port):
        yield setting


@contextlib.contextmanager
def running(argv: Sequence[str], cpus: frozenset[int], port: int) -> Iterator[None]:
    """A server on `cpus` that listens on `port`; ended with the context. Exits where it does not come up."""
    process = subprocess.Popen(pinned(argv, cpus), cwd=ROOT)
    try:
        deadline = time.monotonic() + UP_DEADLINE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{argv[0]}: does not listen on port {port}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def pinned(argv: Sequence[str], cpus: frozenset[int]) -> list[str]:
    """`argv` on these CPUs."""
    return ["taskset", "-c", ",".join(map(str, sorted(cpus))), *argv] if shutil.which("taskset") else list(argv)


def engine(
    setting: Setting, seconds: float, connections: int = 64, port: int | None = None, **keys: Any
) -> dict[str, Any]:
    """One job of our own, everything checked and recorded; returns its target's result, with the job's `beside`."""
    folder = setting.folder
    job = {
        "version": 1, "mode": "closed", "measure_s": seconds, "warmup_s": 0.5, "request": {"path": "/"}, "slices_path": None,
        "targets": [{"id": "nginx", "host": "127.0.0.1", "port": port or setting.port, "connections": connections}],
        "requests_path": str(folder / "requests.parquet"), "result_path": str(folder / "result.json"), **keys,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    argv = [*LOCUST, "-f", str(ROOT / "loadtests" / "locustfile.py"), "--forkloop-job", str(folder / "job.json")]
    with subprocess.Popen(
        pinned(argv, setting.load_cpus), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"go\nend\n")
        process.stdin.flush()
        process.wait()
    result = json.loads((folder / "result.json").read_text())
    return {**result["targets"][0], "beside": result["beside"]}
