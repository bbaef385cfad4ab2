"""The engine's own process: Locust, its events on standard output, its words on standard input, and how it ends."""

import contextlib
import csv
import http.client
import json
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from scripted_servers import BODY, GOOD, ScriptedServer, head

from bench.launch import free_port

REPOSITORY = Path(__file__).parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtests" / "locustfile.py"), "--headless"]

INTERRUPTIBLE = [
    sys.executable, "-c", "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
]  # fmt: skip
"""Before a command that Ctrl-C is to reach: a shell's background jobs ignore it, and so does what they start."""


class Engine:
    """A process with a job, and what it says."""

    def __init__(self, folder: Path, orders: dict[str, Any]) -> None:
        self.folder = folder
        job = folder / "job.json"
        job.write_text(json.dumps(orders))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*LOCUST, "--forkloop-job", str(job), "--html", str(folder / "locust.html")],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 30)[0], (self.folder / "log").read_text()
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        return dict(json.loads(line))

    def until(self, event: str) -> list[dict[str, Any]]:
        said = [self.next()]
        while said[-1]["event"] != event:
            said.append(self.next())
        return said

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def rest(self) -> bytes:
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        self.process.wait(30)
        return rest

    def result(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "result.json").read_text()))

    def close(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(lambda number: [GOOD])
    yield server
    server.close()


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory, server: ScriptedServer) -> Iterator[dict[str, Engine]]:
    """All processes of this module, started at once: most of a test's time would be Locust's imports."""
    names = ["whole", "interrupted", "hung up", "terminated", "wrong"]
    engines: dict[str, Engine] = {}
    for name in names:
        folder = tmp_path_factory.mktemp("engine")
        orders = {
            "version": 1,
            "scenario": "plaintext",
            "seed": 7,
            "mode": "duet",
            "targets": [
                {"id": f"t{n}", "host": "127.0.0.1", "port": server.port, "unix": None, "connections": 4}
                for n in range(2)
            ],
            "parameters": {},
            "warmup_s": 0.1,
            "measure_s": 0.4 if name == "whole" else 60.0,
            "slice_s": 0.1,
            "timeout_s": 10.0,
            "requests_path": str(folder / "requests.parquet"),
            "slices_path": str(folder / "slices.parquet"),
            "result_path": str(folder / "result.json"),
        }
        if name == "wrong":
            orders["scenario"] = "plantext"
        engines[name] = Engine(folder, orders)
    yield engines
    for engine in engines.values():
        engine.close()


def test_a_job_from_ready_to_done(engines: dict[str, Engine]) -> None:
    engine = engines["whole"]
    assert [said["event"] for said in engine.until("ready")] == ["ready"]
    engine.say("go")
    *progress, _ = engine.until("measured")
    assert len(progress) >= 1
    assert all(said["event"] == "progress" for said in progress)
    assert all(0 < said["done"] <= 1 for said in progress)
    assert progress[-1]["done"] > 0.3
    assert set(progress[-1]["rps"]) == {"t0", "t1"}
    engine.say("end")
    assert engine.next()["event"] == "done"
    assert engine.rest() == b""
    assert engine.process.returncode == 0, (engine.folder / "log").read_text()
    result = engine.result()
    assert result["version"] == 1
    assert result["stopped"] is False
    assert 0 < result["generator"]["cpu_share"] <= 1.1
    assert result["generator"]["loop_lag_ms"]["p50"] >= 0
    requests = pq.read_table(engine.folder / "requests.parquet")
    assert requests.schema.names == [
        "target", "intended_s", "start_s", "first_byte_s", "end_s", "status", "bytes", "error", "phase", "slice", "step",
    ]  # fmt: skip
    types = {name: str(requests.schema.field(name).type) for name in ("end_s", "status", "bytes", "slice")}
    assert types == {"end_s": "double", "status": "int16", "bytes": "int64", "slice": "int32"}
    assert str(requests.schema.field("error").type).startswith("dictionary<values=string")
    rows = requests.drop_columns(["intended_s", "first_byte_s", "end_s"]).to_pylist()
    assert {row["phase"] for row in rows} == {"warm", "lead", "measure", "drain"}
    assert all(row["status"] == 200 and row["bytes"] == len(BODY) and row["error"] is None for row in rows)
    assert min(row["start_s"] for row in rows) >= 0
    for target in result["targets"]:
        mine = [row for row in rows if row["target"] == target["id"]]
        assert target["requests"] == sum(row["phase"] == "measure" for row in mine)
        assert target["window_requests"] == sum(row["phase"] != "warm" for row in mine)
        assert target["bytes"] == target["requests"] * len(BODY)
        assert 1 <= target["slices"] <= 4, "fewer and longer ones where a busy machine is slow"
        assert target["connects"] == 0, "they were opened while warming up"
        assert target["latency_ms"] is None
    assert not list(engine.folder.glob("*.part"))
    shown = (engine.folder / "locust.html").read_text()
    for target in result["targets"]:
        assert f'"num_requests": {target["window_requests"]}' in shown, (
            "Locust's own report has every deployment's requests"
        )


