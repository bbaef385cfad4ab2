"""`bench load --beside`: what it refuses, and what it tells of the clients."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bench.model import BenchError
from bench.solo import beside, load, single


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_GET(self) -> None:
        length = 5_000_000 if self.path == "/large" else 2
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(bytes(length // 2) if self.path == "/cut" else bytes(length))
            if self.path == "/cut":
                self.close_connection = True
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass


class Closing(Handler):
    protocol_version = "HTTP/1.0"  # else it would serve its first connection for ever


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Of a server with a thread for each connection, and of one that serves one connection at a time."""
    servers = [
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler),
        http.server.HTTPServer(("127.0.0.1", 0), Closing),
    ]
    for server in servers:
        server.timeout = 1
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tuple(f"http://127.0.0.1:{server.server_address[1]}/" for server in servers)  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


COMMON: dict[str, Any] = {
    "connections": 4, "rate_rps": 50.0, "seconds": 0.6, "unix": None, "timeout_s": 0.5, "allowed": (), "arrivals": "constant",
}  # fmt: skip


def crowd(text: str, **options: Any) -> dict[str, Any]:
    return {"text": text, "ramp_s": 0.2, "settle_s": 0.5, **options}


def test_readers_are_told_beside_what_is_measured(urls: tuple[str, str]) -> None:
    found = load(urls[0], **COMMON, beside=crowd("readers=5", path="/large"))
    assert (found["requests"], found["errors"]) == (30, {})
    assert found["beside"]["outcomes"] == {"completed": 5}
    text = single.text(urls[0], found)
    for line in (
        "  beside: 5 x readers at 8,192 bytes/s each, /large",
        "    connected 5, had a first byte 5",
        "    held through all of the measuring: 5",
        "    in the end: 5 completed",
        "    while they arrived: 10 answered, failed: none",
    ):
        assert line in text
    assert max(map(len, text.splitlines()[1:])) <= 80
    json.dumps(found, allow_nan=False)


def test_those_who_starve_a_server_are_told_apart_from_its_queue(urls: tuple[str, str]) -> None:
    """Of one that serves one connection at a time, one slow body is enough; at the end it is read to the end like the others."""
    found = load(urls[1], **COMMON, beside=crowd("slow-bodies=1", finish_s=5.0))
    assert (found["requests"], found["errors"]) == (0, {"timeout": 30})
    assert found["beside"]["held"] == 1


def test_those_who_were_not_slow_enough_are_said_so(urls: tuple[str, str]) -> None:
    found = load(urls[0], **COMMON, beside=crowd("slow-bodies=3", bytes=100, rate_bytes_s=400.0))
    assert found["beside"]["held"] == 0
    assert "they were not slow enough" in single.text("", found)


def test_without_them_nothing_is_told(urls: tuple[str, str]) -> None:
    found = load(urls[0], **COMMON)
    assert found["beside"] is None
    assert "beside" not in single.text("", found)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"text": "reader=5"}, r"--beside reader=5: unknown kind 'reader'.*readers"),
        ({"text": "readers"}, "--beside readers: expected KIND=COUNT, such as readers=64"),
        ({"text": "readers=0"}, "expected KIND=COUNT"),
        ({"text": "readers=many"}, "expected KIND=COUNT"),
        (
            {"text": "idle=5", "rate_bytes_s": 5.0},
            "--beside-rate is for readers and slow-heads and slow-bodies, not for idle",
        ),
        ({"text": "readers=5", "bytes": 5}, "--beside-bytes is for slow-heads and slow-bodies, not for readers"),
        ({"text": "readers=5", "ramp_s": 0.0}, "--beside-ramp must be above 0"),
        ({"text": "readers=5", "path": "a b"}, "--beside-path a b: expected a path"),
        ({"text": "readers=5", "method": "get"}, "--beside-method must be one of GET"),
        ({"text": None, "rate_bytes_s": 5.0}, "--beside-rate says how clients beside are; .* --beside"),
        ({"text": None, "method": "GET"}, "--beside-method says how"),
    ],
)
def test_wrong_orders_are_one_clear_line(asked: dict[str, Any], says: str) -> None:
    options = {"path": "/", "method": None, **asked}
    with pytest.raises(BenchError, match=says) as caught:
        beside.parse(options.pop("text"), **options)
    assert "\n" not in str(caught.value)


def test_a_slow_head_that_is_too_short_is_said_by_the_engine(urls: tuple[str, str]) -> None:
    with pytest.raises(BenchError, match="the load generator: beside: bytes: a slow head takes"):
        load(urls[0], **COMMON, beside=crowd("slow-heads=2", bytes=30))
