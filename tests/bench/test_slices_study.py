"""`bench slices`: which lengths are loaded in which order, what ends it early, and that the analysis reads what it stores."""

import json
import random
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from fakes import FakeLauncher
from made_stacks import Tree, scenario, three_stacks

from analysis import slices as analysis
from bench import slices
from bench.load import Job, LoadFailedError
from bench.machine import Topology
from bench.model import BenchError, Failed
from bench.service import Database

LENGTHS_MS = (25.0, 100.0, 500.0)
RPS = {"ant": 1000, "bee": 500, "cat": 250}


@dataclass(kw_only=True)
class World:
    """Where nothing runs: `work` holds in order what was asked for, `sites` how sites were opened, `loads` how load was started."""

    folder: Path
    stacks: list[Any]
    launcher: FakeLauncher
    work: list[Any]
    sites: list[dict[str, Any]] = field(default_factory=list)
    loads: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    database: Database = field(default_factory=lambda: Database(url="postgresql://there"))
    breaks_at: int | None = None
    """The number of the load that fails."""
    overflows_at: int | None = None
    """That of the load with more requests than are kept one by one."""

    def study(self, **changes: Any) -> None:
        given: dict[str, Any] = {
            "lengths": dict.fromkeys(LENGTHS_MS, 0.5), "rounds": 3, "connections": 8, "seed": 3, "folder": self.folder,
            "say": self.said.append, **changes,
        }  # fmt: skip
        slices.study(self.stacks, scenario("db"), **given)

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "slices.json").read_text("utf-8"))
        return found

    def kinds(self) -> list[str]:
        return [one[0] for one in self.work]


def _store(job: Job, folder: Path, name: str) -> list[dict[str, Any]]:
    """What a generator would leave: one slice of each target in each spell, answered at its stack's rate. Returns the spells."""
    requests: list[dict[str, Any]] = []
    windows: list[dict[str, Any]] = []
    begun = []
    for slice_s, seconds in job.spells:
        begun.append({"slice_s": slice_s, "first": len(windows)})
        for target in job.targets:
            rate, number = RPS[target.id.split("-")[1]], len(windows)
            start_s = 10.0 * number
            windows.append({
                "target": target.id, "slice": number, "start_s": start_s, "end_s": start_s + seconds,
                "requests": round(rate * seconds), "preceded_by": windows[-1]["target"] if windows else None,
            })  # fmt: skip
            requests += [
                {
                    "target": target.id,
                    "slice": number,
                    "end_s": start_s + (at + 0.5) / rate,
                    "error": None,
                    "phase": "measure",
                }
                for at in range(round(rate * seconds))
            ]
    pd.DataFrame(requests).to_parquet(folder / "requests" / f"{name}.parquet")
    pd.DataFrame(windows).to_parquet(folder / "slices" / f"{name}.parquet")
    return begun


