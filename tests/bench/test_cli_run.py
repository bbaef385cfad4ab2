"""`bench run`: what its options come to below the command, which run it goes on with, and what it says before it begins."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import test_cli
from made_stacks import budget

from bench import catalog, cli, estimate, pace, request
from bench.compose import engine
from bench.model import Skipped
from bench.plan import PROFILES, Plan, make
from bench.store import RunStore

bench, job, trial = test_cli.bench, test_cli.job, test_cli.trial
Call = Callable[..., test_cli.Done]
FLASK, TORNADO = "flask/gunicorn-sync/nginx", "tornado/multi/nginx"


def planned(*names: str, **changes: Any) -> Plan:
    """Of `json` on one CPU a side, with seed 7; `changes` are of the profile `quick`."""
    found = catalog.load()
    profile = replace(PROFILES["quick"], load_until_s=None, **changes)
    stacks = [catalog.resolve(found, one) for one in names or (FLASK,)]
    return make(profile, stacks, [found.scenarios["json"]], budget(), seed=7)


@dataclass(kw_only=True)
class Asked:
    """In the place of bench.request: how it was asked, and the plan that it answers with."""

    fresh: list[dict[str, Any]] = field(default_factory=list)
    again: list[dict[str, Any]] = field(default_factory=list)
    plan: Plan = field(default_factory=planned)


@pytest.fixture
def asked(job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    job["trials"] = [trial()]

    def fresh(found: catalog.Catalog, **how: Any) -> Plan:
        made.fresh.append(how)
        return made.plan

    def again(found: catalog.Catalog, folder: Path, **how: Any) -> Plan:
        made.again.append({"folder": folder, **how})
        return made.plan

    monkeypatch.setattr(request, "fresh", fresh)
    monkeypatch.setattr(request, "again", again)
    return made


def said(done: test_cli.Done) -> str:
    """The answer in one line: a terminal's width parts its sentences."""
    assert done.code == 0, done.err
    return " ".join(done.out.split())


# A new run

ASKED: dict[str, Any] = {
    "profile": "standard", "stacks": (), "scenarios": (), "sweep": (), "with_": (), "cpus": None, "load_workers": False,
    "mode": "native", "seed": None, "precision": None, "time_budget": None,
}  # fmt: skip
"""What `bench run` asks for without a word."""


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ((), {}),
        (("--profile", "full"), {"profile": "full"}),
        (("--stacks", "core,flask/*", "aiohttp/*"), {"stacks": ("core", "flask/*", "aiohttp/*")}),
        (("--scenarios", "db,json", "--scenarios", "fortunes"), {"scenarios": ("db", "json", "fortunes")}),
        (("--sweep", "workers=1,2,4", "threads=1,8"), {"sweep": ("workers=1,2,4", "threads=1,8")}),
        (("--with", "django==5.2", "flask==3.0,flask==2.3"), {"with_": ("django==5.2", "flask==3.0", "flask==2.3")}),
        (("--cpus", "server=0-3,db=4,load=5-7"), {"cpus": "server=0-3,db=4,load=5-7"}),
        (("--load-workers",), {"load_workers": True}),
        (("--mode", "compose"), {"mode": "compose"}),
        (("--seed", "7"), {"seed": 7}),
        (("--precision", "2%"), {"precision": "2%"}),
        (("--time-budget", "1h30m"), {"time_budget": "1h30m"}),
        (
            ("--cpus", "load=1", "--load-workers", "--precision", "0.02", "--time-budget", "30m", "--with", "flask==3.0"),
            {"cpus": "load=1", "load_workers": True, "precision": "0.02", "time_budget": "30m", "with_": ("flask==3.0",)},
        ),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)  # fmt: skip
def test_each_option_of_a_new_run_is_asked_for_under_its_own_name(
    bench: Call, job: dict[str, Any], asked: Asked, words: tuple[str, ...], changes: dict[str, Any]
) -> None:
    assert bench("run", *words).code == 0
    assert asked.fresh == [{**ASKED, **changes}]
    assert asked.again == []
    assert (job["plan"], job["resumed"]) == (asked.plan, None)


