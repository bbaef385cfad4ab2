"""Slow and idle clients beside the requests: each is counted, keeps its rate, and shows whom it starves."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted_servers import CLOSE, GOOD, HANG, head, requests_of

from loadtests import job as job_file
from loadtests import limits
from loadtests.beside import Beside
from loadtests.crowd import crowd_of
from loadtests.errors import LoadError
from loadtests.job import Workers

LARGE = 6_000_000
"""More than the sockets' buffers take between a server and a reader whose own is small."""


class Pages:
    """Serves by path, with a thread for each connection, or `alone`: one connection at a time, to its end, as a sync worker does.

    The first who asks for /busy is turned away, the others are never answered.
    """

    def __init__(self, *, alone: bool = False, cut_every: int = 0) -> None:
        self._cut_every = cut_every
        self.paths: list[str] = []
        self.received = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(alone,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self, alone: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                if alone:
                    self._serve(sock, once=True)
                else:
                    threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket, *, once: bool = False) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), sock:
            while path := self._request(sock):
                self.paths.append(path)
                if path == "/large":
                    cut = self._cut_every and self.paths.count("/large") % self._cut_every == 0
                    sock.sendall(head(LARGE) + bytes(LARGE // 2 if cut else LARGE))
                    if cut:
                        return
                elif path == "/busy":
                    if self.paths.count("/busy") > 1:
                        sock.recv(1)  # until the client goes
                        return
                    sock.sendall(head(0, status=b"503 Service Unavailable"))
                else:
                    sock.sendall(GOOD if not once else GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                if once:
                    return

    def _request(self, sock: socket.socket) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            got = sock.recv(65536)
            if not got:
                return ""
            self.received += len(got)
            data += got
        lines, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in lines.split(b"\r\n") if line.startswith(b"Content-Length")), 0
        )
        while len(body) < length:
            got = sock.recv(65536)
            if not got:
                return ""
            self.received += len(got)
            body += got
        return lines.split(b" ")[1].decode()


@pytest.fixture
def pages() -> Iterator[Callable[..., Pages]]:
    made: list[Pages] = []

    def start(**how: Any) -> Pages:
        made.append(Pages(**how))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def beside(load: Any) -> Callable[..., Any]:
    """Runs 40 requests a second for half a second beside a crowd."""

    def run(port: int, kind: str, count: int, *, measure_s: float = 0.5, timeout_s: float = 1.0, **terms: Any) -> Any:
        orders = {"ramp_s": 0.2, "settle_s": 1.0, "finish_s": 10.0, **terms}
        keys = {key: orders.pop(key) for key in ("workers", "warmup_s") if key in orders}
        return load(
            port, mode="open", rate_rps=40.0, measure_s=measure_s, timeout_s=timeout_s, connections=8,
            beside=Beside(kind=kind, count=count, **orders), **keys,  # type: ignore[arg-type]
        )  # fmt: skip

    return run


def test_readers_take_a_response_at_their_rate_and_are_read_to_the_end(pages: Any, beside: Any) -> None:
    server = pages()
    outcome = beside(server.port, "readers", 6, path="/large", rate_bytes_s=40_000.0, measure_s=1.0)
    crowd = outcome.result["beside"]
    assert crowd["outcomes"] == {"completed": 6}
    assert crowd["ended"] == {"finishing": {"completed": 6}}
    assert (crowd["connected"], crowd["first_byte"], crowd["settled"], crowd["held"]) == (6, 6, 6, 6)
    assert crowd["received_bytes"] == 6 * (LARGE + len(head(LARGE)))
    rate = crowd["holding_bytes"] / crowd["holding_s"] / 6
    assert 0.5 * 40_000 < rate <= 1.1 * 40_000
    assert outcome.first["errors"] == {}
    assert outcome.first["requests"] == 40
    assert server.paths.count("/large") == 6
    assert crowd["arrival"]["requests"] == 8
    assert crowd["arrival"]["latency_ms"]["samples"] == 8


def test_a_reader_of_half_the_rate_takes_about_half(pages: Any, beside: Any) -> None:
    moved = [
        beside(pages().port, "readers", 4, path="/large", rate_bytes_s=rate, measure_s=1.0).result["beside"]
        for rate in (30_000.0, 60_000.0)
    ]
    slow, fast = (one["holding_bytes"] / one["holding_s"] for one in moved)
    assert 1.4 < fast / slow < 2.8


def test_truncated_answers_are_counted(pages: Any, beside: Any) -> None:
    crowd = beside(pages(cut_every=3).port, "readers", 9, path="/large", rate_bytes_s=40_000.0).result["beside"]
    assert crowd["outcomes"] == {"completed": 6, "truncated": 3}
    assert crowd["held_s"]["truncated"]["min"] > 0


def test_a_reader_whose_answer_ends_at_once_arrives_once(pages: Any, beside: Any) -> None:
    """Else it would count for the one who is still on the way as well, and nobody would wait for that one."""
    crowd = beside(pages().port, "readers", 2, path="/busy", settle_s=0.3, finish_s=0.2).result["beside"]
    assert crowd["outcomes"] == {"rejected": 1, "unfinished": 1}
    assert (crowd["connected"], crowd["first_byte"], crowd["settled"]) == (2, 1, 1)
    assert (crowd["settled_s"], crowd["on_the_way"]) == (None, 1)


def test_readers_starve_a_server_of_one_at_a_time_and_no_other(pages: Any, beside: Any) -> None:
    terms: dict[str, Any] = {
        "path": "/large",
        "rate_bytes_s": 10_000.0,
        "settle_s": 0.3,
        "timeout_s": 0.3,
        "finish_s": 10.0,
    }
    free = beside(pages().port, "readers", 3, **terms)
    held = beside(pages(alone=True).port, "readers", 3, **terms)
    assert (free.first["requests"], free.first["errors"]) == (20, {})
    assert (held.first["requests"], held.first["errors"]) == (0, {"timeout": 20})
    assert free.result["beside"]["settled"] == 3
    crowd = held.result["beside"]
    assert (crowd["connected"], crowd["settled"], crowd["held"], crowd["settled_s"]) == (3, 1, 1, None)
    assert (crowd["present"], crowd["on_the_way"]) == (3, 2), "those that wait for their turn are there as well"
    assert (free.result["beside"]["present"], free.result["beside"]["on_the_way"]) == (3, 0)
    assert crowd["outcomes"] == {"completed": 3}, "once they hurry, each gets its turn"


@pytest.mark.parametrize(("kind", "size"), [("slow-heads", 2000), ("slow-bodies", 5000)])
def test_dripped_requests_hold_a_server_of_one_at_a_time_and_end_whole(
    kind: str, size: int, pages: Any, beside: Any
) -> None:
    terms: dict[str, Any] = {"path": "/form", "bytes": size, "rate_bytes_s": 200.0, "settle_s": 0.3, "timeout_s": 0.3}
    free_server, held_server = pages(), pages(alone=True)
    free = beside(free_server.port, kind, 3, **terms)
    held = beside(held_server.port, kind, 3, **terms)
    assert (free.first["requests"], free.first["errors"]) == (20, {})
    assert (held.first["requests"], held.first["errors"]) == (0, {"timeout": 20})
    for outcome, server in ((free, free_server), (held, held_server)):
        crowd = outcome.result["beside"]
        assert crowd["outcomes"] == {"completed": 3}
        assert crowd["statuses"] == {"200": 3}
        assert crowd["held"] == 3
        assert server.paths.count("/form") == 3
        head_bytes = 0 if kind == "slow-heads" else crowd["sent_bytes"] // 3 - size
        assert crowd["sent_bytes"] == 3 * (size + head_bytes)
    crowd = free.result["beside"]
    assert 0.4 * 200 < crowd["holding_bytes"] / crowd["holding_s"] / 3 <= 1.3 * 200


def test_what_the_server_ends_is_counted_with_its_time(serve: Any, beside: Any) -> None:
    """One in three heads is answered 408 at once, one is hung up on, one may go on."""
    lock, seen = threading.Lock(), []

    class Impatient(threading.Thread):
        def __init__(self) -> None:
            super().__init__(daemon=True)
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)

        def run(self) -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=self.serve, args=self.listener.accept()[:1], daemon=True).start()

        def serve(self, sock: socket.socket) -> None:
            data = sock.recv(65536)
            if b"/slow" in data and b"\r\n\r\n" not in data:
                with lock:
                    seen.append(1)
                    turn = len(seen) % 3
                if turn == 1:
                    time.sleep(0.05)
                    sock.sendall(head(0, status=b"408 Request Timeout"))
                if turn in (1, 2):
                    sock.close()
                    return
                while not data.endswith(b"\r\n\r\n"):
                    data += sock.recv(65536)
            sock.sendall(GOOD)
            with contextlib.suppress(OSError):
                for _ in requests_of(sock):
                    sock.sendall(GOOD)
            sock.close()

    server = Impatient()
    server.start()
    crowd = beside(server.listener.getsockname()[1], "slow-heads", 9, path="/slow", rate_bytes_s=100.0).result["beside"]
    server.listener.close()
    assert crowd["outcomes"] == {"completed": 3, "rejected": 3, "closed": 3}
    assert crowd["statuses"] == {"200": 3, "408": 3}
    assert crowd["ended"]["finishing"] == {"completed": 3}
    assert sum(sum(found.values()) for found in crowd["ended"].values()) == 9
    assert crowd["held"] == 3
    assert crowd["held_s"]["closed"]["max"] < crowd["held_s"]["completed"]["min"]


