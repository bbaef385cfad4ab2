"""The commands `bench verify` and `bench serve`: a few deployments at a time, held to the contract or held up for a person."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.catalog import Catalog
from bench.database import data
from bench.deployment import Deployment, died
from bench.machine import default_budget, topology
from bench.model import BenchError, Budget, Failed, Stack
from bench.plan import database_connections, plan_stack
from bench.session import Session
from bench.site import Site, machine_of, open_site
from bench.verify import Report, render_text, verify

AT_ONCE = 4


def one_url(url: str, *, omits: Collection[str], static_dir: Path | None, as_json: bool) -> int:
    """Verify a server that the user started; returns the exit code. Only rules that HTTP alone can tell are checked."""
    report = verify(url, omits=frozenset(name.lower() for name in omits), static_dir=static_dir)
    print(json.dumps(asdict(report), indent=1) if as_json else render_text(report))
    return 0 if report.passed else 1


def stacks(
    found: Catalog, chosen: Sequence[Stack], *, mode: str, as_json: bool, refused: Mapping[str, str] | None = None
) -> int:
    """Deploy and verify each of `chosen`, a few at a time; returns the exit code. `refused`: what cannot run here, and why."""
    answers: dict[str, object] = {
        name: {"status": "skipped", "reason": reason} for name, reason in (refused or {}).items()
    }
    for name, reason in (refused or {}).items():
        if not as_json:
            print(f"{name}: skipped: {reason}", flush=True)
    bad = 0
    budget = default_budget(machine_of(mode)[0])
    with Session() as session:
        site = _site(session, chosen, budget, mode=mode)
        database, launcher = site.database, site.launcher
        for start in range(0, len(chosen), AT_ONCE):
            group = chosen[start : start + AT_ONCE]
            if database.url:
                data.restore(database.url)
            deployments = launcher.start([(plan_stack(stack, budget), 0) for stack in group], block=0)
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                reports = list(pool.map(lambda one: one.failure or site.verify(one, database.url), deployments))
            launcher.stop(deployments)
            for deployment, report in zip(deployments, reports, strict=True):
                bad += _say(deployment, report, answers, quiet=as_json)
    if as_json:
        print(json.dumps(answers, indent=1))
    elif bad:
        print(f"{bad} of {len(chosen)} stacks break the contract or do not run")
    return 1 if bad else 0


def serve(stack: Stack, *, port: int | None, say: Callable[[str], None]) -> int:
    """Hold `stack` up until it is interrupted, or dies. Returns the exit code."""
    with Session() as session:
        budget = default_budget(topology())
        site = _site(session, [stack], budget, mode="native", port=port)
        database, launcher = site.database, site.launcher
        (deployment,) = launcher.start([(plan_stack(stack, budget), 0)], block=0)
        if deployment.failure:
            raise BenchError(f"{stack.id}: {_full(deployment.failure)}")
        say(f"{stack.id}\n  {deployment.client.url}\n")
        for one in deployment.census:
            say(f"  {one.role:<6} pid {one.pid:<7} CPUs {','.join(map(str, one.cpus))}  {' '.join(one.argv).rstrip()}")
        say(f"\n  database {database.version or 'none'}; logs and sockets in {session.scratch}")
        for path, text in deployment.rendered.files.items():
            say(f"\n--- {path}\n{text}")
        say("Ctrl-C ends it.")
        try:
            while not (ended := died(deployment)):
                time.sleep(0.2)
        except KeyboardInterrupt:
            say("\nended")
            return 0
        raise BenchError(f"{stack.id}: {_full(ended)}")


def _site(session: Session, chosen: Sequence[Stack], budget: Budget, *, mode: str, port: int | None = None) -> Site:
    planned = [plan_stack(stack, budget) for stack in chosen]
    most = sorted((database_connections([one], 1) for one in planned), reverse=True)[:AT_ONCE]
    site = open_site(
        session,
        planned,
        budget,
        mode=mode,
        connections=sum(most),
        logs=session.scratch / "logs",
        port=port,
        loading=False,
    )
    if site.database.failure:
        raise BenchError(f"no database: {_full(site.database.failure)}")
    return site


def _say(deployment: Deployment, report: Report | Failed, answers: dict[str, object], *, quiet: bool) -> int:
    name = deployment.planned.stack.id
    if isinstance(report, Failed):
        answers[name] = {"status": "failed", "reason": report.reason, "log_tail": report.log_tail}
        if not quiet:
            print(f"{name}: does not run: {_full(report)}")
        return 1
    answers[name] = {"status": "passed" if report.passed else "failed", **asdict(report)}
    if not quiet:
        text = f"all {len(report.checks)} rules hold" if report.passed else render_text(report)
        print(f"{name}: {text}", flush=True)
    return 0 if report.passed else 1


def _full(failure: Failed) -> str:
    return failure.reason + (f"\n{failure.log_tail}" if failure.log_tail else "")
