"""How the report of a large stored run grows: `make bench-report`.

A run of chosen numbers is generated, with files of requests as a real run leaves them, which its trials name and count; its report is
made by the command that `bench run` uses, and its time and memory are read. Exit code 1 where they are above the goal, or grow faster
than the requests.
"""

import argparse
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from made_runs import StoredRun, header, trial

ROOT = Path(__file__).parents[2]
GOAL_S, GOAL_BYTES = 60.0, 1.5e9
REQUESTS, CELLS = 10_000_000, 1000
SCENARIOS, BLOCKS, COPIES = 16, 6, 2
SERVERS, FRONTS = ("gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", "uwsgi"), ("nginx", "nginx-tcp", "direct")
"""Applications are multiplied by these, so that the run has effects of servers and fronts as a real matrix has."""


@dataclass(frozen=True, kw_only=True)
class Took:
    """Of one report."""

    requests: int
    seconds: float
    cpu_s: float
    """Of it on a CPU: more than `seconds` where several were used, less where others were served."""
    peak_bytes: int


def names(count: int) -> list[str]:
    """So many stack ids."""
    apps = math.ceil(count / (len(SERVERS) * len(FRONTS)))
    found = [f"app{number}/{server}/{front}" for number in range(apps) for server in SERVERS for front in FRONTS]
    return found[:count]


def generate(folder: Path, *, requests: int, cells: int, seed: int = 1) -> Path:
    """A stored run with so many cells (a stack in a scenario) and requests; returns its folder."""
    rng, stacks = random.Random(seed), names(math.ceil(cells / SCENARIOS))
    scenarios = [f"scenario-{number}" for number in range(SCENARIOS)]
    levels = {stack: rng.lognormvariate(0, 0.5) for stack in stacks}
    groups = [
        (f"{block}-{scenario}-{view}", block, scenario, view)
        for block in range(BLOCKS)
        for scenario in scenarios
        for view in ("capacity", "latency")
    ]
    (folder / "requests").mkdir(parents=True)
    trials = []
    for number, (name, block, scenario, view) in enumerate(groups):
        mine = [
            trial(stack, scenario, view, block=block, copy=copy, noise=levels[stack] * rng.lognormvariate(0, 0.02))
            | {"cell": name}
            for stack in stacks
            for copy in range(COPIES)
        ]
        rows = _requests([one["deployment_id"] for one in mine], requests // len(groups), seed=seed + number)
        rows.to_parquet(folder / "requests" / f"{name}.parquet", index=False)
        counts = rows["target"].value_counts()
        for one in mine:
            if one["latency_ms"]:
                one["latency_ms"]["samples"] = int(counts[one["deployment_id"]])
        trials += mine
    head = header(scenarios=scenarios, stacks=stacks, blocks=BLOCKS, copies=COPIES)
    StoredRun(folder, head, trials).write()
    return folder


def _requests(targets: Sequence[str], count: int, *, seed: int) -> pd.DataFrame:
    """Rows as docs/results.md has them."""
    rng = np.random.default_rng(seed)
    start_s = np.sort(rng.uniform(0, 60, count))
    took_s = rng.lognormal(-6, 0.5, count)
    return pd.DataFrame({
        "target": pd.Categorical.from_codes(rng.integers(0, len(targets), count), targets),
        "intended_s": start_s, "start_s": start_s, "first_byte_s": start_s + took_s / 2, "end_s": start_s + took_s,
        "status": np.full(count, 200, np.int16), "bytes": np.full(count, 64, np.int64),
        "error": pd.Categorical([None] * count, ["timeout"]),
        "phase": pd.Categorical.from_codes(np.ones(count, np.int8), ["warm", "measure"]),
        "slice": np.zeros(count, np.int32), "step": pd.Categorical([None] * count, [""]),
    })  # fmt: skip


METER = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], check=False, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss * (1024 if sys.platform == "linux" else 1))
sys.exit(done.returncode)
"""
"""Runs a command and prints what it used: a process's own children are counted apart from all others'."""


def report(folder: Path) -> tuple[float, float, int]:
    """Seconds, CPU seconds and peak memory of making the report of a stored run, in a process of its own. Raises CalledProcessError."""
    began_s = time.monotonic()
    command = [sys.executable, "-c", METER, sys.executable, "-m", "analysis", "report", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    cpu_s, peak_bytes = done.stdout.split()
    return time.monotonic() - began_s, float(cpu_s), int(peak_bytes)


def measure(sizes: Sequence[int], *, cells: int) -> list[Took]:
    """The report of runs with so many requests each, the same cells in all."""
    found = []
    for requests in sizes:
        with tempfile.TemporaryDirectory(prefix="forkloop-scale-") as name:
            folder = generate(Path(name) / "20260101-000000-abcd", requests=requests, cells=cells)
            seconds, cpu_s, peak_bytes = report(folder)
        found.append(Took(requests=requests, seconds=seconds, cpu_s=cpu_s, peak_bytes=peak_bytes))
        print(
            f"{requests:>12,} requests {cells:>6,} cells {seconds:>8.1f} s ({cpu_s:.1f} s of CPU) {peak_bytes / 1e6:>8,.0f} MB",
            flush=True,
        )
    return found


def holds(found: Sequence[Took]) -> bool:
    """Whether the largest run is within the goal, and time and memory grew no faster than the requests (with a tenth for noise)."""
    first, last = found[0], found[-1]
    growth = 1.1 * last.requests / first.requests
    linear = last.seconds <= growth * first.seconds and last.peak_bytes <= growth * first.peak_bytes
    return linear and last.seconds < GOAL_S and last.peak_bytes < GOAL_BYTES


def main() -> int:
    """Exit code 0 where it `holds`."""
    parser = argparse.ArgumentParser(description="Time and memory of the report of large generated runs.")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--cells", type=int, default=CELLS)
    asked = parser.parse_args()
    found = measure([asked.requests // 10, asked.requests // 2, asked.requests], cells=asked.cells)
    good = holds(found)
    print(
        f"goal: under {GOAL_S:.0f} s and {GOAL_BYTES / 1e9:.1f} GB, linear in requests: {'held' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
