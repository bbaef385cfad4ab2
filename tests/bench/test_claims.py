"""Claims with a launcher and a generator that only pretend: what is chosen, in which order it is tried, and what becomes of each arm."""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from fakes import FakeLauncher
from rich.console import Console

from bench import claim, environments, record
from bench.catalog import Catalog
from bench.catalog import load as load_catalog
from bench.claims import choose, command, execute, stored
from bench.claims.choose import Chosen
from bench.claims.execute import Outcomes
from bench.console import Progressing
from bench.experiments import Outcome
from bench.lab import Found, Lab, PlannedArm
from bench.launch import Tools
from bench.model import BenchError, Budget, Failed
from bench.service import Database
from bench.site import Site
from bench.store import LATEST_CLAIMS, RunStore, find_run, read_claims

TEXT = {"en": "x", "zh": "y"}
SYNC = "flask/gunicorn-sync/direct"
BUDGET = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({1}))


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    factor: float = 1.0
    scenarios: tuple[str, ...] = ()
    paths: dict[str, str] = {}
    path: str = "/plaintext"


class Kind:
    """What is the same in both kinds of experiment here: an arm's figure is what its parameters say, times the replicate."""

    Parameters = Parameters

    def __init__(self) -> None:
        self.before: Callable[[PlannedArm, int], None] = lambda arm, replicate: None

    def metrics(self, given: Parameters) -> set[str]:
        return {"figure"}

    def seconds(self, given: Parameters) -> float:
        return 2.0

    def found(self, arm: PlannedArm, replicate: int) -> Found:
        self.before(arm, replicate)
        return Found(metrics={"figure": arm.parameters.factor * (replicate + 1)}, flags=["odd"])


class Single(Kind):
    """One arm at a time."""

    def run(self, lab: Lab, arm: PlannedArm, replicate: int) -> Found:
        with lab.deploy(arm, replicate):
            return self.found(arm, replicate)


class Both(Kind):
    """All arms at once; it can be read from trials too."""

    def together(self, lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
        with lab.deploy_all(arms, replicate) as up:
            return {
                **up.failed, **{arm.name: self.found(arm, replicate) for arm in arms if arm.name in up.deployments}
            }  # fmt: skip

    def from_trials(
        self, trials: Sequence[Mapping[str, Any]], arms: Sequence[PlannedArm]
    ) -> list[dict[str, tuple[Found, Mapping[str, Any]]]]:
        return [{arm.name: (Found(metrics={"figure": one["rps"]}), one) for arm in arms} for one in trials]


class Picky(Single):
    """One that this machine cannot do."""

    def obstacle(self, arms: Sequence[PlannedArm]) -> str | None:
        return "too few; get more"


def table(number: int = 7, kind: str = "single", **changes: Any) -> dict[str, Any]:
    arm = {"label": TEXT, "stack": SYNC}
    return {
        "number": number, "title": TEXT, "statement": TEXT, "source": "x", "prediction": TEXT, "mechanism": TEXT, "changes": TEXT,
        "experiment": kind, "replicates": 2, "arm": [{**arm, "name": "one"}, {**arm, "name": "two", "parameters": {"factor": 2.0}}],
        "check": [{"name": "more", "metric": "figure", "arm": "two", "supports": "> 1", "refutes": "< 1"}],
        "control": [{"name": "same", "metric": "figure", "arm": "one", "expect": "> 0"}], "headline": {"check": "more"}, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Catalog:
    return load_catalog()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """The claim files there are: a table, or what reading one raises."""
    made: dict[int, Any] = {}

    def read(path: Path) -> claim.Claim:
        one = made[int(path.name)]
        if isinstance(one, BenchError):
            raise one
        return msgspec.convert(one, claim.Claim)

    monkeypatch.setattr(claim, "discover", lambda folder=None: {number: Path(f"{number}") for number in sorted(made)})
    monkeypatch.setattr(claim, "read", read)
    return made


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    made: dict[str, Any] = {"single": Single(), "both": Both(), "picky": Picky()}
    monkeypatch.setattr(choose, "kinds", lambda: made)
    return made


@pytest.fixture
def chosen(found: Catalog, files: dict[int, Any], kinds: dict[str, Any]) -> Callable[..., Chosen]:
    def choosing(*tables: dict[str, Any], **how: Any) -> Chosen:
        files.update({one["number"]: one for one in tables})
        return choose.choose(found, how.pop("budget", BUDGET), **how)

    return choosing


# What is chosen


def test_arms_are_resolved_to_stacks_and_parameters(chosen: Callable[..., Chosen]) -> None:
    (one,) = chosen(table(parameters={"factor": 3.0})).ready
    assert [(arm.name, arm.stack.stack.id, arm.stack.workers, arm.parameters.factor) for arm in one.arms] == [
        ("one", SYNC, 3, 3.0), ("two", SYNC, 3, 2.0),
    ]  # fmt: skip
    assert one.seconds == 2 * (2.0 + choose.DEPLOY_S)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"experiment": "singel"}, "key 'experiment': unknown kind 'singel'. Did you mean single?"),
        ({"parameters": {"faktor": 1}}, "arm 'one': key 'parameters': object contains unknown field `faktor`"),
        ({"arm": [{"name": "one", "label": TEXT, "stack": "flask/gunicorn-sink/direct"}]}, "unknown server 'gunicorn-sink'"),
        ({"arm": [{"name": "one", "label": TEXT, "stack": "flask"}]}, "'flask' is not a stack id"),
        (
            {"control": [{"name": "same", "metric": "figures", "arm": "one", "expect": "> 0"}]},
            "control 'same': key 'metric': the arm 'one' gives no 'figures'. Did you mean figure?",
        ),
    ],
)  # fmt: skip
def test_a_claim_that_means_nothing_is_not_run_and_the_others_are(
    chosen: Callable[..., Chosen], changes: dict[str, Any], told: str
) -> None:
    made = chosen(table(7, **changes), table(8))
    assert [one.claim.number for one in made.ready] == [8]
    assert told in made.not_run[7]
    assert "\n" not in made.not_run[7]
    assert list(made.wrong) == [7]


