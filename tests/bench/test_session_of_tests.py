"""`python -m tests`, which `make test` calls: what tests start ends with it, also where a signal ends the tests."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]

LEAVES = """
import os, subprocess, tempfile, time
from pathlib import Path

def test_leaves_a_server_behind():
    folder = tempfile.mkdtemp(prefix="forkloop-left-")
    server = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    Path("told.new").write_text(f"{server.pid} {os.getpid()} {folder}")
    Path("told.new").rename("told")
    for _ in range(6000):
        if Path("end").exists():
            return
        time.sleep(0.01)
    raise AssertionError("was not told to end")
"""
"""A test that starts a process in a session of its own and makes a folder, says which, and takes care of neither."""


@dataclass
class Run:
    """That test, run as `make test` would, in a process of pytest's own."""

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir()
        (self.home / "test_one.py").write_text(LEAVES)
        (self.home / "pytest.ini").write_text("[pytest]\n")
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        self.command = subprocess.Popen(
            [sys.executable, "-m", "tests", "-q", "-n", "1", "test_one.py"],
            cwd=self.home, env={**env, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def read(self) -> None:
        """What the test said: its server, its own process, its folder."""
        until((self.home / "told").exists)
        server, tester, left = (self.home / "told").read_text().split()
        self.server, self.tester, self.left = psutil.Process(int(server)), psutil.Process(int(tester)), Path(left)

    def nothing_is_left(self) -> None:
        for process in (self.server, self.tester):
            with contextlib.suppress(psutil.NoSuchProcess):
                assert process.status() == psutil.STATUS_ZOMBIE, self.home.name
        assert not self.left.parent.exists(), self.home.name


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans are out of sight")

SIGNALS = list(itertools.product((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (False, True)))
"""Sent to the command alone, or also to the process in which the tests are, as a terminal or timeout(1) would."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Run]]:
    """One for each signal and one for none; all at once, since each takes a while to end: pytest waits for its processes."""
    folder = tmp_path_factory.mktemp("tests")
    names = [*(f"{number.name}-{'all' if to_all else 'one'}" for number, to_all in SIGNALS), "passing"]
    made = [Run(folder / name) for name in names]
    for one in made:
        one.read()
    for one, (number, to_all) in zip(made, SIGNALS, strict=False):
        for process in (psutil.Process(one.command.pid), *([one.tester] if to_all else [])):
            process.send_signal(number)
    (made[-1].home / "end").touch()
    yield made
    for one in made:
        one.command.terminate()
        one.command.wait(PATIENCE_S)


def test_what_passing_tests_leave_behind_is_named_ended_and_fails_them(begun: list[Run]) -> None:
    tests = begun[-1]
    output, _ = tests.command.communicate(timeout=PATIENCE_S)
    assert "1 passed" in output
    assert tests.command.returncode == 1
    assert f"process {tests.server.pid}: sleep 1000" in output
    assert str(tests.left) in output
    tests.nothing_is_left()


def test_a_signal_leaves_nothing(begun: list[Run]) -> None:
    for tests in begun[:-1]:
        output, _ = tests.command.communicate(timeout=PATIENCE_S)
        assert tests.command.returncode != 0, tests.home.name
        assert "left behind" not in output, tests.home.name
        tests.nothing_is_left()
