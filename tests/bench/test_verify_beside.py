"""The verifier as a program, for a server that only its neighbours reach: arguments and report as JSON."""

import json
import subprocess
import sys
from typing import Any

import msgspec

from bench.verify import Report


def run(**asked: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.verify", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_report_comes_back_as_it_was() -> None:
    done = run(url="http://127.0.0.1:9", omits=["server"], endpoints=["json", "static"], database_url=None, static=True)
    assert done.returncode == 0, done.stderr
    report = msgspec.convert(json.loads(done.stdout), Report)
    assert report.target == "http://127.0.0.1:9"
    assert not report.passed
    assert {one.endpoint for one in report.failures} <= {"json", "static", "*"}


def test_arguments_that_make_no_sense_are_one_line() -> None:
    done = run(url="http://127.0.0.1:9", endpoints=["jsn"])
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "jsn" in done.stderr