def test_a_file_that_cannot_be_read_is_named_once(chosen: Callable[..., Chosen], files: dict[int, Any]) -> None:
    files[9] = BenchError("9: the key 'control' is missing")
    made = chosen(table(7))
    assert made.not_run == {9: "its file is wrong: 9: the key 'control' is missing"}
    assert [one.claim.number for one in made.ready] == [7]


def test_what_this_machine_cannot_do_has_a_reason_and_a_remedy(chosen: Callable[..., Chosen]) -> None:
    go = {"name": "one", "label": TEXT, "stack": "go/go/direct", "parameters": {"scenarios": ["db"]}}
    made = chosen(
        table(1, "picky"), table(2, server_cpus=3),
        table(3, arm=[go], check=[{"name": "more", "metric": "figure", "arm": "one", "supports": "> 1", "refutes": "< 1"}]),
    )  # fmt: skip
    assert made.not_run[1] == "too few; get more"
    assert made.not_run[2].startswith("it needs 3 CPUs for the servers, there are 1; use a machine with more")
    assert made.not_run[3].endswith("has no db; take another stack for the arm 'one'")
    assert made.ready == ()
    assert list(made.wrong) == []


def test_servers_get_the_generators_cpu_where_a_claim_needs_it(chosen: Callable[..., Chosen]) -> None:
    one, two = chosen(table(1), table(2, server_cpus=2)).ready
    assert (one.shared, two.shared) == (False, True)
    assert two.budget.server_cpus == {0, 1}
    assert two.arms[0].stack.workers == 5  # 2 * cpus + 1
    assert chosen(table(2, server_cpus=2), only=[2], mode="compose").not_run.keys() == {2}


def test_quick_takes_the_claims_and_arms_that_are_meant_for_it(chosen: Callable[..., Chosen]) -> None:
    three = [*table()["arm"], {"name": "three", "label": TEXT, "stack": SYNC, "quick": False}]
    tables = table(1, replicates=6), table(2, quick=True, replicates=6, arm=three)
    (one,) = chosen(*tables, quick=True).ready
    assert (one.claim.number, one.claim.replicates, [arm.name for arm in one.arms]) == (2, 3, ["one", "two"])
    (named,) = chosen(only=[1], quick=True).ready
    assert (named.claim.number, named.claim.replicates) == (1, 3)


def test_a_number_that_no_file_has(chosen: Callable[..., Chosen]) -> None:
    with pytest.raises(BenchError, match=r"no claim 20 in .*; there are 7-8"):
        chosen(table(7), table(8), only=[7, 20])


# The order of work, and what becomes of it


