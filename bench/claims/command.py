"""The command `bench claims`, from its words to its last line."""

import json
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import catalog, claim, provenance, request
from bench.catalog import ROOT, Catalog
from bench.claims.choose import Chosen, choose
from bench.claims.execute import Outcomes, execute, planned_seconds
from bench.console import Progressing, readable
from bench.machine import place, placement
from bench.model import BenchError, Stack
from bench.site import machine_of

Prepare = Callable[..., tuple[list[Stack], dict[str, str]]]
"""From the catalogue and stacks to those that can run here, and why the others cannot, by id."""
TIME_BUDGET = "45m"
OVERHEAD_S = 10.0
"""The database, and the analysis at the end: a first guess."""


def run(
    *, only: Sequence[str], quick: bool, cpus: str | None, mode: str, seed: int | None, results: Path, as_json: bool,
    words: Sequence[str], prepare: Prepare, time_budget: str | None = None,
) -> int:  # fmt: skip
    """Choose, announce, try, judge; the exit code. Raises BenchError for a mistake in the call."""
    time_budget_s = request.duration_s(time_budget or TIME_BUDGET, "--time-budget")
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    found = catalog.load()
    budget = place(machine_of(mode)[0], cpus)
    chosen = choose(found, budget, only=_numbers(only), quick=quick, mode=mode)
    if mode == "native":
        chosen = _prepared(found, chosen, prepare, quiet=as_json)
    seed = secrets.randbelow(10**6) if seed is None else seed
    for number, reason in chosen.not_run.items():
        console.print(f"claim {number}: not run: {reason}", markup=False)
    for one in chosen.ready:
        takes = readable(one.seconds * one.claim.replicates)
        what = f"{len(one.arms)} arms x {one.claim.replicates} replicates"
        console.print(f"claim {one.claim.number}: {one.claim.title.en}: {what}, about {takes}", markup=False)
    console.print(f"{len(chosen.ready)} claims, seed {seed}; {_time(chosen, time_budget_s)}", markup=False)
    console.print(placement.words(budget), markup=False)
    outcomes = Outcomes(not_run=dict(chosen.not_run))
    interrupted: KeyboardInterrupt | None = None
    stacks = [arm.stack for one in chosen.ready for arm in one.arms]
    hashes = provenance.hashes(found, stacks, found.scenarios.values())
    files = claim.discover()
    hashes["claims"] = {str(one.claim.number): provenance.tree(files[one.claim.number]) for one in chosen.ready}
    with Progressing(planned_seconds(chosen), console=console) as progress:
        try:
            execute(
                chosen, budget, results=results, command=shlex.join(words), progress=progress, outcomes=outcomes, seed=seed, quick=quick,
                mode=mode, hashes=hashes, time_budget_s=time_budget_s,
            )  # fmt: skip
        except KeyboardInterrupt as error:
            interrupted = error
    judged = _judge(outcomes.folder, console, as_json=as_json)
    if interrupted:
        raise interrupted
    failed = sum(one["status"] == "failed" for one in outcomes.records)
    if failed:
        console.print(f"{failed} of {len(outcomes.records)} records failed; claims.jsonl says why")
    return 1 if failed or chosen.wrong or not judged else 0


def _time(chosen: Chosen, budget_s: float) -> str:
    whole_s = chosen.seconds + OVERHEAD_S
    if whole_s <= budget_s:
        return f"about {readable(whole_s)}"
    return f"about {readable(whole_s)} for all, and {readable(budget_s)} at hand (--time-budget): there may be fewer replicates"


def _numbers(only: Sequence[str]) -> list[int]:
    wrong = next((one for one in only if not one.isdecimal()), None)
    if wrong is not None:
        raise BenchError(f"--only {wrong}: expected numbers of claims, such as 2,6")
    return [int(one) for one in only]


def _prepared(found: Catalog, chosen: Chosen, prepare: Prepare, *, quiet: bool) -> Chosen:
    """Without the claims that need a stack which cannot be had on this machine."""
    if not chosen.stacks:
        return chosen
    _, absent = prepare(found, chosen.stacks, quiet=quiet)
    reasons = {}
    for one in chosen.ready:
        lacking = next((arm.stack.stack.id for arm in one.arms if arm.stack.stack.id in absent), None)
        if lacking:
            reasons[one.claim.number] = f"{lacking}: {absent[lacking]}"
    return chosen.without(reasons)


def _judge(folder: Path | None, console: Console, *, as_json: bool) -> bool:
    """Let the analysis judge, in a process of its own (bench imports no pandas), and show what it says; whether that worked."""
    if folder is None:
        return False
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "claims", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    verdicts = folder / "report" / "verdicts.json"
    if done.returncode or not verdicts.exists():
        console.print(f"the verdicts could not be made: {(done.stderr or done.stdout).strip()[-800:]}", markup=False)
        return False
    if as_json:
        told: dict[str, Any] = json.loads(verdicts.read_text(encoding="utf-8"))
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        console.print(done.stdout.rstrip(), markup=False)
    console.print(f"results: {folder}", markup=False)
    return True
