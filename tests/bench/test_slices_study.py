"""`bench slices`: which lengths are loaded in which order, what ends it early, and that the analysis reads what it stores."""

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from fakes import FakeLauncher
from made_stacks import Tree, scenario, three_stacks

from analysis import lengths
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
            "lengths_ms": LENGTHS_MS, "seconds": 0.5, "rounds": 3, "connections": 8, "seed": 3, "folder": self.folder,
            "say": self.said.append, **changes,
        }  # fmt: skip
        slices.study(self.stacks, scenario("db"), **given)

    def windows(self, **changes: Any) -> None:
        given: dict[str, Any] = {
            "window_s": 1.0, "cuts_s": (0.1, 0.4), "windows": 3, "rounds": 2, "warmup_s": 0.1, "connections": 8, "seed": 3,
            "folder": self.folder, "say": self.said.append, **changes,
        }  # fmt: skip
        slices.windows([tuple(self.stacks[:2])], scenario("json"), **given)

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "slices.json").read_text("utf-8"))
        return found

    def kinds(self) -> list[str]:
        return [one[0] for one in self.work]


def _store(job: Job, folder: Path, name: str) -> None:
    """What a generator would leave: slices of the targets in turn, answered at their stack's rate; the last once more right after its
    last, ten times as fast.
    """
    requests: list[dict[str, Any]] = []
    windows: list[dict[str, Any]] = []
    assert job.slice_s is not None
    turns = [target.id for _ in range(max(1, round(job.measure_s / job.slice_s))) for target in job.targets]
    for number, target in enumerate([*turns, turns[-1]]):
        rate, start_s = RPS[target.split("-")[1]] * (1 if number < len(turns) else 10), 10.0 * number
        before = windows[-1]["target"] if windows else None
        windows.append({
            "target": target, "slice": number, "loaded_s": start_s, "start_s": start_s, "end_s": start_s + job.slice_s,
            "preceded_by": before,
        })  # fmt: skip
        requests += [
            {"target": target, "slice": number, "end_s": start_s + (at + 0.5) / rate, "error": error, "phase": phase}
            for at in range(round(rate * job.slice_s))
            for error, phase in ((None, "measure"), ("status", "measure"), (None, "warm"))
        ]
    types = {"target": "category", "phase": "category", "error": "category"}
    pd.DataFrame(requests).astype(types).to_parquet(folder / "requests" / f"{name}.parquet")
    pd.DataFrame(windows).astype({"target": "category", "preceded_by": "category"}).to_parquet(
        folder / "slices" / f"{name}.parquet"
    )


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
        _store(job, folder, name)
        return {"recorded": "histograms" if len(made.jobs) - 1 == made.overflows_at else "requests"}

    monkeypatch.setattr(slices, "Session", lambda: nullcontext(SimpleNamespace(scratch=tmp_path / "scratch")))
    monkeypatch.setattr(slices, "open_site", open_site)
    monkeypatch.setattr(slices, "topology", lambda: Topology(cores=((0,), (1,), (2,))))
    monkeypatch.setattr(slices.load, "run", run)
    monkeypatch.setattr(slices.data, "settle", lambda url: work.append(("settle", url)) or ())
    return made


def test_the_same_deployments_meet_every_length_once_in_a_round_and_in_an_order_drawn_anew(world: World) -> None:
    world.study()
    assert world.kinds() == ["start", *["settle", "load"] * 9, "stop"]
    assert (
        world.work[0][1]
        == world.work[-1][1]
        == ["0-ant--plain--direct-0", "0-bee--plain--direct-0", "0-cat--plain--direct-0"]
    )
    loaded = [one[1] for one in world.work if one[0] == "load"]
    rounds = [[name.split("-") for name in loaded[at : at + 3]] for at in (0, 3, 6)]
    assert [{number for number, _ in one} for one in rounds] == [{"0"}, {"1"}, {"2"}]
    assert [sorted(length for _, length in one) for one in rounds] == [["100", "25", "500"]] * 3
    assert len({tuple(length for _, length in one) for one in rounds}) > 1, "the order is not that of the round before"
    assert world.said == [f"round {int(name[0]) + 1} of 3: slices of {name[2:]} ms" for name in loaded]


