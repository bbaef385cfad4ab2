"""`bench load` and `bench duet`: what they refuse, how they decide, and a run of each on a small server."""

import contextlib
import http.server
import json
import math
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from scipy import stats

from bench import student
from bench.launch import free_port
from bench.load import Workers
from bench.machine import default_budget, topology
from bench.model import BenchError
from bench.solo import choose, compare, duet, engine, help_out, invitation, load, single
from bench.solo.generators import Generators
from bench.solo.place import parse, reach


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one write: apart, they would wait for each other's acknowledgement, longer than a slice

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1/", "TLS is not supported"),
        ("ftp://127.0.0.1/", "expected http://"),
        ("http://", "expected http://"),
        ("http://127.0.0.1:99999/", "the port is not a number"),
        ("http://127.0.0.1:0/", "the port is not a number from 1 to 65535"),
        ("http://127.0.0.1/a b", "percent-encode"),
        ("http://no-such-host.invalid/", "does not resolve"),
        (
            "http://192.0.2.1/",
            r"another machine, .* is an attack; if it is yours to load, add --allow-host 192\.0\.2\.1",
        ),
    ],
)
@pytest.mark.usefixtures("no_names")
def test_wrong_urls_are_one_clear_line(url: str, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        parse(url)
    assert "\n" not in str(caught.value)


def test_a_url_is_taken_apart() -> None:
    place = parse("127.0.0.1:8000/x?y=1")
    assert (place.endpoint.host, place.endpoint.port, place.path) == ("127.0.0.1", 8000, "/x?y=1")
    assert parse("http://[::1]:80/").endpoint.host == "::1"
    assert parse("http://192.0.2.1/", allowed=["192.0.2.1"]).path == "/"
    assert parse("http://any.host/", unix=Path("/x.sock")).endpoint.socket == Path("/x.sock")


def test_a_refused_connection_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(BenchError, match=r"cannot connect .*is the server running"):
        reach(parse(f"http://127.0.0.1:{port}/"))
    with pytest.raises(BenchError, match="cannot connect"):
        reach(parse("http://x/", unix=tmp_path / "none.sock"))


def test_a_host_that_is_allowed_but_is_no_name_is_one_clear_line() -> None:
    for host in ("my..host", "x" * 64):
        with pytest.raises(BenchError, match=f"{host} is not a host name"):
            reach(parse(f"http://{host}/", allowed=[host]))


@pytest.mark.parametrize("df", [1, 2, 5, 11, 30])
@pytest.mark.parametrize("p", [0.6, 0.975, 0.999])
def test_quantiles_of_t_are_those_of_scipy(p: float, df: int) -> None:
    assert student.quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-6)


def parts(rates: list[float]) -> list[dict[str, float]]:
    return [{"requests": 1e6 * rate, "seconds": 1.0} for rate in rates]


def test_the_interval_covers_and_equal_servers_are_not_resolved() -> None:
    """12 parts of noise with a spread of 2%: 95 in 100 intervals hold the truth, and 8% is resolved every time."""
    rng = random.Random(5)
    draw = lambda: [math.exp(rng.gauss(0, 0.02)) for _ in range(12)]  # noqa: E731
    equal = [compare.ratio(parts(draw()), parts(draw()), margin=0.02) for _ in range(400)]
    assert 360 <= sum(each["low"] <= 1 <= each["high"] for each in equal) <= 396
    assert not any(each["resolved"] for each in equal)
    apart = [compare.ratio(parts([1.08 * x for x in draw()]), parts(draw()), margin=0.02) for _ in range(100)]
    assert all(each["resolved"] and each["ratio"] > 1 for each in apart)
    swapped = compare.ratio(parts(draw()), parts([1.08 * x for x in draw()]), margin=0.02)
    assert swapped["resolved"]
    assert swapped["high"] < 1


def test_without_right_answers_there_is_no_ratio() -> None:
    found = compare.ratio(parts([1.0, 0.0]), parts([1.0, 1.0]), margin=0.02)
    assert found == {"ratio": None, "low": None, "high": None, "resolved": False}


