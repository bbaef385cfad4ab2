"""The accounts are the kernel's: held against what a process says of itself, by ratio, since machines differ."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bench import sample
from bench.sample import (
    Snapshot,
    context_switches,
    cpu_seconds,
    load_average,
    open_files,
    pss_bytes,
    steal_share,
    take,
    used,
)

BUSY = """
import sys, threading, time
def burn(): {burn}
{how}
print(time.process_time(), flush=True)
sys.stdin.read()
"""
BURN = """
    end = time.thread_time() + 0.15
    while time.thread_time() < end: sum(range(100))
"""
ALONE = "burn()"
THREADS = "for _ in range(2):\n    thread = threading.Thread(target=burn)\n    thread.start()\n    thread.join()"


@contextmanager
def busy(how: str) -> Iterator[tuple[int, float]]:
    """A process that has computed for a while and now waits: its id, and the CPU seconds it says it used."""
    script = BUSY.format(burn=BURN, how=how)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.pid, float(process.stdout.readline())
        process.stdin.close()


@pytest.fixture
def ended() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("how", [ALONE, THREADS])
def test_cpu_seconds_are_those_of_all_threads_the_ended_ones_too(how: str) -> None:
    with busy(how) as (pid, said):
        assert said >= 0.15
        assert cpu_seconds(pid) == pytest.approx(said, rel=0.2)


def test_without_the_kernels_clock_psutil_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with busy(ALONE) as (pid, said):
        monkeypatch.setattr(sample.platform, "system", lambda: "Darwin")
        assert cpu_seconds(pid) == pytest.approx(said, rel=0.5)


def test_a_process_that_is_gone_has_no_account(ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((OSError, psutil.Error)):
        cpu_seconds(ended)
    monkeypatch.setattr(sample.platform, "system", lambda: "Darwin")
    with pytest.raises((OSError, psutil.Error)):
        cpu_seconds(ended)


def test_a_family_is_a_process_and_what_it_started(ended: int) -> None:
    assert sample.family(ended) == [ended]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert set(sample.family(os.getpid())) >= {os.getpid(), child.pid}
        child.kill()


def test_a_snapshot_leaves_out_who_is_gone(ended: int) -> None:
    found = take({"app": [os.getpid(), ended], "front": []})
    assert found.cpu_s["app"].keys() == {os.getpid()}
    assert found.cpu_s["app"][os.getpid()] > 0
    assert found.cpu_s["front"] == {}
    assert take({"app": [os.getpid()]}).at >= found.at


def snapshot(steal: tuple[float, float] = (0.0, 0.0), **groups: dict[int, float]) -> Snapshot:
    return Snapshot(at=0.0, cpu_s=groups, steal=steal)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({1: 1.0, 2: 5.0}, {1: 1.5, 2: 5.25}, 0.75),
        ({1: 1.0}, {1: 1.5, 9: 0.25}, 0.75),  # one that started in between counts in full
        ({}, {9: 0.25}, 0.25),
        ({1: 1.0, 2: 5.0}, {1: 1.5}, None),  # what the one that ended used is not known
        ({1: 1.0}, {}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_what_a_group_used(before: dict[int, float], after: dict[int, float], expected: float | None) -> None:
    assert used(snapshot(app=before), snapshot(app=after), "app") == expected


def test_a_group_that_is_not_there_used_nothing_that_is_known() -> None:
    assert used(snapshot(app={1: 1.0}), snapshot(app={1: 2.0}), "front") is None


def test_what_really_ran_in_between_is_charged() -> None:
    groups = {"app": [os.getpid()]}
    before = take(groups)
    said = -cpu_seconds(os.getpid())
    for _ in range(2000):
        sum(range(1000))
    said += cpu_seconds(os.getpid())
    found = used(before, take(groups), "app")
    assert found is not None
    assert found >= said > 0


def test_steal_is_a_share_of_all_cpu_time() -> None:
    assert steal_share(snapshot(steal=(1.0, 100.0)), snapshot(steal=(1.5, 110.0))) == pytest.approx(0.05)
    assert steal_share(snapshot(steal=(0.0, 50.0)), snapshot(steal=(0.0, 50.0))) is None
    stolen, everything = take({}).steal
    assert 0 <= stolen <= everything
    assert everything > 0


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel does not tell")
def test_memory_that_is_shared_counts_once(ended: int) -> None:
    own = pss_bytes([os.getpid()])
    assert own is not None
    assert 1_000_000 < own <= psutil.Process().memory_info().rss * 1.1
    assert pss_bytes([ended]) is None
    assert pss_bytes([]) is None
    script = "import os, sys; big = bytearray(b'x') * 40_000_000; os.fork(); print(os.getpid(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pids = [int(process.stdout.readline()) for _ in range(2)]
        together = pss_bytes([*pids, ended])
        resident = [psutil.Process(pid).memory_info().rss for pid in pids]
        process.stdin.close()
    assert together is not None
    assert 40_000_000 < together < 60_000_000 < sum(resident)


def test_memory_that_may_not_be_read_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, **_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", denied)
    assert pss_bytes([os.getpid()]) is None


def test_load_average(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_average()
    assert found is not None
    assert found >= 0

    def none() -> None:
        raise OSError

    monkeypatch.setattr(psutil, "getloadavg", none)
    assert load_average() is None


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_context_switches_of_all_threads_are_counted() -> None:
    rested, release = threading.Barrier(4), threading.Event()

    def naps() -> None:
        for _ in range(20):
            time.sleep(0.001)
        rested.wait(60)
        release.wait(60)

    before = context_switches([os.getpid()])
    threads = [threading.Thread(target=naps) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        rested.wait(60)
        found = context_switches([os.getpid()])  # while they live: those of threads that have ended are counted nowhere
    finally:
        release.set()
        for thread in threads:
            thread.join(60)
    assert before is not None
    assert found is not None
    assert found[0] - before[0] >= 3 * 20, "all threads' naps"
    assert context_switches([]) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_open_files_are_counted(tmp_path: Path) -> None:
    before = open_files([os.getpid()])
    assert before is not None
    with contextlib.ExitStack() as stack:
        for number in range(10):
            stack.enter_context((tmp_path / str(number)).open("w"))
        assert open_files([os.getpid()]) == before + 10
    assert open_files([]) is None