def test_the_seed_fixes_the_order_and_what_is_drawn_for_each_load(world: World, tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        world.study(folder=tmp_path / folder, seed=seed)
    drawn = [(one.slice_s, one.seed) for one in world.jobs]
    assert drawn[:9] == drawn[9:18]
    assert drawn[:9] != drawn[18:]
    assert len({seed for _, seed in drawn[:9]}) == 9


def test_a_load_has_no_warm_up_and_the_slices_that_its_name_says(world: World) -> None:
    world.study(connections=5, seconds=0.75, rounds=1)
    for job, (_, name) in zip(world.jobs, [one for one in world.work if one[0] == "load"], strict=True):
        assert (job.scenario, job.mode, job.warmup_s, job.measure_s) == ("db", "duet", 0.0, 0.75)
        assert job.slice_s == pytest.approx(float(name.split("-")[1]) / 1000)
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
    told = {f"{name}/plain/direct": rate for name, rate in RPS.items() if name != "cat"}
    assert means.drop("cat/plain/direct").to_dict() == pytest.approx(told, rel=0.02)
    assert "ratios to ant/plain/direct" in analysis.report(world.folder)
    described = world.described()
    assert {key: described[key] for key in ("scenario", "connections", "seconds", "seed")} == {
        "scenario": "db", "connections": 8, "seconds": 0.5, "seed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths_ms": (0.0, 100.0)}, {"lengths_ms": (-25.0,)}, {"rounds": 0}, {"seconds": 0.499}, {"lengths_ms": ()},
        {"lengths_ms": (float("nan"),)}, {"connections": 0},
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


def test_a_second_is_long_enough_for_a_slice_of_a_second(world: World) -> None:
    world.study(lengths_ms=(1000.0,), seconds=1.0, rounds=1)
    assert [one.slice_s for one in world.jobs] == [1.0]


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
    world.breaks_at = 4
    with pytest.raises(LoadFailedError):
        world.study()
    assert world.kinds()[-1] == "stop"
    assert world.launcher.up == []
    assert [job["name"] for job in world.described()["jobs"]] == [one[1] for one in world.work if one[0] == "load"][:4]
    assert analysis.rates(world.folder)["round"].nunique() == 2


def test_a_load_of_which_not_all_requests_are_kept_is_no_part_of_the_study(world: World) -> None:
    """Slices beyond the kept ones have no rows, and would be read as slices without answers."""
    world.overflows_at = 2
    with pytest.raises(BenchError, match=r"slices of \d+ ms: more requests came than are kept .* give fewer --seconds"):
        world.study()
    assert world.kinds()[-1] == "stop"
    assert [job["name"] for job in world.described()["jobs"]] == [one[1] for one in world.work if one[0] == "load"][:2]


def test_a_database_that_cannot_be_reached_by_address_is_not_settled(world: World) -> None:
    world.database = Database()
    world.study(rounds=1)
    assert world.kinds() == ["start", *["load"] * 3, "stop"]


def test_what_shorter_slices_would_have_counted_is_the_first_part_of_each_window(world: World) -> None:
    """Errors and the warm-up are no answers; of a window right after one of the same stack nothing is kept."""
    world.windows()
    assert [(job.mode, job.slice_s, job.measure_s, job.warmup_s) for job in world.jobs] == [("duet", 1.0, 3.0, 0.1)] * 2
    assert world.jobs[0].seed != world.jobs[1].seed
    assert world.said == ["round 1 of 2", "round 2 of 2"]
    said = world.described()
    assert said["rounds"] == ["0", "1"]
    assert said["pairs"] == [["ant/plain/direct", "bee/plain/direct"]]
    assert (said["scenario"], said["window_s"], said["connections"]) == ("json", 1.0, 8)
    assert list((world.folder / "requests").iterdir()) == []
    table = pd.read_parquet(world.folder / "counts" / "0.parquet")
    assert len(table) == 3 * 2 * 3, "windows, stacks, lengths"
    means = table.groupby(["target", "length_ms"])["requests"].mean().unstack()
    assert means.loc["0-ant--plain--direct-0"].to_dict() == pytest.approx({100.0: 80, 400.0: 320, 1000.0: 800}, abs=1)
    assert means.loc["0-bee--plain--direct-0"].to_dict() == pytest.approx({100.0: 40, 400.0: 160, 1000.0: 400}, abs=1)
    text, agree = lengths.report([world.folder])
    assert "bee/plain/direct / ant/plain/direct" in text
    assert "1000 ms       2   0.5000" in text
    assert agree


def test_a_round_with_more_requests_than_are_kept_ends_a_study_of_windows(world: World) -> None:
    world.overflows_at = 1
    with pytest.raises(BenchError, match="round 2: more requests came than are kept one by one"):
        world.windows()
    assert world.kinds()[-1] == "stop"
    assert world.described()["rounds"] == ["0"]


def test_windows_of_one_stack_have_no_ratio(world: World) -> None:
    with pytest.raises(BenchError, match="a ratio takes two stacks"):
        slices.windows(
            [], scenario("json"), window_s=1.0, cuts_s=(0.1,), windows=3, rounds=1, warmup_s=0.1, connections=8, seed=1,
            folder=world.folder, say=world.said.append,
        )  # fmt: skip
    assert not world.folder.exists()


def test_a_length_that_is_given_twice_is_tried_once(world: World) -> None:
    world.study(lengths_ms=(100.0, 25.0, 100.0), rounds=1)
    assert sorted(one[1] for one in world.work if one[0] == "load") == ["0-100", "0-25"]