def test_load_of_one_server(url: str) -> None:
    common: dict[str, Any] = {"connections": 4, "seconds": 0.4, "unix": None, "timeout_s": 5.0, "allowed": ()}
    closed = load(url, rate_rps=None, **common)
    keys = ["requests", "seconds", "rps", "offered_rps", "errors", "latency_ms", "generator_cpu", "generator_bound"]
    keys += ["late", "stages", "connections", "problems", "beside", "workers", "stopped", "unanswered"]
    assert list(closed) == keys
    assert closed["workers"] is None
    assert closed["requests"] > 0
    assert closed["latency_ms"] == dict.fromkeys(["p50", "p90", "p99", "p99_9", "max"])
    opened = load(url, rate_rps=200.0, **common)
    assert opened["latency_ms"]["p50"] > 0
    assert opened["offered_rps"] == opened["requests"] / 0.4
    missing = load(url + "missing", rate_rps=None, **common)
    assert missing["requests"] == 0
    assert missing["errors"]["status"] > 0
    assert missing["problems"] == ["status 404, expected one below 400"]
    assert "status 404, expected one below 400" in single.text("", missing)
    for found in (closed, opened, missing):
        assert max(map(len, single.text("", found).splitlines())) <= 80
        json.dumps(found, allow_nan=False)


def test_load_with_two_workers(url: str) -> None:
    """One for each CPU, as --load-cpus 0,1 gives them; on a machine of one CPU both have that."""
    usable = topology().cpus
    two = Generators(cpus=frozenset(usable), workers=Workers(cpus=(usable[0], usable[-1])))
    found = load(
        url, connections=5, rate_rps=300.0, arrivals="constant", seconds=0.4, unix=None, timeout_s=5.0, allowed=(), generators=two,
    )  # fmt: skip
    assert found["requests"] == 120
    assert [one["requests"] for one in found["workers"]] == [60, 60]
    assert [one["connections"] for one in found["workers"]] == [3, 2]
    assert found["generator_cpu"] == max(one["generator_cpu"] for one in found["workers"])
    text = single.text("", found)
    assert "    worker 1: 60 requests, " in text
    assert max(map(len, text.splitlines())) <= 80
    json.dumps(found, allow_nan=False)


def test_any_busy_worker_makes_the_generator_the_bound() -> None:
    """The engine gives the busiest worker's share as the target's."""
    target = {"id": "0", "connections": 2, "requests": 5, "generator_cpu": 0.9, "late_ms": None}
    told = {
        "number": 1,
        "host": None,
        "cpus": [1],
        "loop_lag_ms": None,
        "clock": None,
        "missed_starts": 2,
        "targets": [target],
    }
    answer = dict.fromkeys(
        [
            "requests",
            "seconds",
            "rps",
            "offered_rps",
            "errors",
            "latency_ms",
            "late",
            "stages",
            "problems",
            "unanswered",
        ]
    )
    found = single.summary({**answer, "generator_cpu": 0.9, "connections": 4}, None, [told])
    assert found["generator_bound"] is True
    assert found["workers"][0]["missed_starts"] == 2


def test_what_was_stopped_is_told_with_who_had_no_answer_and_which_stages_were_cut() -> None:
    stage = {"start": 50.0, "end": 50.0, "errors": {}, "latency_ms": None}
    stages = [
        {**stage, "seconds": 5.0, "lasted_s": 5.0, "rps": 50.0},
        {**stage, "seconds": 9.0, "lasted_s": 2.5, "rps": 48.0},
        {**stage, "seconds": 7.0, "lasted_s": 0.0, "rps": None},
    ]
    answer = {
        "requests": 370, "seconds": 7.5, "rps": 49.3, "offered_rps": 50.0, "errors": {}, "latency_ms": None, "generator_cpu": 0.1,
        "late": [], "stages": stages, "connections": 4, "problems": [], "unanswered": 5,
    }  # fmt: skip
    lines = single.text("", single.summary(answer, None, None, stopped=True)).splitlines()
    assert "  5 that were due by then had no answer yet: no latency has them" in lines
    assert not [line for line in lines if "were offered" in line], (
        "what was reached is what had been offered until then"
    )
    assert lines[-4:-1] == [
        "  50 for 5 s: 50.0/s", "  50 for 9 s (stopped after 2.5 s): 48.0/s", "  50 for 7 s: not reached",
    ]  # fmt: skip