@pytest.mark.parametrize("word", ["--no-load-workers", "--no-live", "--no-quiet"])
def test_a_switch_has_no_opposite(bench: Call, asked: Asked, word: str) -> None:
    assert bench("run", word).code == 2
    assert asked.fresh == []


# A run that is gone on with


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """An older run and the latest one, in the folder `out`."""
    made = [RunStore.create(tmp_path / "out", {}) for _ in range(2)]
    for one in made:
        one.close()
    return made[0].folder.resolve(), made[1].folder.resolve()


@pytest.mark.parametrize(
    "words",
    [
        ("--results", "out", "--resume"),
        ("--resume", "--results", "out"),
        ("--resume", "latest", "--results", "out"),
        ("--results", "out", "--resume", "--quiet"),
    ],
    ids=" ".join,
)
def test_resuming_without_a_name_goes_on_with_the_latest(
    bench: Call, job: dict[str, Any], asked: Asked, runs: tuple[Path, Path], words: tuple[str, ...]
) -> None:
    assert bench("run", *words).code == 0
    assert asked.again == [{"folder": runs[1], "precision": None, "time_budget": None}]
    assert asked.fresh == []
    assert job["resumed"] == runs[1]
    assert job["command"] == f"bench run {' '.join(words)}", "what is stored is what was typed"


@pytest.mark.parametrize("by_path", [False, True])
def test_a_run_that_is_named_is_the_one_that_goes_on(
    bench: Call, job: dict[str, Any], asked: Asked, runs: tuple[Path, Path], by_path: bool
) -> None:
    name = str(runs[0]) if by_path else runs[0].name
    done = bench("run", "--resume", name, "--precision", "2%", "--time-budget", "2h", "--results", "out")
    assert asked.again == [{"folder": runs[0], "precision": "2%", "time_budget": "2h"}]
    assert job["resumed"] == runs[0]
    assert re.search(
        rf"^resuming {runs[0].name}: 1 stacks x 1 scenarios, 1 block x 1 copy, seed 7; about .* in all ", said(done)
    )


def test_a_run_that_is_not_there_is_one_line(bench: Call, asked: Asked, runs: tuple[Path, Path]) -> None:
    done = bench("run", "--resume", "20260101-000000-abcd", "--results", "out")
    assert (done.code, done.out, asked.again) == (2, "", [])
    assert "no run '20260101-000000-abcd' in out; the last ones are " in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("--profile", "quick"), ("--stacks", "flask/*"), ("--scenarios", "db"), ("--sweep", "workers=1,2"), ("--with", "django==5.2"),
        ("--cpus", "server=0,load=1"), ("--load-workers",), ("--seed", "0"),
    ],
)  # fmt: skip
def test_a_run_that_is_taken_up_again_is_not_made_another(
    bench: Call, asked: Asked, runs: tuple[Path, Path], words: tuple[str, ...]
) -> None:
    done = bench("run", "--resume", runs[0].name, *words, "--results", "out")
    assert done.code == 2
    assert f"{words[0]}: a run that is taken up again keeps its own; leave it out, or begin a new run" in " ".join(
        done.err.split()
    )


def test_a_name_that_is_empty_does_not_begin_a_new_run(bench: Call, asked: Asked, job: dict[str, Any]) -> None:
    done = bench("run", "--resume=")
    assert (done.code, "plan" in job) == (2, False)
    assert "--resume= names no run" in done.err


@pytest.mark.parametrize(
    ("words", "become"),
    [
        (["run", "--resume"], ["run", "--resume", "latest"]),
        (["run", "--resume", "--quiet"], ["run", "--resume", "latest", "--quiet"]),
        (["run", "--resume", "an-id", "--quiet"], ["run", "--resume", "an-id", "--quiet"]),
        (["run", "--resume=an-id"], ["run", "--resume=an-id"]),
        (["run", "--stacks", "resume"], ["run", "--stacks", "resume"]),
        ([], []),
    ],
)
def test_only_a_bare_resume_stands_for_the_latest(words: list[str], become: list[str]) -> None:
    assert cli._resume_the_latest(words) == become


