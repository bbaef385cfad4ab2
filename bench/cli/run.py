"""`bench run`: the main job, what is said before it, while it goes on and at its end."""

import json
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from bench import catalog, plan, store
from bench.cli import base
from bench.model import BenchError

SLACK_S = 60.0
"""The report, and what guesses of this kind are wrong by."""


@base.app.command
def run(
    *, profile: str = "standard", stacks: base.Stacks = (), scenarios: base.Stacks = (), sweep: base.Stacks = (),
    with_: Annotated[base.Stacks, Parameter("--with")] = (), cpus: str | None = None,
    load_workers: Annotated[bool, Parameter(negative=())] = False, mode: str = "native", context: str | None = None,
    seed: int | None = None, precision: str | None = None, time_budget: str | None = None, resume: str | None = None,
    results: Path = base.RESULTS, lang: str = "en", live: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(negative=())] = False, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Deploy, verify, load, store and report.

    Parameters
    ----------
    profile
        quick (under 2 minutes, no intervals), standard, full (everything, for days), or smoke (does it work? its figures mean nothing).
    stacks
        Stack ids, patterns such as 'flask/*/nginx', or tags (default, core, full); the profile's own when left out.
    scenarios
        Scenario names, patterns or tags; the profile's own when left out.
    sweep
        Run each stack over a row of values: workers=1,2,4,8, threads, another option of its server or front, or connections.
    cpus
        Which CPUs each side gets, as server=0-3,db=4,load=5-7 (and front=...); planned from the machine when left out.
    with_
        Another version beside what is pinned: django==5.2 adds django@5.2/... beside each selected stack that holds Django.
    load_workers
        Load with one process on each of the generator's CPUs, instead of one in all.
    mode
        native: on this machine; compose: in containers, load generator and database too.
    context
        With compose: the Docker context whose engine is used, on this machine or another; DOCKER_HOST works too.
    seed
        Fixes the order of everything that is drawn; printed and stored.
    precision
        After the profile's blocks, go on with what has intervals wider than this to either side: 3%.
    time_budget
        Begin no block that would end later than this: 30m, 2h.
    resume
        Go on with an interrupted run: its id, or the latest when none is named. Nothing that is finished is repeated.
    results
        The folder that holds the runs.
    lang
        The language that the report opens in: en or zh. It holds both, and has a switch.
    live
        Serve the growing report on 127.0.0.1 while the run goes on, and rebuild it after each block; prints its URL first.
    quiet
        Say nothing but the path of the report, and mistakes.
    as_json
        Print one JSON object at the end; what the run says while it goes is on standard error.
    """
    from bench import estimate, pace, provenance, request
    from bench import run as job
    from bench.console import Progressing

    _known_language(lang)
    told = Console(stderr=as_json, quiet=quiet, highlight=False) if quiet or as_json else base.console
    if resume == "":
        raise BenchError("--resume= names no run; leave the sign out to go on with the newest")
    base.choose_engine(mode, context, resuming=resume is not None)
    found = catalog.load()
    folder = store.find_run(results, resume) if resume is not None else None
    if folder:
        _refuse_changes({
            "--profile": profile != "standard", "--stacks": stacks, "--scenarios": scenarios, "--sweep": sweep, "--with": with_,
            "--cpus": cpus, "--load-workers": load_workers, "--seed": seed is not None,
        })  # fmt: skip
        made = request.again(found, folder, precision=precision, time_budget=time_budget)
    else:
        made = request.fresh(
            found, profile=profile, stacks=base.split(stacks), scenarios=base.split(scenarios), sweep=sweep, with_=base.split(with_),
            cpus=cpus, load_workers=load_workers, mode=mode,
            seed=seed, precision=precision, time_budget=time_budget,
        )  # fmt: skip
    if made.mode == "native":
        _, absent = base.prepare(found, [one.stack for one in made.stacks], quiet=quiet or as_json)
        made = plan.without(made, absent)
    began = time.monotonic()
    if folder is None:
        pace.refuse_too_short(made)
    cells = estimate.planned_seconds(made, made.cells(), pace.expected_s(made)[1])
    _announce(told, made, folder)
    outcome = job.Outcome()
    interrupted: KeyboardInterrupt | None = None
    with _served(results, told) if live else nullcontext() as viewer:
        with Progressing(cells, console=told) as progress:
            try:
                job.execute(
                    made, results=results, command=shlex.join(["bench", *sys.argv[1:]]), progress=progress, outcome=outcome,
                    hashes=provenance.hashes(found, made.stacks, made.scenarios), resumed=folder,
                    after_block=partial(job.write_report, say=progress.say, language=lang) if viewer else None,
                )  # fmt: skip
            except KeyboardInterrupt as error:
                interrupted = error
        made_folder = outcome.folder if outcome.trials else None
        reported = made_folder is not None and job.write_report(made_folder, told.print, language=lang)
        if viewer and not interrupted:
            viewer.linger()
    took_s = time.monotonic() - began
    code = _conclude(told, made, outcome, took_s, reported=reported)
    if as_json:
        print(json.dumps(_outcome(outcome, progress.figures, took_s, reported=reported)))
    elif quiet and outcome.folder:
        print(base.shown(outcome.folder / "report" / "index.html" if reported else outcome.folder))
    if interrupted:
        raise interrupted
    return code


def _known_language(word: str) -> None:
    """A language that the report does not speak is told before an hour has passed."""
    known = sorted(path.stem for path in (catalog.ROOT / "analysis" / "words").glob("*.toml"))
    if word not in known:
        raise BenchError(f"--lang {word}: the report does not speak it; choose one of {', '.join(known)}")


def _served(results: Path, told: Console) -> Any:
    """The reports over HTTP while a run goes on; its address is the first thing that is said."""
    from bench import viewer

    results.mkdir(parents=True, exist_ok=True)
    shown = viewer.Viewer(results)
    told.print(f"live: {shown.url()}latest/report/index.html", markup=False, soft_wrap=True)
    return shown


def _outcome(outcome: Any, figures: Any, took_s: float, *, reported: bool) -> dict[str, Any]:
    """What `bench run --json` prints; docs/report.md has its keys."""
    folder: Path | None = outcome.folder
    header = store.read_run(folder).header if folder and (folder / "run.json").exists() else {}
    statuses = [trial["status"] for trial in outcome.trials]
    return {
        "schema": 1, "run_id": folder.name if folder else None, "status": header.get("status"),
        "folder": base.shown(folder) if folder else None,
        "report": base.shown(folder / "report" / "index.html") if folder and reported else None,
        "seconds": round(took_s, 1), "blocks_done": header.get("blocks_done"), "stopped": header.get("stopped"),
        "trials": {
            "total": len(statuses), **{name: statuses.count(name) for name in ("measured", "failed", "skipped")},
            "flagged": sum(bool(trial["flags"]) for trial in outcome.trials),
        },
        "capacity_rps": [
            {
                "scenario": scenario, "stack": one.stack, "estimate": one.rps, "low": one.low, "high": one.high,
                "blocks": one.blocks, "deployments": one.deployments, "bound": one.bound,
            }
            for scenario, one in figures.all()
        ],
    }  # fmt: skip


def _announce(console: Console, made: plan.Plan, resumed: Path | None) -> None:
    """What is about to be done, and how long it should take."""
    from bench import pace
    from bench.console import readable
    from bench.machine import placement

    chosen = made.profile
    blocks = f"{chosen.blocks} block{'s' if chosen.blocks > 1 else ''} x {chosen.copies} cop{'ies' if chosen.copies > 1 else 'y'}"
    takes_s, share = pace.expected_s(made)
    console.print(
        f"{f'resuming {resumed.name}: ' if resumed else ''}{len(made.stacks)} stacks x {len(made.scenarios)} scenarios, {blocks}, "
        f"seed {made.seed}; about {readable(takes_s)}{' in all' if resumed else ''}"
    )
    if chosen.precision is not None:
        until = f", until {readable(chosen.budget_s)} have passed" if chosen.budget_s else ""
        console.print(f"then further blocks for what is wider than {chosen.precision:.1%} to either side{until}")
    if share < 1:
        console.print(
            f"note: each is loaded for {share:.0%} of the profile's time, so that the blocks fit into the budget"
        )
    if chosen.budget_s is not None and takes_s > chosen.budget_s + SLACK_S:
        console.print(
            f"note: the budget of {readable(chosen.budget_s)} is less than these blocks need; it ends after those that fit"
        )
    console.print(placement.words(made.budget), markup=False, soft_wrap=True)
    for note in made.notes:
        console.print(f"note: {note}", markup=False)
    for name, skipped in made.skipped.items():
        if " " not in name:  # a whole stack, not one of its scenarios
            console.print(f"left out: {name}: {skipped.reason}", markup=False, soft_wrap=True)


def _refuse_changes(given: Mapping[str, object]) -> None:
    """Raises BenchError where a run that is taken up again is asked to be another."""
    if asked := [name for name, value in given.items() if value]:
        raise BenchError(
            f"{', '.join(asked)}: a run that is taken up again keeps its own; leave it out, or begin a new run"
        )


def _conclude(console: Console, made: plan.Plan, outcome: Any, took_s: float, *, reported: bool) -> int:
    """The last lines; the exit code."""
    from bench import sofar
    from bench.console import readable, summary

    blocks = len({trial["block"] for trial in outcome.trials})
    if outcome.trials:
        console.print(summary(outcome.trials, [scenario.name for scenario in made.scenarios]))
    failed = sum(trial["status"] == "failed" for trial in outcome.trials)
    flagged = sum(bool(trial["flags"]) for trial in outcome.trials)
    skipped = sum(trial["status"] == "skipped" for trial in outcome.trials)
    console.print(
        f"\n{len(outcome.trials)} trials: {failed} failed, {skipped} skipped, {flagged} flagged (*: the report says why); "
        f"{readable(took_s)}"
    )
    if blocks < sofar.MIN_BLOCKS:
        console.print(f"{blocks} of the {sofar.MIN_BLOCKS} blocks that intervals take: these figures rank nothing.")
    if outcome.folder:
        shown = base.shown(outcome.folder / "report" / "index.html" if reported else outcome.folder)
        console.print(f"{'report' if reported else 'results'}: {shown}", soft_wrap=True)
    return 1 if failed or not reported else 0