def test_who_loads_follows_from_the_options() -> None:
    usable = topology().cpus
    assert choose(None) == Generators(cpus=default_budget(topology()).pins("generator"))
    assert choose(str(usable[0])) == Generators(cpus=frozenset(usable[:1]))
    remote = choose(None, remote=2, bind="192.0.2.7", port=6000)
    assert remote.workers == Workers(remote=2, bind="192.0.2.7", port=6000)
    assert invitation(remote) is not None
    assert "for 2 workers, each started elsewhere with: bench load-worker --master 192.0.2.7 --port 6000" in (
        invitation(remote) or ""
    )
    assert invitation(choose(None)) is None
    if len(usable) > 1:
        assert choose(f"{usable[0]}, {usable[1]}").workers == Workers(cpus=usable[:2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"load_cpus": "x"}, "is no list of CPUs"),
        ({"load_cpus": "9999"}, "CPU 9999 does not exist or may not be used here; usable: "),
        ({"load_cpus": None, "remote": -1}, "--remote-workers must not be negative"),
        ({"load_cpus": None, "bind": "127.0.0.1"}, "give their number too"),
        ({"load_cpus": None, "remote": 1, "port": 0}, "--port must be from 1 to 65535"),
    ],
)
def test_wrong_choices_of_who_loads_are_one_clear_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        choose(**options)


def test_a_helper_without_a_leader_gives_up_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said: list[str] = []
    common: dict[str, Any] = {"load_cpus": None, "allowed": (), "once": False, "say": said.append}
    assert help_out("127.0.0.1", port=port, patience_s=0.3, **common) == 1
    assert said[0] == f"1 worker; looking for 127.0.0.1:{port} (Ctrl-C ends)"
    assert said[-1] == f"a worker ended with exit code 1: no leader at 127.0.0.1:{port} within 0.3 s"
    with pytest.raises(BenchError, match="--patience must be above 0"):
        help_out("127.0.0.1", port=port, patience_s=0.0, **common)


PROGRAM = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
with open(sys.argv[2], "a") as started: started.write(f"{os.getpid()}\\n")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_programs_that_duet_starts_are_started_afresh_each_time_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "STARTS", 3)
    (tmp_path / "program.py").write_text(PROGRAM)
    ports = [free_port(), free_port()]
    commands = [f"{sys.executable} {tmp_path / 'program.py'} {port} {tmp_path / str(port)}" for port in ports]
    found = duet(
        [f"http://127.0.0.1:{port}/" for port in ports], connections=2, seconds=3.0, slice_ms=40.0, timeout_s=5.0, margin=0.02, allowed=(),
        commands=commands,
    )  # fmt: skip
    pids = [[int(pid) for pid in (tmp_path / str(port)).read_text().split()] for port in ports]
    assert [len(set(one)) for one in pids] == [3, 3], "a process of its own for every start"
    assert not any(psutil.pid_exists(pid) for one in pids for pid in one)
    (pair,) = found["ratios"]
    assert pair["low"] < pair["ratio"] < pair["high"]
    assert 3 * 2 <= found["slices"] <= 3 * 2 * 12, "longer ones, and fewer, where the machine is slow"
    assert all(target["requests"] > 0 and not target["errors"] for target in found["targets"])
    assert "started afresh 3 times: this speaks of the programs" in compare.text(found, started=True)


