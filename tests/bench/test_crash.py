"""What a crash's experiment does to processes: which of them live, and what memory they may still take."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from bench.deployment import Deployment
from bench.experiments import crash
from bench.model import BenchError
from tests.waiting import until


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that does nothing, and has started: its memory is what it will be."""
    argv = [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one
        one.kill()


def deployment(*pids: int) -> Deployment:
    return cast(Any, SimpleNamespace(pids=lambda role: list(pids)))


def test_one_that_has_ended_and_was_not_waited_for_is_not_living(process: subprocess.Popen[bytes]) -> None:
    assert crash.living(deployment(process.pid)) == {process.pid}
    process.kill()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert crash.living(deployment(process.pid)) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what runs already")
def test_each_may_take_so_much_more_than_it_has(process: subprocess.Popen[bytes]) -> None:
    crash.limit([process.pid, 2**22 + 1])
    one = psutil.Process(process.pid)
    soft, hard = one.rlimit(resource.RLIMIT_AS)
    assert soft == hard
    assert soft - one.memory_info().vms == pytest.approx(crash.LIMIT_MIB << 20, abs=8 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what runs already")
def test_a_limit_that_nobody_got_is_no_limit(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]) -> None:
    with pytest.raises(BenchError, match="no process of the application"):
        crash.limit([2**22 + 1])

    def denied(*limits: Any) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "rlimit", denied)
    with pytest.raises(BenchError, match=f"process {process.pid} cannot be given a memory limit"):
        crash.limit([process.pid])
