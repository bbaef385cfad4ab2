"""The engine against other generators, and against known truths: `make bench-engine`.

All load nginx with a constant, 64 connections; nginx has one CPU, the generator another. They take turns, and medians are compared. Then
what each part of the hot path costs, and the open loop: how late it is at 1,000 requests/s, and what 5,000 requests/s over 5,000
connections and 10,000 idle connections cost. Then truths: a stall's percentiles, latency beside h2load's, planted and absent differences.
Where a goal was set, it is said whether it was met; nothing fails for it.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from loadtests.benchmarks import peers, truth
from loadtests.benchmarks.setting import ROOT, Setting, engine, nginx_up, pinned

PARTS = ("peers", "profile", "open", "idle", "latency", "stall", "duets", "memory", "memory-open")
WHOLE = PARTS[:7]
"""What runs unless it is chosen: all that takes minutes."""
TIMES = {"wrk": 0.5, "k6": 3.0, "FastHttpUser": 10.0}
"""How many times another generator's rate ours is to be, at least."""
LATE_P50_MS, MOST_SHARE = 0.2, 0.4
IDLE = 10_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default=",".join(WHOLE), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--planted", type=int, default=2, help="duets with a planted difference")
    parser.add_argument("--equal", type=int, default=4, help="duets of equal servers")
    parser.add_argument("--duet-seconds", type=float, default=30.0)
    parser.add_argument("--slower", type=float, default=0.08)
    parser.add_argument("--memory-seconds", type=float, default=600.0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    parts = options.only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--only: unknown part {unknown[0]!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as name, nginx_up(options.nginx, Path(name)) as setting:
        if "peers" in parts:
            compare(setting, options.rounds, options.seconds)
        if "profile" in parts:
            hot_path(setting)
        if "open" in parts:
            open_loop(setting, options.rounds, options.seconds)
        if "idle" in parts:
            idle(setting, options.rounds)
        if "latency" in parts:
            truth.agreement(setting, options.rounds)
        if "stall" in parts:
            truth.stall(setting)
        if "duets" in parts:
            truth.duets(
                setting,
                equal=options.equal,
                planted=options.planted,
                seconds=options.duet_seconds,
                slower=options.slower,
            )
        if "memory" in parts:
            truth.memory(setting, options.memory_seconds)
        if "memory-open" in parts:
            # So few are kept one by one that all but the first tenth of the time shows what the rest takes.
            keep = int(500 * options.memory_seconds)
            truth.memory(
                setting, options.memory_seconds, 5000, mode="open", rate_rps=5000.0, warmup_s=2.0, keep_requests=keep
            )


def _end(number: int, _frame: FrameType | None) -> None:
    """Through all `finally` clauses: servers are children, and would stay."""
    raise SystemExit(128 + number)


def compare(setting: Setting, rounds: int, seconds: float) -> None:
    """All generators in turn."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        rates = {
            "engine": engine(setting, seconds)["rps"],
            "wrk": peers.wrk(setting, seconds),
            "k6": peers.k6(setting, seconds),
            "FastHttpUser": peers.locust_user("FastHttpUser", setting, seconds),
            "HttpUser": peers.locust_user("HttpUser", setting, seconds),
        }
        for name, rate in rates.items():
            if rate is not None:
                found.setdefault(name, []).append(rate)
    ours = statistics.median(found["engine"])
    print(f"{'generator':<14} {'median/s':>10} {'least':>10} {'most':>10}  engine is x times")
    for name, kept in found.items():
        middle = statistics.median(kept)
        times = ours / middle
        goal = f"  goal: {TIMES[name]:g}, {said(times >= TIMES[name])}" if name in TIMES else ""
        print(f"{name:<14} {middle:>10,.0f} {min(kept):>10,.0f} {max(kept):>10,.0f}  {times:.2f}{goal}", flush=True)


def hot_path(setting: Setting) -> None:
    """In a process of its own, where nothing else is."""
    for keep in ("2000000", "1"):
        print("kept one by one:" if keep != "1" else "beyond what is kept:", flush=True)
        argv = [sys.executable, "-m", "loadtests.benchmarks.hot_path", f"--port={setting.port}", f"--keep={keep}"]
        subprocess.run(pinned(argv, setting.load_cpus), cwd=ROOT, check=True)


def open_loop(setting: Setting, rounds: int, seconds: float) -> None:
    """Lateness, and the cost of many connections."""
    late = [engine(setting, seconds, mode="open", rate_rps=1000.0)["late_ms"] for _ in range(rounds)]
    p50, p99 = (statistics.median(one[name] for one in late) for name in ("p50", "p99"))
    print(
        f"open loop, 1,000/s: handed out late by p50 {p50:.3f} ms, p99 {p99:.3f} ms; "
        f"goal: p50 below {LATE_P50_MS} ms, {said(p50 < LATE_P50_MS)}", flush=True
    )  # fmt: skip
    shares, errors = [], 0
    for _ in range(rounds):
        many = engine(setting, 2 * seconds, 5000, mode="open", rate_rps=5000.0, warmup_s=2.0)
        shares.append(many["generator_cpu"])
        errors += sum(many["errors"].values())
    share = statistics.median(shares)
    print(
        f"open loop, 5,000/s over 5,000 connections: {share:.0%} of a CPU ({min(shares):.0%} to {max(shares):.0%}), {errors} errors; "
        f"goal: below {MOST_SHARE:.0%}, {said(share < MOST_SHARE)}", flush=True
    )  # fmt: skip


def idle(setting: Setting, rounds: int) -> None:
    """Probes at 200 requests/s, alone and beside idle connections."""
    crowd = {"kind": "idle", "count": IDLE, "path": "/"}
    for name, beside in (("alone", None), (f"beside {IDLE:,} idle connections", crowd)):
        found = [engine(setting, 5.0, 8, mode="open", rate_rps=200.0, beside=beside) for _ in range(rounds)]
        p50, p99 = (statistics.median(one["latency_ms"][key] for one in found) for key in ("p50", "p99"))
        share = statistics.median(one["generator_cpu"] for one in found)
        held = f", {min(one['beside']['held'] for one in found):,} or more held" if beside else ""
        errors = sum(sum(one["errors"].values()) for one in found)
        print(
            f"200/s {name}: p50 {p50:.3f} ms, p99 {p99:.3f} ms, {share:.1%} of a CPU, {errors} errors{held}", flush=True
        )


def said(met: bool) -> str:
    """For the reader."""
    return "met" if met else "NOT met"


if __name__ == "__main__":
    main()