@pytest.mark.parametrize(
    ("error", "stopped", "failure"),
    [(KeyboardInterrupt(), True, None), (BenchError("--start 'x': ended with exit code 3"), False, "exit code 3")],
)
@pytest.mark.parametrize("completed", [0, 1, 3])
def test_starts_that_were_completed_count_where_a_later_one_is_not(
    completed: int, error: BaseException, stopped: bool, failure: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def measure(*how: Any, **more: Any) -> dict[str, Any]:
        calls.append(more["keep"])
        if len(calls) > completed:
            raise error
        common = {
            "errors": {},
            "left_out": False,
            "problems": [],
            "connections": 2,
            "slices": 12,
            "parts": parts([9.0] * 12),
        }
        rates = (100 + len(calls), 50)
        return {"stopped": False, "targets": [{**common, "requests": rate, "seconds": 1.0} for rate in rates]}

    monkeypatch.setattr(compare, "measure", measure)
    monkeypatch.setattr(compare, "reach", lambda place: None)
    monkeypatch.setattr(compare.starting, "up", lambda *how: contextlib.nullcontext())
    orders: dict[str, Any] = {
        "connections": 2, "seconds": 30.0, "slice_ms": 20.0, "timeout_s": 5.0, "margin": 0.02, "allowed": (), "commands": ["x", "x"],
    }  # fmt: skip
    urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"]
    if not completed:
        with pytest.raises(type(error)):
            duet(urls, **orders)
        return
    found = duet(urls, **orders)
    assert not any(calls), "what is cut short has no result"
    assert (found["starts"], found["stopped"]) == (completed, stopped)
    assert found["targets"][0]["requests"] == sum(100 + number for number in range(1, completed + 1))
    (pair,) = found["ratios"]
    text = compare.text(found, started=True)
    if completed == 1:
        assert pair["ratio"] is None, "one start is one replicate, whatever its parts"
        assert "no ratio: it takes two completed starts" in text
    else:
        assert pair["ratio"] == pytest.approx(2.04, rel=0.01)
        assert pair["low"] < pair["ratio"] < pair["high"]
    assert f"Only {completed} of 6 fresh starts of each program were completed; these count." in text
    assert (found["failure"] is None) == (failure is None)
    if failure:
        assert failure in found["failure"]
        assert failure in text
    assert max(len(line) for line in text.splitlines() if "://" not in line) <= 80


def test_duet_of_two_servers(url: str) -> None:
    found = duet(
        [url, url], connections=2, seconds=0.8, slice_ms=20.0, timeout_s=5.0, margin=0.02, allowed=(),
    )  # fmt: skip
    assert list(found) == [
        "targets",
        "ratios",
        "stopped",
        "connections",
        "margin",
        "seconds",
        "slices",
        "starts",
        "failure",
    ]
    assert (found["starts"], found["failure"]) == (None, None)
    assert [list(target) for target in found["targets"]] == [
        ["url", "rps", "requests", "errors", "left_out", "problems"]
    ] * 2
    assert [list(pair) for pair in found["ratios"]] == [["a", "b", "ratio", "low", "high", "resolved"]]
    assert 2 <= found["slices"] <= 40, "longer ones, and fewer, where the machine is slow"
    assert found["seconds"] == pytest.approx(0.8 * 0.8), "a fifth of every slice is not counted"
    (pair,) = found["ratios"]
    assert pair["low"] < pair["ratio"] < pair["high"]
    text = compare.text(found, started=False)
    assert "these running processes only" in text
    assert max(len(line) for line in text.splitlines() if "://" not in line) <= 80


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"urls": ["http://127.0.0.1/"]}, "from 2 to 26 URLs"),
        ({"seconds": 0.0}, "--seconds must be above 0"),
        ({"seconds": 0.1}, "fewer than 12 slices"),
        ({"margin": 1.0}, "--margin must be"),
        ({"commands": ["x"]}, "2 URLs, 1 commands"),
        ({"commands": ["false", "false"]}, "ended with exit code 1"),
        ({"commands": ["'", "x"]}, "No closing quotation"),
    ],
)
def test_wrong_orders_are_one_clear_line(keys: dict[str, Any], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    orders: dict[str, Any] = {
        "urls": [place, place], "connections": 2, "seconds": 30.0, "slice_ms": 20.0, "timeout_s": 5.0, "margin": 0.02, "allowed": (),
    }  # fmt: skip
    with pytest.raises(BenchError, match=says):
        duet(**{**orders, **keys})


def test_a_program_that_runs_already_is_not_started_again(url: str) -> None:
    with pytest.raises(BenchError, match="something listens there already"):
        duet(
            [url, url], connections=2, seconds=30.0, slice_ms=20.0, timeout_s=5.0, margin=0.02, allowed=(),
            commands=["sleep 9", "sleep 9"],
        )  # fmt: skip


class Bad:
    """A server that is no proper one: it answers every connection with what `answer` writes."""

    def __init__(self, answer: Callable[[socket.socket, int], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._number = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock, self._number), daemon=True).start()
                self._number += 1

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError):
            if sock.recv(65536):
                self._answer(sock, number)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def speak_otherwise(sock: socket.socket, number: int) -> None:
    sock.sendall(b"220 mail.example ESMTP ready\r\n")


def never_end(sock: socket.socket, number: int) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


