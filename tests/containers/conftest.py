"""Tests that run stacks in containers: they need a Docker engine with Compose v2 and the base images."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(sys.executable).parent / "bench"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture
def bench() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as a user would, to its end."""

    def run(*arguments: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BENCH, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    return run


@pytest.fixture
def ours() -> Callable[[], list[str]]:
    """What there is of our projects: containers, networks and volumes."""

    def read() -> list[str]:
        words = [
            ("ps", "-a", "--format", "{{.Names}}"), ("network", "ls", "--format", "{{.Name}}"), ("volume", "ls", "--format", "{{.Name}}"),
        ]  # fmt: skip
        said = [subprocess.run(["docker", *one], capture_output=True, text=True, check=True).stdout for one in words]
        return [name for text in said for name in text.split() if name.startswith("forkloop")]

    return read
