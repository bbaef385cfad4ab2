"""Requests over a socket, each on a connection of its own and bounded in time; what goes wrong is a `TransportError`."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from bench.model import BenchError
from bench.verify.deadline import Deadline

FAULTS_IN_A_ROW = 3
"""After so many requests without an answer the verification ends."""

BUDGET_TIMEOUTS = 18
"""A verification may last this many times the timeout of one request. It takes seconds, unless many run side by side."""

LONGEST_BODY_BYTES = 16 * 1024 * 1024


class TransportError(Exception):
    """No complete, well-formed answer came to a request."""

    def __init__(self, asked: str, fault: str, *, closed: bool = False) -> None:
        """`closed`: the server had accepted the connection, and ended it."""
        super().__init__(fault)
        self.asked = asked
        self.fault = fault
        self.closed = closed


class GaveUpError(Exception):
    """The server cannot be verified further; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response. `seconds`, on the monotonic clock, from before the request was sent until the last byte was read."""

    asked: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def values(self, name: str) -> list[str]:
        """The values of every header of that name, given in lower case."""
        return [value for key, value in self.headers if key.lower() == name]


class Wire:
    """The way to one server, and `seen`: every answer since it was last emptied, without its body."""

    def __init__(self, base_url: str, *, unix: Path | None = None, timeout_s: float = 10.0) -> None:
        self.base = _base(base_url)
        self.unix = unix
        self.timeout_s = timeout_s
        self.prefix = self.base.raw_path.decode("ascii").rstrip("/")
        self.seen: list[Answer] = []
        self._faults = 0
        self._ends = time.monotonic() + BUDGET_TIMEOUTS * timeout_s
        # No connection is kept: one that the server closes while idle would look like a fault of the next answer.
        # trust_env would send the requests to a proxy.
        transport = httpx.HTTPTransport(
            uds=str(unix) if unix else None,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
            verify=self.base.scheme == "https",  # or it would load the certificates for nothing
        )
        self._client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        first_bytes: int | None = None,
    ) -> Answer:
        """Send `target` as it is written (no client-side normalisation) and read the answer, or only its `first_bytes`.

        A body that is not `bytes` is sent chunked. Raises TransportError, and GaveUpError once there is no point in asking.
        """
        asked = f"{method} {target if len(target) <= 60 else target[:57] + '...'}"
        left_s = self.left_s()
        try:
            answer = self._ask(asked, method, target, body, headers, first_bytes, min(self.timeout_s, left_s))
        except TransportError:
            self.count(fault=True)
            raise
        self.count(fault=False)
        self.seen.append(replace(answer, body=b""))
        return answer

    def left_s(self) -> float:
        """Seconds left of the whole verification. Raises GaveUpError when there are none, or too many faults in a row."""
        if self._faults >= FAULTS_IN_A_ROW:
            raise GaveUpError(f"gave up after {self._faults} requests in a row without an answer")
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise GaveUpError(f"gave up after {BUDGET_TIMEOUTS * self.timeout_s:g} s: the server answers too slowly")
        return left_s

    def abandon(self) -> None:
        """Ask nothing more, whatever rules are left."""
        self._ends = -math.inf

    def count(self, *, fault: bool) -> None:
        """Note how a request over this server's address ended, here or on a connection of the caller's own."""
        self._faults = self._faults + 1 if fault else 0

    def _ask(
        self,
        asked: str,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str] | None,
        first_bytes: int | None,
        timeout_s: float,
    ) -> Answer:
        deadline = Deadline(timeout_s)
        started_s = time.monotonic()
        if self.unix is not None and not self.unix.exists():
            raise TransportError(asked, f"cannot connect: there is no {self.unix}")  # httpcore would leak a socket
        try:
            request = self._client.build_request(
                method,
                self.base,
                content=body,
                headers=headers,
                timeout=timeout_s,
                extensions={"target": (self.prefix + target).encode("ascii"), "trace": deadline.trace},
            )
            with deadline:
                response = self._client.send(request, stream=True)
                try:
                    content = _read(response, first_bytes)
                finally:
                    response.close()
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise TransportError(asked, _described(error, deadline), closed=_closed(error, deadline)) from error
        except _TooLongError as error:
            raise TransportError(asked, f"a body of more than {LONGEST_BODY_BYTES} bytes") from error
        return Answer(
            asked=asked,
            status=response.status_code,
            headers=tuple(response.headers.multi_items()),
            body=content,
            seconds=time.monotonic() - started_s,
        )


class _TooLongError(Exception):
    pass


def _read(response: httpx.Response, first_bytes: int | None) -> bytes:
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if first_bytes is not None and len(body) >= first_bytes:
            return bytes(body[:first_bytes])
        if len(body) > LONGEST_BODY_BYTES:
            raise _TooLongError
    return bytes(body)


def _closed(error: Exception, deadline: Deadline) -> bool:
    ended = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
    return ended and not deadline.passed


def _described(error: Exception, deadline: Deadline) -> str:
    if deadline.passed or isinstance(error, httpx.TimeoutException):
        return f"no complete answer within {deadline.timeout_s:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect: {error}"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"not a well-formed answer: {error}"
    return f"the connection failed: {error or type(error).__name__}"


def _base(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise BenchError(f"not a URL: {base_url!r} ({error}); give one like http://127.0.0.1:8001") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise BenchError(f"not the address of a server: {base_url!r}; give one like http://127.0.0.1:8001")
    return url
