"""From words, or from a stored run, to a plan; and what forbids going on with a run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_stacks import Tree, budget

from bench import catalog, environments, load, plan, provenance, record, request
from bench.catalog import Catalog
from bench.model import BenchError
from bench.plan import PROFILES, Plan
from bench.store import RunStore


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("90s", 90), ("1h30m", 5400), ("2h", 7200), ("1.5h", 5400), ("10min", 600), ("1h 5m", 3900)]
)  # fmt: skip
def test_times(text: str, seconds: float) -> None:
    assert request.paced(PROFILES["quick"], None, text).budget_s == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "30x", "-5m", "5m!"])
def test_times_that_mean_nothing(text: str) -> None:
    with pytest.raises(BenchError, match=r"--time-budget .*: expected a time such as 30m, 90s or 1h30m"):
        request.paced(PROFILES["quick"], None, text)


@pytest.mark.parametrize(("text", "share"), [("3%", 0.03), ("0.05", 0.05), ("2.5%", 0.025)])
def test_precisions(text: str, share: float) -> None:
    assert request.paced(PROFILES["quick"], text, None).precision == pytest.approx(share)


def test_a_precision_asked_for_is_not_ended_by_the_profiles_clock() -> None:
    assert PROFILES["quick"].load_until_s is not None
    assert request.paced(PROFILES["quick"], "3%", None).load_until_s is None
    assert request.paced(PROFILES["quick"], None, "30m").load_until_s == PROFILES["quick"].load_until_s


@pytest.mark.parametrize("text", ["", "3", "0", "-3%", "100%", "wide"])
def test_precisions_that_mean_nothing(text: str) -> None:
    with pytest.raises(BenchError, match=r"--precision .*: expected a share such as 3% or 0.03"):
        request.paced(PROFILES["quick"], text, None)


@pytest.fixture
def found(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    tree.server("plain")
    tree.front("direct")
    for name in ("ant", "bee"):
        tree.app(name)
    tree.scenario("json")
    tree.scenario("db")
    (tree.root / "apps" / "CONTRACT.md").write_text("# Contract")
    monkeypatch.setattr(request, "place", lambda *_: budget())
    monkeypatch.setattr(environments, "digest", lambda *_: "0123456789abcdef")
    return tree.load()


@pytest.fixture
def stored(found: Catalog, tmp_path: Path) -> Callable[..., tuple[Plan, Path]]:
    def make(**changes: Any) -> tuple[Plan, Path]:
        asked = {
            "profile": "quick",
            "stacks": ["*/plain/direct"],
            "scenarios": ["json"],
            "mode": "native",
            "seed": None,
            "found": found,
            **changes,
        }
        made = request.fresh(**asked)
        header = record.header(made, "bench run", provenance.hashes(asked["found"], made.stacks, made.scenarios))
        store = RunStore.create(tmp_path / "results", header)
        store.close()
        return made, store.folder

    return make


def test_a_stored_run_gives_the_plan_that_it_was_made_by(
    found: Catalog, stored: Callable[..., tuple[Plan, Path]]
) -> None:
    made, folder = stored(precision="4%", time_budget="20m")
    assert request.again(found, folder) == made
    wider = request.again(found, folder, precision="2%", time_budget="1h")
    assert (wider.profile.precision, wider.profile.budget_s, wider.seed) == (0.02, 3600, made.seed)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("apps/ant/new.py", "files: stacks.ant/plain/direct.app"),
        ("apps/CONTRACT.md", "files: contract"),
        ("loadtests/scenarios/json.toml", "files: scenarios.json"),
        (
            "deploy/servers/plain/server.toml",
            "files: stacks.ant/plain/direct.server; files: stacks.bee/plain/direct.server",
        ),
    ],
)
def test_what_has_changed_since_cannot_be_gone_on_with(
    found: Catalog, stored: Callable[..., tuple[Plan, Path]], tree: Tree, file: str, named: str
) -> None:
    _, folder = stored()
    path = tree.root / file
    path.write_text((path.read_text() if path.exists() else "") + "\n# changed")
    with pytest.raises(BenchError, match="cannot be resumed: what it measured has changed since") as refused:
        request.again(found, folder)
    assert f"({named});" in str(refused.value)


def test_what_does_not_matter_does_not_forbid_it(
    found: Catalog, stored: Callable[..., tuple[Plan, Path]], tree: Tree
) -> None:
    made, folder = stored()
    for name in ("apps/ant/__pycache__/x.pyc", "apps/ant/.cache", "apps/CHANGES.md", "loadtests/scenarios/other.txt"):
        (tree.root / name).parent.mkdir(exist_ok=True)
        (tree.root / name).write_text("x")
    assert request.again(found, folder) == made


def test_another_machine_is_named(found: Catalog, stored: Callable[..., tuple[Plan, Path]]) -> None:
    _, folder = stored()
    path = folder / "run.json"
    header = json.loads(path.read_text())
    header["environment"]["cpu_model"] = "another"
    path.write_text(json.dumps(header))
    with pytest.raises(BenchError, match="machine: cpu_model"):
        request.again(found, folder)


def test_an_older_run_says_that_it_is_one(found: Catalog, stored: Callable[..., tuple[Plan, Path]]) -> None:
    _, folder = stored()
    path = folder / "run.json"
    header = json.loads(path.read_text())
    del header["plan"]["profile"]
    path.write_text(json.dumps(header))
    with pytest.raises(BenchError, match=r"run.json: is older than --resume, or damaged: 'profile' is missing"):
        request.again(found, folder)


def test_the_suites_own_code_counts() -> None:
    real = catalog.load()
    hashes = provenance.hashes(real, [], [])
    assert hashes == provenance.hashes(real, [], [])
    assert len(hashes["suite"]) == len(hashes["contract"]) == 12


def test_a_swept_run_is_gone_on_with_as_it_was_swept(
    found: Catalog, stored: Callable[..., tuple[Plan, Path]], tree: Tree
) -> None:
    made, folder = stored(sweep=["connections=4,16"])
    assert [one.name for one in made.scenarios] == ["json-4-connections", "json-16-connections"]
    assert request.again(found, folder) == made


def test_what_a_profile_leaves_out_and_notes_is_so_when_it_is_gone_on_with(
    tree: Tree, found: Catalog, stored: Callable[..., tuple[Plan, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.server("plain", '[options.workers]\ndescription = "."\ndefault = "2"')
    for name in ("ant", "bee"):
        tree.app(name, core=["plain/direct"])
    found = tree.load()
    swept = replace(
        PROFILES["quick"], name="swept", stacks=("core",), scenarios=("json", "db"), sweep=("workers=1,20",),
        swept_scenarios=("json",),
    )  # fmt: skip
    monkeypatch.setattr(plan, "PROFILES", {"swept": swept})
    made, folder = stored(found=found, profile="swept", stacks=[], scenarios=[])
    extra = [f"{name}/plain+workers={count}/direct" for name in ("ant", "bee") for count in (1, 20)]
    assert made.skipped.keys() == {f"{stack} db" for stack in extra}
    assert "each of their 20 workers may hold a database connection" in made.notes[0]
    assert request.again(found, folder) == made


def test_a_load_process_for_each_cpu_is_planned_stored_and_gone_on_with(
    found: Catalog, stored: Callable[..., tuple[Plan, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored()[0].budget.load_each is False
    with pytest.raises(BenchError, match=r"--load-workers: the generator has one CPU, .* --cpus load="):
        stored(load_workers=True)
    wide = replace(budget(), load_cpus=frozenset({5, 6, 7}), pinned=True)
    monkeypatch.setattr(request, "place", lambda *_: wide)
    made, folder = stored(load_workers=True)
    assert load.each(made.budget) == load.Workers(cpus=(5, 6, 7))
    assert load.each(wide) is None
    assert request.again(found, folder).budget == made.budget


def test_a_mode_that_there_is_not_is_refused_before_anything_is_written(found: Catalog) -> None:
    with pytest.raises(BenchError, match="unknown mode 'podman'; known: native, compose"):
        request.fresh(found, profile="quick", stacks=["*/plain/direct"], scenarios=["json"], mode="podman", seed=None)
