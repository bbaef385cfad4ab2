"""`bench load` and `bench duet` as typed, on targets that are wrong, bad, slow or dying: one clear line or a count, and always an end."""

import http.server
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import cli

HERE = Path(__file__).parent
BENCH = str(Path(sys.executable).parent / "bench")
Server = Callable[..., str]


@pytest.fixture
def server() -> Iterator[Server]:
    """Starts one of bad_servers.py and gives its URL."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, after_ms: int = 0) -> str:
        argv = [sys.executable, str(HERE / "bad_servers.py"), kind, str(after_ms)]
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        return f"http://127.0.0.1:{int(started[-1].stdout.readline())}/"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def refusing() -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


def bench(*words: str, files: int | None = None) -> subprocess.CompletedProcess[str]:
    argv = [BENCH, *words]
    if files is not None:
        argv = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *argv]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


def refused(*words: str, files: int | None = None) -> str:
    """The one line that says what was wrong."""
    done = bench(*words, files=files)
    assert done.returncode == 2
    assert done.stdout == ""
    return only_line(done.stderr)


def only_line(said: str) -> str:
    (line,) = said.splitlines()
    assert line.startswith("bench: ")
    return line


@pytest.fixture
def refused_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """As `refused`, without a process of its own."""

    def call(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert ended.value.code == 2
        assert out == ""
        return only_line(err)

    return call


def told(*words: str, code: int = 0) -> dict[str, Any]:
    done = bench(*words, "--json")
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("command", ["load", "duet"])
def test_mistakes_and_closed_doors_are_one_line(
    command: str, server: Server, refusing: str, refused_here: Callable[..., str]
) -> None:
    good = [server("well")] if command == "duet" else []
    options = ["--seconds", "4", "--connections", "4"]
    assert f"{refusing}: cannot connect (Connection refused); is the server" in refused(
        command, *good, refusing, *options
    )
    unknown = refused_here(command, *good, "http://no-such-host.invalid/", *options)
    assert "no-such-host.invalid does not resolve" in unknown
    assert "check the name" in unknown
    assert "TLS is not supported; give an http:// address" in refused_here(
        command, *good, "https://127.0.0.1/", *options
    )


@pytest.mark.parametrize("command", ["load", "duet"])
def test_too_few_descriptors_name_the_limit_and_the_remedy(command: str, server: Server) -> None:
    urls = [server("well") for _ in range(1 if command == "load" else 2)]
    line = refused(command, *urls, "--connections", "500", "--seconds", "5", files=200)
    assert "open files are needed, the hard limit of this shell is 200 (RLIMIT_NOFILE, ulimit -Hn)" in line
    assert "raise it: sudo prlimit --pid $$ --nofile=" in line


def test_too_few_descriptors_for_a_crowd_likewise(server: Server) -> None:
    line = refused("load", server("well"), "--rate", "20", "--seconds", "1", "--beside", "idle=1000", files=300)
    assert "1128 open files are needed, the hard limit of this shell is 300" in line


@pytest.mark.parametrize(("kind", "fault"), [("banner", "protocol"), ("endless", "timeout")])
def test_what_is_no_http_server_is_counted_and_said(kind: str, fault: str, server: Server) -> None:
    bad, good = server(kind), server("well")
    options = ["--seconds", "1", "--timeout", "0.4", "--connections", "2"]
    opened = bench("load", bad, *options, "--rate", "20")
    assert opened.returncode == 1
    assert f" x {fault}\n" in opened.stdout
    both = bench("duet", bad, good, *options, "--slice-ms", "20")
    assert both.returncode == 1
    assert "A / B  no ratio: A gave no right answer" in both.stdout
    said = "not HTTP/1: the answer begins with b'SSH-2.0-OpenSSH_9.6"
    assert [said in done.stdout for done in (opened, both)] == [kind == "banner"] * 2
    assert ("queue" in opened.stdout) == (kind == "endless")


def test_a_target_that_dies_leaves_what_it_answered(server: Server) -> None:
    """Half-way, that is: 0.4 s of it are the warm-up."""
    orders = ["--seconds", "2", "--connections", "2"]
    found = told("load", server("dies", 1400), "--rate", "40", "--arrivals", "constant", *orders)
    assert 10 < found["requests"] < 70
    assert found["errors"]["connect"] > 10
    assert set(found["errors"]) <= {"connect", "reset"}
    assert found["requests"] + sum(found["errors"].values()) == 80
    assert found["problems"] == ["cannot connect: Connection refused"]
    closed = told("load", server("dies", 1400), *orders)
    assert closed["requests"] > 0
    assert 0 < closed["errors"]["connect"] < 300, "a dead target must not become a busy loop"


def test_a_partner_that_dies_in_a_duet_does_not_take_the_other_along(server: Server) -> None:
    done = bench(
        "duet",
        server("dies", 1400),
        server("well"),
        "--seconds",
        "2",
        "--slice-ms",
        "20",
        "--connections",
        "2",
        "--json",
    )
    found = json.loads(done.stdout)
    died, lived = found["targets"]
    assert died["requests"] > 0
    assert died["errors"]["connect"] > 0
    assert died["problems"] == ["cannot connect: Connection refused"]
    assert (lived["errors"], lived["problems"]) == ({}, [])
    assert lived["requests"] > 0
    assert found["ratios"][0]["ratio"] is None


def test_a_partner_that_falls_silent_in_a_duet_is_left_out(server: Server) -> None:
    """In each of its slices it would be waited for as long as a request may take: here 50 times half a second."""
    silent, good = server("hushes", 900), server("well")
    done = bench("duet", silent, good, "--seconds", "2", "--slice-ms", "20", "--connections", "2", "--timeout", "0.5")
    assert done.returncode == 0
    first, why = done.stdout.splitlines()[0], done.stdout.splitlines()[2]
    assert first.endswith(("failed: 2 x timeout", "failed: 4 x timeout"))
    assert why == "    no answer within 0.5 s: left out from then on"
    assert "A / B  no ratio: A left out" in done.stdout


class Counting:
    """A proper server that knows when it is measured: `enough(paths so far)` says so."""

    def __init__(self, enough: Callable[[list[str]], bool]) -> None:
        paths: list[str] = []
        self.measured = measured = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                paths.append(self.path)
                if enough(paths):
                    measured.set()

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_ctrl_c_keeps_what_was_measured() -> None:
    """Once it measures: the warm-up of `load` is 50 requests here, that of `duet` one path and then the other."""
    single = Counting(lambda paths: len(paths) > 60)
    pair = Counting(lambda paths: len(list(itertools.groupby(paths[-5000:]))) > 4)
    options = ["--connections", "1", "--seconds", "600", "--json"]
    commands = [
        [BENCH, "load", single.url, "--rate", "50", "--arrivals", "constant", *options],
        [BENCH, "duet", f"{pair.url}a", f"{pair.url}b", "--slice-ms", "50", *options],
    ]
    started = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for one in commands]
    told = []
    try:
        for server, process in zip((single, pair), started, strict=True):
            assert server.measured.wait(50)
            process.send_signal(
                signal.SIGTERM
            )  # it does what Ctrl-C does, also where that is ignored: in a shell's background
            out, err = process.communicate(timeout=50)
            assert (process.returncode, err) == (130, "")
            told.append(json.loads(out))
            assert told[-1]["stopped"] is True
            assert 0 < told[-1]["seconds"] < 600
    finally:
        for server, process in zip((single, pair), started, strict=True):
            process.terminate()
            process.communicate(timeout=50)
            server.close()
    load, duet = told
    assert load["requests"] > 0
    assert load["errors"] == {}
    assert sum(one["requests"] for one in duet["targets"]) > 0
    assert [one["errors"] for one in duet["targets"]] == [{}, {}]


def test_a_rate_that_cannot_be_reached_is_said_with_what_was(server: Server) -> None:
    done = bench("load", server("turns"), "--rate", "60", "--seconds", "1", "--timeout", "9", "--arrivals", "constant")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if "were offered" in line]
    offered, reached = line.replace("/s", "").split(" were offered, ")
    assert float(offered) == 60.0
    assert 5 < float(reached.split(" reached")[0]) < 30
    assert line.endswith("reached: the latency is a queue's")
