"""What a figure belongs to: hashes of the files that a run was made with, so that unlike runs are never taken for like ones."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import environments
from bench.catalog import ROOT, Catalog
from bench.model import BenchError, Scenario
from bench.plan import PlannedStack

_MACHINE = ("host", "kernel", "architecture", "cpu_model", "cpus", "python", "can_pin")
"""What of `bench.machine.describe` must be equal for figures to belong together."""


def hashes(catalog: Catalog, stacks: Iterable[PlannedStack], scenarios: Iterable[Scenario]) -> dict[str, Any]:
    """Of the contract, the suite's own measuring code, each scenario, and each stack's parts: 12 hex digits of a SHA-256."""
    known: dict[Path, str] = {}

    def of(path: Path) -> str:
        if path not in known:
            known[path] = tree(path)
        return known[path]

    return {
        "contract": of(catalog.root / "apps" / "CONTRACT.md"),
        "suite": hashlib.sha256((of(ROOT / "bench") + of(ROOT / "loadtests")).encode()).hexdigest()[:12],
        "scenarios": {one.name: of(one.path) for one in scenarios if one.path.exists()},
        "stacks": {
            one.stack.id: {
                "app": of(one.stack.app.folder), "server": of(one.stack.server.folder), "front": of(one.stack.front.folder),
                "environment": (environments.digest(catalog, one.stack.app) or "")[:12] or None,
            }
            for one in stacks
        },
    }  # fmt: skip


def tree(path: Path) -> str:
    """12 hex digits of a SHA-256 over a file, or over the names and contents of a folder; caches and hidden files do not count."""
    found = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        inside = file.relative_to(path) if file != path else Path(file.name)
        if any(part.startswith(".") or part in ("__pycache__", "node_modules") for part in inside.parts):
            continue
        found.update(f"{inside.as_posix()}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[str]:
    """Where two nested mappings differ, in words: `stacks.flask/gunicorn-sync/nginx.app`."""
    found = []
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{path}{key}.")
        elif one != other:
            found.append(f"{path}{key}")
    return found


def refuse_unlike(header: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run is only gone on with on the same machine, with the same files. Raises BenchError that names what changed."""
    before, here = header.get("environment") or {}, now["environment"]
    changed = [f"machine: {key}" for key in _MACHINE if before.get(key) != here.get(key)]
    changed += [f"files: {one}" for one in differences(header.get("hashes") or {}, now["hashes"])]
    if changed:
        more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
        raise BenchError(
            f"run {header.get('run_id')} cannot be resumed: what it measured has changed since ({'; '.join(changed[:4])}{more}); "
            "start a new run, and compare the two with `bench compare`"
        )
