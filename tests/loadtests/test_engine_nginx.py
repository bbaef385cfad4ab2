"""The engine's totals are those of the server's own access log, to the request."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.launch import free_port
from bench.machine import find_nginx
from loadtests.job import Inline

CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
  log_format plain '$status $body_bytes_sent $connection_requests $uri'; access_log {folder}/access.log plain;
  keepalive_requests 37;
  server {{
    listen 127.0.0.1:{port}; default_type text/plain;
    location / {{ return 200 "Hello, World!"; }}
    location = /missing {{ return 404 "no"; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path) -> Any:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    argv = [str(find_nginx().path), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(argv)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
        yield port
    finally:
        process.terminate()  # writes what it still holds of its log
        process.wait(20)


@pytest.mark.parametrize("mode", ["duet", "closed", "open"])
def test_totals_are_those_of_the_access_log(mode: str, tmp_path: Path, load: Callable[..., Any]) -> None:
    """Over connections that the server closes after 37 requests, right and wrong answers, warm-up, slices and drains."""
    with nginx(tmp_path) as port:
        outcome = load(
            port, port, mode=mode, measure_s=0.3, warmup_s=0.1, slice_s=0.05, rate_rps=1500.0, connections=8, scenario=None,
            request=(Inline(path="/"), Inline(path="/missing")), requests_path=None, slices_path=None,
        )  # fmt: skip
    logged = [line.split() for line in (tmp_path / "access.log").read_text().splitlines()]
    rows = outcome.table.rows
    assert len(rows) > 100, "a test of nothing otherwise"
    assert len(rows) == len(logged)
    assert (rows["status"] == 200).sum() == sum(status == "200" for status, *_ in logged)
    assert (rows["status"] == 404).sum() == sum(status == "404" for status, *_ in logged)
    assert rows["bytes"][rows["status"] == 200].sum() == sum(
        int(size) for status, size, *_ in logged if status == "200"
    )
    right, wrong = outcome.targets
    measured = (outcome.table.target == 0) & outcome.table.correct
    assert right["requests"] == measured.sum()
    assert right["errors"] == {}
    assert wrong["errors"]["status"] == ((outcome.table.target == 1) & outcome.table.measuring).sum()
