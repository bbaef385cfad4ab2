"""`bench trust`: stacks whose differences are known, taken through the whole pipeline, and what it says of them; and pairs of unlike stacks
whose ratio must not depend on how long a slice is.

The aiohttp application is put into a catalogue of its own, as variants that answer at a known pace: two equal ones under two names, and
some whose pace is 5% and 10% slower. Deployments of each vary around it by a known law too.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import catalog, environments, provenance, request, run, slices, store
from bench.catalog import ROOT, Catalog
from bench.console import Progressing
from bench.model import BenchError
from bench.pilot import CANDIDATES
from bench.plan import PROFILES, Plan

NAME = "planted"
STACK = f"{NAME}{{variant}}/single/direct"
PACE_US = 200.0
"""From the beginning of one answer to that of the next: several times what this application takes, so that this alone decides its rate."""
SPREAD = 0.01
"""Standard deviation of the logarithm of deployments' paces: what event loops' deployments were found to differ by."""
HELD = 0.97
"""Of its pace a stack must hold at least, or its ratio to the others need not be the planted one: 0.992 to 1.000 were held here."""
SLOWER: Mapping[str, float] = {"same": 0.0, "five": 0.05, "ten": 0.10}
"""From variant to how much longer its pace is."""

PAIRS: Mapping[str, tuple[str, str]] = {
    "sync": ("flask/gunicorn-sync/direct", "django/gunicorn-sync/direct"),
    "loop": ("aiohttp/single/direct", "tornado/single/direct"),
    "nginx": ("aiohttp/multi/nginx", "flask/gunicorn-gthread/nginx"),
}
_USED = PROFILES["standard"]
LENGTHS_S = tuple(times * _USED.slice_s for times in (1, 2, 4))
"""The length in use, twice and four times it."""
WINDOW_S = 1.0
"""Long windows, which those are held against, and parts of which they are."""
WINDOWS = round(_USED.capacity_s / _USED.slice_s)
"""Of each stack in a round, as many as slices in a run: a window resumes as the one before ended, the first one as the warm-up did."""
_AROUND_S = 2.5
"""For the load process and the warm-up of a round, and to count what came."""
PAIR_SCENARIO = "json"
"""Its slices vary least from one moment to the next, so that a bias of a percent can be seen; what they cut is the same in all."""

_APP = f'''
"""aiohttp's application at a known pace: no answer begins earlier than PLANTED_US after the one before it, times what this process drew."""

import math
import os
import random
import time

import app
from aiohttp import web

PACE_NS = 1000 * float(os.environ.get("PLANTED_US", "{PACE_US}")) * math.exp(random.gauss(0.0, {SPREAD}))
left_ns = 0


@web.middleware
async def pace(request, handler):
    global left_ns
    due_ns = left_ns + PACE_NS
    while (now_ns := time.perf_counter_ns()) < due_ns:
        pass
    left_ns = now_ns
    return await handler(request)


def make_app():
    made = app.make_app()
    made.middlewares.append(pace)
    return made
