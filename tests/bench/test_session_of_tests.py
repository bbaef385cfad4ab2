"""`python -m tests`, which `make test` calls: what tests start ends with it, also where a signal ends the tests."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]

LEAVES = """
import os, subprocess, tempfile, time
from pathlib import Path

def test_leaves_a_server_behind():
    folder = tempfile.mkdtemp(prefix="forkloop-left-")
    server = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    told = Path({told!r})
    told.with_suffix(".new").write_text(f"{{server.pid}} {{os.getpid()}} {{folder}}")
    told.with_suffix(".new").rename(told)
    time.sleep({more_s})
"""
"""A test that starts a process in a session of its own and makes a folder, says which, and takes care of neither."""


def _begin(folder: Path, more_s: float) -> subprocess.Popen[str]:
    """Run that test as `make test` would, in a process of pytest's own."""
    (folder / "test_one.py").write_text(LEAVES.format(told=str(folder / "told"), more_s=more_s))
    (folder / "pytest.ini").write_text("[pytest]\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests", "-q", "-n", "1", "-c", str(folder / "pytest.ini"), str(folder)],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _told(folder: Path) -> tuple[psutil.Process, psutil.Process, Path]:
    """The server, the process of the test, and the test's folder."""
    until((folder / "told").exists)
    server, tester, left = (folder / "told").read_text().split()
    return psutil.Process(int(server)), psutil.Process(int(tester)), Path(left)


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_passing_tests_leave_behind_is_named_ended_and_fails_them(tmp_path: Path) -> None:
    tests = _begin(tmp_path, more_s=1)
    server, tester, folder = _told(tmp_path)
    output, _ = tests.communicate()
    assert "1 passed" in output
    assert tests.returncode == 1
    assert f"process {server.pid}: sleep 1000" in output
    assert str(folder) in output
    assert _gone(server)
    assert _gone(tester)
    assert not folder.parent.exists()


def test_a_signal_leaves_nothing(tmp_path: Path) -> None:
    """Sent to the command alone, or also to the process in which the tests are, as a terminal or timeout(1) would. All at once, since
    each takes a while: pytest waits for its processes.
    """
    begun = {}
    for number, to_all in itertools.product((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (False, True)):
        folder = tmp_path / f"{number.name}-{'all' if to_all else 'one'}"
        folder.mkdir()
        begun[folder.name] = _begin(folder, more_s=1000), number, to_all
    told = {name: _told(tmp_path / name) for name in begun}
    for name, (tests, number, to_all) in begun.items():
        for process in (psutil.Process(tests.pid), *([told[name][1]] if to_all else [])):
            process.send_signal(number)
    for name, (tests, _, _) in begun.items():
        output, _ = tests.communicate()
        server, tester, folder = told[name]
        assert tests.returncode != 0, name
        assert "left behind" not in output, name
        assert _gone(server), name
        assert _gone(tester), name
        assert not folder.parent.exists(), name