@pytest.fixture
def world(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    work: list[Any] = []
    made = World(
        folder=tmp_path / "out" / "slices-1",
        stacks=three_stacks(tree),
        launcher=FakeLauncher(work, tmp_path),
        work=work,
    )

    def open_site(session: Any, planned: Any, budget: Any, **how: Any) -> Any:
        made.sites.append({"stacks": [one.stack.id for one in planned], "budget": budget, **how})
        return SimpleNamespace(database=made.database, launcher=made.launcher)

    def run(session: Any, job: Job, *, folder: Path, name: str, **how: Any) -> dict[str, Any]:
        work.append(("load", name))
        made.jobs.append(job)
        made.loads.append({"session": session, "folder": folder, **how})
        if len(made.jobs) - 1 == made.breaks_at:
            raise LoadFailedError("the load generator ended early", how["log"])
        recorded = "histograms" if len(made.jobs) - 1 == made.overflows_at else "requests"
        return {"recorded": recorded, "spells": _store(job, folder, name)}

    monkeypatch.setattr(slices, "Session", lambda: nullcontext(SimpleNamespace(scratch=tmp_path / "scratch")))
    monkeypatch.setattr(slices, "open_site", open_site)
    monkeypatch.setattr(slices, "topology", lambda: Topology(cores=((0,), (1,), (2,))))
    monkeypatch.setattr(slices.load, "run", run)
    monkeypatch.setattr(slices.data, "settle", lambda url: work.append(("settle", url)) or ())
    return made


def test_the_same_deployments_meet_every_length_in_each_round_and_in_an_order_drawn_anew(world: World) -> None:
    world.study()
    assert world.kinds() == ["start", *["settle", "load"] * 3, "stop"]
    assert (
        world.work[0][1]
        == world.work[-1][1]
        == ["0-ant--plain--direct-0", "0-bee--plain--direct-0", "0-cat--plain--direct-0"]
    )
    assert [one[1] for one in world.work if one[0] == "load"] == ["0", "1", "2"]
    assert [sorted(job.spells) for job in world.jobs] == [[(0.025, 0.5), (0.1, 0.5), (0.5, 0.5)]] * 3
    assert len({tuple(job.spells) for job in world.jobs}) > 1, "the order is not that of the round before"
    assert world.said == [f"round {number} of 3" for number in (1, 2, 3)]


def test_lengths_are_mixed_so_that_each_comes_as_often_as_two_slices_of_the_longest() -> None:
    lengths = {100.0: 4.0, 400.0: 4.0, 1000.0: 10.0}
    found = slices.spells(lengths, random.Random(1))
    turns = [found[at : at + 3] for at in range(0, 15, 3)]
    assert [sorted((length, round(seconds, 6)) for length, seconds in turn) for turn in turns] == [
        [(0.1, 0.8), (0.4, 0.8), (1.0, 2.0)]
    ] * 5
    assert len({tuple(length for length, _ in turn) for turn in turns}) > 1
    assert sum(seconds for _, seconds in found) == pytest.approx(sum(lengths.values()))
    uneven = slices.spells({100.0: 0.7, 250.0: 0.5, 300.0: 1.9}, random.Random(1))
    assert [length for length, _ in uneven].count(0.25) == 2, "two slices for three turns"
    assert sum(seconds for length, seconds in uneven if length == 0.1) == pytest.approx(0.7)
    assert [(length, round(seconds, 6)) for length, seconds in uneven if length == 0.3] == [(0.3, 0.6)] * 3
    assert slices.spells({3000.0: 3.0}, random.Random(1)) == [(3.0, 3.0)], "one slice is enough"


def test_the_seed_fixes_the_order_and_what_is_drawn_for_each_load(world: World, tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        world.study(folder=tmp_path / folder, seed=seed)
    drawn = [(tuple(one.spells), one.seed) for one in world.jobs]
    assert drawn[:3] == drawn[3:6]
    assert drawn[:3] != drawn[6:]
    assert len({seed for _, seed in drawn[:3]}) == 3


def test_a_load_has_no_lead_and_no_warm_up_and_lasts_as_long_as_its_spells(world: World) -> None:
    world.study(connections=5, lengths=dict.fromkeys(LENGTHS_MS, 0.75), rounds=1)
    (job,) = world.jobs
    assert (job.scenario, job.mode, job.warmup_s, job.lead, job.slice_s) == ("db", "duet", 0.0, 0.0, None)
    assert job.measure_s == pytest.approx(sum(seconds for _, seconds in job.spells))
    assert [(one.id, one.endpoint.port, one.connections) for one in job.targets] == [
        ("0-ant--plain--direct-0", 20000, 5), ("0-bee--plain--direct-0", 20001, 5), ("0-cat--plain--direct-0", 20002, 5),
    ]  # fmt: skip
    (site,) = world.sites
    assert (site["mode"], site["stacks"]) == ("native", [one.id for one in world.stacks])
    assert site["logs"] == world.folder / "logs"
    assert {frozenset(one["cpus"]) for one in world.loads} == {site["budget"].load_cpus}
    assert {one["folder"] for one in world.loads} == {world.folder}


def test_the_analysis_reads_what_is_stored(world: World) -> None:
    world.study(rounds=2)
    table = analysis.rates(world.folder)
    assert len(table) == 2 * 3 * 3 * 3, "rounds, lengths, stacks and estimators"
    assert sorted(table["length_ms"].unique()) == list(LENGTHS_MS)
    assert sorted(table["round"].unique()) == [0, 1]
    means = table[table["estimator"] == "within"].groupby("stack")["rate_rps"].mean()
    assert means.to_dict() == pytest.approx({f"{name}/plain/direct": rate for name, rate in RPS.items()})
    assert "ratios to ant/plain/direct" in analysis.report(world.folder)
    described = world.described()
    assert {key: described[key] for key in ("scenario", "connections", "seconds", "seed")} == {
        "scenario": "db", "connections": 8, "seconds": {"25": 0.5, "100": 0.5, "500": 0.5}, "seed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": {0.0: 1.0, 100.0: 1.0}}, {"lengths": {-25.0: 1.0}}, {"rounds": 0}, {"lengths": {25.0: 0.5, 500.0: 0.499}},
        {"lengths": {}}, {"lengths": {float("nan"): 1.0}}, {"connections": 0},
    ],
    ids=["length 0", "length below 0", "no round", "shorter than the longest slice", "no length", "no number", "no connection"],
)  # fmt: skip
def test_lengths_that_cannot_be_are_refused_before_anything_is_made(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="--lengths-ms must be above 0 and --seconds no shorter than the longest"):
        world.study(**wrong)
    assert (world.work, world.sites, world.folder.exists()) == ([], [], False)


