"""`bench load`: one server, in a closed loop (capacity) or an open one (latency at a rate)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.model import BenchError
from bench.session import Session
from bench.solo.engine import measure
from bench.solo.place import parse, reach
from bench.trial import BUSY

PERCENTILES = ("p50", "p90", "p99", "p99_9", "max")
REACHED = 0.98
"""The share of the rate asked for below which it counts as not reached."""


def load(
    url: str, *, connections: int, rate_rps: float | None, seconds: float, unix: Path | None, timeout_s: float, allowed: Collection[str],
) -> dict[str, Any]:  # fmt: skip
    """Load `url` and return what `--json` prints. Raises BenchError."""
    for name, value in (
        ("--connections", connections),
        ("--rate", rate_rps),
        ("--seconds", seconds),
        ("--timeout", timeout_s),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise BenchError(f"{name} must be above 0, got {value}")
    place = parse(url, unix=unix, allowed=allowed)
    reach(place)
    with Session() as session:
        result = measure(
            session, [place], mode="closed" if rate_rps is None else "open", connections=connections, seconds=seconds,
            timeout_s=timeout_s, rate_rps=rate_rps,
        )  # fmt: skip
    return summary(result["targets"][0])


def summary(answer: dict[str, Any]) -> dict[str, Any]:
    """The keys of `bench load --json`. Latency is null throughout in a closed loop, which hides stalls."""
    latency = answer["latency_ms"] or {}
    kept = {key: answer[key] for key in ("requests", "seconds", "rps", "offered_rps", "errors")}
    busy = answer["generator_cpu"]
    return {
        **kept, "latency_ms": {key: latency.get(key) for key in PERCENTILES}, "generator_cpu": busy,
        "generator_bound": busy is not None and busy > BUSY,
    }  # fmt: skip


def text(url: str, found: dict[str, Any]) -> str:
    """For a person; within 80 columns, but for the URL."""
    lines = [url, f"  {found['rps'] or 0:,.1f} requests/s: {found['requests']:,} answered in {found['seconds']:.2f} s"]
    errors = ", ".join(f"{count:,} x {kind}" for kind, count in found["errors"].items())
    lines.append(f"  failed: {errors or 'none'}")
    offered = found["offered_rps"]
    if offered is None:
        lines.append("  latency: not read, since a closed loop hides stalls; --rate R reads it")
    else:
        shown = [f"{key.replace('_', '.')} {_ms(found['latency_ms'][key])}" for key in PERCENTILES]
        lines.append(f"  latency in ms, from when each was due:\n    {'  '.join(shown)}")
        if (found["rps"] or 0) < REACHED * offered:
            lines.append(f"  {offered:,.1f}/s were offered and could not be reached: the latency is a queue's")
    if found["generator_cpu"] is not None:
        lines.append(f"  the generator used {found['generator_cpu']:.0%} of a CPU")
    if found["generator_bound"]:
        lines.append("  generator-bound: the server may be faster than this figure")
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
