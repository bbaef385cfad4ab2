"""What a figure belongs to: hashes of the files that a run was made with, so that unlike runs are never taken for like ones."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import environments
from bench.catalog import ROOT, Catalog
from bench.languages import LANGUAGES
from bench.model import BenchError, Scenario
from bench.plan import PlannedStack

_MACHINE = ("host", "kernel", "architecture", "cpu_model", "cpus", "python", "can_pin")
"""What of `bench.machine.describe` must be equal for figures to belong together."""
_SUITE = ("bench", "loadtests", "deploy/runners", "deploy/images")
"""What measures, and what starts servers that have no command of their own, here and in containers."""
_TOOLS = ("nginx", "postgresql", "docker")
"""What of `bench.record.environment` must be: no pins of ours hold them, and an upgrade between two parts of a run is soon made."""


def hashes(catalog: Catalog, stacks: Iterable[PlannedStack], scenarios: Iterable[Scenario]) -> dict[str, Any]:
    """Of the contract, the suite's own measuring code, each scenario, and each stack's parts: 12 hex digits of a SHA-256."""
    known: dict[Path, str] = {}

    def of(path: Path) -> str:
        if path not in known:
            known[path] = tree(path)
        return known[path]

    return {
        "contract": of(catalog.root / "apps" / "CONTRACT.md"),
        "suite": hashlib.sha256("".join(of(ROOT / one) for one in _SUITE).encode()).hexdigest()[:12],
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


def runtimes(stacks: Iterable[PlannedStack]) -> dict[str, dict[str, str]]:
    """From id of a stack in another language than Python to what its environment holds: its runtime may be the machine's, and no pin's."""
    known: dict[Path, dict[str, str]] = {}
    for one in stacks:
        app = one.stack.app
        if app.language in LANGUAGES and app.folder not in known:
            with contextlib.suppress(BenchError):  # what does not run has no figures
                known[app.folder] = environments.versions(app)
    return {one.stack.id: known[one.stack.app.folder] for one in stacks if one.stack.app.folder in known}


def refuse_other_tools(
    header: Mapping[str, Any], environment: Mapping[str, Any], runtimes: Mapping[str, Mapping[str, str]]
) -> None:
    """A run is only gone on with by the programs that it was begun with. What is known of one part alone has no figures in the other.

    Raises BenchError that names what differs.
    """
    before, observed = header.get("environment") or {}, header.get("observed") or {}
    pairs = {name: (before.get(name), environment.get(name)) for name in _TOOLS}
    for stack, versions in runtimes.items():
        seen = (observed.get(stack) or {}).get("versions") or {}
        pairs |= {f"{name} of {stack}": (seen.get(name), version) for name, version in versions.items()}
    changed = [f"{name} was {was}, is {now}" for name, (was, now) in pairs.items() if was and now and was != now]
    if changed:
        more = f"; and {len(changed) - 4} more" if len(changed) > 4 else ""
        raise BenchError(
            f"run {header.get('run_id')} cannot be resumed: {'; '.join(changed[:4])}{more}; all that it measured is kept: "
            "go on with what it was begun with, or start a new run, and compare the two with `bench compare`"
        )
