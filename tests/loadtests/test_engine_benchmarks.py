"""The engine's benchmarks, as a program: what they start ends with them."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from bench.machine import find_nginx
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


def test_a_benchmark_that_is_told_to_end_leaves_no_server_behind() -> None:
    argv = [sys.executable, "-m", "loadtests.benchmarks", "--only", "memory", "--memory-seconds", "60"]
    benchmark = subprocess.Popen([*argv, "--nginx", str(find_nginx().path)], cwd=ROOT, stdout=subprocess.DEVNULL)
    started: list[psutil.Process] = []
    try:
        process = psutil.Process(benchmark.pid)
        until(lambda: {"nginx", "python"} <= {one.name().partition(":")[0][:6] for one in process.children()})
        started = process.children(recursive=True)
        benchmark.send_signal(signal.SIGTERM)
        assert benchmark.wait(60) == 128 + signal.SIGTERM
        until(lambda: not any(one.is_running() for one in started))
    finally:
        benchmark.kill()
        for one in started:
            if one.is_running():
                one.kill()
