"""The command `bench`: each subcommand is one call of the layers below, and every mistake of the user's is one clear line."""

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from bench import catalog, database, environments, plan, session, store
from bench.model import BenchError, Stack

RESULTS = catalog.ROOT / "results"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""The disk is full, or the user's share of it is, or it may not be written."""
SLACK_S = 60.0
"""The report, and what guesses of this kind are wrong by."""
INTERRUPTED = 130
"""Exit code."""

app = App(
    name="bench", help="Deploys Python web stacks on this machine, checks that they answer alike, loads them, and reports.",
    version="0.1.0", help_format="plaintext", result_action="return_value", suppress_keyboard_interrupt=False,
)  # fmt: skip
console = Console(stderr=False, highlight=False, soft_wrap=False)


def main() -> None:
    """Entry point. Exit codes: 0 all well, 1 a trial or a check failed, 2 a mistake in the call or the set-up, 130 interrupted."""
    session.stop_on_signals()
    try:
        code = app(_resume_the_latest(sys.argv[1:]))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("bench: interrupted; nothing is left running", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
    except OSError as error:
        if error.errno not in _DISK:
            raise
        print(
            f"bench: {error.filename or 'a file'}: cannot be written: {error.strerror}; what was finished is kept",
            file=sys.stderr,
        )
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _resume_the_latest(words: Sequence[str]) -> list[str]:
    """`--resume` without a run stands for the latest one."""
    return [
        piece
        for at, word in enumerate(words)
        for piece in (
            (word, "latest")
            if word == "--resume" and (at + 1 == len(words) or words[at + 1].startswith("--"))
            else (word,)
        )
    ]


Stacks = Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)]


@app.command
def run(
    *, profile: str = "standard", stacks: Stacks = (), scenarios: Stacks = (), sweep: Stacks = (),
    with_: Annotated[Stacks, Parameter("--with")] = (), cpus: str | None = None,
    load_workers: Annotated[bool, Parameter(negative=())] = False, mode: str = "native", context: str | None = None,
    seed: int | None = None, precision: str | None = None, time_budget: str | None = None, resume: str | None = None,
    results: Path = RESULTS, lang: str = "en", live: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(negative=())] = False, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Deploy, verify, load, store and report.

    Parameters
    ----------
    profile
        quick (under 2 minutes, no intervals), standard, full (everything, for hours), or smoke (does it work? its figures mean nothing).
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
    told = Console(stderr=as_json, quiet=quiet, highlight=False) if quiet or as_json else console
    _choose_engine(mode, context, resuming=bool(resume))
    found = catalog.load()
    folder = store.find_run(results, resume) if resume else None
    if folder:
        made = request.again(found, folder, precision=precision, time_budget=time_budget)
    else:
        made = request.fresh(
            found, profile=profile, stacks=_split(stacks), scenarios=_split(scenarios), sweep=sweep, with_=_split(with_),
            cpus=cpus, load_workers=load_workers, mode=mode,
            seed=seed, precision=precision, time_budget=time_budget,
        )  # fmt: skip
    if made.mode == "native":
        _, absent = _prepare(found, [one.stack for one in made.stacks], quiet=quiet or as_json)
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
        print(_shown(outcome.folder / "report" / "index.html" if reported else outcome.folder))
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
        "folder": _shown(folder) if folder else None,
        "report": _shown(folder / "report" / "index.html") if folder and reported else None,
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


def _conclude(console: Console, made: plan.Plan, outcome: Any, took_s: float, *, reported: bool) -> int:
    """The last lines; the exit code."""
    from bench.console import readable, summary

    if outcome.trials:
        console.print(summary(outcome.trials, [scenario.name for scenario in made.scenarios]))
    failed = sum(trial["status"] == "failed" for trial in outcome.trials)
    flagged = sum(bool(trial["flags"]) for trial in outcome.trials)
    skipped = sum(trial["status"] == "skipped" for trial in outcome.trials)
    console.print(
        f"\n{len(outcome.trials)} trials: {failed} failed, {skipped} skipped, {flagged} flagged (*: the report says why); "
        f"{readable(took_s)}"
    )
    if made.profile.blocks * made.profile.copies < 6:
        console.print("Too few replicates for intervals: these figures rank nothing.")
    if outcome.folder:
        shown = _shown(outcome.folder / "report" / "index.html" if reported else outcome.folder)
        console.print(f"{'report' if reported else 'results'}: {shown}", soft_wrap=True)
    return 1 if failed or not reported else 0


