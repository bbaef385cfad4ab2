"""The service that others call, in this process: how it answers, and that it is told to stop."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from bench import upstream
from bench.launch import free_port


async def exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def listening(port: int) -> None:
    """Until somebody does."""
    while True:
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.01)


async def known(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has had one answer, so that the service knows of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/wait?ms=0"))
    await asyncio.wait_for(reader.readuntil(b"}"), 10)
    return reader, writer


def request(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def served(port: int) -> list[bytes]:
    serving = asyncio.create_task(upstream.serve("127.0.0.1", port))
    await listening(port)
    close = "connection:close"
    answers = [
        await exchange(port, request("/wait?ms=0") + request("/wait?ms=3", close)),
        await exchange(port, request("/wait?ms=60001", close)),
        await exchange(port, request("/nope", close)),
    ]
    # One connection stays open, and one waits for its answer, when all is to end.
    _, idle = await known(port)
    reader, waiting = await known(port)
    waiting.write(request("/wait?ms=5000"))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    for writer in (idle, waiting):
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answers


def test_it_answers_what_it_is_asked_for_and_stops_when_it_is_told() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        both, late, unknown = asyncio.run(served(free_port()))
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    assert both.count(b"HTTP/1.1 200 OK") == 2
    assert both.index(b'{"waited_ms":0}') < both.index(b'{"waited_ms":3}')
    assert both.count(b"Connection: close") == 1
    assert late.startswith(b"HTTP/1.1 404 Not Found")
    assert unknown.endswith(b'{"error":"Not Found"}')


def test_its_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    async def serve(host: str, port: int) -> None:
        asked.append((host, port))

    monkeypatch.setattr(upstream, "serve", serve)
    monkeypatch.setattr(sys, "argv", ["upstream", "--port=8001"])
    upstream.main()
    assert asked == [("127.0.0.1", 8001)]
