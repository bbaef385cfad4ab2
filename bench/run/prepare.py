"""What precedes the first figure of a stack: the contract, the null server, and the number of connections."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import ceiling, load, pilot
from bench.ceiling import Ceiling
from bench.contract import DATABASE_ENDPOINTS
from bench.deployment import Deployment
from bench.launch import free_port, nginx_user
from bench.machine import find_nginx
from bench.model import BenchError, Failed, Scenario
from bench.plan import CONNECTIONS, PlannedStack
from bench.run.context import Context
from bench.site import Site
from bench.verify import Report


def verify_all(context: Context, deployments: Sequence[Deployment]) -> None:
    """Hold each deployed stack to the contract, side by side: it is checked for truth here, not for speed."""
    healthy = [one for one in deployments if one.failure is None]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for deployment, report in zip(healthy, pool.map(lambda one: _verified(context, one), healthy), strict=True):
            if isinstance(report, Failed):
                deployment.failure = report
                continue
            stack = deployment.planned.stack
            failures = [
                {"endpoint": one.endpoint, "rule": one.rule, "expected": one.expected, "got": one.got}
                for one in report.failures
            ]
            context.verified[stack.id] = {
                "status": "passed" if report.passed else "failed", "rules": len(report.checks), "failures": failures,
            }  # fmt: skip
            if failures:
                context.progress.say(
                    f"  {stack.id} breaks the contract: {len(failures)} rules; `bench verify {stack.id}` lists them"
                )
    context.store.update({"verified": context.verified})


def _verified(context: Context, deployment: Deployment) -> Report | Failed:
    try:
        return context.verify(deployment, context.database.url)
    except BenchError as error:
        return Failed(reason=f"could not be verified: {error}")


def unprepared(context: Context, stacks: Sequence[PlannedStack]) -> list[PlannedStack]:
    """Those that are still to be held to the contract, or for which a number of connections is to be found; one at least where the null
    server needs answers.
    """
    found = [one for one in stacks if one.stack.id not in context.verified or _to_pilot(context, one)]
    without_null = context.plan.profile.ceiling and not context.calibrated
    return found or list(stacks[:1] if without_null else ())


def prepare(context: Context, deployments: Sequence[Deployment]) -> dict[str, Failed]:
    """Verify and find numbers of connections; from stack to why there could be none of it, for those that did not run or answer.

    These deployments are not measured: what they were asked here stays in their memory.
    """
    verify_all(context, [one for one in deployments if one.planned.stack.id not in context.verified])
    prepare_load(
        context, [one for one in deployments if not context.verified.get(one.planned.stack.id, {}).get("failures")]
    )
    return {
        one.planned.stack.id: one.failure
        for one in deployments
        if one.failure and one.planned.stack.id not in context.verified
    }


def _to_pilot(context: Context, planned: PlannedStack) -> list[Scenario]:
    """The scenarios for which this stack has no number of connections, and was not loaded yet in this run: it keeps what it began with."""
    plan, stack = context.plan, planned.stack.id
    if plan.profile.pilot_s is None:
        return []
    left = [
        one for one in plan.scenarios
        if plan.is_piloted(one)
        and f"{stack} {one.name}" not in plan.skipped
        and (stack, one.name) not in context.tried | context.connections.keys()
        and not (context.database.failure and one.needs & DATABASE_ENDPOINTS)
    ]  # fmt: skip
    begun = {
        one["scenario"] for one in (context.trials if left else ())
        if one["stack"] == stack and one["view"] == "capacity" and one["status"] == "measured"
    }  # fmt: skip
    return [one for one in left if one.name not in begun]


def prepare_load(context: Context, deployments: Sequence[Deployment]) -> None:
    """The null server, once in a process; and the number of connections for each stack and scenario that has none yet: before the first
    block, and, where a run is taken up again, before the block that it goes on with.
    """
    plan, profile = context.plan, context.plan.profile
    ready = [one for one in deployments if one.failure is None]
    if not ready:
        return
    if profile.ceiling and not context.calibrated:
        context.calibrated = True
        try:
            context.ceiling = context.calibrate(context, ready[0])
        except BenchError as error:
            context.progress.say(f"  no null server: {error}")
    if profile.pilot_s is None:
        return
    asked = False
    wanted = {one.id: _to_pilot(context, one.planned) for one in ready}
    for scenario in plan.scenarios:
        fit = [one for one in ready if scenario in wanted[one.id]]
        if not fit:
            continue
        context.tried |= {(one.planned.stack.id, scenario.name) for one in fit}
        try:
            found = run_pilot(context, scenario, fit)
            context.pilots[scenario.name] = {**context.pilots.get(scenario.name, {}), **found}
        except BenchError as error:
            context.progress.say(f"  no pilot for {scenario.name}, so {CONNECTIONS} connections for all: {error}")
        asked = True
    if asked:
        context.store.update({"pilot": context.pilots})


def run_pilot(context: Context, scenario: Scenario, ready: Sequence[Deployment]) -> dict[str, Any]:
    """Try every number of connections on every stack, in one job; keep what was chosen, and return it with the rates."""
    profile, plan = context.plan.profile, context.plan
    assert profile.pilot_s is not None
    context.progress.say(f"  connections for {scenario.name}: trying {', '.join(map(str, pilot.CANDIDATES))}")
    name = f"pilot-{scenario.name}"
    answer = context.load(
        context.session,
        load.Job(
            scenario=scenario.source, mode="duet", seed=plan.seed, warmup_s=profile.warmup_s, measure_s=profile.pilot_s,
            slice_s=profile.slice_s, workers=load.each(plan.budget),
            targets=[
                load.Target(id=pilot.target_id(one.id, count), endpoint=one.client, connections=count)
                for one in ready
                for count in pilot.CANDIDATES
            ],
        ),
        folder=context.store.folder, name=name, log=context.store.folder / "logs" / "load" / f"{name}.log",
        cpus=plan.budget.pins("generator"), work=context.session.scratch,
        on_ready=lambda pid: None, on_measured=lambda pid: None, on_progress=lambda done: None,
    )  # fmt: skip
    rates = pilot.read([one.id for one in ready], {target["id"]: pilot.rate(target) for target in answer["targets"]})
    said: dict[str, Any] = {}
    for one in ready:
        stack = one.planned.stack.id
        context.connections[stack, scenario.name] = chosen = pilot.choose(rates[one.id])
        said[stack] = {"connections": chosen, "rps": {str(count): rate for count, rate in rates[one.id].items()}}
    return said


def calibrate(site: Site, context: Context, source: Deployment) -> Ceiling | None:
    """The null server of a run on this machine. Raises BenchError where it cannot be had."""
    if context.plan.mode != "native":
        raise BenchError("in containers the generator's ceiling is not measured, only its CPU")
    nginx = str(find_nginx().path)
    paths = {
        one.url.partition("?")[0]: one.url
        for one in context.plan.scenarios
        if one.method == "GET" and not one.windows and not one.journey
    }
    return ceiling.start(
        context.session, context.plan.budget, nginx=nginx, source=source.client, paths=paths, port=free_port(),
        user=nginx_user(), log=context.store.folder / "logs" / "null-server.log",
    )  # fmt: skip
