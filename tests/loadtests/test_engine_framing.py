"""Servers that close, chunk, or write head and body apart are read rightly, over TCP and unix sockets."""

from pathlib import Path
from typing import Any

import pytest
from scripted_servers import BODY, CLOSE, GOOD, TEXT, Step, head

from loadtests.checks import filler
from loadtests.recorder import BLOCK_ROWS

CHUNKED = head(None, extra=b"Transfer-Encoding: chunked\r\n")
CLOSING = head(extra=b"Connection: close\r\n")
WAYS: dict[str, tuple[list[Step], bool]] = {
    "one write": ([GOOD], True),
    "head and body apart": ([head(), BODY], True),
    "byte by byte": ([bytes([byte]) for byte in GOOD], True),
    "chunked": ([CHUNKED + b"5\r\nHello\r\n8\r\n, World!\r\n0\r\n\r\n"], True),
    "chunk by chunk": ([CHUNKED, b"5\r\nHello\r\n", b"8\r\n, World!\r\n", b"0\r\n\r\n"], True),
    "Connection: close": ([CLOSING + BODY, CLOSE], False),
    "Connection: close, left open": ([CLOSING + BODY], False),
    "HTTP/1.0": ([head(version=b"1.0") + BODY, CLOSE], False),
    "HTTP/1.0, no length": ([head(None, version=b"1.0"), BODY, CLOSE], False),
}


@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_answer_is_read(way: str, unix: bool, serve: Any, load: Any, tmp_path: Path) -> None:
    steps, kept = WAYS[way]
    server = serve(lambda number: steps, unix=unix)
    place = tmp_path / "0.sock" if unix else server.port
    outcome = load(place, connections=3, measure_s=0.1)
    rows = outcome.table.rows
    assert outcome.first["errors"] == {}
    assert outcome.first["requests"] > 0
    assert len(rows) == server.requests
    assert set(rows["bytes"]) == {len(BODY)}
    assert outcome.first["connects"] == (3 if kept else server.requests)
    assert (rows["intended_s"] <= rows["start_s"]).all()
    assert (rows["start_s"] <= rows["first_byte_s"]).all()
    assert (rows["first_byte_s"] <= rows["end_s"]).all()


def test_a_connection_closed_while_idle_is_opened_again_and_no_error(serve: Any, load: Any) -> None:
    """Without `Connection: close`: the server hangs up between the warm-up and the measurement, and nobody waits for it."""
    server = serve(lambda number: [GOOD, CLOSE] if number == 0 else [GOOD])
    outcome = load(server.port, mode="open", connections=1, rate_rps=20.0, measure_s=0.2)
    assert outcome.first["errors"] == {}
    assert outcome.first["connects"] == 2


def test_large_bodies_are_counted_and_not_held(serve: Any, load: Any) -> None:
    size = 24 << 20
    body = bytes(range(256)) * (size // 256)
    answer = head(size).replace(TEXT, b"application/octet-stream") + body
    server = serve(lambda number: [answer])
    outcome = load(
        server.port, scenario="blob", parameters={"bytes": size}, connections=2, measure_s=0.3, check_every=2
    )
    assert outcome.first["errors"] == {}
    assert set(outcome.table.rows["bytes"]) == {size}


def test_a_body_that_is_sent_arrives_whole(serve: Any, load: Any) -> None:
    import hashlib

    size = 3 << 20
    digest = hashlib.sha256(filler(size)).hexdigest()
    body = b'{"bytes":%d,"sha256":"%s"}' % (size, digest.encode())
    server = serve(lambda number: [head(len(body)).replace(TEXT, b"application/json") + body])
    outcome = load(server.port, scenario="upload", parameters={"bytes": size}, connections=2, measure_s=0.1)
    assert outcome.first["errors"] == {}
    assert outcome.first["window_requests"] == len(server.bodies) > 0
    assert set(server.bodies) == {filler(size)}


def test_more_rows_than_a_block_holds_are_kept_in_order() -> None:
    from loadtests.recorder import Recorder

    recorder = Recorder()
    for number in range(2 * BLOCK_ROWS + 10):
        recorder.add(number, number, number, number, 0, 200, 0)
    assert recorder.rows == 2 * BLOCK_ROWS + 10
    assert list(recorder.since(BLOCK_ROWS - 2)["end_s"][:4]) == [
        BLOCK_ROWS - 2,
        BLOCK_ROWS - 1,
        BLOCK_ROWS,
        BLOCK_ROWS + 1,
    ]
    recorder.drop()
    assert recorder.rows == 2 * BLOCK_ROWS + 10
    assert list(recorder.since(2 * BLOCK_ROWS + 8)["end_s"]) == [2 * BLOCK_ROWS + 8, 2 * BLOCK_ROWS + 9]
