"""Experiments on failures: what they compute from records of known content, and what they do to a deployment, against stand-ins."""

import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from made_stacks import Tree, budget

from bench import broker, claim
from bench.experiments import _asking, _turns, backend_down, burn, crash, parts, tasks
from bench.experiments._asking import Asked
from bench.lab import Found, Lab, Loaded, PlannedArm, Up
from bench.model import BenchError, Failed
from bench.plan import plan_stack
from bench.recorded import Rows
from bench.render import Command, Endpoint, Rendered

CLAIM = claim.read(claim.FOLDER / "14-blocked-loop.toml")


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 5000 s since 1970, and 400 s on the monotonic clock."""
    monkeypatch.setattr(_asking, "time", SimpleNamespace(time=lambda: 5000.0, perf_counter=lambda: 400.0))


def rows(*requests: tuple[float, float, str | None], target: str = "d", start_s: Sequence[float] | None = None) -> Rows:
    """(due, ended, error) of each request."""
    due, ended = (np.array([one[at] for one in requests], float) for at in (0, 1))
    error = np.empty(len(requests), object)
    error[:] = [one[2] for one in requests]
    return Rows(
        target=np.full(len(requests), target, object), intended_s=due, start_s=np.array(start_s, float) if start_s else due,
        first_byte_s=ended, end_s=ended, status=np.where(error == None, 200, 0).astype(np.int16), error=error,  # noqa: E711
        phase=np.full(len(requests), "measure", object),
    )  # fmt: skip


def stalled(began_s: float, ended_s: float, *, every: int = 1) -> Rows:
    """100 probes a second for 3 s, answered after 2 ms; of those due in a stall, each `every`-th waits until its end."""
    due = np.arange(0, 3, 0.01)
    return rows(*[
        (float(at), float(max(at + 0.002, ended_s) if began_s <= at < ended_s and number % every == 0 else at + 0.002), None)
        for number, at in enumerate(due)
    ])  # fmt: skip


def test_every_probe_that_fell_into_a_burn_is_found_and_no_other() -> None:
    found = burn.judged(stalled(0.5, 2.5), 0.5, 2.5, 0.1)
    assert (found["delayed_share"], found["delayed_share_of"]) == (1.0, 190.0)
    assert (found["before_delayed_share"], found["failed_share"]) == (0.0, 0.0)
    assert found["largest_delay_ms"] == pytest.approx(2000)
    assert found["largest_delay_per_burn"] == pytest.approx(1.0)
    assert found["delayed_of_all_share"] == pytest.approx(190 / 300, abs=0.01)


def test_half_of_them_where_every_second_goes_to_another_loop() -> None:
    assert burn.judged(stalled(0.5, 2.5, every=2), 0.5, 2.5, 0.1)["delayed_share"] == pytest.approx(0.5)


def test_one_that_failed_was_delayed() -> None:
    found = burn.judged(rows((1.0, 1.001, "reset"), (1.1, 1.101, None), (3.0, 3.5, None)), 0.5, 2.5, 0.1)
    assert (found["delayed_share"], found["failed_share"], found["delayed_share_of"]) == (0.5, 0.5, 2.0)


def test_a_crash_takes_those_in_work_and_those_until_it_is_back() -> None:
    # Asked for at 1.0, due at 1.2. Two were in work and lost, one in work at another process; then nobody listens until 1.5.
    found = crash.struck(
        rows(
            (0.9, 1.0, None), (1.12, 1.2, "reset"), (1.15, 1.201, "reset"), (1.16, 1.26, None), (1.3, 1.3, "connect"),
            (1.4, 1.4, "connect"), (1.5, 1.6, None), (1.6, 1.7, None),
        ),
        1.0, 9.0, 1.2, 0.1,
    )  # fmt: skip
    assert (found["in_work"], found["collateral"]) == (3, 2)
    assert found["recovery_s"] == pytest.approx(1.26 - 1.12), "by whoever answers"
    assert found["back_after_s"] == pytest.approx(1.6 - 1.2 - 0.1), (
        "what was due before the fault says nothing of what is due since"
    )


def test_where_others_go_on_nothing_is_away_for_the_length_of_a_wait() -> None:
    found = crash.struck(rows((1.12, 1.2, "reset"), (1.2, 1.3, None), (1.21, 1.31, None)), 1.0, 9.0, 1.2, 0.1)
    assert found["recovery_s"] == pytest.approx(0.18), "it was due before the fault"
    assert found["back_after_s"] == pytest.approx(0)


def test_what_does_not_come_back_has_no_recovery() -> None:
    found = crash.struck(rows((1.1, 1.2, "reset"), (1.3, 1.3, "connect")), 1.0, 9.0, 1.2, 0.1)
    assert found == {"in_work": 1, "collateral": 1, "recovery_s": None, "back_after_s": None}


def test_without_a_loss_nothing_has_to_recover() -> None:
    found = crash.struck(rows((1.1, 1.3, None), (1.3, 1.4, None)), 1.0, 9.0, 1.2, 0.1)
    assert found == {"in_work": 1, "collateral": 0, "recovery_s": 0.0, "back_after_s": 0.0}


def test_losses_belong_to_the_fault_before_them() -> None:
    both = rows((1.1, 1.2, "reset"), (1.3, 1.4, None), (3.1, 3.2, "reset"), (3.15, 3.2, "reset"), (3.3, 3.4, None))
    assert crash.struck(both, 1.0, 3.0, 1.2, 0.1)["collateral"] == 1
    assert crash.struck(both, 3.0, 9.0, 3.2, 0.1)["collateral"] == 2


def test_of_a_killed_backend_those_under_way_and_later_are_counted() -> None:
    found = backend_down.judged(
        rows((0.9, 0.95, "reset"), (0.98, 1.03, None), (0.99, 1.0, "reset"), (1.1, 1.1, "connect"), (1.2, 1.25, None)),
        1.0,
    )
    assert (found["lost"], found["lost_share"], found["lost_share_of"]) == (2.0, 0.5, 4.0)
    assert (found["before_failed_share"], found["before_failed_share_of"]) == (1.0, 1.0)
    assert found["recovery_s"] == pytest.approx(1.25 - 0.99)


def test_a_restart_loses_some_and_stalls_others() -> None:
    found = parts.judged(rows((0.5, 0.6, None), (1.0, 1.0, "connect"), (1.1, 2.1, None), (1.2, 2.0, None)), 0.8)
    assert (found["lost"], found["before_failed_share"]) == (1.0, 0.0)
    assert found["lost_share"] == pytest.approx(1 / 3)
    assert found["stall_ms"] == pytest.approx(1000)


def test_completion_is_told_apart_from_response(clocks: None) -> None:
    wall = 5000.0 - 400.0
    loaded = SimpleNamespace(answer={"origin_s": 100.0})
    done = [(wall + 100.5, wall + 100.6, wall + 101.5), (wall + 100.1, wall + 100.2, wall + 100.6)]
    asked = rows((0.1, 0.11, None), (0.5, 0.52, None), (0.7, 0.8, "500"))
    handed_on = tasks.judged(asked, done, loaded, inline=False)
    assert handed_on["completion_mean_ms"] == pytest.approx((500 + 1000) / 2)
    assert (handed_on["response_p50_ms"], handed_on["done_share"]) == (pytest.approx(15), 1.0)
    assert handed_on["failed_share"] == pytest.approx(1 / 3)
    inline = tasks.judged(asked, done[:1], loaded, inline=True)
    assert inline["completion_mean_ms"] == pytest.approx(15)
    assert inline["done_share"] == 0.5
    assert tasks.judged(rows(), [], loaded, inline=False)["completion_mean_ms"] is None


def test_reports_are_read_as_they_were_written() -> None:
    assert tasks.read([b"1.5 2.5 3.5", b"4 5 6"]) == [(1.5, 2.5, 3.5), (4.0, 5.0, 6.0)]
    assert tasks.read(None) == []


@dataclass
class FakeLaunched:
    """A launcher's part of an experiment: what was asked of it."""

    told: list[Any] = field(default_factory=list)

    def signal(self, deployment: Any, number: int, what: signal.Signals) -> None:
        self.told.append((number, what))

    def restart(self, deployment: Any, number: int) -> None:
        self.told.append(("restart", number))

    def companion(self, name: str) -> Endpoint:
        return Endpoint(host="127.0.0.1", port=1)

    def companion_pids(self, name: str) -> list[int]:
        return []