@pytest.mark.parametrize("name", ["interrupted", "hung up", "terminated"])
def test_stopping_half_way_keeps_what_was_recorded(name: str, engines: dict[str, Engine]) -> None:
    engine = engines[name]
    engine.until("ready")
    engine.say("go")
    engine.until("progress")
    # On a busy machine slices are longer: then one target may not have had its first when the other one is in its lead.
    while not any(engine.next().get("rps", {}).values()):
        pass
    if name == "hung up":
        assert engine.process.stdin is not None
        engine.process.stdin.close()
    else:
        engine.process.send_signal(signal.SIGINT if name == "interrupted" else signal.SIGTERM)
    assert engine.until("done")[-1]["stopped"] is True
    engine.rest()
    assert engine.process.returncode == 0, (engine.folder / "log").read_text()
    result = engine.result()
    assert result["stopped"] is True
    requests, seconds = (sum(target[key] for target in result["targets"]) for key in ("requests", "seconds"))
    assert requests > 0
    assert 0 < seconds < 60
    rows = pq.read_table(engine.folder / "requests.parquet")
    assert rows.num_rows > requests
    assert pq.read_table(engine.folder / "slices.parquet").num_rows == sum(t["slices"] for t in result["targets"])


def test_a_bad_job_is_one_clear_line_and_exit_2(engines: dict[str, Engine]) -> None:
    engine = engines["wrong"]
    assert engine.next() == {"event": "error", "message": "unknown scenario 'plantext'; did you mean 'plaintext'?"}
    assert engine.rest() == b""
    assert engine.process.returncode == 2
    assert b"Traceback" not in (engine.folder / "log").read_bytes()


def web_totals(port: int, server: ScriptedServer) -> tuple[int, int]:
    """Requests and failures as the web UI has them when the run is over and the last rows are in."""
    deadline = time.monotonic() + 40
    while True:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/stats/requests")
            told = json.loads(connection.getresponse().read())
            connection.close()
            total = told["stats"][-1]
            if told["state"] == "stopped" and server.requests - total["num_requests"] <= 5:
                return total["num_requests"], total["num_failures"]


def interrupted(locust: subprocess.Popen[str]) -> tuple[str, str]:
    """What a Locust with a web UI says until Ctrl-C has ended it. One that reaches the web server's greenlet ends nothing: another does."""
    for _ in range(12):
        locust.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return locust.communicate(timeout=5)
    raise AssertionError("Ctrl-C does not end it")


def test_by_hand_locust_shows_the_same_totals_everywhere(tmp_path: Path) -> None:
    """One request in nine fails. JSON, console, CSV and HTML say the same without a web UI as with one, and so does the web UI; the
    server differs by what was in flight at the end.
    """
    servers = [ScriptedServer(lambda number: [GOOD] if number % 9 else [head(0, status=b"500 Oops")]) for _ in range(2)]
    port = free_port()
    web = ["--autostart", "--autoquit", "60", "--web-host", "127.0.0.1", "--web-port", str(port)]
    started = []
    for number, (server, words) in enumerate(zip(servers, (["--headless"], web), strict=True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        argv = [*INTERRUPTIBLE, *LOCUST[:-1], *words, "--host", f"http://127.0.0.1:{server.port}", "-u", "5", "-r", "5"]
        argv += ["-t", "1s", "--json", "--csv", "s", "--html", "s.html"]
        started.append(subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    try:
        shown = web_totals(port, servers[1])
        said = [started[0].communicate(timeout=60), interrupted(started[1])]
    finally:
        for one in started:
            one.kill()
            one.communicate()
        for server in servers:
            server.close()
    for number, (server, (out, err)) in enumerate(zip(servers, said, strict=True)):
        (entry,) = json.loads(out)
        assert (entry["method"], entry["name"]) == ("GET", "/plaintext")
        requests, failures = totals = (entry["num_requests"], entry["num_failures"])
        assert 0 <= server.requests - requests <= 5
        assert abs(failures - requests / 9) <= 5
        assert requests == sum(entry["response_times"].values()) == sum(entry["num_reqs_per_sec"].values())
        assert failures == sum(entry["num_fail_per_sec"].values())
        assert entry["total_content_length"] == (requests - failures) * len(BODY)
        assert entry["min_response_time"] > 0
        (row, total) = csv.DictReader((tmp_path / str(number) / "s_stats.csv").read_text().splitlines())
        for one in (row, total):
            assert (int(one["Request Count"]), int(one["Failure Count"])) == totals
        (failed,) = csv.DictReader((tmp_path / str(number) / "s_failures.csv").read_text().splitlines())
        assert (failed["Name"], failed["Error"], int(failed["Occurrences"])) == ("/plaintext", "status", failures)
        page = (tmp_path / str(number) / "s.html").read_text()
        assert set(re.findall(r'"num_requests": (\d+)', page)) == {str(requests)}
        assert set(re.findall(r'"num_failures": (\d+)', page)) == {str(failures)}
        console = re.findall(r"Aggregated +(\d+) +(\d+)\(", err)
        assert console[-1] == (str(requests), str(failures))
        # Ctrl-C may reach the web server's greenlet, which then says so.
        assert "Traceback" not in err or (number == 1 and "KeyboardInterrupt" in err)
    assert shown == totals
    assert started[0].returncode == 1, "as Locust does when requests have failed"
