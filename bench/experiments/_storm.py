"""Beside capacity: how many requests of a crowd fail that comes at once, and how many database sessions requests open."""

from collections.abc import Mapping, Sequence

from bench import load
from bench.database import observe
from bench.deployment import Deployment
from bench.experiments._asked import Asked
from bench.lab import Lab, Loaded, PlannedArm, job_name
from bench.plan import CONNECTIONS

TIMEOUT_S = 5.0
SESSIONS_S = 0.5
"""How long sessions are counted."""
KINDS: Mapping[str, tuple[str, ...]] = {"refused": ("connect", "reset"), "timeout": ("timeout",)}
"""How a request of a crowd fails, in the generator's words: not let in, or lost before an answer; too slow. Else `WRONG`ly answered."""
WRONG = "wrong"
_OURS = 5
"""Sessions that we open meanwhile: two for each snapshot of a load, and the second count's."""


def storm(
    lab: Lab, arms: Sequence[PlannedArm], deployments: Mapping[str, Deployment], one: Asked, replicate: int
) -> Loaded:  # fmt: skip
    """All arms, one after the other, each with as many connections at once as its `storm` says."""
    given = arms[0].parameters
    targets = [
        load.Target(
            id=deployments[arm.name].id, endpoint=deployments[arm.name].client, connections=arm.parameters.storm
        )
        for arm in arms
    ]
    job = load.Job(
        **one.of_job(arms), mode="closed", targets=targets, seed=0, warmup_s=0.0, measure_s=given.storm_s, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    name = job_name(arms[0].claim, replicate, "storm")
    return lab.load(job, name=name, watched=[deployments[arm.name] for arm in arms])


def metrics() -> set[str]:
    """Of a crowd, without how many each share is of."""
    return {"storm_error_share", *(f"storm_{kind}_share" for kind in (*KINDS, WRONG)), "storm_rps"}


def stormed(loaded: Loaded, deployment: Deployment) -> dict[str, float | None]:
    """What became of one arm's requests. What is refused is tried again at once, so it is counted apart from what is slow."""
    found = loaded.target(deployment.id)
    errors: Mapping[str, int] = found["errors"]
    failed = sum(errors.values())
    tried = found["requests"] + failed
    counts = {kind: sum(errors.get(name, 0) for name in names) for kind, names in KINDS.items()}
    counts = {"error": failed, **counts, WRONG: failed - sum(counts.values())}
    shares = {f"storm_{kind}_share": count / tried if tried else None for kind, count in counts.items()}
    return {**shares, **{f"{name}_of": tried for name in shares}, "storm_rps": found["rps"]}


def sessions(lab: Lab, arm: PlannedArm, deployment: Deployment, replicate: int) -> dict[str, float | None]:
    """Database sessions that this arm's requests for `db` open: 1 for each request where none is used again."""
    if lab.database.url is None:
        return {"db_sessions_per_request": None}
    before = observe.sessions(lab.database.url)
    target = load.Target(id=deployment.id, endpoint=deployment.client, connections=CONNECTIONS)
    job = load.Job(scenario="db", mode="closed", targets=[target], seed=0, warmup_s=0.0, measure_s=SESSIONS_S)
    found = lab.load(job, name=job_name(arm, replicate, "sessions"), watched=[deployment]).target(deployment.id)
    opened = observe.sessions(lab.database.url) - before - _OURS
    answered = found["window_requests"]
    return {"db_sessions_per_request": max(opened, 0) / answered if answered else None}
