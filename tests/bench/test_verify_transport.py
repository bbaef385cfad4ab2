"""Servers that do not answer, or not in HTTP: lines of the report, in bounded time, never a traceback."""

import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from verify_reference import Response, Site, limit_uploads, serving

from bench.verify import verify
from bench.verify.wire import GaveUpError, Wire


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_is_not_there_ends_it_after_three_requests():
    """Of each lane, since all are asked at once; that of items has one endpoint only."""
    report = verify(f"http://127.0.0.1:{free_port()}")
    asked = ("healthz", "plaintext", "json", "db", "queries", "cached-queries", "api/items", "*")
    assert [(failure.endpoint, failure.rule) for failure in report.failures] == [(name, "transport") for name in asked]
    assert "cannot connect" in report.failures[0].got
    assert report.failures[-1].got == "gave up after 3 requests in a row without an answer"
    assert not report.passed
    assert report.skipped[-1].endpoint == "*"


def test_a_socket_file_that_is_not_there_is_a_failure_too(tmp_path):
    report = verify("http://localhost", unix=tmp_path / "none.sock")
    assert "cannot connect" in report.failures[0].got
    assert report.target == f"http://localhost over {tmp_path / 'none.sock'}"


def test_over_a_socket_file_the_same_rules_are_checked(tmp_path, monkeypatch):
    limit_uploads(monkeypatch)
    with serving(Site(tmp_path), unix=tmp_path / "site.sock") as url:
        report = verify(url, unix=tmp_path / "site.sock", endpoints=["plaintext", "blob", "upload"])
    assert report.failures == ()
    assert "keep-alive" in {check.rule for check in report.checks}


class Garbled(Site):
    def send(self, handler, request, response):
        handler.wfile.write(b"220 mail.example.org ESMTP\r\n\r\n")
        handler.close_connection = True


class Short(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"Content-Length": "1000"}

    def send(self, handler, request, response):
        super().send(handler, request, response)
        handler.close_connection = True


class Resetting(Site):
    def send(self, handler, request, response):
        # Closing with a linger time of 0 sends a reset.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True


class Closing(Site):
    def send(self, handler, request, response):
        handler.close_connection = True


@pytest.mark.parametrize("site_class", [Garbled, Short, Resetting, Closing])
def test_what_is_no_answer_is_a_failure_of_transport(site_class, tmp_path):
    faulty = site_class(tmp_path)

    class OnOneEndpoint(Site):
        def send(self, handler, request, response):
            if request.path == "/json":
                faulty.send(handler, request, response)
            else:
                super().send(handler, request, response)

    with serving(OnOneEndpoint(tmp_path)) as url:
        report = verify(url, endpoints=["healthz", "json", "blob"])
    assert [(failure.endpoint, failure.rule) for failure in report.failures] == [("json", "transport")]
    assert report.failures[0].expected == "GET /json: an answer"
    assert [(skip.endpoint, skip.rule) for skip in report.skipped] == [("json", "*")]


class Silent(Site):
    """Answers once the test is over."""

    def __init__(self, static_dir: Path) -> None:
        super().__init__(static_dir)
        self.over = threading.Event()

    def send(self, handler, request, response):
        self.over.wait(30)
        handler.close_connection = True


class Trickling(Silent):
    """Never done, but never silent for long: no timeout between two bytes would notice."""

    def send(self, handler, request, response):
        while not self.over.wait(0.01):
            handler.wfile.write(b"H" if request.path == "/healthz" else b"HTTP/1.1 200 OK\r\nX: y\r\n"[:1])
            handler.wfile.flush()


@pytest.mark.parametrize("site_class", [Silent, Trickling])
def test_a_server_that_takes_for_ever_is_given_up(site_class, tmp_path):
    site = site_class(tmp_path)
    with serving(site) as url:
        try:
            report = verify(url, timeout_s=0.15)
        finally:
            site.over.set()
    assert len(report.failures) == 3 + 3 + 1 + 1
    assert {failure.got for failure in report.failures[:3]} == {"no complete answer within 0.15 s"}


def test_a_body_without_end_is_cut(tmp_path):
    class Endless(Site):
        def do_plaintext(self, request):
            return Response(pieces=iter(lambda: bytes(2**20), None))

    with serving(Endless(tmp_path)) as url:
        report = verify(url, endpoints=["plaintext"])
    assert report.failures[0].got == f"a body of more than {16 * 2**20} bytes"


def test_a_slow_server_is_given_up_when_the_time_for_all_is_over(tmp_path, monkeypatch):
    clock = time.monotonic
    jumped = [0.0]

    class Slow(Site):
        def answer(self, request):
            jumped[0] += 9.5  # each answer comes within its time, but all together take too long
            return super().answer(request)

    monkeypatch.setattr("bench.verify.wire.time.monotonic", lambda: clock() + jumped[0])
    with serving(Slow(tmp_path)) as url:
        report = verify(url, timeout_s=10)
    assert report.failures[-1].got == "gave up after 180 s: the server answers too slowly"
    assert len(report.checks) < 30


def test_one_fault_after_another_endpoint_has_answered_does_not_end_it(tmp_path):
    class Faulty(Site):
        def send(self, handler, request, response):
            if request.path in ("/plaintext", "/io", "/cpu"):
                handler.close_connection = True
            else:
                super().send(handler, request, response)

    with serving(Faulty(tmp_path)) as url:
        report = verify(url, endpoints=["healthz", "plaintext", "json", "io", "whoami", "cpu", "blob"])
    assert {failure.rule for failure in report.failures} == {"transport"}
    assert {failure.endpoint for failure in report.failures} == {"plaintext", "io", "cpu"}
    assert "keep-alive" in {check.rule for check in report.checks}


def test_no_proxy_of_the_environment_is_used(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(Site(tmp_path)) as url:
        assert verify(url, endpoints=["healthz"]).passed


def test_what_needs_no_rows_is_asked_beside_what_does_and_items_beside_world(tmp_path):
    class Meeting(Site):
        def __init__(self, static_dir):
            super().__init__(static_dir)
            self.all = threading.Barrier(3)
            self.unmet = {"/plaintext", "/db", "/api/items"}

        def answer(self, request):
            if request.path in self.unmet:
                self.unmet.discard(request.path)
                self.all.wait(timeout=20)  # or BrokenBarrierError, which is no answer
            return super().answer(request)

    with serving(Meeting(tmp_path)) as url:
        report = verify(url, endpoints=["plaintext", "db", "api/items"])
    assert {check.endpoint for check in report.checks if check.passed} >= {"plaintext", "db", "api/items"}
    assert "transport" not in {failure.rule for failure in report.failures}


def test_a_verification_that_is_abandoned_asks_nothing_more(tmp_path):
    site = Site(tmp_path)
    with serving(site) as url, Wire(url) as wire:
        assert wire.ask("GET", "/healthz").status == 200
        wire.abandon()
        with pytest.raises(GaveUpError):
            wire.ask("GET", "/healthz")
