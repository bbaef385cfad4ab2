"""Runs made of chosen numbers, as fixtures."""

import random
from collections.abc import Callable, Iterator

import pytest
from made_runs import SCENARIOS, STACKS, StoredRun, header, trial, unmeasured

from analysis import pictures


@pytest.fixture(scope="session", autouse=True)
def usual_dpi() -> Iterator[int]:
    """Has PNGs drawn small: large they take long, and hardly a test looks at their pixels. One that does gets the usual density."""
    usual = pictures.PNG_DPI
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PNG_DPI", 20)
        yield usual


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StoredRun]:
    """Makes a run of the four default stacks: `make_run(scenarios=, stacks=, blocks=, copies=, seed=)`; call `.write()` when changed."""

    def make(
        *,
        scenarios: list[str] | None = None,
        stacks: list[str] | None = None,
        blocks: int = 1,
        copies: int = 1,
        seed: int = 1,
    ) -> StoredRun:
        chosen_scenarios, chosen_stacks = (
            list(SCENARIOS) if scenarios is None else scenarios,
            list(STACKS) if stacks is None else stacks,
        )
        rng = random.Random(seed)
        noisy = blocks * copies > 1
        trials = [
            trial(name, scenario, view, block=block, copy=copy, noise=rng.lognormvariate(0, 0.02) if noisy else 1.0)
            for block in range(blocks)
            for scenario in chosen_scenarios
            for view in ("capacity", "latency")
            for name in chosen_stacks
            for copy in range(copies)
        ]
        head = header(scenarios=chosen_scenarios, stacks=chosen_stacks, blocks=blocks, copies=copies)
        return StoredRun(tmp_path_factory.mktemp("run") / head["run_id"], head, trials)

    return make


@pytest.fixture(scope="session")
def mixed_run(make_run: Callable[..., StoredRun]) -> StoredRun:
    """One block in which some trials failed, one was skipped, one was flagged and one had errors."""
    run = make_run()
    tail = "Traceback (most recent call last):\n  boom <script>alert(1)</script> & more\n\x1b[31mRuntimeError\x1b[0m: worker exited 70"
    run.replace(
        "flask/gunicorn-sync/nginx",
        "db",
        "capacity",
        lambda t: unmeasured(t, "failed", "worker exited 70 <b>&</b>", tail),
    )
    run.replace(
        "flask/gunicorn-sync/nginx",
        "db",
        "latency",
        lambda t: unmeasured(t, "failed", "worker exited 70 <b>&</b>", tail),
    )
    run.replace(
        "django/gunicorn-sync/nginx", "fortunes", "latency", lambda t: unmeasured(t, "skipped", "load stopped at 110 s")
    )
    run.replace(
        "aiohttp/multi/nginx",
        "plaintext",
        "capacity",
        lambda t: t | {"flags": ["generator-bound"], "generator_cpu": 0.93},
    )
    run.replace(
        "tornado/multi/nginx",
        "json",
        "latency",
        lambda t: t | {"errors": {"timeout": 3, "reset": 1}, "flags": ["errors"]},
    )
    run.write()
    return run
