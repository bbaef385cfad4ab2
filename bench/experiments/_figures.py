"""From the trials of one deployment, measured just now or read from a run over the matrix, to the figures of an arm."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.lab import Found, Loaded

BOUND = frozenset({"generator-bound", "database-bound"})
"""Flags of a trial whose rate is a lower bound, and not the stack's own."""


def figures(trials: Iterable[Mapping[str, Any]], loaded: Loaded | None) -> Found:
    """The figures of one deployment from its trials."""
    found: dict[str, float | None] = {}
    flags: dict[str, None] = {}
    memory: int | None = None
    used: Mapping[str, float | None] | None = None
    pss: Mapping[str, int | None] | None = None
    for one in trials:
        flags.update(dict.fromkeys(one["flags"]))
        name = one["scenario"]
        if one["view"] == "latency":
            latency = one["latency_ms"] or {}
            found |= {f"{name}_p50_ms": latency.get("p50"), f"{name}_p99_ms": latency.get("p99")}
        if one["view"] != "capacity":
            continue
        used, pss = one["cpu_s"], one["pss_bytes"]
        failed, tried = sum((one["errors"] or {}).values()), one["requests"] + sum((one["errors"] or {}).values())
        found |= {
            f"{name}_rps": one["rps"], f"{name}_cpu_ms": _cpu_ms(one, "app", "front"), f"{name}_front_cpu_ms": _cpu_ms(one, "front"),
            f"{name}_error_share": failed / tried if tried else None, f"{name}_error_share_of": tried,
            f"{name}_database_connections": one["database_connections"],
            f"{name}_bounded": float(not BOUND.isdisjoint(one["flags"])),
            f"{name}_connects_per_request": _each(one["connects"], one["window_requests"]),
        }  # fmt: skip
        sizes = [size for size in (pss or {}).values() if size is not None]
        memory = max(memory or 0, sum(sizes)) if sizes else memory
    return Found(
        metrics={**found, "pss_bytes": memory}, flags=list(flags), cpu_s=used, pss_bytes=pss,
        requests=loaded.requests if loaded else None,
    )  # fmt: skip


def _cpu_ms(one: Mapping[str, Any], *roles: str) -> float | None:
    """CPU time of a request; None where it is not known, or there is no such role. A stack has the roles that it has memory of."""
    used, there = one["cpu_s"] or {}, one["pss_bytes"] or {}
    spent = [used.get(role) for role in roles if used.get(role) is not None or role in there]
    known = [seconds for seconds in spent if seconds is not None]
    return _each(1000 * sum(known), one["window_requests"]) if known and len(known) == len(spent) else None


def _each(amount: float | None, requests: int | None) -> float | None:
    return amount / requests if amount is not None and requests else None
