"""One load over several arms, one after the other: a load process takes longer to start than many an arm is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench import load, recorded
from bench.clockwork import Action
from bench.deployment import Deployment
from bench.lab import Lab, Loaded, PlannedArm, job_name

WARMUP_S = 0.1
TURN_S = 0.4
"""Warming an arm up, and what is in flight when its turn ends: beside what is measured."""
JOB_S = 3.0
"""Starting the load process, and writing what it recorded."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What is asked of one arm, and what is done meanwhile: `at_s` of its actions counts from the beginning of its turn."""

    arm: PlannedArm
    deployment: Deployment
    path: str
    method: str = "GET"
    headers: Mapping[str, str]
    connections: int
    actions: Sequence[Action] = ()


def take(
    lab: Lab, turns: Sequence[Turn], replicate: int, part: str, *, measure_s: float, timeout_s: float,
    mode: Literal["open", "closed"] = "open", rate_rps: float | None = None, watched: Sequence[Deployment] = (),
) -> dict[str, Loaded]:  # fmt: skip
    """What came of each turn, by the name of its arm, with the requests in a file of its own.

    Raises BenchError where the generator gives no result.
    """
    targets = [
        load.Target(id=one.deployment.id, endpoint=one.deployment.client, connections=one.connections) for one in turns
    ]
    requests: list[dict[str, Any]] = [
        {"method": one.method, "path": one.path, "headers": dict(one.headers)} for one in turns
    ]
    job = load.Job(
        requests=requests, stored=True, mode=mode, arrivals="constant", rate_rps=rate_rps, targets=targets, seed=0,
        warmup_s=WARMUP_S, measure_s=measure_s, timeout_s=timeout_s,
    )  # fmt: skip
    actions = [replace(action, target=one.deployment.id) for one in turns for action in one.actions]
    alone = len(turns) == 1
    name = job_name(turns[0].arm if alone else turns[0].arm.claim, replicate, part)
    loaded = lab.load(job, name=name, watched=watched, at=actions)
    paths = {
        one.deployment.id: loaded.requests.with_name(f"{job_name(one.arm, replicate, part)}.parquet") for one in turns
    }
    if not alone:
        recorded.split(loaded.requests, paths)
    return {
        one.arm.name: replace(
            loaded, requests=paths[one.deployment.id],
            events=[event for event in loaded.events if event.get("target") == one.deployment.id],
        )
        for one in turns
    }  # fmt: skip
