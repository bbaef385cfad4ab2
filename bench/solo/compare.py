"""`bench duet`: servers that run at the same time, loaded in turn in short slices, and how they compare."""

import itertools
import math
import statistics
from collections.abc import Collection, Sequence
from typing import Any

from bench import student
from bench.model import BenchError
from bench.session import Session
from bench.solo import starting
from bench.solo.engine import measure, tried
from bench.solo.generators import Generators, choose
from bench.solo.place import parse, reach
from bench.solo.single import problems

CONFIDENCE = 0.95
STARTS = 6
"""How often `--start` starts every program afresh: fewer replicates make no interval worth the name."""


def duet(
    urls: Sequence[str], *, connections: int | None, seconds: float, slice_ms: float, timeout_s: float, margin: float,
    allowed: Collection[str], commands: Sequence[str] = (), generators: Generators | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Compare `urls` and return what `--json` prints. `seconds` is the time of load, all servers together; Ctrl-C ends it early.

    Without `connections` it tries how many the servers take, first. With `commands`, starts that were completed count also where a later
    one was interrupted or failed. Raises BenchError.
    """
    for name, value in (
        ("--connections", connections),
        ("--seconds", seconds),
        ("--slice-ms", slice_ms),
        ("--timeout", timeout_s),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise BenchError(f"{name} must be above 0, got {value}")
    if not 2 <= len(urls) <= 26:
        raise BenchError("name from 2 to 26 URLs; `bench load` takes one")
    if not 0 <= margin < 1:
        raise BenchError(f"--margin must be from 0% to below 100%, got {margin:.4g}")
    if commands and len(commands) != len(urls):
        raise BenchError(f"give --start once for each URL: {len(urls)} URLs, {len(commands)} commands")
    places = [parse(url, allowed=allowed) for url in urls]
    per_place_s = seconds / len(urls) / (STARTS if commands else 1)
    if per_place_s < 12 * slice_ms / 1000:
        raise BenchError(
            f"--seconds {seconds:g} leaves fewer than 12 slices for each server; give more, or --slice-ms less"
        )
    results: list[dict[str, Any]] = []
    generators = generators or choose(None)
    stopped, failure = False, None
    with Session() as session:
        try:
            for number in range(STARTS if commands else 1):
                with starting.up(session, places, commands):
                    for place in places:
                        reach(place)
                    if connections is None:  # tried once, and then the same for every start
                        connections, _ = tried(session, places, timeout_s=timeout_s, generators=generators)
                    # A start that is cut short is no replicate: of several it is left out as a whole.
                    result = measure(
                        session, places, mode="duet", connections=connections, seconds=per_place_s, timeout_s=timeout_s,
                        slice_s=slice_ms / 1000, seed=number, generators=generators, keep=not commands,
                    )  # fmt: skip
                results.append(result)
        except (KeyboardInterrupt, BenchError) as error:
            if not results:
                raise
            stopped = isinstance(error, KeyboardInterrupt)
            failure = None if stopped else str(error)
    found = summary(list(urls), results, margin, started=bool(commands))
    return {**found, "stopped": found["stopped"] or stopped, "failure": failure}


def summary(
    urls: list[str], results: Sequence[dict[str, Any]], margin: float, *, started: bool = False
) -> dict[str, Any]:
    """The keys of `bench duet --json` but `failure`, from the engine's results: one, or, with `started`, one for each start."""
    columns = [[result["targets"][number] for result in results] for number in range(len(urls))]
    # The replicate is a fresh start where there are several; else a stretch of the run, long against what neighbours share.
    parts = [
        []
        if any(answer["left_out"] for answer in column)
        else [part for answer in column for part in ([answer] if started else answer["parts"])]
        for column in columns
    ]
    pairs = list(itertools.combinations(range(len(urls)), 2))
    total_s = [sum(answer["seconds"] for answer in column) for column in columns]
    requests = [sum(answer["requests"] for answer in column) for column in columns]
    targets = [
        {
            "url": url,
            "rps": count / time_s if time_s else None,
            "requests": count,
            "errors": _added(column),
            "left_out": any(answer["left_out"] for answer in column),
            "problems": list(dict.fromkeys(problem for answer in column for problem in answer["problems"])),
        }
        for url, count, time_s, column in zip(urls, requests, total_s, columns, strict=True)
    ]
    ratios = [
        {"a": urls[a], "b": urls[b], **ratio(parts[a], parts[b], margin=margin, comparisons=len(pairs))}
        for a, b in pairs
    ]
    return {
        "targets": targets, "ratios": ratios, "stopped": any(result["stopped"] for result in results),
        "connections": columns[0][0]["connections"], "margin": margin, "seconds": sum(total_s),
        "slices": sum(answer["slices"] for column in columns for answer in column), "starts": len(results) if started else None,
    }  # fmt: skip


def ratio(first: Sequence[Any], second: Sequence[Any], *, margin: float, comparisons: int = 1) -> dict[str, Any]:
    """a's rate over b's, with an interval: Student's t on the replicates' log ratios, all comparisons together at 95% (Bonferroni).

    Null where a replicate of either has no right answer, or they do not belong to each other in pairs.
    """
    usable = all(part["requests"] and part["seconds"] for part in (*first, *second))
    if not usable or not 2 <= len(first) == len(second):
        return {"ratio": None, "low": None, "high": None, "resolved": False}
    logs = [
        math.log(a["requests"] / a["seconds"]) - math.log(b["requests"] / b["seconds"])
        for a, b in zip(first, second, strict=True)
    ]
    middle = statistics.fmean(logs)
    reach_ = student.quantile(1 - (1 - CONFIDENCE) / (2 * comparisons), len(logs) - 1)
    half = reach_ * statistics.stdev(logs) / math.sqrt(len(logs))
    low, high = math.exp(middle - half), math.exp(middle + half)
    return {
        "ratio": math.exp(middle), "low": low, "high": high, "resolved": low > 1 + margin or high < 1 / (1 + margin),
    }  # fmt: skip


def text(found: dict[str, Any], *, started: bool) -> str:
    """For a person; within 80 columns, but for URLs."""
    lines = []
    letters = [chr(ord("A") + number) for number in range(len(found["targets"]))]
    for letter, target in zip(letters, found["targets"], strict=True):
        errors = ", ".join(f"{count:,} x {kind}" for kind, count in target["errors"].items())
        lines += [
            f"{letter}  {target['rps'] or 0:>12,.1f} requests/s  failed: {errors or 'none'}",
            f"   {target['url']}",
            *problems(target["problems"]),
        ]
    for (a, b), pair in zip(itertools.combinations(letters, 2), found["ratios"], strict=True):
        verdict = _why_none(a, b, found)
        if pair["ratio"] is not None:
            verdict = f"{pair['ratio']:.4f}  95% interval {pair['low']:.4f} to {pair['high']:.4f}  "
            verdict += "resolved" if pair["resolved"] else "not resolved"
        lines.append(f"{a} / {b}  {verdict}")
    if found["stopped"]:
        lines.append(f"Stopped early, after {found['seconds']:.1f} s of slices.")
    if found["failure"]:
        lines += ["Ended early, since a later start failed:", *problems([found["failure"]])]
    lines.append(f"{found['connections']} connections to each.")
    lines.append(f"Resolved: the whole interval is beyond 1 by more than {found['margin']:.1%}.")
    if started and found["starts"] < STARTS:
        lines.append(f"Only {found['starts']} of {STARTS} fresh starts of each program were completed; these count.")
    elif started:
        lines.append(f"Each program was started afresh {STARTS} times: this speaks of the programs, here.")
    else:
        lines.append("This speaks of these running processes only: two copies of one program differ")
        lines.append("by 1 to 2%. With --start 'CMD' for each URL it would speak of the programs.")
    return "\n".join(lines)


def _why_none(a: str, b: str, found: dict[str, Any]) -> str:
    none = [letter for letter in (a, b) if not found["targets"][ord(letter) - ord("A")]["requests"]]
    if none:
        return f"no ratio: {' and '.join(none)} gave no right answer"
    out = [letter for letter in (a, b) if found["targets"][ord(letter) - ord("A")]["left_out"]]
    if out:
        return f"no ratio: {' and '.join(out)} left out"
    if found["starts"] == 1:
        return "no ratio: it takes two completed starts"
    if found["stopped"]:
        return "no ratio: too short a time"
    return "no ratio: some part of the run has no right answer; longer --slice-ms?"


def _added(column: Sequence[dict[str, Any]]) -> dict[str, int]:
    added: dict[str, int] = {}
    for answer in column:
        for kind, count in answer["errors"].items():
            added[kind] = added.get(kind, 0) + count
    return added