'''


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A run over stacks with known differences; `truth`: from stack id to the rate it should have, relative to the first."""

    folder: Path
    truth: Mapping[str, float]


@contextmanager
def planted(paces_us: Mapping[str, float]) -> Iterator[Catalog]:
    """A catalogue with one application, as variants with these microseconds from one answer to the next; without variant it has PACE_US."""
    with TemporaryDirectory(prefix="forkloop-trust-") as name:
        root = Path(name)
        (root / "loadtests").mkdir()
        (root / "loadtests" / "scenarios").symlink_to(ROOT / "loadtests" / "scenarios")
        (root / "deploy").symlink_to(ROOT / "deploy")
        folder = root / "apps" / NAME
        shutil.copytree(ROOT / "apps" / "aiohttp", folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "apps" / "CONTRACT.md", root / "apps")
        (folder / "planted.py").write_text(_APP, encoding="utf-8")
        manifest = (folder / "app.toml").read_text(encoding="utf-8").replace('"app:make_app"', '"planted:make_app"')
        for variant, pace_us in paces_us.items():
            env = f'env = {{ PLANTED_US = "{pace_us:g}" }}'
            manifest += f'\n[variants.{variant}]\ndescription = "{pace_us:g} us"\ndata = "psycopg 3"\n{env}\n'
        (folder / "app.toml").write_text(manifest, encoding="utf-8")
        yield catalog.load(root)


def measure(*, results: Path, blocks: int, seconds: float, progress: Callable[[Plan], Progressing]) -> Planted:
    """Plant the differences, and run. Raises BenchError where a stack gives no figure, or the planted pace was not held.

    `seconds`: load of each deployment.
    """
    with planted({name: PACE_US * (1 + share) for name, share in SLOWER.items()}) as found:
        variants = ["", *(f"+{name}" for name in SLOWER)]
        folder = _run(found, variants, results=results, blocks=blocks, seconds=seconds, progress=progress)
    truth = {STACK.format(variant=""): 1.0}
    truth |= {STACK.format(variant=f"+{name}"): 1 / (1 + share) for name, share in SLOWER.items()}
    for stack, relative in truth.items():
        rate, pace = _rate(folder, stack), relative * 1e6 / PACE_US
        if rate < HELD * pace:
            raise BenchError(
                f"{stack} answered {rate:,.0f}/s of the {pace:,.0f}/s that its pace allows: this machine is too slow or too busy for what "
                f"was planted, and nothing is said of it; try again when it does nothing else (the run is {folder.name})"
            )
    return Planted(folder=folder, truth=truth)


def lengths(*, results: Path, rounds: int, say: Callable[[str], None]) -> Path:
    """Load the stacks of all `PAIRS` in long windows, in turn as in a run; returns the folder. Raises BenchError."""
    found = catalog.load()
    pairs = [(catalog.resolve(found, other), catalog.resolve(found, stack)) for other, stack in PAIRS.values()]
    minutes = rounds * (2 * len(pairs) * WINDOWS * WINDOW_S + _AROUND_S) / 60
    shown = ", ".join(f"{1000 * one:g}" for one in LENGTHS_S)
    say(f"slices of {shown} and {1000 * WINDOW_S:g} ms on {len(pairs)} pairs: about {minutes:.0f} min")
    environments.prepare(found, [one.app for pair in pairs for one in pair], say)
    folder = results / time.strftime("slices-%Y%m%d-%H%M%S")
    slices.windows(
        pairs, found.scenarios[PAIR_SCENARIO], window_s=WINDOW_S, cuts_s=LENGTHS_S, windows=WINDOWS, rounds=rounds,
        warmup_s=_USED.warmup_s, connections=CANDIDATES[0], seed=1, folder=folder, say=say,
    )  # fmt: skip
    return folder


def _run(
    found: Catalog, variants: list[str], *, results: Path, blocks: int, seconds: float, progress: Callable[[Plan], Progressing],
) -> Path:  # fmt: skip
    environments.prepare(found, found.apps.values(), lambda text: None)
    made = request.fresh(
        found, profile="standard", stacks=[STACK.format(variant=one) for one in variants], scenarios=["plaintext"], mode="native",
        seed=1,
    )  # fmt: skip
    profile = replace(
        made.profile, name="trust", blocks=blocks, capacity_s=seconds, latency=None, own_loads=(), pilot_s=None, precision=None,
        budget_s=None,
    )  # fmt: skip
    made = replace(made, profile=profile)
    outcome = run.Outcome()
    with progress(made) as shown:
        run.execute(
            made, results=results, command="bench trust", progress=shown, outcome=outcome,
            hashes=provenance.hashes(found, made.stacks, made.scenarios),
        )  # fmt: skip
    assert outcome.folder is not None
    return outcome.folder


def _rate(folder: Path, stack: str) -> float:
    mine = [
        one
        for one in store.read_run(folder).trials
        if one["stack"] == stack and one["view"] == "capacity" and one["rps"]
    ]
    if not mine:
        raise BenchError(f"{stack} gave no figure; `bench report {folder.name}` says why")
    return float(sum(one["requests"] for one in mine) / sum(one["seconds"] for one in mine))