@pytest.mark.parametrize(("answer", "kind"), [(speak_otherwise, "protocol"), (never_end, "timeout")])
def test_what_is_no_proper_server_is_counted_not_waited_for(
    answer: Callable[[socket.socket, int], None], kind: str
) -> None:
    bad = Bad(answer)
    found = load(bad.url, connections=2, rate_rps=None, seconds=0.5, unix=None, timeout_s=0.3, allowed=())
    bad.close()
    assert found["requests"] == 0
    assert set(found["errors"]) == {kind}
    assert "0.0 requests/s" in single.text(bad.url, found)


def test_without_connections_both_commands_try_how_many(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TRIED_S", 0.2)
    asked: list[list[int]] = []
    plain = engine.load.run

    def run(session: Any, job: Any, **keys: Any) -> dict[str, Any]:
        asked.append([target.connections for target in job.targets])
        rates = [1.0, 99.0, 100.0]  # of a pilot: 16 connections do nothing, 32 as much as 64
        if len(job.targets) == 6:  # that of two servers; the one of one server is real but for the rates
            return {"targets": [{"rps": rate, "left_out": False} for rate in rates * 2]}
        answer = plain(session, job, **keys)
        if len(job.targets) == 3:
            for target, rate in zip(answer["targets"], rates, strict=True):
                target["rps"] = rate
        return answer

    monkeypatch.setattr(engine.load, "run", run)
    common: dict[str, Any] = {"unix": None, "timeout_s": 5.0, "allowed": ()}
    assert load(url, connections=None, rate_rps=None, seconds=0.2, **common)["connections"] == 32
    assert load(url, connections=None, rate_rps=50.0, seconds=0.2, **common)["connections"] == 64
    found = duet([url, url], connections=None, seconds=0.5, slice_ms=20.0, timeout_s=5.0, margin=0.02, allowed=())
    assert found["connections"] == 32
    assert asked == [[16, 32, 64], [32], [64], [16, 32, 64, 16, 32, 64], [32, 32]]


def test_connections_under_which_a_server_falls_silent_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [{"rps": rate, "left_out": rate > 100.0} for rate in (60.0, 100.0, 900.0)]
    monkeypatch.setattr(engine, "measure", lambda *how, **more: {"targets": told})
    place: Any = None
    generators: Any = None
    chosen, rates = engine.tried(None, [place], timeout_s=5.0, generators=generators)  # type: ignore[arg-type]
    assert (chosen, rates) == (32, [{16: 60.0, 32: 100.0, 64: None}])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"rate_stages": "50"}, "--rate-stages: '50': expected VALUExSECONDS"),
        ({"rate_stages": "0x5"}, "above 0"),
        ({"connection_stages": "4x0"}, "above 0"),
        ({"rate_stages": "5x1", "rate_rps": 5.0}, "give one of"),
        ({"rate_rps": 5.0, "think_s": 0.1}, "--think-ms is for the closed loop"),
        ({"think_s": -0.1}, "--think-ms must not be negative"),
        ({"arrivals": "random"}, "--arrivals must be constant or poisson"),
    ],
)
def test_wrong_stages_are_one_clear_line(url: str, keys: dict[str, Any], says: str) -> None:
    orders: dict[str, Any] = {
        "connections": 2,
        "rate_rps": None,
        "seconds": 0.2,
        "unix": None,
        "timeout_s": 5.0,
        "allowed": (),
    }
    with pytest.raises(BenchError, match=says):
        load(url, **{**orders, **keys})


def test_stages_are_told_one_by_one(url: str) -> None:
    found = load(
        url, connections=4, rate_rps=None, seconds=9.0, unix=None, timeout_s=5.0, allowed=(), rate_stages="50x0.2,50..150x0.2",
        arrivals="constant",
    )  # fmt: skip
    assert [stage["requests"] for stage in found["stages"]] == [10, 20]
    text = single.text(url, found)
    assert "  50 for 0.2 s: " in text
    assert "  50 to 150 for 0.2 s: " in text
    grown = load(
        url,
        connections=None,
        rate_rps=None,
        seconds=9.0,
        unix=None,
        timeout_s=5.0,
        allowed=(),
        connection_stages="1x0.1,3x0.1",
    )
    assert (grown["connections"], len(grown["stages"])) == (3, 2)