class World:
    """A run over claims in which nothing is started."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work: list[Any] = []
        self.launcher = FakeLauncher(self.work, tmp_path)
        self.said = io.StringIO()
        self.results = tmp_path / "results"
        self.outcomes = Outcomes()
        self.database = Database(url=None)
        session = SimpleNamespace(scratch=tmp_path)
        site = SimpleNamespace(
            launcher=self.launcher, database=self.database, load=None, tools=Tools(paths={}, missing={}), docker=None, notes=(), machine={},
        )  # fmt: skip
        monkeypatch.setattr(execute, "Session", lambda: _Context(session))
        monkeypatch.setattr(execute, "open_site", lambda *_, **__: cast(Site, site))
        monkeypatch.setattr(environments, "versions", lambda app: {})
        monkeypatch.setattr(execute, "NativeLauncher", lambda *_, **__: self.launcher)

    def run(self, made: Chosen, *, seed: int = 1, **how: Any) -> list[dict[str, Any]]:
        console = Console(file=self.said, width=500)
        execute.execute(
            made, BUDGET, results=self.results, command="bench claims", outcomes=self.outcomes, seed=seed,
            progress=Progressing(execute.planned_seconds(made), console=console), **how,
        )  # fmt: skip
        return [dict(one) for one in self.stored.records]

    @property
    def stored(self) -> Any:
        return read_claims(find_run(self.results, LATEST_CLAIMS))

    @property
    def started(self) -> list[list[str]]:
        return [ids for what, ids in self.work if what == "start"]


class _Context:
    def __init__(self, session: Any) -> None:
        self.session = session

    def __enter__(self) -> Any:
        return self.session

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_every_claim_is_tried_before_any_is_again(chosen: Callable[..., Chosen], world: World) -> None:
    records = world.run(chosen(table(1), table(2, "both", replicates=3)))
    order = list(dict.fromkeys((one["claim"], one["replicate"]) for one in records))
    assert order == [(1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]
    assert len(records) == 10
    assert world.launcher.up == []
    # One by one for the first, both together for the second; no deployment id occurs twice.
    assert [len(ids) for ids in world.started] == [1, 1, 2, 1, 1, 2, 2]
    assert len({name for ids in world.started for name in ids}) == 10


def test_the_order_of_arms_is_drawn_and_the_same_for_one_seed(chosen: Callable[..., Chosen], world: World) -> None:
    arms = [{"name": f"arm-{letter}", "label": TEXT, "stack": SYNC} for letter in "abcdef"]
    rule = {"metric": "figure", "arm": "arm-a"}
    made = chosen(
        table(
            1, arm=arms, replicates=4, check=[{"name": "more", **rule, "supports": "> 1", "refutes": "< 1"}],
            control=[{"name": "same", **rule, "expect": "> 0"}],
        )
    )  # fmt: skip

    def order(seed: int) -> list[list[str]]:
        records = world.run(made, seed=seed)
        return [[one["arm"] for one in records if one["replicate"] == replicate] for replicate in range(4)]

    first = order(5)
    assert order(5) == first
    assert len({tuple(names) for names in first}) > 1
    assert all(sorted(names) == [one["name"] for one in arms] for names in first)


def test_a_record_says_what_it_is_of(chosen: Callable[..., Chosen], world: World) -> None:
    one = next(record for record in world.run(chosen(table(7))) if record["arm"] == "two")
    assert {key: one[key] for key in ("claim", "arm", "replicate", "stack", "mode", "status", "flags", "metrics")} == {
        "claim": 7, "arm": "two", "replicate": 0, "stack": SYNC, "mode": "native", "status": "measured", "flags": ["odd"],
        "metrics": {"figure": 2.0},
    }  # fmt: skip
    assert one["deployment_id"] == "0c07-flask--gunicorn-sync--direct-1"
    assert one["parameters"] == {"factor": 2.0, "scenarios": [], "paths": {}, "path": "/plaintext"}
    header = world.stored.header
    assert (header["kind"], header["status"], header["quick"], header["profile"]) == (
        "claims",
        "finished",
        False,
        "claims",
    )
    assert header["claims"]["7"]["check"][0]["supports"] == "> 1"
    assert header["observed"].keys() == {SYNC}


def test_an_arm_that_fails_has_its_reason_and_the_others_go_on(
    chosen: Callable[..., Chosen], kinds: dict[str, Any], world: World
) -> None:
    def fail(arm: PlannedArm, replicate: int) -> None:
        if arm.name == "one" and replicate == 0:
            raise BenchError("it did not want to")

    kinds["single"].before = fail
    records = world.run(chosen(table(1)))
    told = {(one["arm"], one["replicate"]): (one["status"], one["reason"]) for one in records}
    assert told == {
        ("one", 0): ("failed", "it did not want to"), ("two", 0): ("measured", None), ("one", 1): ("measured", None),
        ("two", 1): ("measured", None),
    }  # fmt: skip
    assert "failed: claim 1, one: it did not want to" in world.said.getvalue()
    assert world.launcher.up == []


def test_a_stack_that_does_not_come_up_fails_alone(chosen: Callable[..., Chosen], world: World) -> None:
    tornado = {"name": "three", "label": TEXT, "stack": "tornado/single/direct"}
    world.launcher.broken["tornado/single/direct"] = Failed(reason="exited with code 1", log_tail="Traceback")
    records = world.run(
        chosen(table(2, "both", arm=[*table()["arm"], tornado], replicates=1), table(3, arm=[*table()["arm"], tornado]))
    )
    for number in (2, 3):
        told = {
            one["arm"]: (one["status"], one["reason"], one["log_tail"]) for one in records if one["claim"] == number
        }
        assert told["three"] == ("failed", "exited with code 1", "Traceback")
        assert told["one"][0] == told["two"][0] == "measured"


def test_figures_with_a_shared_cpu_say_so(chosen: Callable[..., Chosen], world: World) -> None:
    records = world.run(chosen(table(1, replicates=1), table(2, server_cpus=2, replicates=1)))
    assert {one["claim"]: one["flags"] for one in records} == {1: ["odd"], 2: ["odd", "shared-cpu"]}


def test_without_a_database_only_the_claims_that_need_it_are_not_run(
    chosen: Callable[..., Chosen], world: World
) -> None:
    world.database.failure = Failed(reason="PostgreSQL is not there")
    records = world.run(chosen(table(1), table(2, parameters={"scenarios": ["db"]})))
    assert {one["claim"] for one in records} == {1}
    assert world.stored.header["not_run"] == {"2": "no database: PostgreSQL is not there"}
    assert world.outcomes.not_run == {2: "no database: PostgreSQL is not there"}


@pytest.mark.parametrize(
    "parameters", [{"paths": {"row": "/db?x=1"}}, {"paths": {"row": "/async/db"}}, {"path": "/api/items/3"}]
)
def test_a_path_may_need_the_database_too(
    chosen: Callable[..., Chosen], world: World, parameters: dict[str, Any]
) -> None:
    world.database.failure = Failed(reason="PostgreSQL is not there")
    records = world.run(
        chosen(table(1, parameters={"paths": {"a": "/plaintext", "b": "/fanout?n=1"}}), table(2, parameters=parameters))
    )
    assert {one["claim"] for one in records} == {1}
    assert world.stored.header["not_run"] == {"2": "no database: PostgreSQL is not there"}


def test_an_interruption_keeps_what_is_done(chosen: Callable[..., Chosen], kinds: dict[str, Any], world: World) -> None:
    def interrupt(arm: PlannedArm, replicate: int) -> None:
        if replicate == 1:
            raise KeyboardInterrupt

    kinds["single"].before = interrupt
    with pytest.raises(KeyboardInterrupt):
        world.run(chosen(table(1)))
    assert world.stored.header["status"] == "interrupted"
    assert len(world.stored.records) == 2
    assert world.launcher.up == []


@pytest.mark.parametrize(("minutes", "made"), [(45, 4), (10, 3), (65, 6), (None, 6)])
def test_a_replicate_that_would_not_end_in_time_is_not_begun(
    chosen: Callable[..., Chosen], kinds: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch, minutes: int | None, made: int
) -> None:  # fmt: skip
    clock = [0.0]
    monkeypatch.setattr(execute, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def take_time(arm: PlannedArm, replicate: int) -> None:
        clock[0] += 300.0 if replicate else 330.0  # for each of two arms

    kinds["single"].before = take_time
    records = world.run(chosen(table(1, replicates=6)), time_budget_s=minutes and minutes * 60.0)
    assert Counter(one["arm"] for one in records) == {"one": made, "two": made}
    said = f"Ended after {made} of 6 replicates: another would not have ended within the time budget."
    assert (said in world.stored.header["notes"]) is (made < 6)
    assert world.stored.header["status"] == "finished"


def test_nothing_to_do_is_stored_too(chosen: Callable[..., Chosen], world: World) -> None:
    assert world.run(chosen(table(1, "picky"))) == []
    assert world.stored.header["not_run"] == {"1": "too few; get more"}
    assert world.stored.header["status"] == "finished"


# What a run over the matrix knows already


def matrix(results: Path, **changes: Any) -> RunStore:
    header = {
        **record.common("matrix", "standard", budget=BUDGET, seed=1, mode="native", command="bench run"), "status": "finished", **changes
    }  # fmt: skip
    store = RunStore.create(results, header)
    store.append([
        {
            "stack": SYNC, "scenario": "db", "block": block, "copy": 0, "view": "capacity", "status": "measured", "rps": 10.0 * (block + 1),
            "started": "then", "offset_s": 1.0, "deployment_id": f"{block}-x",
        }
        for block in range(2)
    ])  # fmt: skip
    return store


def test_a_claim_is_read_from_a_like_run_over_the_matrix(chosen: Callable[..., Chosen], world: World) -> None:
    run = matrix(world.results)
    records = world.run(chosen(table(1, "both", matrix=True), table(2, "both")))
    read = [one for one in records if one["claim"] == 1]
    assert [(one["arm"], one["replicate"], one["metrics"]["figure"], one["deployment_id"]) for one in read] == [
        ("one", 0, 10.0, "0-x"), ("two", 0, 10.0, "0-x"), ("one", 1, 20.0, "1-x"), ("two", 1, 20.0, "1-x"),
    ]  # fmt: skip
    assert world.stored.header["reads"] == {"1": run.run_id}
    assert {one["claim"] for one in records if one["offset_s"] != 1.0} == {2}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "interrupted"}, {"mode": "compose"}, {"kind": "claims"}, {"environment": {"host": "another"}},
        {"placement": {"server": [7]}}, {"hashes": {"suite": "another"}}, {"hashes": {"contract": "another"}},
    ],
)  # fmt: skip
def test_it_is_not_read_from_an_unlike_one(
    chosen: Callable[..., Chosen], world: World, changes: dict[str, Any]
) -> None:
    matrix(world.results, **changes)
    world.run(chosen(table(1, "both", matrix=True)))
    assert world.stored.header["reads"] == {}
    assert len(world.started) == 2


def test_it_is_not_read_where_a_figure_is_missing_or_replicates_are(
    chosen: Callable[..., Chosen], world: World
) -> None:
    matrix(world.results)
    world.run(chosen(table(1, "both", matrix=True, replicates=3)))
    assert world.stored.header["reads"] == {}


def test_files_of_stacks_must_be_the_same(
    chosen: Callable[..., Chosen], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix(world.results, hashes={"stacks": {SYNC: {"app": "old"}}})
    made = chosen(table(1, "both", matrix=True))
    store = RunStore.create(
        world.results,
        record.common("claims", "claims", budget=BUDGET, seed=1, mode="native", command="", hashes={"stacks": {SYNC: {"app": "new"}}}),
        latest=LATEST_CLAIMS,
    )  # fmt: skip
    assert stored.from_matrix(store, made, world.results) == {}


# The command


def test_the_command_says_what_is_not_run_and_asks_the_analysis(
    chosen: Callable[..., Chosen], world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def analyse(argv: list[str], **how: Any) -> Any:
        asked.append(argv[2:])
        report = Path(argv[-1]) / "report"
        report.mkdir()
        (report / "verdicts.json").write_text(
            json.dumps({"claims": [{"id": 1, "verdict": "supported"}]}), encoding="utf-8"
        )
        return SimpleNamespace(returncode=0, stdout="1 supported\n", stderr="")

    monkeypatch.setattr(command.subprocess, "run", analyse)
    monkeypatch.setattr(command.provenance, "tree", lambda path: "0" * 12)
    chosen(table(1), table(2, "picky"), table(3, experiment="nothing"))

    def run(**changes: Any) -> int:
        given: dict[str, Any] = {
            "only": (), "quick": False, "cpus": None, "mode": "native", "seed": 1, "results": world.results, "as_json": False,
            "words": ["bench", "claims"], "prepare": lambda catalog_, stacks, quiet: (stacks, {}), **changes,
        }  # fmt: skip
        return command.run(**given)

    assert run() == 1  # a file is wrong
    told = capsys.readouterr().out
    assert "claim 2: not run: too few; get more" in told
    assert "claim 1: x: 2 arms x 2 replicates, about 16 s" in told
    assert "1 claims, seed 1; about 26 s\n" in told
    assert "1 supported" in told
    assert asked[0][1] == "claims"
    assert run(only=("1",), time_budget="20s") == 0
    told = capsys.readouterr().out
    assert "about 26 s for all, and 20 s at hand (--time-budget): there may be fewer replicates" in told
    with pytest.raises(BenchError, match=r"--time-budget soon: expected a time such as 30m"):
        run(time_budget="soon")
    assert run(only=("1",), as_json=True) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["claims"][0]["verdict"] == "supported"
    absent = {SYNC: "no interpreter; install one"}
    assert run(only=("1",), prepare=lambda catalog_, stacks, quiet: ([], absent)) == 0
    assert f"claim 1: not run: {SYNC}: no interpreter; install one" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(BenchError, match="--only x: expected numbers"):
        run(only=("x",))
