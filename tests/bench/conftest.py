"""Shared by the tests of the orchestrator."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_stacks import Tree

from bench import session as session_module
from bench.model import Budget
from bench.session import Session


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty root for manifests."""
    return Tree(tmp_path / "tree")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for session records, so that no test sees those of a command that runs beside it."""
    return tmp_path / "sessions"


@pytest.fixture
def live(home: Path) -> Iterator[Session]:
    """A session that ends with the test."""
    with Session(home=home) as session:
        yield session


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions give processes little time to stop by themselves."""
    monkeypatch.setattr(session_module, "TERM_GRACE_S", 0.1)


@pytest.fixture
def here() -> Budget:
    """One CPU that this process may use, for every side."""
    cpus = frozenset({min(os.sched_getaffinity(0))}) if sys.platform == "linux" else frozenset({0})
    return Budget(server_cpus=cpus, load_cpus=cpus, database_cpus=cpus, pinned=sys.platform == "linux")