@dataclass(frozen=True, kw_only=True)
class FakeLoaded(Loaded):
    """With rows that were made up."""

    made_up: Rows

    def rows(self) -> Rows:
        return self.made_up

    def accounts(self, deployment: Any) -> dict[str, Any]:
        return {"cpu_s": {"app": 1.0}, "pss_bytes": {"app": 1 << 20}}


@pytest.fixture(autouse=True)
def splits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Path]]:
    """What was to be parted into files; nothing is."""
    told: list[dict[str, Path]] = []
    monkeypatch.setattr(_turns.recorded, "split", lambda path, parts: told.append(parts))
    return told


@dataclass
class FakeLab:
    """Deploys nothing; its load does the actions at once and gives rows that were made up."""

    deployment: Any
    rows: Rows
    secret: str = "s3cret"
    faults: Mapping[str, str] = field(default_factory=lambda: {"FAULT_SECRET": "s3cret"})
    launcher: FakeLaunched = field(default_factory=FakeLaunched)
    budget: Any = field(default_factory=budget)
    how: list[Any] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    beside: list[Any] = field(default_factory=list)
    failed: dict[str, Failed] = field(default_factory=dict)

    @contextlib.contextmanager
    def deploy_all(self, arms: Sequence[PlannedArm], replicate: int, **how: Any) -> Iterator[Up]:
        self.how.append(how)
        names = [arm.name for arm in arms if arm.name not in self.failed]
        yield Up(deployments=dict.fromkeys(names, self.deployment), failed=self.failed)

    @contextlib.contextmanager
    def deploy(self, arm: PlannedArm, replicate: int, **how: Any) -> Iterator[Any]:
        self.how.append(how)
        yield self.deployment

    @contextlib.contextmanager
    def accompanied(self, names: Sequence[str], stack: Any) -> Iterator[Mapping[str, str]]:
        self.beside.append(stack)
        yield {"BROKER_URL": "redis://x"}

    def load(
        self, job: Any, *, name: str, watched: Sequence[Any] = (), at: Sequence[Any] = (), drawn_as: str | None = None
    ) -> Any:
        self.jobs.append((name, job))
        self.drawn.append(drawn_as or name)
        events = []
        for action in at:
            action.do()
            events += [
                {"name": f"{action.name}-{end}", "at_s": action.at_s, "target": action.target}
                for end in ("begin", "end")
            ]
        return FakeLoaded(
            answer={"origin_s": time.perf_counter()}, requests=Path("requests/x.parquet"), snapshots=(), events=events,
            made_up=self.rows,
        )  # fmt: skip