def test_where_a_run_is_resumed_its_own_mode_is_known_and_a_context_is_taken(
    bench: Call, asked: Asked, runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(engine, "choose", chosen.append)
    assert bench("run", "--resume", runs[0].name, "--context", "lab", "--results", "out").code == 0
    assert chosen == ["lab"]


def test_a_budget_too_short_for_a_block_refuses_a_new_run_and_not_one_that_was_begun(
    bench: Call, job: dict[str, Any], asked: Asked, runs: tuple[Path, Path]
) -> None:
    asked.plan = planned(budget_s=1.0)
    done = bench("run", "--results", "out")
    assert done.code == 2
    assert done.err.startswith("bench: a time budget of 1 s is too short: one block of these stacks")
    assert "plan" not in job
    assert bench("run", "--resume", "--results", "out").code == 0
    assert job["resumed"] == runs[1]


# What is said before it begins


def test_nothing_is_said_of_a_precision_or_a_budget_that_was_not_asked_for(bench: Call, asked: Asked) -> None:
    asked.plan = planned(blocks=2, copies=2)
    told = said(bench("run"))
    assert told.startswith("1 stacks x 1 scenarios, 2 blocks x 2 copies, seed 7; about ")
    assert "CPUs: stacks 0 (fronts included), database 2, generator 1; meant so, not bound" in told
    assert not re.search("in all|then further|to either side|note:|left out", told)


@pytest.mark.parametrize(
    ("budget_s", "ending"), [(None, "3.5% to either side CPUs:"), (5400.0, "3.5% to either side, until 1 h 30 min have passed CPUs:")]
)  # fmt: skip
def test_further_blocks_are_announced_with_their_end(
    bench: Call, asked: Asked, budget_s: float | None, ending: str
) -> None:
    asked.plan = planned(precision=0.035, budget_s=budget_s)
    told = said(bench("run"))
    assert f"then further blocks for what is wider than {ending}" in told
    assert "note:" not in told


def lasting(share: float, blocks: int) -> Plan:
    """A plan of 10 blocks with the time for so many, each loaded for this share of the profile's time."""
    made = planned(FLASK, TORNADO, blocks=10, copies=2, capacity_s=20.0)
    needed_s = estimate.once_s(made) + blocks * estimate.block_s(made, made.block_cells(0), share, 1.0)
    return replace(made, profile=replace(made.profile, budget_s=needed_s + 0.01))


def test_blocks_that_are_made_to_fit_are_announced_as_shorter(bench: Call, asked: Asked) -> None:
    asked.plan = lasting(0.7, 10)
    told = said(bench("run"))
    assert "note: each is loaded for 70% of the profile's time, so that the blocks fit into the budget" in told
    assert "is less than these blocks need" not in told


def test_a_budget_for_fewer_blocks_than_planned_is_said(bench: Call, asked: Asked) -> None:
    asked.plan = lasting(pace.LEAST_SHARE, 6)
    told = said(bench("run"))
    assert "note: each is loaded for 50% of the profile's time" in told
    assert re.search(
        r"note: the budget of \d+ min \d\d s is less than these blocks need; it ends after those that fit", told
    )


def test_what_the_plan_notes_and_leaves_out_is_said_and_a_stack_without_a_scenario_is_not(
    bench: Call, asked: Asked
) -> None:
    asked.plan = replace(
        planned(), notes=("a [bold] note",),
        skipped={"bee/plain/direct": Skipped(reason="no Node"), "cat/plain/direct db": Skipped(reason="no rows")},
    )  # fmt: skip
    told = said(bench("run"))
    assert "note: a [bold] note" in told
    assert "left out: bee/plain/direct: no Node" in told
    assert "no rows" not in told


def test_for_a_program_all_of_this_goes_to_standard_error(bench: Call, asked: Asked) -> None:
    asked.plan = planned(precision=0.035)
    done = bench("run", "--json")
    assert "then further blocks" in done.err
    assert "then further blocks" not in done.out
    assert bench("run", "--quiet").err == ""
