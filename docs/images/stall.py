"""Draws stall.png from a real run: a server that stalls 1 s in every 10, at 100 requests/s in an open loop, then in a closed one.

.venv/bin/python docs/images/stall.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20.0
SERVER = """
import sys, time
sys.path.insert(0, "tests/loadtests")
from scripted_servers import StallingServer
print(StallingServer(period_s=10.0, stall_s=1.0).port, flush=True)
time.sleep(600)
"""


def run(folder: Path, port: int, mode: str) -> np.ndarray:
    """Start and latency of every request, in seconds from the run's start; ordered by time."""
    job = {
        # The server's first period begins without a stall: 2 s later any 20 s hold two whole ones.
        "version": 1, "mode": mode, "warmup_s": 2.0, "measure_s": SECONDS, "request": {"path": "/"}, "slices_path": None,
        "targets": [{"id": "stalling", "host": "127.0.0.1", "port": port, "connections": 16}],
        "requests_path": str(folder / f"{mode}.parquet"), "result_path": str(folder / f"{mode}.json"),
        **({"rate_rps": 100.0} if mode == "open" else {}),
    }  # fmt: skip
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    argv = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--forkloop-job", str(path)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as engine:
        assert engine.stdin is not None
        engine.stdin.write(b"go\nend\n")
        engine.stdin.flush()
        engine.wait()
    table = pq.read_table(folder / f"{mode}.parquet")
    table = table.filter(pc.not_equal(table["phase"].cast("string"), "warm"))
    due, end = table["intended_s"].to_numpy(), table["end_s"].to_numpy()
    rows = np.stack([due - due.min(), end - due])
    return rows[:, np.argsort(rows[0])]


def main() -> None:
    """Run both loops and draw."""
    with tempfile.TemporaryDirectory() as name:
        found = {}
        for mode in ("open", "closed"):
            with subprocess.Popen(
                [sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True
            ) as server:
                assert server.stdout is not None
                found[mode] = run(Path(name), int(server.stdout.readline()), mode)
                server.kill()
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for ax, mode, title in zip(axes, found, ("Open loop, 100 requests/s", "Closed loop, 16 connections"), strict=True):
        at, took = found[mode]
        ax.plot(at, took, ".", markersize=3, color="#0072b2", rasterized=True)
        shown = ", ".join(f"p{p:g} {np.percentile(took, p):.3g} s" for p in (95, 99, 99.9))
        ax.set_title(f"{title}: {len(at):,} requests\n{shown}", fontsize=10, loc="left")
        ax.set_xlabel("time in the run (s)")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("latency (s)")
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120, metadata={"Software": None})
    for mode, (_, took) in found.items():
        print(
            mode,
            len(took),
            *(f"p{p:g}={np.percentile(took, p, method='inverted_cdf'):.4f}" for p in (50, 95, 99, 99.9)),
        )


if __name__ == "__main__":
    main()
