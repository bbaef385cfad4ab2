"""Who belongs to whom, read from all processes at once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from bench.processes import Known, Table, started_s, table

FAMILY = "import os, time; os.fork() or os.fork() or time.sleep(1000); time.sleep(1000)"


def known(parent: int, session: int, started: float = 100.0) -> Known:
    return Known(parent=parent, session=session, started=started)


ONES = {
    1: known(0, 1, 0.0), 10: known(1, 10), 11: known(10, 10), 12: known(11, 12),  # 12 left the session, and stays below it
    13: known(1, 10), 20: known(1, 20), 21: known(20, 20),  # 13 lost its parent, and stays in the session
}  # fmt: skip


def test_a_family_is_all_below_and_all_in_the_session() -> None:
    assert Table(ONES).family(10, 100.0) == {10, 11, 12, 13}
    assert Table(ONES).family(20, 100.4) == {20, 21}


def test_a_number_that_was_given_to_a_stranger_has_no_family() -> None:
    assert Table(ONES).family(10, 50.0) == set()
    assert Table(ONES).family(0, 100.0) == set()
    assert Table(ONES).family(99, 100.0) == set()


def test_what_a_leader_left_behind_is_known_by_its_session_and_age() -> None:
    left = {pid: one for pid, one in ONES.items() if pid != 10} | {14: known(1, 10, 7.0)}
    assert Table(left).family(10, 100.0) == {11, 13}


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", FAMILY], start_new_session=True)
    deadline = time.monotonic() + 30
    while len(psutil.Process(process.pid).children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    yield process
    os.killpg(process.pid, 9)
    process.wait()


@pytest.mark.services
def test_real_processes_are_found_as_the_system_tells_them(family: subprocess.Popen[bytes]) -> None:
    started = started_s(family.pid)
    below = psutil.Process(family.pid).children(recursive=True)
    assert table().family(family.pid, started) == {family.pid, *(one.pid for one in below)}
    assert family.pid in table().family(os.getpid(), started_s(os.getpid()))