def deployment(tree: Tree, commands: int = 1) -> Any:
    endpoint = Endpoint(host="127.0.0.1", port=1)
    each = [
        Command(role="app", argv=("/env/bin/python", "/r/run_ant.py", f"--bind=x:{number}", "--loop=a"), env={}, cwd=Path(), name="a")
        for number in range(commands)
    ]  # fmt: skip
    front = Command(role="front", argv=("/usr/sbin/nginx", "-c", "x"), env={}, cwd=Path("/"), name="front")
    rendered = Rendered(
        commands=(*each, front),
        files={Path("x"): "# a comment\nhttp {\n  a 1;\n\n}\n"},
        folders=(),
        client=endpoint,
        servers=(endpoint,),
    )
    tree.app("ant")
    tree.server("plain")
    tree.front("direct")
    return SimpleNamespace(
        rendered=rendered, client=endpoint, reached=endpoint, spawned=[SimpleNamespace(role="app", log=Path("x"))] * commands,
        census=[1, 2, 3],
        startup_s=0.5, pids=lambda role: [], id="d", planned=plan_stack(tree.stack("ant/plain/direct"), budget()),
    )  # fmt: skip


def arm(tree: Tree, parameters: Any, name: str = "one") -> PlannedArm:
    return PlannedArm(
        claim=CLAIM,
        name=name,
        stack=plan_stack(tree.stack("ant/plain/direct"), budget()),
        parameters=parameters,
    )


def asking(monkeypatch: pytest.MonkeyPatch, module: Any, answer: Callable[..., Asked]) -> list[Any]:
    """Puts `answer` in the place of the request for a fault; what was asked for is in the list."""
    calls: list[Any] = []

    def fault(endpoint: Endpoint, name: str, secret: str, **parameters: Any) -> Asked:
        calls.append((name, secret, parameters))
        return answer()

    monkeypatch.setattr(module, "fault", fault)
    return calls


