"""Tests that deploy real stacks in the applications' own environments: `make test` makes those first."""

import os
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
            item.add_marker(pytest.mark.stacks)


@pytest.fixture
def bench() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as a user would, to its end."""

    def run(*arguments: str, timeout_s: float = 150, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "COLUMNS": "80", **environment}
        return subprocess.run(
            [BENCH, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    return run
