"""Stacks held to the contract, claims put to the test, and the method tried on known truths."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench import catalog, session
from bench.cli import base
from bench.model import BenchError


@base.app.command
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
    base.choose_engine(mode, context)
    found = catalog.load()
    picked = catalog.select_stacks(found, base.split(stacks)) if stacks else list(found.stacks.values())
    absent: dict[str, str] = {}
    if mode == "native":
        picked, absent = base.prepare(found, picked, quiet=as_json)
    return check.stacks(found, picked, mode=mode, as_json=as_json, refused=absent)


@base.app.command
def claims(
    *, only: base.Stacks = (), quick: Annotated[bool, Parameter(negative=())] = False, cpus: str | None = None, mode: str = "native",
    seed: int | None = None, time_budget: str | None = None, results: Path = base.RESULTS,
    as_json: Annotated[bool, Parameter("--json")] = False,
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
    time_budget
        A time such as 1h30m; 45m when left out. Of the 6 replicates, those beyond the third that would not end within it are not begun.
    results
        The folder that holds the runs.
    as_json
        Print one JSON object instead of text: claims (id, verdict, effect, low, high, n, controls_ok, reason).
    """
    from bench.claims import command

    return command.run(
        only=base.split(only), quick=quick, cpus=cpus, mode=mode, seed=seed, results=results, as_json=as_json,
        words=["bench", *sys.argv[1:]], prepare=base.prepare, time_budget=time_budget,
    )  # fmt: skip


@base.app.command
def trust(
    *, blocks: int = 6, seconds: float = 1.5, rounds: int = 120, results: Path = base.RESULTS,
) -> int:  # fmt: skip
    """Take stacks with known differences through the whole pipeline: two equal ones, and two planted 5% and 10% slower.

    Then hold ratios of unlike stacks in slices of the length in use against those in longer ones and in long windows. Exit code 1 where
    something does not hold, or is not shown: an interval misses the truth, a pair has none, 10% is not found, or a ratio is not shown to
    agree.

    Parameters
    ----------
    blocks
        How often each is deployed, two copies each time; 0 leaves this part out.
    seconds
        Load of each deployment.
    rounds
        How often three unlike pairs are loaded for slices of several lengths, half a minute each time; 0 leaves this part out.
    results
        The folder that holds the runs.
    """
    from bench import estimate
    from bench import trust as known
    from bench.console import Progressing

    if rounds < 0:
        raise BenchError(f"--rounds must be 1 or more, or 0 to leave that part out, not {rounds}")
    for line in session.recover():
        print(f"note: {line}", file=sys.stderr)
    codes = []
    if blocks:
        found = known.measure(
            results=results, blocks=blocks, seconds=seconds,
            progress=lambda made: Progressing(estimate.planned_seconds(made, made.cells()), console=base.console),
        )  # fmt: skip
        codes.append(
            base.analysis("trust", str(found.folder), *(f"{stack}={factor!r}" for stack, factor in found.truth.items()))
        )
    if rounds:
        folder = known.lengths(results=results, rounds=rounds, say=lambda text: base.console.print(text, markup=False))
        codes.append(base.analysis("lengths", str(folder)))
    return max(codes, default=0)