def test_a_burn_is_asked_for_among_probes_at_a_steady_rate(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, splits: list[dict[str, Path]]
) -> None:
    lab = FakeLab(deployment(tree), stalled(0.5, 2.5))
    body = {"began": time.time(), "ended": time.time() + 2}
    calls = asking(monkeypatch, burn, lambda: Asked(sent_s=0, ended_s=2, status=200, body=body))
    one = arm(tree, burn.Parameters(where="process"))
    found = burn.together(cast(Lab, lab), [one], 0)["one"]
    assert isinstance(found, Found)
    assert found.metrics.keys() == burn.metrics(one.parameters)
    assert [call[0] for call in calls] == ["burn", "burn"], "the executor is started before"
    assert calls[1] == ("burn", "s3cret", {"ms": 2000, "where": "process"})
    assert [one["name"] for one in found.events][-2:] == ["burn-begin", "burn-end"]
    ((name, job),) = lab.jobs
    assert (name, job.mode, job.rate_rps, job.arrivals) == ("claim-14-0-one-burn", "open", 100.0, "constant")
    assert splits == [], "it is the only one"
    assert lab.how == [{"env": {"FAULT_SECRET": "s3cret"}}]


def test_a_block_does_not_say_when_it_was_so_only_what_it_certainly_covers_is_judged(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = FakeLab(deployment(tree), stalled(0.5, 2.5))
    calls = asking(monkeypatch, burn, lambda: Asked(sent_s=0.45, ended_s=2.52, status=200, body={"hung_ms": 2000}))
    found = burn.together(cast(Lab, lab), [arm(tree, burn.Parameters(fault="hang"))], 0)["one"]
    assert isinstance(found, Found)
    assert calls == [("hang", "s3cret", {"ms": 2000})]
    began, ended = burn.lasted(burn.Parameters(fault="hang"), Asked(sent_s=0.45, ended_s=2.52, status=200))
    assert (began, ended) == (pytest.approx(0.52), pytest.approx(2.45))
    assert burn.judged(stalled(0.5, 2.5), began, ended, 0.1)["delayed_share"] == 1.0
    with pytest.raises(ValueError, match="leave `where` out"):
        burn.Parameters(fault="hang", where="thread")


def test_a_refuting_value_of_claim_14_leaves_its_controls_whole() -> None:
    judged = {(check.arm, check.metric, check.against) for check in CLAIM.check}
    assert not judged & {(control.arm, control.metric, control.against) for control in CLAIM.control}


def test_a_burn_that_nobody_answers_is_a_failure(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree), stalled(0.5, 2.5), failed={"two": Failed(reason="not up")})
    asking(monkeypatch, burn, lambda: Asked(sent_s=0, ended_s=2, status=404))
    monkeypatch.setattr(burn, "died", lambda one: None)
    found = burn.together(cast(Lab, lab), [arm(tree, burn.Parameters()), arm(tree, burn.Parameters(), "two")], 0)
    assert found == {"one": Failed(reason="the computation was not answered (404)"), "two": Failed(reason="not up")}


def test_a_crash_is_asked_for_as_often_and_in_the_way_that_is_said(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree), rows((0.1, 0.2, None), (0.4, 0.5, None)))
    calls = asking(
        monkeypatch, crash, lambda: Asked(sent_s=time.perf_counter(), ended_s=time.perf_counter(), status=None)
    )
    monkeypatch.setattr(crash, "SEEN_S", 0.0)
    given = crash.Parameters(fault="segv", method="GET", faults=2, supervised=True)
    found = crash.together(cast(Lab, lab), [arm(tree, given)], 0)["one"]
    assert isinstance(found, Found)
    assert found.metrics.keys() == crash.metrics(given)
    assert calls == [("segv", "s3cret", {"method": "GET", "after_ms": 200})] * 2
    assert lab.how[0]["supervised"] == {"one"}
    assert (found.metrics["lost"], found.metrics["ended_processes"], found.metrics["recovery_s"]) == (0.0, 0.0, 0.0)
    assert found.metrics["back_share"] == 1.0
    assert [one["name"] for one in found.events].count("fault") == 2


def test_a_memory_limit_is_set_before_more_is_taken(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree), rows((0.1, 0.2, None)))
    calls = asking(monkeypatch, crash, lambda: Asked(sent_s=time.perf_counter(), ended_s=0, status=500))
    limited: list[Any] = []
    monkeypatch.setattr(crash, "limit", limited.append)
    monkeypatch.setattr(crash, "SEEN_S", 0.0)
    crash.together(cast(Lab, lab), [arm(tree, crash.Parameters(fault="memory"))], 0)
    assert limited == [[]]
    assert calls[0][2]["mib"] > crash.LIMIT_MIB


