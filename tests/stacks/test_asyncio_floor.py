"""The application on plain asyncio has no framework to get HTTP right for it: what a framework's own tests would hold."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench import environments
from tests.stacks.conftest import ROOT

PLAINTEXT = b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"
JSON = b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n"
HANG_S = 20.0

Talk = Callable[..., bytes]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Socket and process id of the application, without a database."""
    path = tmp_path_factory.mktemp("floor") / "app.sock"
    environments.make_static()
    process = subprocess.Popen(
        [ROOT / ".envs/asyncio/bin/python", ROOT / "deploy/runners/run_asyncio.py", f"--bind=unix:{path}",
         f"--loop={request.param}", "app:make_app"],
        cwd=ROOT / "apps/asyncio", env={"PATH": os.defpath, "STATIC_DIR": str(environments.STATIC)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + HANG_S
        while not _listens(path):  # the path is there from bind() on, and refuses until listen()
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield path, process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 0
    finally:
        process.kill()
        process.wait()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


@pytest.fixture
def connect(served: tuple[Path, int]) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def make() -> socket.socket:
        one = socket.socket(socket.AF_UNIX)
        opened.append(one)
        one.settimeout(HANG_S)
        one.connect(str(served[0]))
        return one

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def talk(connect: Callable[[], socket.socket]) -> Talk:
    """Sends these pieces, then a request that is the last, and returns all that came until the server closed."""

    def send(*pieces: bytes) -> bytes:
        one = connect()
        for piece in (*pieces, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            one.sendall(piece)
        return read_all(one)

    return send


def read_all(one: socket.socket) -> bytes:
    came = b""
    while piece := one.recv(65_536):
        came += piece
    return came


def statuses(came: bytes) -> list[int]:
    return [int(part[:3]) for part in came.split(b"HTTP/1.1 ")[1:]]


def post(target: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST %s HTTP/1.1" % target, b"Host: x", b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def test_requests_that_come_together_are_answered_in_their_order(talk: Talk) -> None:
    came = talk(PLAINTEXT + b"GET /io?ms=30 HTTP/1.1\r\nHost: x\r\n\r\n" + JSON, post(b"/upload", b"abc"))
    assert statuses(came) == [200] * 5
    marks = [b"Hello, World!", b"waited_ms", b'{"message"', b'{"bytes":3', b"\r\n\r\nok"]
    assert sorted(marks, key=came.index) == marks


def test_a_request_may_come_byte_by_byte(talk: Talk) -> None:
    came = talk(*[bytes([one]) for one in post(b"/upload", b"abc")])
    assert statuses(came) == [200, 200]
    assert b'{"bytes":3,' in came


def test_many_requests_at_once(talk: Talk) -> None:
    assert statuses(talk(PLAINTEXT * 2000)) == [200] * 2001


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"\x00\x01 nonsense\r\n\r\n", 400),
        (b"GET /json HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (post(b"/upload", b"abc", b"Transfer-Encoding: chunked"), 400),
        (b"POST /upload HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"POST /upload HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n", 413),
        (b"CONNECT example.org:80 HTTP/1.1\r\nHost: example.org\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_after_what_was_asked_before_and_ends_the_connection(
    connect: Callable[[], socket.socket], asked: bytes, status: int
) -> None:
    one = connect()
    one.sendall(b"GET /io?ms=10 HTTP/1.1\r\nHost: x\r\n\r\n" + asked)
    came = read_all(one)
    assert statuses(came) == [200, status]
    assert came.count(b"Connection: close\r\n") == 1


def test_a_head_without_end_is_refused(connect: Callable[[], socket.socket]) -> None:
    one = connect()
    one.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000)
    assert statuses(read_all(one)) == [431]


def test_chunks_are_read_and_trailers_are_no_headers(talk: Talk) -> None:
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    came = talk(head + b"3\r\nabc\r\n0\r\nExpect: 100-continue\r\n\r\n")
    assert statuses(came) == [200, 200]
    assert b'{"bytes":3,' in came


def test_who_asks_whether_to_go_on_is_told(connect: Callable[[], socket.socket]) -> None:
    one = connect()
    one.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    one.sendall(b"abc")
    assert b'{"bytes":3,' in one.recv(1000)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (b"GET /plaintext HTTP/1.0\r\n\r\n", b"Connection: close\r\n"),
        (b"GET /plaintext HTTP/1.1\r\nConnection: close\r\n\r\n" + PLAINTEXT, b"Connection: close\r\n"),
        (b"GET /plaintext HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nnoise", b"Connection: close\r\n"),
    ],
)  # fmt: skip
def test_the_last_answer_of_a_connection_says_so(
    connect: Callable[[], socket.socket], asked: bytes, says: bytes
) -> None:
    one = connect()
    one.sendall(asked)
    came = read_all(one)
    assert statuses(came) == [200]
    assert says in came


def test_http_1_0_may_keep_its_connection(talk: Talk) -> None:
    came = talk(b"GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert statuses(came) == [200, 200]
    assert b"Connection: keep-alive\r\n" in came


def test_an_answer_to_head_has_no_body(talk: Talk) -> None:
    came = talk(b"HEAD /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
    first, _, rest = came.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 405 ")
    assert rest.startswith(b"HTTP/1.1 200 ")


def test_targets_may_be_absolute_or_percent_encoded(talk: Talk) -> None:
    came = talk(b"GET http://x/json?a=b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%6Ason HTTP/1.1\r\nHost: x\r\n\r\n")
    assert came.count(b'{"message":"Hello, World!"}') == 2


def test_files_and_streams_leave_the_connection_usable(talk: Talk) -> None:
    asked = (b"/static/10mb.bin", b"/blob?bytes=1000000", b"/static/1kb.bin")
    came = talk(*[b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target for target in asked])
    assert len(came) > 10_485_760 + 1_000_000 + 1024
    assert came.endswith(b"\r\n\r\nok")
    assert (environments.STATIC / "10mb.bin").read_bytes() in came


@pytest.mark.parametrize("target", [b"/blob?bytes=100000000", b"/static/10mb.bin", b"/io?ms=50"])
def test_a_client_may_leave_in_the_middle(connect: Callable[[], socket.socket], talk: Talk, target: bytes) -> None:
    one = connect()
    one.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    if target != b"/io?ms=50":
        one.recv(1000)
    one.close()
    assert statuses(talk(JSON)) == [200, 200]


def test_a_client_that_does_not_read_is_not_stored_for(
    connect: Callable[[], socket.socket], served: tuple[Path, int]
) -> None:
    before = psutil.Process(served[1]).memory_info().rss
    connect().sendall(b"GET /blob?bytes=268435456 HTTP/1.1\r\nHost: x\r\n\r\n")
    greedy = connect()
    greedy.settimeout(0.5)
    sent_bytes = 0
    with contextlib.suppress(TimeoutError):
        while sent_bytes < 100_000_000:
            sent_bytes += greedy.send(PLAINTEXT * 1000)
    assert sent_bytes < 100_000_000, "it takes no more requests from one who does not read the answers"
    assert psutil.Process(served[1]).memory_info().rss - before < 32 * 1024 * 1024
