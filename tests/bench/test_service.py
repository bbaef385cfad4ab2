"""The run's database: the user's where one is named, else an embedded one; where there is none, the reason is a value."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_stacks import budget

from bench import service
from bench.connections import MOST
from bench.database import embedded
from bench.model import BenchError, Failed
from bench.service import Database, start_database
from bench.session import Session

Calls = list[tuple[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What was asked of PostgreSQL, which here always obeys."""
    said: Calls = []

    @contextlib.contextmanager
    def claim(url: str) -> Iterator[None]:
        said.append(("claim", url))
        yield
        said.append(("release", url))

    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(service.data, "claim", claim)
    monkeypatch.setattr(service.data, "prepare", lambda url: said.append(("prepare", url)))
    monkeypatch.setattr(service.observe, "server_version", lambda _: "17.2")
    monkeypatch.setattr(service.observe, "max_connections", lambda _: 97)
    return said


def test_a_users_database_is_claimed_for_as_long_as_the_session_lasts(
    calls: Calls, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    with Session(home=home) as session:
        found = start_database(session, budget(), connections=50, log=tmp_path / "log")
        assert found == Database(url="postgresql://me@db/x", version="17.2 (DATABASE_URL)")
        assert calls == [("claim", "postgresql://me@db/x"), ("prepare", "postgresql://me@db/x")]
    assert calls[-1] == ("release", "postgresql://me@db/x")


def test_a_users_database_that_must_not_be_touched_ends_the_command(
    calls: Calls, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise BenchError("a schema forkloop without forkloop's marker, so nothing was touched")

    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    monkeypatch.setattr(service.data, "prepare", refuse)
    with pytest.raises(BenchError, match="nothing was touched"):
        start_database(live, budget(), connections=50, log=tmp_path / "log")


def test_a_users_database_with_too_few_connections_is_refused_in_one_line(
    calls: Calls, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    with pytest.raises(BenchError) as caught:
        start_database(live, budget(), connections=98, log=tmp_path / "log")
    assert str(caught.value).startswith(
        "the database of DATABASE_URL allows 97 connections, these stacks may hold 98 together; "
    )
    assert str(caught.value).endswith("choose fewer stacks with --stacks, or raise its max_connections")


def test_an_embedded_one_is_not_started_for_more_connections_than_it_bears(
    calls: Calls, live: Session, tmp_path: Path
) -> None:
    with pytest.raises(
        BenchError, match=f"the embedded database allows {MOST} connections, these stacks may hold {MOST + 1} "
    ):
        start_database(live, budget(), connections=MOST + 1, log=tmp_path / "log")
    assert calls == []


def test_how_many_connections_there_are_is_asked_of_the_users_database_only(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.allowed_connections("native") == MOST
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    assert service.allowed_connections("native") == 97
    assert service.allowed_connections("compose") == MOST, "containers have a database of their own"


def test_a_database_that_cannot_be_asked_has_no_counts(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise BenchError("nothing answers there")

    monkeypatch.setattr(service.observe, "connections", refuse)
    assert Database(url="postgresql://x").connections() is None
    assert Database().connections() is None


@pytest.mark.parametrize("pinned", [True, False])
def test_an_embedded_one_runs_on_the_databases_cpus(
    calls: Calls, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(live, "spawn", lambda argv, **how: started.append(how) or SimpleNamespace(pid=4711))

    def start(scratch: Path, *, spawn: Any, log_path: Path, max_connections: int) -> SimpleNamespace:
        assert scratch == live.scratch
        assert max_connections == 100
        return SimpleNamespace(
            url="postgresql://embedded", version="18.4", pid=spawn(["postgres"], role="database").pid
        )

    monkeypatch.setattr(service.embedded, "start", start)
    checked: list[tuple[list[int], frozenset[int]]] = []
    monkeypatch.setattr(service.placement, "check", lambda pids, cpus, what: checked.append((pids, cpus)))
    found = start_database(live, budget(pinned=pinned), connections=50, log=tmp_path / "log")
    assert found == Database(url="postgresql://embedded", version="18.4 (embedded)", pids=(4711,))
    assert calls == [("prepare", "postgresql://embedded")]
    cpus = frozenset({2} if pinned else ())
    assert checked == [([4711], cpus)], "where it runs is read back"
    assert started == [{"role": "database", "cpus": cpus, "stop_signal": embedded.STOP_SIGNAL}]


@pytest.mark.parametrize("where", ["start", "prepare"])
def test_one_that_cannot_be_used_is_a_failure_with_the_tail_of_its_log(
    calls: Calls, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BenchError("PostgreSQL refuses")

    (tmp_path / "log").write_text("LOG: x\nFATAL: no space left\n")
    running = SimpleNamespace(url="postgresql://embedded", version="18.4", pid=1)
    monkeypatch.setattr(service.embedded, "start", refuse if where == "start" else lambda *_, **__: running)
    monkeypatch.setattr(service.data, "prepare", refuse)
    found = start_database(live, budget(), connections=50, log=tmp_path / "log")
    assert found.url is None
    assert found.failure == Failed(reason="PostgreSQL refuses", log_tail="LOG: x\nFATAL: no space left")


def test_one_that_does_not_start_says_why_itself(
    calls: Calls, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise embedded.NotStartedError("not ready within 30 s", "FATAL: x")

    monkeypatch.setattr(service.embedded, "start", refuse)
    failure = start_database(live, budget(), connections=50, log=tmp_path / "log").failure
    assert failure is not None
    assert failure.log_tail == "FATAL: x"
    assert "not ready within 30 s" in failure.reason