@pytest.mark.parametrize(("fault", "status", "told"), [
    ("raise", 404, "answered 404"), ("raise", None, "answered by nothing"), ("memory", 200, "answered 200"), ("exit", 500, "answered 500"),
])  # fmt: skip
def test_a_fault_that_did_not_happen_leaves_no_figures(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, fault: Any, status: int | None, told: str
) -> None:
    """Nothing is lost then, which would pass for an exception that takes nothing down."""
    lab = FakeLab(deployment(tree), rows((0.1, 0.2, None)))
    asking(monkeypatch, crash, lambda: Asked(sent_s=time.perf_counter(), ended_s=0, status=status))
    monkeypatch.setattr(crash, "limit", lambda pids: None)
    monkeypatch.setattr(crash, "SEEN_S", 0.0)
    found = crash.together(cast(Lab, lab), [arm(tree, crash.Parameters(fault=fault))], 0)["one"]
    assert isinstance(found, Failed)
    assert found.reason == f"the fault '{fault}' did not happen: it was {told}"


def test_a_limit_that_cannot_be_set_is_the_failure_of_its_arm(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree), rows((0.1, 0.2, None)))
    calls = asking(monkeypatch, crash, lambda: Asked(sent_s=time.perf_counter(), ended_s=0, status=500))
    found = crash.together(cast(Lab, lab), [arm(tree, crash.Parameters(fault="memory"))], 0)["one"]
    assert isinstance(found, Failed)
    assert "memory" in found.reason
    assert calls == []


def test_what_an_answer_says_of_a_fault() -> None:
    assert crash.happened("raise", 500, 0, "python")
    assert crash.happened("raise", None, 0, "go"), "it closes the connection"
    assert crash.happened("memory", None, 1, "python"), "it took the process down, which the figures tell"
    assert crash.happened("exit", 502, 0, "python"), "nginx answers for a process that is gone"
    assert not crash.happened("memory", 502, 0, "python")


def test_one_of_several_is_killed_while_requests_wait(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree, commands=2), rows((0.1, 0.2, None)))
    monkeypatch.setattr(backend_down.whoami, "answering", lambda endpoint, connections: Counter())
    given = backend_down.Parameters(method="POST")
    found = cast(Found, backend_down.together(cast(Lab, lab), [arm(tree, given)], 0)["one"])
    assert found.metrics.keys() == backend_down.metrics(given)
    assert lab.launcher.told == [(0, signal.SIGKILL)]
    ((_, job),) = lab.jobs
    assert job.requests[0]["method"] == "POST"
    assert job.requests[0]["path"] == "/fault/hang?after_ms=50&ms=0"
    alone = backend_down.together(cast(Lab, FakeLab(deployment(tree), lab.rows)), [arm(tree, given)], 0)["one"]
    assert isinstance(alone, Failed)
    assert alone.reason.startswith("ant/plain/direct has one process at one address; take a stack with several")


def test_without_a_kill_nobody_is_killed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree, commands=2), rows((0.1, 0.2, None)))
    monkeypatch.setattr(backend_down.whoami, "answering", lambda endpoint, connections: Counter())
    found = cast(
        Found, backend_down.together(cast(Lab, lab), [arm(tree, backend_down.Parameters(kill=False))], 0)["one"]
    )
    assert lab.launcher.told == []
    assert found.metrics["lost_share"] is None


@pytest.mark.parametrize(("how", "commands", "told"), [
    ("hup", 1, [(0, signal.SIGHUP)]), ("again", 1, [("restart", 0)]), ("rolling", 2, [("restart", 0), ("restart", 1)]),
])  # fmt: skip
def test_each_is_restarted_in_its_own_way(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, how: Any, commands: int, told: list[Any]
) -> None:
    monkeypatch.setattr(parts, "census", lambda one: [])
    lab = FakeLab(deployment(tree, commands=commands), rows((0.1, 0.2, None), (1.0, 1.1, None)))
    given = parts.Parameters(restart=how)
    found = cast(Found, parts.together(cast(Lab, lab), [arm(tree, given)], 0)["one"])
    assert found.metrics.keys() == parts.metrics(given)
    assert lab.launcher.told == told
    assert (found.metrics["commands"], found.metrics["processes"], found.metrics["programs"]) == (commands + 1, 3, 2)
    assert found.metrics["settings"] == 2 + 2 * commands + 1, "two lines of configuration, and options"


