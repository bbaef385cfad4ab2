"""`bench trust`: stacks whose differences are known, taken through the whole pipeline, and what it says of them; and pairs of unlike stacks
whose ratio must not depend on how long a slice is.

The aiohttp application is put into a catalogue of its own, as variants that turn an empty loop for each request: none (twice over: two
equal stacks under two names), and as many turns as make a request take 5% and 10% more time.
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
TRIAL_TURNS = 4000
"""With which the cost of one turn is found, against none."""
SLOWER: Mapping[str, float] = {"five": 0.05, "ten": 0.10}
"""From variant to how much more time a request takes."""

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

_APP = '''
"""aiohttp's application, with an empty loop of PLANTED_TURNS turns before each answer."""

import itertools
import os

import app
from aiohttp import web

TURNS = int(os.environ.get("PLANTED_TURNS", "0"))


@web.middleware
async def work(request, handler):
    for _ in itertools.repeat(None, TURNS):
        pass
    return await handler(request)


def make_app():
    made = app.make_app()
    made.middlewares.append(work)
    return made
'''


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A run over stacks with known differences; `truth`: from stack id to the rate it should have, relative to the first."""

    folder: Path
    truth: Mapping[str, float]


@contextmanager
def planted(turns: Mapping[str, int]) -> Iterator[Catalog]:
    """A catalogue with one application, as variants that turn an empty loop so often."""
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
        for variant, count in turns.items():
            env = f'env = {{ PLANTED_TURNS = "{count}" }}'
            manifest += f'\n[variants.{variant}]\ndescription = "{count} turns"\ndata = "psycopg 3"\n{env}\n'
        (folder / "app.toml").write_text(manifest, encoding="utf-8")
        yield catalog.load(root)


def measure(*, results: Path, blocks: int, seconds: float, progress: Callable[[Plan], Progressing]) -> Planted:
    """Find what a turn costs, plant the differences, and run. Raises BenchError where a stack gives no figure.

    `seconds`: load of each deployment. The trial run is stored beside the other.
    """
    with planted({"trial": TRIAL_TURNS}) as found:
        stored = _run(found, ["", "+trial"], results=results, blocks=1, seconds=2.0, progress=progress)
    none_s, trial_s = (1 / rate for rate in _rates(stored, ["", "+trial"]))
    if trial_s <= none_s:
        raise BenchError(f"{TRIAL_TURNS} turns of a loop cost nothing that could be seen; is the machine very busy?")
    turns = {name: round(TRIAL_TURNS * share * none_s / (trial_s - none_s)) for name, share in SLOWER.items()}
    with planted({"same": 0, **turns}) as found:
        variants = ["", *(f"+{name}" for name in ("same", *SLOWER))]
        folder = _run(found, variants, results=results, blocks=blocks, seconds=seconds, progress=progress)
    truth = {STACK.format(variant=""): 1.0, STACK.format(variant="+same"): 1.0}
    truth |= {STACK.format(variant=f"+{name}"): 1 / (1 + share) for name, share in SLOWER.items()}
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


def _rates(folder: Path, variants: list[str]) -> list[float]:
    rates = []
    for variant in variants:
        stack = STACK.format(variant=variant)
        mine = [
            one
            for one in store.read_run(folder).trials
            if one["stack"] == stack and one["view"] == "capacity" and one["rps"]
        ]
        if not mine:
            raise BenchError(f"{stack} gave no figure; `bench report {folder.name}` says why")
        rates.append(sum(one["requests"] for one in mine) / sum(one["seconds"] for one in mine))
    return rates
