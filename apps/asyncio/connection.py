"""HTTP/1.1 on a transport of asyncio's: llhttp parses (through httptools), and requests are answered one after the other."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from typing import BinaryIO

import httptools
from heads import head
from messages import Body, Endpoint, Refusal, Request, Response

HEAD_MAX_BYTES = 65_536
BODY_MAX_BYTES = 64 * 1024 * 1024
IDLE_S = 75.0
PIECE_BYTES = 65_536


class Connection(asyncio.Protocol):
    """One client. `owner` routes requests, holds the database, and knows which connections are open."""

    def __init__(self, owner) -> None:
        self.owner = owner
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self.request: Request | None = None
        self.waiting: deque[Request] = deque()
        self.task: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.head_bytes = 0
        self.deaf = False

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.owner.connections.add(self)
        self.heard_s = self.loop.time()
        self.timer = self.loop.call_later(IDLE_S, self.end_if_idle)

    def connection_lost(self, error: Exception | None) -> None:
        self.owner.connections.discard(self)
        self.timer.cancel()
        self.waiting.clear()
        self.writable.set()  # whoever waits finds that the transport is closing

    def pause_writing(self) -> None:
        self.writable.clear()
        self.regulate()

    def resume_writing(self) -> None:
        self.writable.set()
        self.regulate()

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        self.heard_s = self.loop.time()
        self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.deaf = True  # answered as if it had not been asked for, and the last on this connection
        except httptools.HttpParserError:
            self.refuse(400, "malformed request")
        if self.request is None and self.head_bytes > HEAD_MAX_BYTES:
            self.refuse(431, "headers: too long")
        if self.request and self.request.headers.pop(b"expect", b"").lower() == b"100-continue" and self.is_free():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.advance()

    # Called by the parser

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.request is None:  # else it is a trailer, which nobody asks for
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.head_bytes = 0
        method = self.parser.get_method().decode()
        url = httptools.parse_url(self.url)
        endpoint, name = self.owner.route(method, url.path or b"/")
        self.request = Request(
            method=method, query_string=url.query or b"", headers=self.headers, endpoint=endpoint, name=name,
            body=endpoint.body(), version=self.parser.get_http_version(), database=self.owner.database,
            keep_alive=self.parser.should_keep_alive() and not self.parser.should_upgrade(),
        )  # fmt: skip
        if int(self.headers.get(b"content-length", 0)) > BODY_MAX_BYTES:
            self.refuse(413, "body: too long")

    def on_body(self, data: bytes) -> None:
        if self.deaf:
            return
        self.request.body.feed(data)
        if self.request.body.length_bytes > BODY_MAX_BYTES:
            self.refuse(413, "body: too long")

    def on_message_complete(self) -> None:
        self.head_bytes = 0
        if not self.deaf:
            self.waiting.append(self.request)
            self.request = None

    # Answering

    def refuse(self, status: int, reason: str) -> None:
        """Answers so, after what is waiting, hears nothing more, and closes."""

        def handler(request: Request) -> Response:
            raise Refusal(status, {"error": reason})

        if self.deaf:
            return
        self.deaf = True
        self.request = None
        self.waiting.append(
            Request(
                method="GET", query_string=b"", headers={}, endpoint=Endpoint(handler), name="", body=Body(),
                version="1.1", keep_alive=False, database=None,
            )
        )  # fmt: skip

    def is_free(self) -> bool:
        return self.task is None and not self.waiting

    def advance(self) -> None:
        """Answers what has come, in its order, up to the first that takes time."""
        while self.waiting and self.task is None and not self.transport.is_closing():
            request = self.waiting.popleft()
            try:
                answer = request.endpoint.handler(request)
            except Exception as error:
                answer = response_to(error)
            if isinstance(answer, Response):
                self.send(request, answer)
            else:
                self.task = self.loop.create_task(self.answer(request, answer))
        self.regulate()

    async def answer(self, request: Request, coming: Awaitable[Response]) -> None:
        try:
            response = await coming
        except Exception as error:
            response = response_to(error)
        try:
            if response.stream and not self.transport.is_closing():
                self.transport.write(head(request, response, response.stream_bytes))
                await response.stream(self)
                self.finish(request)
            else:
                self.send(request, response)
        except ConnectionError:  # the client went away; nobody is left to tell
            self.transport.abort()
        except Exception:
            logging.exception("in the middle of an answer")
            self.transport.abort()
        self.task = None
        self.advance()

    def send(self, request: Request, response: Response) -> None:
        if not self.transport.is_closing():
            # A response to HEAD has the length, and no body.
            body = b"" if request.method == "HEAD" else response.body
            self.transport.write(head(request, response, len(response.body)) + body)
            self.finish(request)

    def finish(self, request: Request) -> None:
        self.heard_s = self.loop.time()
        if not request.keep_alive:
            self.transport.close()

    async def write(self, data: bytes) -> None:
        """Returns once the connection takes more. Raises ConnectionError where it is gone."""
        self.transport.write(data)
        await self.writable.wait()
        if self.transport.is_closing():
            raise ConnectionResetError

    async def write_file(self, file: BinaryIO) -> None:
        """From the file to the socket within the kernel, where the loop can: uvloop cannot."""
        try:
            if self.transport.is_closing():
                raise ConnectionResetError
            await self.loop.sendfile(self.transport, file)
        except NotImplementedError:
            while piece := file.read(PIECE_BYTES):
                await self.write(piece)

    # Limits

    def regulate(self) -> None:
        """Takes no more from a client that does not read its answers, or asks again before it has them."""
        if self.transport.is_closing():
            return
        if self.waiting or not self.writable.is_set():
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def end_if_idle(self) -> None:
        idle_s = self.loop.time() - self.heard_s
        if self.task is None and idle_s >= IDLE_S:
            self.transport.close()
        else:
            self.timer = self.loop.call_later(max(IDLE_S - idle_s, 1.0), self.end_if_idle)


def response_to(error: Exception) -> Response:
    if isinstance(error, Refusal):
        return error.response
    logging.error("a handler failed", exc_info=error)
    return Refusal(500, {"error": "Internal Server Error"}).response