@app.command
def verify(
    *stacks: str,
    mode: str = "native",
    context: str | None = None,
    url: str | None = None,
    omits: tuple[str, ...] = (),
    static_dir: Path | None = None,
    as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:
    """Check deployed stacks (all when none is named), or the server at --url, against apps/CONTRACT.md.

    Parameters
    ----------
    stacks
        Stack ids, patterns or tags.
    mode
        native: on this machine; compose: in containers.
    context
        With compose: the Docker context whose engine is used.
    url
        Base URL of a running server of your own, on this machine.
    omits
        Headers that the server at --url is known not to send (server, date).
    static_dir
        The folder whose files the server at --url serves under /static, to compare them byte for byte.
    as_json
        Print one JSON object instead of text.
    """
    from bench import check

    if url:
        if stacks:
            raise BenchError("give stacks or --url, not both")
        return check.one_url(url, omits=omits, static_dir=static_dir, as_json=as_json)
    _choose_engine(mode, context)
    found = catalog.load()
    picked = catalog.select_stacks(found, _split(stacks)) if stacks else list(found.stacks.values())
    absent: dict[str, str] = {}
    if mode == "native":
        picked, absent = _prepare(found, picked, quiet=as_json)
    return check.stacks(found, picked, mode=mode, as_json=as_json, refused=absent)


@app.command
def load(
    url: str, /, *, connections: int | None = None, rate: float | None = None, seconds: float = 10.0, arrivals: str = "poisson",
    rate_stages: str | None = None, connection_stages: str | None = None, think_ms: float = 0.0, unix: Path | None = None,
    timeout: float = 10.0, beside: str | None = None, beside_path: str | None = None, beside_method: str | None = None,
    beside_rate: float | None = None, beside_bytes: int | None = None, beside_buffer: int | None = None,
    beside_ramp: float | None = None, beside_settle: float | None = None, beside_finish: float | None = None,
    allow_host: Stacks = (), load_cpus: str | None = None, remote_workers: int = 0, bind: str | None = None,
    port: int = 5557, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Load one running server of your own: a closed loop for its capacity, or --rate for its latency.

    Parameters
    ----------
    url
        http://HOST[:PORT][/PATH].
    connections
        Connections held at once. Left out: 64 with --rate or --think-ms, else the fewest of 8, 32, 64 that do within 2% of the best.
    rate
        Requests a second, whether or not the server keeps up; latency counts from when each was due.
    seconds
        How long to measure, after a short warm-up.
    arrivals
        poisson or constant: how requests come at a rate.
    rate_stages
        Rates that change, instead of --rate and --seconds: 100x5,100..500x10 is 5 s at 100/s, then up to 500/s within 10 s.
    connection_stages
        Numbers of connections that change, written alike: a closed loop that grows.
    think_ms
        How long a connection waits between an answer and its next request, in a closed loop.
    unix
        The path of a unix socket to connect to instead of the URL's host.
    timeout
        Seconds after which a request is given up.
    beside
        Slow or idle clients that are there meanwhile, as KIND=COUNT: readers=64, slow-heads=64, slow-bodies=64 or idle=10000.
    beside_path
        What they ask for; the URL's own path when left out.
    beside_method
        How they ask: GET, or POST for slow bodies.
    beside_rate
        Bytes a second of each: 8192 for readers, 10 for slow heads, 100 for slow bodies.
    beside_bytes
        Length of a slow head (4096) or body (65536).
    beside_buffer
        Bytes of receive buffer of each; 4096 for readers.
    beside_ramp
        Seconds over which they arrive; one for each thousand, and one at least.
    beside_settle
        Seconds to wait at most until all are in place: 10.
    beside_finish
        Seconds to wait at most until all have ended: 30.
    allow_host
        A host that is not this machine and may be loaded.
    load_cpus
        CPUs to load from, such as 1 or 2-5: with several, one process on each of them. Left out: as planned from the machine.
    remote_workers
        So many workers on other machines are waited for, which `bench load-worker` starts there.
    bind
        This machine's address at which they find this command; 127.0.0.1 when left out. Nobody is asked who they are.
    port
        The port there.
    as_json
        Print one JSON object instead of text.
    """
    from bench import solo
    from bench.solo.single import text

    found = solo.load(
        url, connections=connections, rate_rps=rate, seconds=seconds, unix=unix, timeout_s=timeout, allowed=allow_host,
        arrivals=arrivals, think_s=think_ms / 1000, rate_stages=rate_stages, connection_stages=connection_stages,
        beside={
            "text": beside, "path": beside_path, "method": beside_method, "rate_bytes_s": beside_rate, "bytes": beside_bytes,
            "receive_buffer_bytes": beside_buffer, "ramp_s": beside_ramp, "settle_s": beside_settle, "finish_s": beside_finish,
        },
        generators=_generators(load_cpus, remote_workers, bind, port),
    )  # fmt: skip
    print(json.dumps(found, indent=1) if as_json else text(url, found))
    return INTERRUPTED if found["stopped"] else 0 if found["requests"] else 1


@app.command
def duet(
    *urls: str, seconds: float = 20.0, connections: int | None = None, slice_ms: float = 100.0, margin: str = "2%", timeout: float = 10.0,
    start: Annotated[tuple[str, ...], Parameter(negative=())] = (), allow_host: Stacks = (), load_cpus: str | None = None,
    remote_workers: int = 0, bind: str | None = None, port: int = 5557, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Compare servers of your own that run at the same time, loaded in turn in short slices.

    Parameters
    ----------
    urls
        Two or more of http://HOST[:PORT][/PATH].
    seconds
        How long to measure, all servers together.
    connections
        Connections held to each. Left out: tried first, the fewest of 8, 32, 64 with which each does within 2% of its best.
    slice_ms
        How long one is loaded at a time; give 1000 or more for services slower than about 10 ms.
    margin
        A difference counts as resolved if its whole interval is larger than this.
    timeout
        Seconds after which a request is given up.
    start
        A command that starts the server, once for each URL in the same order: each is then started afresh several times.
    allow_host
        A host that is not this machine and may be loaded.
    load_cpus
        CPUs to load from, such as 1 or 2-5: with several, one process on each of them. Left out: as planned from the machine.
    remote_workers
        So many workers on other machines are waited for, which `bench load-worker` starts there.
    bind
        This machine's address at which they find this command; 127.0.0.1 when left out. Nobody is asked who they are.
    port
        The port there.
    as_json
        Print one JSON object instead of text.
    """
    from bench import solo
    from bench.solo.compare import text

    try:
        share = float(margin.removesuffix("%")) / (100 if margin.endswith("%") else 1)
    except ValueError:
        raise BenchError(f"--margin {margin}: expected a share such as 2% or 0.02") from None
    found = solo.duet(
        urls, connections=connections, seconds=seconds, slice_ms=slice_ms, timeout_s=timeout, margin=share,
        allowed=allow_host, commands=start, generators=_generators(load_cpus, remote_workers, bind, port),
    )  # fmt: skip
    print(json.dumps(found, indent=1) if as_json else text(found, started=bool(start)))
    return INTERRUPTED if found["stopped"] else 0 if all(target["requests"] for target in found["targets"]) else 1


@app.command(name="load-worker")
def load_worker(
    *, master: str, port: int = 5557, load_cpus: str | None = None, allow_host: Stacks = (), patience: float = 600.0,
    once: Annotated[bool, Parameter(negative=())] = False,
) -> int:  # fmt: skip
    """Help `bench load` or `bench duet` on another machine to load: job after job, until Ctrl-C.

    Parameters
    ----------
    master
        The machine where that command runs, as it was given there with --bind.
    port
        The port there.
    load_cpus
        One worker on each of these CPUs; one that may use all when left out.
    allow_host
        A host that is not this machine and may be loaded, or the path of a unix socket; without it only loopback addresses are.
    patience
        Give up when no such command was found for so many seconds.
    once
        End after one job.
    """
    from bench import solo

    return solo.help_out(
        master, port=port, load_cpus=load_cpus, allowed=allow_host, patience_s=patience, once=once,
        say=lambda text: print(text, flush=True),
    )  # fmt: skip


@app.command
def slices(
    *stacks: str, scenario: str = "db", lengths_ms: Annotated[tuple[float, ...], Parameter(negative=(), consume_multiple=True)] = (
        25, 50, 100, 250, 500, 3000,
    ), rounds: int = 6, seconds: float = 3.0, connections: int = plan.CONNECTIONS, seed: int = 1, results: Path = RESULTS,
) -> int:  # fmt: skip
    """Show what the length of slices does to the ratios between stacks here: bias against the longest, and spread.

    Parameters
    ----------
    stacks
        Stack ids, patterns or tags; all are alive at once.
    scenario
        What is asked for.
    lengths_ms
        Lengths of slices in milliseconds; the longest is what the others are held against.
    rounds
        How often each length is tried, in turn.
    seconds
        Time for each stack, length and round.
    connections
        To each stack.
    seed
        Fixes the order.
    results
        The folder that holds the study's own.
    """
    from bench import slices as study

    found = catalog.load()
    picked = catalog.select_stacks(found, _split(stacks) or ("default",))
    (asked,) = catalog.select_scenarios(found, (scenario,))[:1]
    picked, _ = _prepare(found, picked)
    folder = results / time.strftime("slices-%Y%m%d-%H%M%S")
    study.study(
        picked, asked, lengths_ms=lengths_ms, rounds=rounds, seconds=seconds, connections=connections, seed=seed,
        folder=folder, say=lambda text: console.print(text, markup=False),
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "analysis", "slices", str(folder)], cwd=catalog.ROOT, check=False
    ).returncode


@app.command
def report(
    run: str | None = None, /, *, index: Annotated[bool, Parameter(negative=())] = False, lang: str = "en",
    results: Path = RESULTS,
) -> int:  # fmt: skip
    """Rebuild the report of a run (the latest when none is named) from stored data alone; prints its path.

    Parameters
    ----------
    run
        A run's id, or the path of its folder.
    index
        Rebuild no report, only the page of all runs, index.html in the folder that holds them.
    lang
        The language that the page opens in: en or zh. It holds both, and has a switch.
    results
        The folder that holds the runs.
    """
    from bench.run import write_report

    if index:
        if run:
            raise BenchError("--index is of all runs; name none")
        return _analysis("index", str(results.absolute()))
    folder = store.find_run(results, run)
    if not write_report(folder, lambda text: print(f"bench: {text}", file=sys.stderr), language=lang):
        return 1
    console.print(_shown(folder / "report" / "index.html"), soft_wrap=True)
    return 0


@app.command
def compare(
    first: str, second: str | None = None, /, *, fail_if: str | None = None, html: Annotated[bool, Parameter(negative=())] = False,
    copies: Annotated[bool, Parameter(negative=())] = False, verdicts: Annotated[bool, Parameter(negative=())] = False,
    results: Path = RESULTS, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Say who differs from whom in one run, or what changed from one run to another.

    Parameters
    ----------
    first
        A run's id, or the path of its folder.
    second
        A later run: its figures over those of the first, with intervals, and where the two runs differ.
    fail_if
        Exit code 1 where it is sure, or where the runs are unlike: 'slower than 5%', 'costlier than 10%' (CPU), 'larger than 10%' (memory).
    html
        Write it as a page, compare-FIRST-SECOND.html in the folder that holds the runs; prints its path.
    copies
        Of one run: what the two copies of each stack differ by (A/A), and how wide the intervals are.
    verdicts
        Of the pairs that the first run calls different, how many the second confirms; exit code 1 where it contradicts one.
    results
        The folder that holds the runs.
    as_json
        Print one JSON object instead of text (two runs).
    """
    folders = [str(store.find_run(results, one)) for one in (first, second) if one]
    if second is None and (fail_if or as_json or html or verdicts):
        raise BenchError("--fail-if, --html, --json and --verdicts compare two runs; name the second one")
    if copies or verdicts:
        if fail_if or as_json or html or (copies and second):
            raise BenchError("--copies (of one run) and --verdicts (of two) print a table; give them alone")
        return _analysis("verdicts" if verdicts else "copies", *folders)
    if html:
        if fail_if or as_json:
            raise BenchError("--html writes a page; give --fail-if and --json without it")
        code = _analysis("between", *folders, "--html", str(results.absolute()))
        return code or _analysis("index", str(results.absolute()), quiet=True)
    words = [*(["--fail-if", fail_if] if fail_if else []), *(["--json"] if as_json else [])]
    return _analysis("between" if second else "compare", *folders, *words)


@app.command
def claims(
    *, only: Stacks = (), quick: Annotated[bool, Parameter(negative=())] = False, cpus: str | None = None, mode: str = "native",
    seed: int | None = None, results: Path = RESULTS, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Put the claims of loadtests/claims/ to the test, and say what each experiment found by the rule written down before.

    Parameters
    ----------
    only
        Numbers of claims, such as 2,6; all when left out.
    quick
        In under 6 minutes: the claims marked for it, 3 replicates of each; of claims named with --only, 3 replicates.
    cpus
        Which CPUs each side gets, as server=0-3,db=4,load=5-7 (and front=...); planned from the machine when left out.
    mode
        native: on this machine; compose: in containers, load generator and database too.
    seed
        Fixes the order of arms and the arrival times; printed and stored.
    results
        The folder that holds the runs.
    as_json
        Print one JSON object instead of text: claims (id, verdict, effect, low, high, n, controls_ok, reason).
    """
    from bench.claims import command

    return command.run(
        only=_split(only), quick=quick, cpus=cpus, mode=mode, seed=seed, results=results, as_json=as_json,
        words=["bench", *sys.argv[1:]], prepare=_prepare,
    )  # fmt: skip


@app.command
def trust(
    *, blocks: int = 6, seconds: float = 1.5, rounds: int = 8, results: Path = RESULTS,
) -> int:  # fmt: skip
    """Take stacks with known differences through the whole pipeline: two equal ones, and two planted 5% and 10% slower.

    Then hold ratios of unlike stacks in short slices against those in long windows. Exit code 1 where something does not hold.

    Parameters
    ----------
    blocks
        How often each is deployed, two copies each time; 0 leaves this part out.
    seconds
        Load of each deployment.
    rounds
        How often each length of slices is tried on each pair; 0 leaves this part out.
    results
        The folder that holds the runs.
    """
    from bench import estimate
    from bench import trust as known
    from bench.console import Progressing

    for line in session.recover():
        print(f"note: {line}", file=sys.stderr)
    codes = []
    if blocks:
        found = known.measure(
            results=results, blocks=blocks, seconds=seconds,
            progress=lambda made: Progressing(estimate.planned_seconds(made, made.cells()), console=console),
        )  # fmt: skip
        codes.append(
            _analysis("trust", str(found.folder), *(f"{stack}={factor!r}" for stack, factor in found.truth.items()))
        )
    if rounds:
        folders = known.lengths(
            results=results, rounds=rounds, seconds=3.0, say=lambda text: console.print(text, markup=False)
        )
        codes.append(_analysis("lengths", *map(str, folders)))
    return max(codes, default=0)


@app.command
def serve(stack: str, /, *, port: int | None = None) -> int:
    """Hold one stack up until Ctrl-C; prints its URL, processes and the configuration it runs on.

    Parameters
    ----------
    stack
        A stack id, as `bench list` prints them.
    port
        The port on 127.0.0.1 that clients connect to; a free one when left out.
    """
    from bench import check

    found = catalog.load()
    picked = catalog.resolve(found, stack)
    _prepare(found, [picked])
    return check.serve(picked, port=port, say=lambda text: console.print(text, markup=False, soft_wrap=True))


@app.command(name="serve-report")
def serve_report(run: str | None = None, /, *, port: int | None = None, results: Path = RESULTS) -> int:
    """Serve the reports on 127.0.0.1, read-only, until Ctrl-C; prints the URL of the page of all runs, or of one run's report.

    Parameters
    ----------
    run
        A run's id, the path of its folder, or latest.
    port
        The port on 127.0.0.1; a free one when left out.
    results
        The folder that holds the runs.
    """
    from bench import viewer

    folder = store.find_run(results, run)
    root = folder.parent
    if _analysis("index", str(root), quiet=True):
        return 1
    with viewer.Viewer(root, port=port) as shown:
        print(shown.url(folder if run else None), flush=True)
        shown.wait()
    return 0


@app.command(name="list")
def list_(*, as_json: Annotated[bool, Parameter("--json")] = False) -> int:
    """List stacks, scenarios, and combinations that do not fit together, with the reason.

    Parameters
    ----------
    as_json
        One JSON object: stacks (id, app, server, front, tags), scenarios, skipped (id, reason).
    """
    found = catalog.load()
    if as_json:
        print(json.dumps(_listing(found), indent=1))
        return 0
    console.print("Stacks (app/server/front)")
    for stack in found.stacks.values():
        tags = [tag for tag in ("default", "core", "dev") if tag in stack.tags]
        console.print(f"  {stack.id:<44} {' '.join(tags)}".rstrip(), markup=False)
    console.print("\nScenarios")
    for scenario in found.scenarios.values():
        console.print(f"  {scenario.name:<16} {scenario.title}", markup=False)
    console.print("\nDo not fit together")
    for name, reason in found.refused.items():
        console.print(f"  {name}\n      {reason}", markup=False)
    return 0


@app.command
def compose(*, write: bool = False, up: str | None = None) -> int:
    """Check that docker-compose.yml is what the catalogue says; exit code 1 where it is not.

    Parameters
    ----------
    write
        Write it instead.
    up
        Build this stack's images and hold it up, as `docker compose --profile ... up` does; `make compose-down` ends it.
    """
    from bench.compose import docker, topfile

    if up is not None:
        stack = catalog.load().stacks.get(up)
        if stack is None:
            raise BenchError(
                f"{up}: docker-compose.yml has no such stack; `bench list` names them, options are not in the file"
            )
        console.print(f"{stack.id}: building, if there is anything to build, and starting", soft_wrap=True)
        file, profile = str(catalog.ROOT / topfile.NAME), topfile.profile(stack)
        docker.docker(
            "compose",
            "-f",
            file,
            "--profile",
            profile,
            "up",
            "--build",
            "--detach",
            "--wait",
            deadline_s=docker.BUILD_DEADLINE_S,
        )
        address, port = os.environ.get("FORKLOOP_ADDRESS", "127.0.0.1"), os.environ.get("FORKLOOP_PORT", "8080")
        console.print(f"http://{address}:{port}/ until `make compose-down`", soft_wrap=True)
        return 0
    rendered = topfile.expected(catalog.load())
    if write:
        (catalog.ROOT / topfile.NAME).write_text(rendered, encoding="utf-8")
        console.print(f"{topfile.NAME}: {rendered.count('    profiles: ')} services in profiles")
        return 0
    if topfile.current(catalog.ROOT) == rendered:
        console.print(f"{topfile.NAME} is as apps/ and deploy/ say")
        return 0
    console.print(f"{topfile.NAME} differs from apps/ and deploy/; `bench compose --write` writes it", soft_wrap=True)
    return 1


new = App(name="new", help="Write the beginnings of a folder of your own.")
app.command(new)


@new.command(name="app")
def new_app(name: str, /, *, interface: str = "wsgi") -> int:
    """Write apps/NAME: an application that passes the contract but for what it says is missing; see docs/adding-a-framework.md.

    Parameters
    ----------
    name
        Lower-case letters, digits and single hyphens.
    interface
        wsgi, asgi, or native (an HTTP server of its own).
    """
    from bench import skeleton

    folder = skeleton.app(catalog.ROOT, name, interface)
    for path in sorted(folder.iterdir()):
        console.print(f"wrote {path.relative_to(catalog.ROOT)}", markup=False)
    default = skeleton.INTERFACES[interface][1]
    console.print(f"next: .venv/bin/bench verify {name}/{default}", markup=False, soft_wrap=True)
    return 0


@app.command
def doctor() -> int:
    """Say whether this machine is fit to measure on: what is in order, what is not, and what to do about it."""
    from bench import doctor as examination

    results = examination.checks(examination.gather(RESULTS))
    print(examination.render(results))
    return examination.verdict(results)


@app.command
def setup() -> int:
    """Make one environment per application, and the static files. Does nothing where all is there."""
    found = catalog.load()
    session.recover()
    prepared = environments.prepare(found, found.apps.values(), lambda text: print(f"setup: {text}", flush=True))
    if made := prepared.made:
        rest = f"left out: {', '.join(prepared.absent)}" if prepared.absent else "everything works offline from here"
        print(f"setup: done, {made} environment{'s' if made > 1 else ''} made; {rest}")
    environments.prepare_programs(lambda text: print(f"setup: {text}", flush=True))
    return 0


@app.command
def lock(*names: str) -> int:
    """Refresh the pins of every environment to the newest versions that fit, and say what changed.

    Parameters
    ----------
    names
        Applications and servers whose pins alone are refreshed; those of all others stay, and are kept to.
    """
    from bench import locking

    def say(text: str) -> None:
        print(f"lock: {text}", flush=True)

    found = catalog.load()
    changes = locking.lock_only(found, names, say) if names else locking.lock(found, say)
    print("\n".join(changes) or "nothing changed")
    return 0


@app.command
def clean(*, all_: Annotated[bool, Parameter("--all")] = False) -> int:
    """End what an interrupted command left behind; with DATABASE_URL set, also drop our schema from that database.

    Parameters
    ----------
    all_
        Also remove the applications' environments and caches (not the results); `make setup` makes them anew.
    """
    for line in session.recover():
        print(line)
    given = os.environ.get("DATABASE_URL")
    if given and database.drop(given):
        print(f"dropped the schema {database.SCHEMA} from {database.masked(given)}")
    if all_:
        for folder in (environments.HOME, environments.STATIC.parent):
            shutil.rmtree(folder, ignore_errors=True)
            print(f"removed {_shown(folder)}")
    return 0


def _analysis(*words: str, quiet: bool = False) -> int:
    """Let the analysis answer, in a process of its own; its exit code."""
    out = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "analysis", *words]
    return subprocess.run(command, cwd=catalog.ROOT, check=False, stdout=out).returncode


def _choose_engine(mode: str, context: str | None, *, resuming: bool = False) -> None:
    if context is None:
        return
    if mode != "compose" and not resuming:
        raise BenchError(f"--context {context}: is for containers; add --mode compose, or leave it out")
    from bench.compose import engine

    engine.choose(context)


def _prepare(found: catalog.Catalog, stacks: list[Stack], *, quiet: bool = False) -> tuple[list[Stack], dict[str, str]]:
    """Environments of the stacks' applications, made where they are missing.

    Returns the stacks that can run, and why the others cannot, by id. Raises BenchError where none can.
    """
    for line in session.recover():
        print(f"note: {line}", file=sys.stderr)
    apps = {(stack.app.name, stack.app.version): stack.app for stack in stacks}
    prepared = environments.prepare(
        found, apps.values(), lambda text: print(f"setup: {text}", file=sys.stderr if quiet else sys.stdout, flush=True)
    )
    absent = {stack.id: prepared.absent[stack.app.name] for stack in stacks if stack.app.name in prepared.absent}
    able = [stack for stack in stacks if stack.id not in absent]
    if not able and absent:
        raise BenchError(f"nothing is left to do: {'; '.join(dict.fromkeys(absent.values()))}")
    return able, absent


def _generators(load_cpus: str | None, remote_workers: int, bind: str | None, port: int) -> Any:
    """Who loads; whoever is waited for is named on standard error."""
    from bench import solo

    chosen = solo.choose(load_cpus, remote=remote_workers, bind=bind, port=port)
    if text := solo.invitation(chosen):
        print(f"bench: {text}", file=sys.stderr)
    return chosen


def _split(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names may be given apart or with commas."""
    return tuple(part for word in given for part in word.split(",") if part)


def _listing(found: catalog.Catalog) -> dict[str, Any]:
    return {
        "stacks": [
            {
                "id": one.id,
                "app": one.app.name,
                "server": one.server.name,
                "front": one.front.name,
                "tags": sorted(one.tags),
            }
            for one in found.stacks.values()
        ],
        "scenarios": [
            {"name": one.name, "title": one.title, "needs": sorted(one.needs)} for one in found.scenarios.values()
        ],
        "skipped": [{"id": name, "reason": reason} for name, reason in found.refused.items()],
    }


def _shown(path: Path) -> str:
    """Relative to where the user stands, where that is shorter to read."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
