"""Reads one response at a time from bytes as they come. No input or output here.

Heads are parsed by httptools, but each only once: a server repeats its heads byte for byte until `Date` or the body's length changes, and a
parse is a pure function of the bytes. So `Heads` remembers what a head meant, and an equal head costs a dictionary look-up. Nothing is
skipped or assumed: an unequal head is parsed, and a body is counted to its last byte either way. Chunked bodies go through httptools.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadtests.checks import HELD_BYTES
from loadtests.errors import Fault

MAX_HEAD_BYTES = 65536
REMEMBERED_HEADS = 512
_SHOWN = 24
"""Bytes of an answer that is none, for a person to see."""
_END = b"\r\n\r\n"


class Malformed(Exception):
    """What came is not one HTTP/1 response."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a response's head says. `fault` is what the scenario's expectation says of the head alone."""

    status: int
    length: int | None
    """The body's length in bytes; None for one that is chunked or runs to the end of the connection."""
    chunked: bool
    keep_alive: bool
    content_type: str | None
    fault: Fault = Fault.OK


class Heads:
    """What the heads seen so far meant, for one request of one target. `judge` is asked once for each different head of an answer."""

    __slots__ = ("judge", "known")

    def __init__(self, judge: Callable[[Head], Fault] = lambda head: Fault.OK) -> None:
        self.known: dict[bytes, Head] = {}
        self.judge = judge

    def parse(self, raw: bytes) -> "tuple[Head, _Reading]":
        """The meaning of a whole head, and what goes on with its body where that is chunked. Raises Malformed."""
        reading = _Reading()
        reading.feed(raw)
        if not reading.head_complete:
            raise Malformed("incomplete head")
        head = reading.head()
        if head.status < 200:  # the answer itself is still to come, or there is none
            return head, reading
        head = replace(head, fault=self.judge(head))
        if head.length is not None:
            if len(self.known) >= REMEMBERED_HEADS:
                self.known.clear()
            self.known[raw] = head
        return head, reading


class _Reading:
    """One message in httptools: collects the headers, then the pieces of a chunked body."""

    __slots__ = ("done", "head_complete", "headers", "keep_alive", "parser", "pieces")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.head_complete = self.done = self.keep_alive = False
        self.pieces: list[bytes] = []
        self.parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise Malformed(str(error.__context__ or error)) from None

    def head(self) -> Head:
        status, headers = self.parser.get_status_code(), self.headers
        length: int | None = None
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise Malformed(f"Transfer-Encoding {coding.decode('latin-1')!r} is not supported")
        if status < 200 or status in (204, 304):
            length = 0
        elif coding is None and b"content-length" in headers:
            length = int(headers[b"content-length"])
        content_type = headers.get(b"content-type")
        return Head(
            status=status,
            length=length,
            chunked=coding is not None and length is None,
            keep_alive=self.keep_alive,
            content_type=None if content_type is None else content_type.decode("latin-1"),
        )

    def on_message_begin(self) -> None:
        if self.done:
            raise Malformed("bytes beyond the end of the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value.strip()

    def on_headers_complete(self) -> None:
        self.head_complete = True
        self.keep_alive = self.parser.should_keep_alive()  # now: it is forgotten once the message is complete

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.done = True


class Response:
    """One response after the other on one connection: `begin`, then `feed` until it returns True (or `end`, at the connection's end)."""

    __slots__ = (
        "_chunks",
        "_heads",
        "_kept",
        "_known",
        "_pending",
        "_remaining",
        "body_bytes",
        "head",
        "keep",
        "raw_head",
    )

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self._known = heads.known
        self.begin(keep=False)

    def begin(self, *, keep: bool) -> None:
        """Expect a new response; `keep` its body for a check, up to `HELD_BYTES`."""
        self.head: Head | None = None
        self.body_bytes = 0
        """Bytes of the body so far, without chunk framing."""
        self.keep = keep
        self.raw_head = b""
        """The head's bytes, where `keep` was asked for."""
        self._kept: list[bytes] = []
        self._pending = b""
        self._remaining: int | None = 0
        self._chunks: _Reading | None = None

    @property
    def kept(self) -> bytes:
        """The body, or its first part (cut once it is over `HELD_BYTES`), where `keep` was asked for."""
        return b"".join(self._kept)

    def feed(self, data: bytes) -> bool:
        """Take what came next; True when the response is complete. Raises Malformed, also for bytes beyond its end."""
        if self.head is not None:
            return self._body(data)
        if self._pending:
            data = self._pending + data
        end = data.find(_END) + 4
        if end == 3:
            if b"HTTP/1."[: len(data)] != data[:7] or len(data) > MAX_HEAD_BYTES:
                raise Malformed(f"the answer begins with {data[:_SHOWN]!r}")
            self._pending = data
            return False
        head = self._known.get(data[:end])
        if head is None:
            if end > MAX_HEAD_BYTES:
                raise Malformed("head too long")
            head, reading = self._heads.parse(data[:end])
            if head.status == 101:
                raise Malformed("101 was not asked for")
            if head.status < 200:  # an interim response: the real one follows
                self._pending = b""
                return self.feed(data[end:])
            if head.chunked:
                self._chunks = reading
        self.head = head
        if self.keep:
            self.raw_head = data[:end]
        self._remaining = head.length
        return self._body(data[end:])

    def skim(self, size: int) -> bool:
        """Like `feed` for `size` bytes of a body, or of its rest, that nobody keeps and that is not chunked: only their number counts."""
        self.body_bytes += size
        if self._remaining is None:
            return False
        self._remaining -= size
        if self._remaining < 0:
            raise Malformed("bytes beyond the end of the response")
        return self._remaining == 0

    @property
    def skimmable(self) -> bool:
        """Whether what comes next may go through `skim`."""
        enough = not self.keep or self.body_bytes >= HELD_BYTES
        return self.head is not None and enough and not self.head.chunked

    def end(self) -> bool:
        """The connection has ended: True if that completes the response."""
        return self.head is not None and self.head.length is None and not self.head.chunked

    def _body(self, data: bytes) -> bool:
        if self._chunks is not None:
            return self._chunked(self._chunks, data)
        if self.keep and self.body_bytes < HELD_BYTES:
            self._kept.append(data)
        return self.skim(len(data))

    def _chunked(self, reading: _Reading, data: bytes) -> bool:
        if data:
            reading.feed(data)
        for piece in reading.pieces:
            if self.keep and self.body_bytes < HELD_BYTES:
                self._kept.append(piece)
            self.body_bytes += len(piece)
        reading.pieces.clear()
        return reading.done
