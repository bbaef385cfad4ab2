"""`bench load`: one server, in a closed loop (capacity) or an open one (latency at a rate)."""

import math
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.model import BenchError
from bench.session import Session
from bench.solo import beside as others
from bench.solo.engine import measure, tried
from bench.solo.generators import Generators, choose
from bench.solo.place import parse, reach
from bench.trial import BUSY

PERCENTILES = ("p50", "p90", "p99", "p99_9", "max")
_STAGE = re.compile(r"(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?x(\d+(?:\.\d+)?)s?")
DEFAULT = 64
"""Connections of an open loop, which needs one for each request in flight, and of users who think."""
SAID = 3
"""So many of the problems are told in text; JSON has up to ten and more."""
REACHED = 0.98
"""The share of the rate asked for below which it counts as not reached."""


def load(
    url: str, *, connections: int | None, rate_rps: float | None, seconds: float, unix: Path | None, timeout_s: float,
    allowed: Collection[str], arrivals: str = "poisson", think_s: float = 0.0,
    rate_stages: str | None = None, connection_stages: str | None = None, beside: Mapping[str, Any] | None = None,
    generators: Generators | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Load `url` and return what `--json` prints. Without `connections` a closed loop tries how many it takes.

    Ctrl-C while it measures ends it early. Stages: see `parse_stages`. `beside`: what `beside.parse` takes, `text` and the options.
    Without `generators` one process loads. Raises BenchError.
    """
    for name, value in (
        ("--connections", connections),
        ("--rate", rate_rps),
        ("--seconds", seconds),
        ("--timeout", timeout_s),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise BenchError(f"{name} must be above 0, got {value}")
    stages = _stages(rate_rps=rate_rps, rate_stages=rate_stages, connection_stages=connection_stages, think_s=think_s)
    if arrivals not in ("constant", "poisson"):
        raise BenchError(f"--arrivals must be constant or poisson, got '{arrivals}'")
    if stages:
        seconds = sum(stage[0] for stage in stages)
    if connection_stages is not None:
        connections = math.ceil(max(max(stage[1:]) for stage in stages))
    place = parse(url, unix=unix, allowed=allowed)
    options = dict(beside or {})
    crowd = others.parse(
        options.pop("text", None),
        path=options.pop("path", None) or place.path,
        method=options.pop("method", None),
        **options,
    )
    reach(place)
    generators = generators or choose(None)
    is_open = rate_rps is not None or rate_stages is not None
    with Session() as session:
        if connections is None:
            connections = (
                DEFAULT
                if is_open or think_s
                else tried(session, [place], timeout_s=timeout_s, generators=generators)[0]
            )
        result = measure(
            session, [place], mode="open" if is_open else "closed", connections=connections, seconds=seconds,
            timeout_s=timeout_s, rate_rps=rate_rps, arrivals="constant" if arrivals == "constant" else "poisson", think_s=think_s,
            stages=stages, beside=crowd, generators=generators, keep=True,
        )  # fmt: skip
    return summary(result["targets"][0], result.get("beside"), result["workers"], stopped=result["stopped"])


def parse_stages(option: str, text: str) -> list[tuple[float, float, float]]:
    """(seconds, start, end) of each part of `100x5,100..500x10`: 5 s at 100, then up to 500 within 10 s. Raises BenchError."""
    found = []
    for part in text.replace(" ", "").split(","):
        match = _STAGE.fullmatch(part)
        if match is None:
            raise BenchError(
                f"{option}: '{part}': expected VALUExSECONDS or FROM..TOxSECONDS, such as 100x5 or 100..500x10"
            )
        start, end, seconds = (float(value or match[1]) for value in match.groups())
        if not seconds or not (start or end):
            raise BenchError(f"{option}: '{part}': both the time and some value must be above 0")
        found.append((seconds, start, end))
    return found


def _stages(
    *, rate_rps: float | None, rate_stages: str | None, connection_stages: str | None, think_s: float
) -> list[tuple[float, float, float]]:
    if sum(one is not None for one in (rate_rps, rate_stages, connection_stages)) > 1:
        raise BenchError("give one of --rate, --rate-stages and --connection-stages")
    if not 0 <= think_s < float("inf"):
        raise BenchError(f"--think-ms must not be negative, got {think_s * 1000:g}")
    if think_s and (rate_rps is not None or rate_stages is not None):
        raise BenchError("--think-ms is for the closed loop; an open loop's requests come when they are due")
    if rate_stages is not None:
        return parse_stages("--rate-stages", rate_stages)
    return parse_stages("--connection-stages", connection_stages) if connection_stages is not None else []


def summary(
    answer: dict[str, Any], beside: dict[str, Any] | None, workers: Sequence[dict[str, Any]] | None = None, *, stopped: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The keys of `bench load --json`. Latency is null throughout in a closed loop, which hides stalls."""
    latency = answer["latency_ms"] or {}
    kept = {key: answer[key] for key in ("requests", "seconds", "rps", "offered_rps", "errors")}
    busy = answer["generator_cpu"]
    return {
        **kept, "latency_ms": {key: latency.get(key) for key in PERCENTILES}, "generator_cpu": busy,
        "generator_bound": busy is not None and busy > BUSY, "late": answer["late"], "stages": answer["stages"],
        "connections": answer["connections"], "problems": answer["problems"], "beside": beside,
        "workers": [_worker(one) for one in workers] if workers else None, "stopped": stopped, "unanswered": answer["unanswered"],
    }  # fmt: skip


def _worker(told: dict[str, Any]) -> dict[str, Any]:
    """One of several load processes, as `--json` has it."""
    (own,) = told["targets"]
    kept = {key: told[key] for key in ("number", "host", "cpus", "loop_lag_ms", "clock", "missed_starts")}
    return {**kept, **{key: own[key] for key in ("connections", "requests", "generator_cpu", "late_ms")}}


def text(url: str, found: dict[str, Any]) -> str:
    """For a person; within 80 columns, but for the URL."""
    lines = [url, f"  {found['rps'] or 0:,.1f} requests/s: {found['requests']:,} answered in {found['seconds']:.2f} s"]
    if found["stopped"]:
        lines.append("  stopped early: this is what had been measured until then")
        if found["unanswered"]:
            lines.append(f"  {found['unanswered']:,} that were due by then had no answer yet: no latency has them")
    errors = ", ".join(f"{count:,} x {kind}" for kind, count in found["errors"].items())
    lines.append(f"  failed: {errors or 'none'}")
    lines += problems(found["problems"])
    lines.append(f"  over {found['connections']} connections")
    offered = found["offered_rps"]
    if offered is None:
        lines.append("  latency: not read, since a closed loop hides stalls; --rate R reads it")
    else:
        shown = [f"{key.replace('_', '.')} {_ms(found['latency_ms'][key])}" for key in PERCENTILES]
        lines.append(f"  latency in ms, from when each was due:\n    {'  '.join(shown)}")
        if (found["rps"] or 0) < REACHED * offered:
            queue = ": the latency is a queue's" if _queued(found) else ""
            lines.append(f"  {offered:,.1f}/s were offered, {found['rps'] or 0:,.1f}/s reached{queue}")
        if found["late"]:
            lines.append(f"  the generator itself was late: more than a tenth of {', '.join(found['late'])}")
    if found["beside"]:
        lines += others.text(found["beside"])
    lines += [_stage(stage) for stage in found["stages"] or ()]
    if found["generator_cpu"] is not None:
        busiest = "the busiest of several load processes" if found["workers"] else "the generator"
        lines.append(f"  {busiest} used {found['generator_cpu']:.0%} of a CPU")
    lines += [_worker_line(one) for one in found["workers"] or ()]
    if found["generator_bound"]:
        lines.append("  generator-bound: the server may be faster than this figure")
    return "\n".join(lines)


def problems(said: Sequence[str]) -> list[str]:
    """What was wrong, in words, a line each."""
    return ["    " + textwrap.shorten(problem, 76, placeholder=" ...") for problem in said[:SAID]]


def _queued(found: dict[str, Any]) -> bool:
    """Whether what is missing of the rate came late or not in time, rather than wrong."""
    wrong = sum(count for kind, count in found["errors"].items() if kind != "timeout")
    return bool(wrong <= (1 - REACHED) * (found["requests"] + sum(found["errors"].values())))


def _worker_line(worker: dict[str, Any]) -> str:
    requests = "-" if worker["requests"] is None else f"{worker['requests']:,}"
    share = "-" if worker["generator_cpu"] is None else f"{worker['generator_cpu']:.0%}"
    clock = worker["clock"]
    wrong = f", clock within {clock['within_ms']:.2f} ms" if clock else ""
    missed = f", {worker['missed_starts']} late starts" if worker["missed_starts"] else ""
    return f"    worker {worker['number']}: {requests} requests, {share} of a CPU{wrong}{missed}"


def _stage(stage: dict[str, Any]) -> str:
    """One line: what was asked for, what was answered within it."""
    asked = f"{stage['start']:g}" if stage["start"] == stage["end"] else f"{stage['start']:g} to {stage['end']:g}"
    latency = stage["latency_ms"] or {}
    shown = "".join(f"  {key} {_ms(latency[key])}" for key in ("p50", "p99") if latency)
    failed = sum(stage["errors"].values())
    if stage["rps"] is None:
        return f"  {asked} for {stage['seconds']:g} s: not reached"
    cut = f" (stopped after {stage['lasted_s']:.1f} s)" if stage["lasted_s"] < stage["seconds"] - 1e-6 else ""
    return f"  {asked} for {stage['seconds']:g} s{cut}: {stage['rps']:,.1f}/s{shown}" + (
        f"  failed {failed:,}" if failed else ""
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
