"""A service that others call: it answers after as many milliseconds as it is asked to wait. `python -m bench.upstream --port N`.

`GET /wait?ms=50` is answered `{"waited_ms":50}`, never earlier. Anything else is answered 404. It runs by itself, also in a container:
the standard library only.
"""

import argparse
import asyncio
import re
import signal

LONGEST_MS = 60_000
_WAIT = re.compile(rb"GET /wait\?ms=([0-9]{1,5}) HTTP/1\.1")
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"


class Connection(asyncio.Protocol):
    """One connection: requests without a body, answered one after the other. `opened`: all that are open."""

    def __init__(self, opened: "set[Connection]") -> None:
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._read = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._opened.discard(self)

    def abort(self) -> None:
        """Drop it at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += data
        self._next()

    def _next(self) -> None:
        end = self._read.find(b"\r\n\r\n")
        if self._busy or end < 0:
            return
        head, self._read = self._read[:end], self._read[end + 4 :]
        asked = _WAIT.match(head)
        ms = int(asked[1]) if asked else 0
        if asked is None or ms > LONGEST_MS:
            self._answer(b"404 Not Found", b'{"error":"Not Found"}', head)
            return
        self._busy = True
        # A loop's timer may fire up to its resolution early.
        asyncio.get_running_loop().call_later(
            (ms + 1) / 1000 if ms else 0, self._answer, b"200 OK", b'{"waited_ms":%d}' % ms, head
        )

    def _answer(self, status: bytes, body: bytes, head: bytes) -> None:
        self._busy = False
        if self._transport is None:
            return  # the client went away
        close = bool(_CLOSE.search(head))
        self._transport.write(_HEAD % (status, len(body), b"Connection: close\r\n" if close else b"", body))
        if close:
            self._transport.close()
        else:
            self._next()


async def serve(host: str, port: int) -> None:
    """Answer until a signal says stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    opened: set[Connection] = set()
    server = await loop.create_server(lambda: Connection(opened), host, port, backlog=2048)
    await stop.wait()
    server.close()
    for connection in list(opened):
        connection.abort()
    await asyncio.sleep(0)  # their sockets are closed in the loop's next turn


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Answer GET /wait?ms=N after N milliseconds.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.host, options.port))


if __name__ == "__main__":
    main()