def test_what_a_script_settles_is_a_setting_as_an_option_is(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else what hosts itself has fewer settings because they are in Python."""
    one = deployment(tree, commands=2)
    bare = parts.counted(one)["settings"]
    assert bare is not None
    monkeypatch.setattr(parts, "RUNNERS", tmp_path)
    (tmp_path / "run_ant.py").write_text(
        "import logging\nDRAIN_S = 0.25\nMOST: int = 3\nname = 1\ndef main():\n    logging.basicConfig()\n    X = 1\n"
    )
    assert parts.counted(one)["settings"] == bare + 3, "once, however many are started from it"


def test_every_runner_says_what_it_settles() -> None:
    """By the rule's own form: one that settled nothing would have its settings elsewhere."""
    scripts = [path.name for path in parts.RUNNERS.glob("run_*") if path.suffix in (".py", ".cjs")]
    assert {name for name in scripts if parts.settled(name) == 0} <= {"run_wsgiref.py"}
    assert parts.settled("nginx") == 0


def test_a_restart_that_does_not_fit_the_stack_is_named(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "census", lambda one: [])
    lab = FakeLab(deployment(tree, commands=2), rows((0.1, 0.2, None)))
    found = parts.together(cast(Lab, lab), [arm(tree, parts.Parameters(restart="again"))], 0)
    assert found == {
        "one": Failed(reason="ant/plain/direct has 2 commands of its own: restart = 'again' is not for it")
    }


def test_reports_arrive_at_one_rate_for_all_and_are_waited_for(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab(deployment(tree), rows((0.1, 0.15, None), (0.2, 0.25, None), target="reports"))
    told: list[tuple[str, ...]] = []

    def ask(host: str, port: int, *words: str) -> broker.Value:
        told.append(words)
        now = time.time()
        return {"LLEN": 9, "DEL": 1}.get(words[0], [f"{now} {now} {now}".encode()] * 2)

    monkeypatch.setattr(tasks.broker, "ask", ask)
    monkeypatch.setattr(tasks, "ask", lambda endpoint, target: Asked(sent_s=0.0, ended_s=0.05, status=200))
    arms = [
        arm(tree, tasks.Parameters(where="inline")),
        arm(tree, tasks.Parameters(where="celery"), "two"),
        arm(tree, tasks.Parameters(where="celery", rounds=1, rate_rps=7.0), "three"),
    ]
    arms[0], arms[2] = (replace(one, stack=replace(one.stack, workers=4)) for one in (arms[0], arms[2]))
    lab.budget = replace(lab.budget, server_cpus=frozenset(range(8)))
    arms[1] = replace(arms[1], stack=replace(arms[1].stack, workers=2))
    found = tasks.together(cast(Lab, lab), arms, 0)
    assert all(isinstance(one, Found) for one in found.values())
    assert cast(Found, found["two"]).metrics.keys() == tasks.metrics(arms[1].parameters)
    rates = {name: cast(Found, one).metrics["rate_rps"] for name, one in found.items()}
    assert rates == {"one": pytest.approx(0.7 * 2 / 0.05), "two": pytest.approx(0.7 * 2 / 0.05), "three": 7.0}
    assert cast(Found, found["one"]).metrics["completion_mean_ms"] == pytest.approx(50)
    assert told.count(("DEL", "reports")) == 3
    assert lab.beside == [arms[1].stack], "Celery makes no more reports at once than the arm with the fewest workers"
    assert len({name for name, _ in lab.jobs}) == 3
    assert len(set(lab.drawn)) == 1, "reports are asked for at the same moments, wherever they are made"
    monkeypatch.setattr(tasks, "ask", lambda endpoint, target: Asked(sent_s=0.0, ended_s=0.05, status=500))
    with pytest.raises(BenchError, match="POST /report answered 500"):
        tasks.together(cast(Lab, lab), arms, 0)


def test_without_celery_the_claim_is_not_run(tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deployment(tree)
    monkeypatch.setattr(tasks.environments, "path_of", lambda app: tmp_path / app.name)
    one = arm(tree, tasks.Parameters())
    assert tasks.obstacle([one]) is None, "the environment is made later"
    (tmp_path / "ant").mkdir()
    assert tasks.obstacle([one]) == "Celery is not in the environment of ant; run `make setup`"


def test_a_request_that_nobody_answers_is_an_answer_too() -> None:
    asked = _asking.ask(Endpoint(host="127.0.0.1", port=1), "/x", patience_s=1.0)
    assert asked.status is None
    assert asked.ended_s >= asked.sent_s


def test_times_of_other_processes_are_put_on_the_clock_of_the_records(clocks: None) -> None:
    assert _asking.monotonic(5001.5) == pytest.approx(401.5)


def test_what_each_kind_needs_and_takes() -> None:
    assert burn.optional(burn.Parameters()) == crash.optional(crash.Parameters()) == {"fault"}
    assert backend_down.optional(backend_down.Parameters()) == {"fault"}
    assert tasks.optional(tasks.Parameters()) == {"report"}
    longer = crash.seconds(crash.Parameters(faults=3)) - crash.seconds(crash.Parameters())
    assert longer == pytest.approx(2 * crash.Parameters().each_s)
    assert burn.seconds(burn.Parameters(burn_ms=3000)) - burn.seconds(burn.Parameters(burn_ms=1000)) == pytest.approx(2)


def test_what_is_loaded_alike_is_loaded_at_once_and_told_apart(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, splits: list[dict[str, Path]]
) -> None:
    lab = FakeLab(deployment(tree), stalled(0.5, 2.5))
    body = {"began": time.time(), "ended": time.time() + 2}
    asking(monkeypatch, burn, lambda: Asked(sent_s=0, ended_s=2, status=200, body=body))
    one, two = arm(tree, burn.Parameters()), arm(tree, burn.Parameters(path="/json"), "two")
    closed = arm(tree, burn.Parameters(loop="closed", connections=10), "closed")
    found = burn.together(cast(Lab, lab), [one, closed, two], 0)
    assert list(found) == ["one", "two", "closed"]
    assert splits == [{"d": Path("requests/claim-14-0-two-burn.parquet")}], "all stand-ins have one id"
    assert [(name, job.mode, [one["path"] for one in job.requests]) for name, job in lab.jobs] == [
        ("claim-14-0-burn", "open", ["/plaintext", "/json"]), ("claim-14-0-closed-burn1", "closed", ["/plaintext"]),
    ]  # fmt: skip


def test_a_parts_restart_that_fails_is_that_arms_failure(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "census", lambda one: [])
    lab = FakeLab(deployment(tree), rows((0.1, 0.2, None)), failed={"two": Failed(reason="not up")})
    found = parts.together(cast(Lab, lab), [arm(tree, parts.Parameters(restart="again"), "two")], 0)
    assert found == {"two": Failed(reason="not up")}
    assert lab.jobs == []


def test_how_evenly_they_were_asked_is_told_by_who_answers_a_crowd_beside_the_load(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other on an idle stack, requests are spread evenly whatever spreads them."""
    one = deployment(tree, commands=2)
    one.pids = lambda role: [7, 8]
    lab = FakeLab(one, rows((0.1, 0.2, None)))
    asked: list[Any] = []

    def answering(endpoint: Endpoint, connections: int) -> Counter[int]:
        asked.append((connections, bool(lab.jobs)))
        return Counter({7: 75, 8: 25})

    monkeypatch.setattr(backend_down.whoami, "answering", answering)
    given = backend_down.Parameters(kill=False)
    found = cast(Found, backend_down.together(cast(Lab, lab), [arm(tree, given)], 0)["one"])
    assert asked == [(backend_down.ASKED, True)], "while the load goes on"
    assert (found.metrics["largest_share"], found.metrics["largest_share_of"]) == (0.75, 100.0)
    assert found.metrics.keys() == backend_down.metrics(given)


def test_processes_that_give_a_containers_number_are_not_told_apart(tree: Tree) -> None:
    one = deployment(tree, commands=2)
    one.pids = lambda role: [4007, 4008]
    assert backend_down.largest_share(one, {1: 100}) == {"largest_share": None, "largest_share_of": 0.0}
    assert backend_down.largest_share(one, {})["largest_share"] is None
    assert backend_down.largest_share(one, {4007: 50})["largest_share"] is None, "the other half had no answer"
    assert backend_down.largest_share(one, {4007: 50, 4008: 50})["largest_share"] == 0.5
