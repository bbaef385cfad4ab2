"""One trial's record: what was measured of one deployment in one scenario, or why nothing was. Keys: docs/results.md."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bench.deployment import Deployment
from bench.model import Budget, Failed, Skipped
from bench.plan import Cell, Plan

BUSY = 0.85
"""The share of a CPU above which the generator's own speed, or the database's, may be what was measured."""

UNBALANCED = 0.2
"""Workers further than this from an equal share of the work are named: the stack is not what its worker count says."""

ENOUGH_EACH = 100
"""Requests for each worker: with fewer, chance alone makes shares that unequal."""

CEILING_SHARE = 0.7
"""Of what the generator gets out of the null server in the same slices: above it, its own speed may be what was measured."""


def identity(plan: Plan, cell: Cell, deployment_id: str, stack_id: str, copy: int) -> dict[str, Any]:
    """The keys that name a trial."""
    slug = stack_id.replace("/", "--")
    return {
        "trial_id": f"{cell.name}-{slug}-{copy}", "cell": cell.name, "deployment_id": deployment_id,
        "block": cell.block, "group": cell.group, "copy": copy, "stack": stack_id,
        "scenario": cell.scenario.name, "view": cell.view, "mode": plan.mode,
        "parameters": dict(cell.scenario.parameters),
    }  # fmt: skip


def unit(
    records: Sequence[Mapping[str, Any]], *, part: int, hashes: Mapping[str, Any] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The records of one cell, each with how many they are, so that a cell that was cut off is known as one, and what it was made with.

    `hashes`: see `bench.provenance`.
    """
    return [
        {**one, "part": part, "cell_trials": len(records), "hashes": _hashes(one, hashes) if hashes else None}
        for one in records
    ]


def _hashes(record: Mapping[str, Any], of: Mapping[str, Any]) -> dict[str, Any]:
    """Of the files that this trial depends on: a record says by itself what it belongs to."""
    stack = (of.get("stacks") or {}).get(record["stack"]) or {}
    return {
        "contract": of.get("contract"), "suite": of.get("suite"), "scenario": (of.get("scenarios") or {}).get(record["scenario"]),
        **{part: stack.get(part) for part in ("app", "server", "front", "environment")},
    }  # fmt: skip


_FIGURES = """
    reason log_tail started offset_s connections seconds requests errors bytes rps slices slice_s offered_rps latency_ms late_ms
    late ceiling_rps steps problems
    window_requests cpu_s idle_cpu generator_cpu pss_bytes processes host worker_shares restarts database_connections connects
    context_switches open_files startup_s
"""
_OPTIONAL = ("slices", "latency_ms", "late_ms", "steps", "problems", "connects")
LEAD = 0.2
"""The share of a slice that is loaded and not counted: `loadtests.job.Job.lead`."""
ONE_CPU_EACH = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({2}))
EMPTY: Mapping[str, Any] = dict.fromkeys(_FIGURES.split())
"""What was not measured is null: never 0, never -1, never absent."""


def without_figures(named: Mapping[str, Any], why: Failed | Skipped, *, offset_s: float) -> dict[str, Any]:
    """The record of a trial that failed or was skipped."""
    failed = isinstance(why, Failed)
    return {
        **named, **EMPTY, "status": "failed" if failed else "skipped", "reason": why.reason, "flags": [],
        "log_tail": why.log_tail if isinstance(why, Failed) else None, "offset_s": round(offset_s, 3),
    }  # fmt: skip


def measured(
    named: Mapping[str, Any], deployment: Deployment, answer: Mapping[str, Any], *, accounts: Mapping[str, Any],
    generator: Mapping[str, Any], slice_s: float | None, rate_rps: float | None, started: str, offset_s: float,
    ceiling_rps: float | None = None, budget: Budget = ONE_CPU_EACH, is_even: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """The record of a trial from the generator's answer for its target and the accounts kept beside it.

    Without one correct answer, or where it was left out, it is a failed trial: there is no rate to state. Errors beside correct answers are
    kept and flagged. `is_even`: see `Scenario`; without it shares of the workers are kept, and not judged.
    """
    kept = {
        key: answer[key] for key in ("requests", "errors", "bytes", "seconds", "rps", "connections", "window_requests")
    }
    kept |= answer.get("batches") or {}
    loaded_s = answer["seconds"] / (1 - LEAD if slice_s else 1)
    record = {
        **named, **EMPTY, "status": "measured", "started": started, "offset_s": round(offset_s, 3), "slice_s": slice_s,
        "offered_rps": rate_rps,
        **kept, **{key: answer.get(key) for key in _OPTIONAL}, "late": answer.get("late_moved"), **accounts,
        "generator_cpu": answer.get("generator_cpu", generator.get("cpu_share")), "ceiling_rps": ceiling_rps,
        "flags": _flags(answer, generator, accounts, ceiling_rps, loaded_s=loaded_s, budget=budget, is_even=is_even),
    }  # fmt: skip
    if answer["requests"] == 0:
        kinds = ", ".join(f"{count} x {kind}" for kind, count in answer["errors"].items()) or "none was tried"
        first = next(iter(answer.get("problems") or ()), "")
        record |= {
            "status": "failed",
            "reason": f"no request was answered correctly: {kinds}" + (f"; {first}" if first else ""),
            "rps": None,
            "latency_ms": None,
        }
    elif kept["rps"] is None:
        count, connections = answer["requests"], answer["connections"]
        record |= {
            "status": "skipped", "flags": [], "seconds": None,
            "reason": f"{count} answers in {answer['seconds']:.3g} s to {connections} connections: too few turns to tell a rate from",
        }  # fmt: skip
    elif answer.get("left_out"):
        record |= {
            "status": "failed",
            "reason": f"given up after {answer['requests']} requests; {next(iter(answer['problems']), '')}",
            "rps": None,
        }
    return record


def _flags(
    answer: Mapping[str, Any], generator: Mapping[str, Any], accounts: Mapping[str, Any], ceiling_rps: float | None, *,
    loaded_s: float, budget: Budget, is_even: bool,
) -> list[str]:  # fmt: skip
    flags = []
    share = answer.get("generator_cpu", generator.get("cpu_share"))
    near = bool(ceiling_rps and answer["rps"] and answer["rps"] > CEILING_SHARE * ceiling_rps)
    if near or (share is not None and share > BUSY):
        flags.append("generator-bound")
    if answer.get("late_moved"):
        flags.append("generator-late")
    database_s = (accounts.get("cpu_s") or {}).get("database")
    if database_s and loaded_s and _is_full(database_s / loaded_s, share or 0.0, budget):
        flags.append("database-bound")
    if sum(answer["errors"].values()):
        flags.append("errors")
    if accounts.get("restarts"):
        flags.append("restarted")
    shares = accounts.get("worker_shares") or []
    if is_even and answer["window_requests"] >= ENOUGH_EACH * len(shares) and imbalance(shares) > UNBALANCED:
        flags.append("unbalanced")
    return flags


def _is_full(database: float, generator: float, budget: Budget) -> bool:
    """Whether the database's CPUs are, by its own share of one CPU and, where it shares them with the generator, by both together."""
    if database > BUSY * len(budget.database_cpus):
        return True
    both = budget.database_cpus | budget.load_cpus
    return bool(budget.database_cpus & budget.load_cpus) and database + generator > BUSY * len(both)


def imbalance(shares: Sequence[float]) -> float:
    """How far the worker furthest from an equal share is from it, as a part of that share: 0 where all do the same."""
    return max((abs(share * len(shares) - 1) for share in shares), default=0.0)
