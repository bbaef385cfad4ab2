"""`bench verify` and `bench serve`: what they print, what they return, and that nothing stays up."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from made_stacks import Tree, three_stacks

from bench import check, site
from bench.deployment import Census, Deployment
from bench.launch import Tools
from bench.model import BenchError, Failed, Stack
from bench.plan import PlannedStack
from bench.render import Endpoint, Rendered
from bench.service import Database
from bench.session import Session, Spawned
from bench.verify import Report
from bench.verify.report import Check

HELD = Report(target="x", checks=(Check(endpoint="json", rule="body", expected="the object"),), skipped=())
BROKEN = Report(
    target="x", checks=(Check(endpoint="db", rule="shape", expected="an object", got="a list"),), skipped=()
)
ANT, BEE, CAT = (f"{name}/plain/direct" for name in ("ant", "bee", "cat"))


class FakeLauncher:
    """Deployments without processes."""

    def __init__(self) -> None:
        self.work: list[Any] = []
        self.port: int | None = None
        self.failures: dict[str, Failed] = {}
        self.codes = iter([None, None, 3])

    def start(self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int) -> list[Deployment]:
        self.work.append(("start", [planned.stack.id for planned, _ in wanted]))
        return [self._deployment(planned) for planned, _ in wanted]

    def stop(self, deployments: Sequence[Deployment]) -> None:
        self.work.append(("stop", [one.planned.stack.id for one in deployments]))

    def versions(self, deployment: Deployment) -> dict[str, str]:
        return {"flask": "3.1"}

    def _deployment(self, planned: PlannedStack) -> Deployment:
        endpoint = Endpoint(host="127.0.0.1", port=8123)
        spawned = Spawned(
            pid=2**27, started=0.0, role="app", argv=("serve",), log=Path("/nowhere"),
            popen=cast(Any, SimpleNamespace(poll=lambda: next(self.codes))),
        )  # fmt: skip
        return Deployment(
            id="x", planned=planned, copy=0, spawned=[spawned], failure=self.failures.get(planned.stack.id),
            census=(Census(pid=77, role="app", argv=("serve", "--x"), cpus=(0, 2)),),
            rendered=Rendered(
                commands=(), files={Path("/s/nginx.conf"): "worker_processes 1;"}, folders=(), client=endpoint, servers=(),
            ),
        )  # fmt: skip


@pytest.fixture
def chosen(tree: Tree) -> list[Stack]:
    return three_stacks(tree)


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch, home: Path) -> FakeLauncher:
    fake = FakeLauncher()

    def make(*_: Any, port: int | None = None, **__: Any) -> FakeLauncher:
        fake.port = port
        return fake

    monkeypatch.setattr(check, "Session", partial(Session, home=home))
    monkeypatch.setattr(site, "NativeLauncher", make)
    monkeypatch.setattr(site, "find_tools", lambda _: Tools(paths={}, missing={}))
    monkeypatch.setattr(site, "start_database", lambda *_, **__: Database(url="postgresql://x", version="18.4"))
    monkeypatch.setattr(check.data, "restore", lambda url: fake.work.append(("restore", url)))
    monkeypatch.setattr(check.time, "sleep", lambda _: None)
    monkeypatch.setattr(site, "verify_deployment", lambda one, url: HELD)
    return fake


def test_stacks_are_verified_a_few_at_a_time_on_fresh_data(
    launcher: FakeLauncher,
    chosen: list[Stack],
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check, "AT_ONCE", 2)
    assert check.stacks(tree.load(), chosen, mode="native", as_json=False) == 0
    assert launcher.work == [
        ("restore", "postgresql://x"), ("start", [ANT, BEE]), ("stop", [ANT, BEE]),
        ("restore", "postgresql://x"), ("start", [CAT]), ("stop", [CAT]),
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [f"{name}: all 1 rules hold" for name in (ANT, BEE, CAT)]


def test_what_breaks_the_contract_or_does_not_run_is_told_and_the_exit_code_says_so(
    launcher: FakeLauncher,
    chosen: list[Stack],
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launcher.failures[BEE] = Failed(reason="the app process exited with code 1", log_tail="ImportError")
    monkeypatch.setattr(site, "verify_deployment", lambda one, url: BROKEN if one.planned.stack.id == CAT else HELD)
    assert check.stacks(tree.load(), chosen, mode="native", as_json=False) == 1
    out = capsys.readouterr().out
    assert f"{BEE}: does not run: the app process exited with code 1\nImportError\n" in out
    assert f"{CAT}: FAILED: 1 of 1 rule of the contract broken" in out
    assert "a list" in out
    assert out.rstrip().endswith("2 of 3 stacks break the contract or do not run")


def test_the_verdicts_as_json_are_one_object_and_nothing_else(
    launcher: FakeLauncher,
    chosen: list[Stack],
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launcher.failures[BEE] = Failed(reason="it died", log_tail=None)
    monkeypatch.setattr(site, "verify_deployment", lambda one, url: BROKEN if one.planned.stack.id == CAT else HELD)
    assert check.stacks(tree.load(), chosen, mode="native", as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert {name: one["status"] for name, one in found.items()} == {ANT: "passed", BEE: "failed", CAT: "failed"}
    assert found[BEE]["reason"] == "it died"
    assert found[CAT]["checks"] == [{"endpoint": "db", "rule": "shape", "expected": "an object", "got": "a list"}]


def test_what_cannot_run_here_is_named_with_its_reason_and_is_no_failure(
    launcher: FakeLauncher, chosen: list[Stack], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"koa/node/direct": "no Node; install it"}
    assert check.stacks(cast(Any, None), chosen[:1], mode="native", as_json=False, refused=refused) == 0
    assert capsys.readouterr().out == f"koa/node/direct: skipped: no Node; install it\n{ANT}: all 1 rules hold\n"
    assert check.stacks(cast(Any, None), chosen[:1], mode="native", as_json=True, refused=refused) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["koa/node/direct"] == {"status": "skipped", "reason": "no Node; install it"}
    assert told[ANT]["status"] == "passed"


def test_without_a_database_nothing_is_verified(
    launcher: FakeLauncher, chosen: list[Stack], tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failed(reason="PostgreSQL does not start", log_tail="FATAL: x")
    monkeypatch.setattr(site, "start_database", lambda *_, **__: Database(failure=failure))
    with pytest.raises(BenchError, match=r"^no database: PostgreSQL does not start\nFATAL: x$"):
        check.stacks(tree.load(), chosen, mode="native", as_json=False)
    assert launcher.work == []


@pytest.mark.parametrize(("report", "code"), [(HELD, 0), (BROKEN, 1)])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_server_of_the_users_own(
    report: Report,
    code: int,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(check, "verify", lambda url, **how: asked.update(url=url, **how) or report)
    assert check.one_url("http://x", omits=("Server",), static_dir=tmp_path, as_json=as_json) == code
    assert asked == {"url": "http://x", "omits": {"server"}, "static_dir": tmp_path}
    out = capsys.readouterr().out
    assert json.loads(out)["target"] == "x" if as_json else out.startswith(("passed: 1 rule", "FAILED: 1 of 1 rule"))


# Serving


def served(chosen: list[Stack], say: Callable[[str], None], port: int | None = None) -> int:
    return check.serve(chosen[0], port=port, say=say)


def test_what_is_served_is_shown_until_it_dies(launcher: FakeLauncher, chosen: list[Stack], home: Path) -> None:
    said: list[str] = []
    with pytest.raises(BenchError, match=rf"^{ANT}: the app process exited with code 3$"):
        served(chosen, said.append, port=8123)
    assert launcher.port == 8123
    text = "\n".join(said)
    assert f"{ANT}\n  http://127.0.0.1:8123" in text
    assert "app    pid 77      CPUs 0,2  serve --x" in text
    assert "database 18.4; logs and sockets in " in text
    assert "--- /s/nginx.conf\nworker_processes 1;" in text
    assert said[-1] == "Ctrl-C ends it."
    assert list(home.iterdir()) == []


def test_ctrl_c_ends_serving_well(
    launcher: FakeLauncher, chosen: list[Stack], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    said: list[str] = []
    monkeypatch.setattr(check.time, "sleep", interrupt)
    assert served(chosen, said.append) == 0
    assert said[-1] == "\nended"
    assert list(home.iterdir()) == []


def test_what_does_not_start_is_not_served(launcher: FakeLauncher, chosen: list[Stack]) -> None:
    launcher.failures[ANT] = Failed(reason="port 80 on 127.0.0.1 is taken", log_tail="bind: in use")
    with pytest.raises(BenchError, match=rf"^{ANT}: port 80 on 127.0.0.1 is taken\nbind: in use$"):
        served(chosen, lambda _: None)
