"""The engine against other generators: `make bench-engine`.

All load nginx with a constant, 64 connections; nginx has one CPU, the generator another. They take turns, and medians are compared. Then
the open loop: how late it is at 1,000 requests/s, and what 5,000 requests/s over 5,000 connections cost.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr crit; worker_rlimit_nofile 20000;
events {{ worker_connections 12000; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ default_type text/plain; return 200 "Hello, World!"; }} }} }}
"""
LOCUST = [sys.executable, "-m", "locust", "--headless"]
USERS = """
from locust import FastHttpUser, HttpUser, task
class Loading({base}):
    @task
    def get(self):
        self.client.get("/")
"""


def engine(
    folder: Path, cpus: set[int], port: int, seconds: float, connections: int = 64, **keys: Any
) -> dict[str, Any]:
    """One job of our own; returns its target's result."""
    job = {
        "version": 1, "mode": "closed", "measure_s": seconds, "warmup_s": 0.5, "request": {"path": "/"}, "slices_path": None,
        "targets": [{"id": "nginx", "host": "127.0.0.1", "port": port, "connections": connections}],
        "requests_path": str(folder / "requests.parquet"), "result_path": str(folder / "result.json"), **keys,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    argv = [*LOCUST, "-f", str(ROOT / "loadtests" / "locustfile.py"), "--forkloop-job", str(folder / "job.json")]
    with subprocess.Popen(pinned(argv, cpus), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(b"go\nend\n")
        process.stdin.flush()
        process.wait()
    answer: dict[str, Any] = json.loads((folder / "result.json").read_text())["targets"][0]
    return answer


def pinned(argv: Sequence[str], cpus: set[int]) -> list[str]:
    """`argv` on these CPUs."""
    return ["taskset", "-c", ",".join(map(str, sorted(cpus))), *argv] if shutil.which("taskset") else list(argv)


def locust_user(base: str, folder: Path, cpus: set[int], port: int, seconds: float) -> float:
    """Requests a second of one of Locust's own users, 64 of them."""
    (folder / f"{base}.py").write_text(USERS.format(base=base))
    argv = [*LOCUST, "-f", str(folder / f"{base}.py"), "--host", f"http://127.0.0.1:{port}", "-u64", "-r64", "--json"]
    argv += ["--run-time", f"{seconds + 2:.0f}s", "--only-summary"]
    done = subprocess.run(pinned(argv, cpus), cwd=folder, capture_output=True, check=False)
    (entry,) = json.loads(done.stdout)
    # The first and last seconds are ramps.
    whole: list[float] = [count for _, count in sorted(entry["num_reqs_per_sec"].items())][1:-1]
    return float(statistics.median(whole))


def wrk(cpus: set[int], port: int, seconds: float) -> float:
    """Requests a second of wrk."""
    argv = ["wrk", "-t1", "-c64", f"-d{max(round(seconds), 1)}s", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(pinned(argv, cpus), capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec")))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    usable = sorted(os.sched_getaffinity(0))
    server, cpus = {usable[0]}, {usable[-1]}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        (folder / "nginx.conf").write_text(NGINX.format(port=port))
        argv = [options.nginx, "-p", name, "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        nginx = subprocess.Popen(pinned(argv, server))
        try:
            time.sleep(0.5)
            compare(folder, cpus, port, options.rounds, options.seconds)
            open_loop(folder, cpus, port, options.seconds)
        finally:
            nginx.terminate()
            nginx.wait()


def compare(folder: Path, cpus: set[int], port: int, rounds: int, seconds: float) -> None:
    """All generators in turn."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        found.setdefault("engine", []).append(engine(folder, cpus, port, seconds)["rps"])
        if shutil.which("wrk"):
            found.setdefault("wrk", []).append(wrk(cpus, port, seconds))
        for base in ("FastHttpUser", "HttpUser"):
            found.setdefault(base, []).append(locust_user(base, folder, cpus, port, seconds))
    ours = statistics.median(found["engine"])
    print(f"{'generator':<14} {'median/s':>10} {'least':>10} {'most':>10}  engine is x times")
    for name, rates in found.items():
        middle = statistics.median(rates)
        print(f"{name:<14} {middle:>10,.0f} {min(rates):>10,.0f} {max(rates):>10,.0f}  {ours / middle:.2f}")


def open_loop(folder: Path, cpus: set[int], port: int, seconds: float) -> None:
    """Lateness, and the cost of many connections."""
    late = engine(folder, cpus, port, seconds, mode="open", rate_rps=1000.0)
    print(
        f"open loop, 1,000/s: handed out late by p50 {late['late_ms']['p50']:.3f} ms, p99 {late['late_ms']['p99']:.3f} ms"
    )
    many = engine(folder, cpus, port, 2 * seconds, 5000, mode="open", rate_rps=5000.0, warmup_s=2.0)
    print(f"open loop, 5,000/s over 5,000 connections: {many['generator_cpu']:.0%} of a CPU, errors {many['errors']}")


if __name__ == "__main__":
    main()