def test_a_thousand_idle_connections_stay_open_and_cost_nothing(load: Any) -> None:
    """A server of one loop, in a process of its own: not one callback while they idle, and each serves again at the end."""
    code = f"ANSWER = {GOOD!r}"
    code += """
import asyncio
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        self.transport.write(ANSWER * data.count(b"\\r\\n\\r\\n"))
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
asyncio.run(main())
"""
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        common: dict[str, Any] = {
            "mode": "open",
            "rate_rps": 100.0,
            "measure_s": 1.0,
            "connections": 8,
            "warmup_s": 0.1,
        }
        alone = load(port, **common)
        many = load(port, **common, beside=Beside(kind="idle", count=1000, ramp_s=0.5))
        server.kill()
    crowd = many.result["beside"]
    assert crowd["outcomes"] == {"completed": 1000}
    assert (crowd["connected"], crowd["settled"], crowd["held"]) == (1000, 1000, 1000)
    assert crowd["holding_bytes"] == 0
    assert crowd["callbacks"] == 0
    assert (many.first["requests"], many.first["errors"]) == (100, {})
    assert many.first["generator_cpu"] < 3 * alone.first["generator_cpu"] + 0.02


def test_idle_connections_that_the_server_closes_are_counted(serve: Any, beside: Any) -> None:
    server = serve(lambda number: [GOOD])
    assert beside(server.port, "idle", 8).result["beside"]["outcomes"] == {"completed": 8}
    last = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for steps in ([last, CLOSE], [GOOD, CLOSE]):  # with a word before, and without
        closing = serve(lambda number, steps=steps: steps)
        crowd = beside(closing.port, "idle", 8).result["beside"]
        assert crowd["outcomes"] == {"closed": 8}
        assert (crowd["settled"], crowd["held"], crowd["present"], crowd["on_the_way"]) == (8, 0, 0, 0)
    silent = serve(lambda number: [HANG])
    crowd = beside(silent.port, "idle", 2, settle_s=0.2, finish_s=0.2, timeout_s=0.2).result["beside"]
    assert crowd["outcomes"] == {"unfinished": 2}
    assert (crowd["settled"], crowd["on_the_way"]) == (0, 2)


