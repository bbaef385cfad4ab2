"""The engine against other generators, and against known truths: `make bench-engine`.

All load nginx with a constant, 64 connections; nginx has one CPU, the generator another. They take turns, and medians are compared. Then
the open loop: how late it is at 1,000 requests/s, and what 5,000 requests/s over 5,000 connections cost. Then truths: a stall's
percentiles, latency beside h2load's, planted and absent differences.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from loadtests.benchmarks import peers, truth
from loadtests.benchmarks.setting import Setting, engine, nginx_up

PARTS = ("peers", "open", "latency", "stall", "duets", "memory", "memory-open")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="peers,open,latency,stall,duets", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--planted", type=int, default=2, help="duets with a planted difference")
    parser.add_argument("--equal", type=int, default=4, help="duets of equal servers")
    parser.add_argument("--duet-seconds", type=float, default=30.0)
    parser.add_argument("--slower", type=float, default=0.08)
    parser.add_argument("--memory-seconds", type=float, default=600.0)
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--only: unknown part {unknown[0]!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as name, nginx_up(options.nginx, Path(name)) as setting:
        if "peers" in parts:
            compare(setting, options.rounds, options.seconds)
        if "open" in parts:
            open_loop(setting, options.rounds, options.seconds)
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
        print(f"{name:<14} {middle:>10,.0f} {min(kept):>10,.0f} {max(kept):>10,.0f}  {ours / middle:.2f}", flush=True)


def open_loop(setting: Setting, rounds: int, seconds: float) -> None:
    """Lateness, and the cost of many connections."""
    late = [engine(setting, seconds, mode="open", rate_rps=1000.0)["late_ms"] for _ in range(rounds)]
    p50, p99 = (statistics.median(one[name] for one in late) for name in ("p50", "p99"))
    print(f"open loop, 1,000/s: handed out late by p50 {p50:.3f} ms, p99 {p99:.3f} ms", flush=True)
    shares, errors = [], 0
    for _ in range(rounds):
        many = engine(setting, 2 * seconds, 5000, mode="open", rate_rps=5000.0, warmup_s=2.0)
        shares.append(many["generator_cpu"])
        errors += sum(many["errors"].values())
    print(
        f"open loop, 5,000/s over 5,000 connections: {statistics.median(shares):.0%} of a CPU "
        f"({min(shares):.0%} to {max(shares):.0%}), {errors} errors", flush=True
    )  # fmt: skip


if __name__ == "__main__":
    main()
