"""Carrying out the chosen claims: every claim once, then again, each arm freshly deployed, in a seeded order."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from bench import claim, record
from bench.claims import stored
from bench.claims.choose import Chosen, Ready
from bench.console import Progressing
from bench.deployment import Deployment
from bench.experiments import OneByOne, Outcome, Together
from bench.lab import ArmFailedError, Found, Lab, PlannedArm
from bench.launch import Launcher, NativeLauncher
from bench.model import BenchError, Budget, Failed
from bench.plan import database_connections
from bench.session import Session
from bench.site import Site, open_site
from bench.store import LATEST_CLAIMS, RunStore

LEAST_REPLICATES = 3
"""So many are made however short the time is: from so many there are intervals."""
JUDGE_S = 20.0
"""What is kept of the time for the verdicts."""
SHARED = "shared-cpu"
"""Flag: the servers had the generator's CPU as well, since the machine has no other."""


@dataclass(kw_only=True)
class Outcomes:
    """What a run has left so far; there after an interruption too."""

    folder: Path | None = None
    records: list[Mapping[str, Any]] = field(default_factory=list)
    not_run: dict[int, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Context:
    """What the replicates of one run share."""

    site: Site
    session: Session
    store: RunStore
    budget: Budget
    seed: int
    mode: str
    progress: Progressing
    outcomes: Outcomes
    began: float
    time_budget_s: float | None = None
    launchers: dict[frozenset[int], Launcher] = field(default_factory=dict)
    """By the servers' CPUs: those of a claim that needs more than the placement gives are not the run's."""
    observed: dict[str, Any] = field(default_factory=dict)

    @property
    def offset_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began


def execute(
    chosen: Chosen, budget: Budget, *, results: Path, command: str, progress: Progressing, outcomes: Outcomes, seed: int,
    quick: bool = False, mode: str = "native", hashes: Mapping[str, Any] | None = None, time_budget_s: float | None = None,
) -> None:  # fmt: skip
    """Try the claims, storing each record as it ends. Interrupted, it keeps what is finished and raises on.

    Replicates beyond `LEAST_REPLICATES` that would not end within `time_budget_s` are not begun, and a note says so.
    What was found in a stored run over the matrix is read from there: see `stored.from_matrix`.
    """
    began = time.monotonic()
    profile = "claims-quick" if quick else "claims"
    header = record.common(
        "claims", profile, budget=budget, seed=seed, mode=mode, command=command, hashes=hashes
    )  # fmt: skip
    store = RunStore.create(
        results,
        {
            **header, "claims": {str(one.claim.number): claim.as_stored(one.claim) for one in chosen.ready},
            "not_run": {str(number): reason for number, reason in chosen.not_run.items()}, "reads": {}, "quick": quick,
        },
        latest=LATEST_CLAIMS,
    )  # fmt: skip
    outcomes.folder, outcomes.not_run = store.folder, dict(chosen.not_run)
    status = "finished"
    try:
        if not chosen.ready:
            return
        with Session() as session:
            stacks = [arm.stack for one in chosen.ready for arm in one.arms]
            most = max((database_connections([arm.stack for arm in one.arms], 1) for one in chosen.ready), default=0)
            site = open_site(
                session, stacks, budget, mode=mode, logs=store.folder / "logs", configs=store.folder / "configs", results=results,
                connections=most,
            )  # fmt: skip
            store.update({
                "environment": record.environment(site.tools, site.database, site.docker, site.machine),
                "notes": [*header["notes"], *site.notes],
            })  # fmt: skip
            context = Context(
                site=site, session=session, store=store, budget=budget, seed=seed, mode=mode, progress=progress, outcomes=outcomes,
                began=began, time_budget_s=time_budget_s, launchers={budget.server_cpus: site.launcher},
            )  # fmt: skip
            run_claims(context, chosen, results)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        raise
    finally:
        store.update({"status": status, "ended": record.now(), "elapsed_s": round(time.monotonic() - began, 1)})
        store.close()


def run_claims(context: Context, chosen: Chosen, results: Path) -> None:
    """Replicate by replicate over all claims, so that a cut leaves each with as many, and drift does not favour one of them."""
    if failure := context.site.database.failure:
        without = {one.claim.number: f"no database: {failure.reason}" for one in chosen.ready if one.needs_database}
        chosen = chosen.without(without)
        context.outcomes.not_run |= without
        context.store.update({"not_run": {str(number): why for number, why in context.outcomes.not_run.items()}})
    read = stored.from_matrix(context.store, chosen, results)
    for number, records in read.items():
        _keep(context, records)
        context.progress.say(f"claim {number}: read from run {context.store.header['reads'][str(number)]}")
    left = [one for one in chosen.ready if one.claim.number not in read]
    planned = max((one.claim.replicates for one in left), default=0)
    longest_s = 0.0
    for replicate in range(planned):
        began_s = context.offset_s
        if replicate >= LEAST_REPLICATES and _too_late(context, began_s + longest_s):
            said = (
                f"Ended after {replicate} of {planned} replicates: another would not have ended within the time budget."
            )
            context.progress.say(f"note: {said}")
            context.store.update({"notes": [*context.store.header.get("notes", []), said]})
            return
        for one in left:
            if replicate < one.claim.replicates:
                run_replicate(context, one, replicate)
        longest_s = max(longest_s, context.offset_s - began_s)


def _too_late(context: Context, ends_s: float) -> bool:
    return context.time_budget_s is not None and ends_s + JUDGE_S > context.time_budget_s


def run_replicate(context: Context, one: Ready, replicate: int) -> None:
    """All arms of a claim once; a record for each, measured or with its reason."""
    number = one.claim.number
    arms = list(one.arms)
    random.Random(f"{context.seed}-{number}-{replicate}").shuffle(arms)
    advance = context.progress.cell(
        f"{number}-{replicate}", f"claim {number}, replicate {replicate + 1} of {one.claim.replicates}"
    )
    lab = Lab(
        session=context.session, store=context.store, launcher=_launcher(context, one.budget), database=context.site.database,
        load_with=context.site.load, budget=one.budget, seed=context.seed, observe=partial(_observe, context),
    )  # fmt: skip
    groups = [arms] if hasattr(one.kind, "together") else [[arm] for arm in arms]
    for done, group in enumerate(groups):
        started, offset_s = record.now(), context.offset_s
        found = _try(one, lab, group, replicate)
        records = []
        for arm in group:
            outcome = found.get(arm.name) or Failed(reason="the experiment gave no figure")
            if isinstance(outcome, Found) and one.shared:
                outcome = replace(outcome, flags=[*outcome.flags, SHARED])
            if isinstance(outcome, Failed):
                context.progress.say(f"  failed: claim {number}, {arm.name}: {outcome.reason}")
            named = stored.named(
                arm, replicate, lab.seen.get(arm.name), mode=context.mode, started=started, offset_s=offset_s
            )  # fmt: skip
            records.append({**named, **stored.figures(outcome, context.store.folder)})
        _keep(context, records)
        advance((done + 1) / len(groups))


def _try(one: Ready, lab: Lab, group: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
    try:
        if hasattr(one.kind, "together"):
            return cast(Together, one.kind).together(lab, group, replicate)
        (arm,) = group
        return {arm.name: cast(OneByOne, one.kind).run(lab, arm, replicate)}
    except ArmFailedError as error:
        return {arm.name: error.failed for arm in group}
    except BenchError as error:
        return {arm.name: Failed(reason=str(error)) for arm in group}


def _launcher(context: Context, budget: Budget) -> Launcher:
    """The run's own; or another for a claim whose servers get more CPUs."""
    cpus = budget.server_cpus
    if cpus not in context.launchers:
        context.launchers[cpus] = NativeLauncher(
            context.session, budget, tools=context.site.tools, database_url=context.site.database.url,
            logs=context.store.folder / "logs", configs=context.store.folder / "configs",
        )  # fmt: skip
    return context.launchers[cpus]


def _observe(context: Context, arm: PlannedArm, deployment: Deployment) -> None:
    """What really runs under a stack's id, the first time that it does."""
    stack = arm.stack.stack.id
    if deployment.failure is None and stack not in context.observed:
        versions = context.site.launcher.versions(deployment)
        context.observed[stack] = record.observed(context.site.database, deployment, versions)
        context.store.update({"observed": context.observed})


def _keep(context: Context, records: Sequence[Mapping[str, Any]]) -> None:
    context.store.append_claims(records)
    context.outcomes.records.extend(records)


def planned_seconds(chosen: Chosen) -> dict[str, float]:
    """How long each replicate of each claim should take, for the time that is shown as left."""
    return {
        f"{one.claim.number}-{replicate}": one.seconds
        for one in chosen.ready
        for replicate in range(one.claim.replicates)
    }