def test_a_refusing_server_and_one_that_speaks_otherwise_are_told_apart(serve: Any, beside: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    crowd = beside(port, "readers", 5).result["beside"]
    assert crowd["outcomes"] == {"refused": 5}
    assert crowd["refused"] == {"Connection refused": 5}
    assert (crowd["connected"], crowd["connect_ms"], crowd["first_byte_ms"]) == (0, None, None)
    server = serve(lambda number: [b"220 mail.example ESMTP\r\n", HANG])
    crowd = beside(server.port, "readers", 5, timeout_s=0.2).result["beside"]
    assert crowd["outcomes"] == {"broken": 5}


def test_a_crowd_beside_a_closed_loop_on_a_unix_socket(serve: Any, load: Any, tmp_path: Any) -> None:
    serve(lambda number: [GOOD], unix=True)
    outcome = load(
        tmp_path / "0.sock",
        mode="closed",
        measure_s=0.2,
        connections=2,
        beside=Beside(kind="idle", count=20, ramp_s=0.1),
    )
    assert outcome.result["beside"]["outcomes"] == {"completed": 20}
    assert outcome.first["requests"] > 0
    assert outcome.result["beside"]["arrival"]["latency_ms"] is None
    assert load(tmp_path / "0.sock", measure_s=0.1).result["beside"] is None


def test_beside_several_workers_the_crowd_is_with_their_leader(pages: Any, beside: Any) -> None:
    cpu = min(os.sched_getaffinity(0))
    outcome = beside(pages().port, "readers", 4, path="/large", warmup_s=0.1, workers=Workers(cpus=(cpu, cpu)))
    crowd = outcome.result["beside"]
    assert (crowd["held"], crowd["outcomes"]) == (4, {"completed": 4})
    assert (outcome.first["requests"], outcome.first["errors"]) == (20, {})
    assert crowd["arrival"]["requests"] == 8


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"beside": {"kind": "reader", "count": 1}}, "beside: kind: 'reader' is none of 'readers'"),
        ({"beside": {"kind": "idle", "count": 0}}, "beside: count must be 1 or more"),
        ({"beside": {"kind": "idle", "count": 1, "rate_bytes_s": 5.0}}, "rate_bytes_s is for readers and"),
        ({"beside": {"kind": "readers", "count": 1, "bytes": 5}}, "bytes is for slow-heads and slow-bodies"),
        ({"beside": {"kind": "readers", "count": 1, "path": "a"}}, "path: 'a' must begin with /"),
        ({"beside": {"kind": "readers", "count": 1, "ramp_s": -1.0}}, "ramp_s must be above 0"),
        ({"beside": {"kind": "slow-heads", "count": 1, "bytes": 50}}, "a slow head takes"),
        ({"beside": {"kind": "idle", "count": 1, "speed": 1}}, "unknown key 'speed'"),
        ({"mode": "duet", "slice_s": 0.1, "beside": {"kind": "idle", "count": 1}}, "for one target in mode"),
    ],
)
def test_wrong_terms_are_one_clear_line(keys: dict[str, Any], says: str, tmp_path: Any) -> None:
    orders = {
        "version": 1, "scenario": "plaintext", "mode": "closed", "measure_s": 1.0, "requests_path": None, "slices_path": None,
        "targets": [{"id": "a", "host": "127.0.0.1", "port": 80, "connections": 4}], "result_path": str(tmp_path / "r.json"), **keys,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(orders))
    with pytest.raises(LoadError, match=says):
        crowd_of(job_file.read(tmp_path / "job.json"))


def test_too_few_local_ports_are_told_before_anything_is_sent(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("40000\t40999\n")
    monkeypatch.setattr(limits, "_PORTS", tmp_path / "range")
    limits.check_ports(1000)
    with pytest.raises(LoadError, match=r"1001 connections .*_port_range has 1000; widen it: sudo sysctl"):
        limits.check_ports(1001)


@pytest.mark.parametrize("size", [200, 4096, 30_000])
def test_a_slow_head_is_one_request_of_the_size_asked_for(size: int) -> None:
    from loadtests.slow_kinds import message

    whole, at_once = message(Beside(kind="slow-heads", count=1, bytes=size), "127.0.0.1:80")
    assert len(whole) == size
    lines = bytes(whole).split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert all(b": " in line for line in lines[1:-2])
    assert len(lines) < 100
    assert bytes(whole[:at_once]) == b"GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"
