"""What `run.json` says of a run: the machine, the plan, and what was observed to run."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from bench import estimate, pace
from bench.database import masked, observe
from bench.deployment import Deployment, application_name
from bench.launch import Tools
from bench.machine import describe, find_nginx
from bench.model import BenchError, Budget
from bench.plan import CONNECTIONS, Plan, PlannedStack
from bench.service import Database


def header(plan: Plan, command: str, hashes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`run.json` of a matrix as it stands before anything was started. `hashes`: see `bench.provenance`."""
    return {
        **common("matrix", plan.profile.name, budget=plan.budget, seed=plan.seed, mode=plan.mode, command=command, hashes=hashes),
        "plan": {
            "blocks": plan.profile.blocks, "copies": plan.profile.copies, "connections": CONNECTIONS,
            "capacity_s": plan.profile.capacity_s, "latency_s": plan.profile.latency_s, "slice_s": plan.profile.slice_s,
            "profile": {key: list(one) if isinstance(one, tuple) else one for key, one in asdict(plan.profile).items()},
             "groups": [[one.stack.id for one in group] for group in plan.groups()],
            "scenarios": [scenario.name for scenario in plan.scenarios],
            "views": {scenario.name: list(plan.views(scenario)) for scenario in plan.scenarios},
            "titles": {scenario.name: scenario.title for scenario in plan.scenarios},
            "stacks": [describe_stack(planned) for planned in plan.stacks],
            "skipped": [{"id": name, "reason": skipped.reason} for name, skipped in plan.skipped.items()],
        },
        "planned_s": round(pace.expected_s(plan)[0] - estimate.report_s(plan), 1),
        "notes": list(plan.notes), "pilot": {}, "blocks_done": None, "stopped": None,
    }  # fmt: skip


def common(
    kind: str, profile: str, *, budget: Budget, seed: int, mode: str, command: str, hashes: Mapping[str, Any] | None = None
) -> dict[str, Any]:  # fmt: skip
    """What `run.json` of any kind of run says before anything was started."""
    return {
        "kind": kind, "profile": profile, "seed": seed, "mode": mode, "started": now(), "ended": None, "command": command,
        "environment": describe(),
        "placement": {
            "server": sorted(budget.server_cpus), "front": sorted(budget.cpus("front")), "load": sorted(budget.load_cpus),
            "load_workers": len(budget.load_cpus) if budget.load_each else 1,
            "database": sorted(budget.database_cpus), "pinned": budget.pinned, "shared": list(budget.notes),
        },
        "observed": {}, "verified": {}, "notes": list(budget.notes), "hashes": dict(hashes or {}), "parts": [], "elapsed_s": None,
        "sampling_cpu_s": None,
    }  # fmt: skip


def describe_stack(planned: PlannedStack) -> dict[str, Any]:
    """One stack as planned, for `run.json` and the report."""
    stack = planned.stack
    return {
        "id": stack.id, "slug": stack.slug, "app": stack.app.name, "variant": stack.variant.name if stack.variant else None,
        "version": stack.app.version, "server": stack.server.name, "front": stack.front.name, "tags": sorted(stack.tags),
        "framework": stack.app.framework, "title": stack.app.title, "model": stack.server.model, "data": stack.data,
        "workers": planned.workers, "threads": planned.threads, "pool_max": planned.pool_max, "omits": sorted(stack.omits),
        "keep_alive": {"server": stack.server.keep_alive, "front": stack.front.keep_alive},
        "transport": stack.transport, "options": {**stack.options, **stack.front_options},
        "processes": [
            {"role": process.role, "argv": list(process.argv), "instances": process.instances}
            for process in (*stack.server.processes, *stack.front.processes)
        ],
    }  # fmt: skip


def environment(
    tools: Tools, database: Database, docker: str | None, machine: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The machine (`machine` in place of this one, where it is another), and the versions of the parts that all stacks share."""
    nginx = str(find_nginx()) if "nginx" in tools.paths else None
    return {**describe(), **machine, "nginx": nginx, "postgresql": database.version, "docker": docker}


def observed(database: Database, deployment: Deployment, versions: Mapping[str, str]) -> dict[str, Any]:
    """What really ran, read back: versions, processes, connections; null where it did not run."""
    if deployment.failure and not deployment.census:
        return {"failure": deployment.failure.reason}
    used = None
    if database.url:
        with contextlib.suppress(BenchError):
            used = observe.connections(database.url).get(application_name(deployment.id), 0)
    return {
        "versions": dict(versions),
        "server": {name: versions.get(name) for name in deployment.planned.stack.server.distributions},
        "processes": [
            {"role": one.role, "pid": one.pid, "argv": list(one.argv), "cpus": list(one.cpus)} for one in deployment.census
        ],
        "commands": [
            {"role": one.role, "name": one.name, "argv": list(one.argv), "env": _shown(one.env)}
            for one in deployment.rendered.commands
        ],
        "files": {path.name: text for path, text in deployment.rendered.files.items()},
        "workers": deployment.planned.workers, "startup_s": deployment.startup_s, "stop_s": None, "stops_s": [],
        "database_connections": used,
    }  # fmt: skip


def _shown(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a process was given, without the password of a database."""
    return {key: masked(value) if key == "DATABASE_URL" else value for key, value in environment.items()}


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
