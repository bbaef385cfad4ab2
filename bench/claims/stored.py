"""Records of `claims.jsonl`: what names them, their figures, and those that are made from the trials of a run over the matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from bench.claims.choose import Chosen, Ready
from bench.deployment import Deployment
from bench.experiments import Outcome, Stored
from bench.lab import Found, PlannedArm
from bench.model import BenchError
from bench.store import Run, RunStore, read_run

_MACHINE = ("host", "cpu_model", "cpus")
"""What of `environment` is the same in runs on one machine."""


def named(
    arm: PlannedArm, replicate: int, deployment: Deployment | None, *, mode: str, started: str, offset_s: float
) -> dict[str, Any]:  # fmt: skip
    """What a record is about."""
    return {
        "claim": arm.claim.number, "arm": arm.name, "replicate": replicate, "deployment_id": deployment.id if deployment else None,
        "stack": arm.stack.stack.id, "mode": mode, "parameters": msgspec.to_builtins(arm.parameters), "started": started,
        "offset_s": round(offset_s, 3),
        "observed": {
            "commands": [{"role": one.role, "argv": list(one.argv)} for one in deployment.rendered.commands] if deployment else None,
            "workers": arm.stack.workers,
        },
    }  # fmt: skip


def figures(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """What was found, or why nothing was; `requests` as a path below `folder`, the run's."""
    if isinstance(outcome, Found):
        return {
            "status": "measured", "reason": None, "log_tail": None, "flags": list(outcome.flags), "metrics": dict(outcome.metrics),
            "events": [dict(one) for one in outcome.events],
            "requests": str(outcome.requests.relative_to(folder)) if outcome.requests else None,
            "cpu_s": dict(outcome.cpu_s) if outcome.cpu_s else None, "pss_bytes": dict(outcome.pss_bytes) if outcome.pss_bytes else None,
        }  # fmt: skip
    return {
        "status": "failed", "reason": outcome.reason, "log_tail": outcome.log_tail, "flags": [], "metrics": {}, "events": [],
        "requests": None, "cpu_s": None, "pss_bytes": None,
    }  # fmt: skip


def from_matrix(store: RunStore, chosen: Chosen, results: Path) -> dict[int, list[dict[str, Any]]]:
    """Records of the claims whose figures the newest like run over the matrix has, by number; `reads` in `store` names that run.

    Like: finished, on the same machine in the same mode, with the same files of the stacks. A claim is read from one run or from none.
    """
    able = [one for one in chosen.ready if hasattr(one.kind, "from_trials") and one.claim.matrix]
    found: dict[int, list[dict[str, Any]]] = {}
    reads: dict[str, str] = {}
    for run in _like(store, results) if able else ():
        for one in able:
            if one.claim.number not in found and (records := _records(one, run, mode=store.header["mode"])):
                found[one.claim.number] = records
                reads[str(one.claim.number)] = run.header["run_id"]
        if len(found) == len(able):
            break
    if reads:
        store.update({"reads": reads})
    return found


def _records(one: Ready, run: Run, *, mode: str) -> list[dict[str, Any]]:
    replicates = cast(Stored, one.kind).from_trials(run.trials, one.arms)
    wanted = {(rule.arm, rule.metric) for rule in one.claim.rules}
    wanted |= {(rule.against, rule.metric) for rule in one.claim.rules if rule.against}
    whole = [each for each in replicates if all(each[arm][0].metrics.get(metric) is not None for arm, metric in wanted)]
    if len(whole) < one.claim.replicates:
        return []
    return [
        {
            **named(arm, number, None, mode=mode, started=trial["started"], offset_s=trial["offset_s"]),
            **figures(each[arm.name][0], run.folder), "deployment_id": trial["deployment_id"],
        }
        for number, each in enumerate(whole) for arm in one.arms for trial in (each[arm.name][1],)
    ]  # fmt: skip


def _like(store: RunStore, results: Path) -> Sequence[Run]:
    """The newest first, of those that may be read."""
    here = store.header
    fit = []
    for path in sorted(results.glob("*/run.json"), reverse=True):
        try:
            run = read_run(path.parent)
        except BenchError:
            continue
        head = run.header
        same = all((head.get("environment") or {}).get(key) == here["environment"].get(key) for key in _MACHINE)
        stacks = (head.get("hashes") or {}).get("stacks") or {}
        wanted: Mapping[str, Any] = here["hashes"].get("stacks") or {}
        unchanged = all(stacks[name] == wanted[name] for name in stacks.keys() & wanted.keys())
        unchanged = unchanged and all(
            (head.get("hashes") or {}).get(key) == here["hashes"].get(key) for key in ("suite", "contract")
        )
        matrix = head.get("kind", "matrix") == "matrix" and head.get("status") == "finished"
        same = same and head.get("placement") == here.get("placement")
        if matrix and same and unchanged and head.get("mode") == here["mode"] and not run.damaged:
            fit.append(run)
    return fit