def test_one_stack_has_no_ratio(world: World) -> None:
    world.stacks = world.stacks[:1]
    with pytest.raises(BenchError, match="a ratio takes two stacks"):
        world.study()
    assert not world.folder.exists()


def test_each_length_has_its_own_time_and_a_warm_up_is_taken_where_it_is_asked_for(world: World) -> None:
    world.study(lengths={25.0: 0.5, 100.0: 2.0}, rounds=1, warmup_s=0.1)
    (job,) = world.jobs
    assert {
        length: sum(each for one, each in job.spells if one == length) for length, _ in job.spells
    } == pytest.approx({0.025: 0.5, 0.1: 2.0})
    assert (job.measure_s, job.warmup_s) == (pytest.approx(2.5), 0.1)


def test_without_every_request_the_engine_counts_as_in_a_run_and_only_counts_stay(world: World) -> None:
    world.study(every_request=False, rounds=2)
    assert {job.lead for job in world.jobs} == {None}
    assert list((world.folder / "requests").iterdir()) == []
    assert [one.name for one in sorted((world.folder / "slices").iterdir())] == ["0.parquet", "1.parquet"]
    assert world.described()["every_request"] is False
    assert world.described()["pairs"] == [
        [f"{one}/plain/direct" for one in pair] for pair in (("ant", "bee"), ("ant", "cat"))
    ]
    means = analysis.rates(world.folder).groupby(["stack", "length_ms"])["rate_rps"].mean()
    for name, rate in RPS.items():
        assert list(means[f"{name}/plain/direct"]) == pytest.approx([rate] * 3)


def test_more_requests_than_are_kept_do_no_harm_where_they_are_counted(world: World) -> None:
    world.overflows_at = 0
    world.study(every_request=False, rounds=1)
    assert len(world.described()["jobs"]) == 1


def test_pairs_that_are_named_are_those_whose_ratios_are_asked_for(world: World) -> None:
    world.study(rounds=1, pairs=[("cat/plain/direct", "bee/plain/direct")])
    assert world.described()["pairs"] == [["cat/plain/direct", "bee/plain/direct"]]


def test_a_second_is_long_enough_for_a_slice_of_a_second(world: World) -> None:
    world.study(lengths={1000.0: 1.0}, rounds=1)
    assert [one.spells for one in world.jobs] == [[(1.0, 1.0)]]


def test_without_a_database_nothing_is_started(world: World) -> None:
    world.database = Database(failure=Failed(reason="PostgreSQL is not here"))
    with pytest.raises(BenchError, match="no database: PostgreSQL is not here"):
        world.study()
    assert world.work == []


def test_a_stack_that_does_not_start_is_named_and_the_others_are_stopped(world: World) -> None:
    world.launcher.broken["bee/plain/direct"] = Failed(reason="worker exited 70")
    with pytest.raises(BenchError, match="bee/plain/direct does not run: worker exited 70"):
        world.study()
    assert world.kinds() == ["start", "stop"]
    assert world.launcher.up == []


def test_a_load_that_fails_leaves_those_before_it_to_be_read_and_nothing_running(world: World) -> None:
    world.breaks_at = 2
    with pytest.raises(LoadFailedError):
        world.study()
    assert world.kinds()[-1] == "stop"
    assert world.launcher.up == []
    assert [job["name"] for job in world.described()["jobs"]] == ["0", "1"]
    assert analysis.rates(world.folder)["round"].nunique() == 2


def test_a_load_of_which_not_all_requests_are_kept_is_no_part_of_the_study(world: World) -> None:
    """Slices beyond the kept ones have no rows, and would be read as slices without answers."""
    world.overflows_at = 2
    with pytest.raises(BenchError, match=r"more requests came in one round than are kept .* give fewer --seconds"):
        world.study()
    assert world.kinds()[-1] == "stop"
    assert [job["name"] for job in world.described()["jobs"]] == ["0", "1"]


def test_a_database_that_cannot_be_reached_by_address_is_not_settled(world: World) -> None:
    world.database = Database()
    world.study(rounds=1)
    assert world.kinds() == ["start", "load", "stop"]
