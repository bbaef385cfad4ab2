"""One pooled connection: a non-blocking socket driven from callbacks of the event loop, with one request in flight at a time.

No greenlet waits here and no exception leaves: whatever happens to a request, it is recorded once, and the connection is handed back
through `settled`. A connection opens when it first has something to send (idle ones would hold a server that takes one connection at a
time), so the time to connect is part of the first request's latency.
"""

import math
import socket
from collections.abc import Callable
from typing import Any, Protocol

import gevent

from loadtests.address import Address
from loadtests.dial import Dial, reason
from loadtests.durations import Durations
from loadtests.errors import Fault
from loadtests.parser import Heads, Malformed, Response
from loadtests.recorder import Recorder, clock

_READ, _WRITE = 1, 2
_READ_BYTES = 16384
_SCRATCH = memoryview(bytearray(1 << 18))
"""Where bodies go that nobody keeps; shared, since callbacks never overlap."""
_REFUSED_PAUSE_S = 0.02
"""How long a connection stays away after it could not connect: a dead target must not become a busy loop."""
_MOST_NOTES = 5
_NEVER = math.nan
"""A time that did not come, in a record."""


class Driver(Protocol):
    """What decides when a connection sends: closed loop, open loop, ..."""

    def settled(self, connection: "Connection", now_s: float) -> None:
        """The connection's request has ended, one way or the other, and is recorded; the connection is free again."""


class Judge(Protocol):
    """Says whether an answer is right; `Expectation` is one."""

    every: int
    """The body is kept of one in so many answers."""

    def judge_body(self, response: Response) -> Fault:
        """The verdict on an answer that is complete."""


class Tally:
    """Counts what connections did, for one target."""

    __slots__ = ("connecting", "notes")

    def __init__(self) -> None:
        self.notes: list[str] = []
        """Why connections could not be made and what came was not HTTP, in words: the first few different ones."""
        self.connecting = Durations()
        """How long each connection that opened took, from the wish to send: reconnects included."""

    def note(self, problem: str) -> None:
        """Remember a problem."""
        if len(self.notes) < _MOST_NOTES and problem not in self.notes:
            self.notes.append(problem)


class Connection:
    """See the module. `driver` must be set before `submit`."""

    __slots__ = (
        "_address",
        "_dial",
        "_expect",
        "_first_byte_s",
        "_loop",
        "_record",
        "_recv",
        "_recv_into",
        "_request",
        "_response",
        "_send",
        "_sock",
        "_start_s",
        "_tally",
        "_timer",
        "_unsent",
        "_until_check",
        "_watcher",
        "_writable",
        "busy",
        "driver",
        "intended_s",
        "last_fault",
        "step",
    )

    def __init__(
        self, *, address: Address, request: bytes, expect: Judge, heads: Heads, recorder: Recorder, tally: Tally
    ) -> None:
        self._address, self._request, self._tally = address, request, tally
        self._expect: Judge = expect
        self._record = recorder.add
        self._response = Response(heads)
        self._loop: Any = gevent.get_hub().loop
        self._dial: Dial | None = None
        self._sock: socket.socket | None = None
        self._watcher: Any = None
        self._writable: Any = None
        self._timer: Any = None
        self._unsent = memoryview(b"")
        self._until_check = 0
        """Answers until the next one whose body is kept."""
        self._start_s = self._first_byte_s = 0.0
        self._recv: Callable[[int], bytes]
        self._recv_into: Callable[[memoryview], int]
        self._send: Callable[[bytes | memoryview], int]
        self.busy = False
        """Whether a request is in flight."""
        self.intended_s = 0.0
        """When that request was due."""
        self.step = -1
        """Of a journey: which step its request is; see `Steps`."""
        self.last_fault = Fault.OK
        """How the last request failed."""
        self.driver: Driver

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that has not been closed."""
        return self._sock is not None

    def submit(self, intended_s: float) -> None:
        """Send one request, which was due at `intended_s`; opens the connection if it is not open."""
        self.busy = True
        self.intended_s = intended_s
        self._first_byte_s = 0.0
        self._start_s = clock()
        self._until_check -= 1
        keep = self._until_check < 0
        if keep:
            self._until_check = self._expect.every - 1
        self._response.begin(keep=keep)
        if self._sock is None:
            self._dial = Dial(self._address, self._connected, self._refused)
            self._dial.start()
        else:
            self._send_request()

    def ask(self, request: bytes, expect: Judge, step: int, intended_s: float) -> None:
        """Send `request` rather than what the pool sends, once, and have its answer judged by `expect`."""
        self._request, self._expect, self.step = request, expect, step
        self.submit(intended_s)

    def expire(self, now_s: float) -> None:
        """Give up the request in flight: it has taken longer than the timeout."""
        self._fail(Fault.TIMEOUT, now_s)

    def close(self) -> None:
        """Close the socket. A request in flight is forgotten, not recorded."""
        self.busy = False
        for watcher in (self._watcher, self._writable, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._watcher = self._writable = self._timer = None
        if self._dial is not None:
            self._dial.close()
            self._dial = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connected(self, sock: socket.socket) -> None:
        self._dial = None
        self._sock = sock
        self._recv, self._recv_into, self._send = sock.recv, sock.recv_into, sock.send
        self._tally.connecting.add(clock() - self._start_s)
        self._watcher = self._loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)
        self._send_request()

    def _refused(self, code: int) -> None:
        self._tally.note(f"cannot connect: {reason(code)}")
        self._record_failure(Fault.CONNECT, clock())
        self._settle_after(_REFUSED_PAUSE_S)

    def _send_request(self) -> None:
        try:
            sent = self._send(self._request)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._record_failure(Fault.RESET, clock())
            self._settle_after(0.0)  # not from here: the driver may submit again, and so without end
            return
        if sent < len(self._request):
            assert self._sock is not None
            self._unsent = memoryview(self._request)[sent:]
            self._writable = self._loop.io(self._sock.fileno(), _WRITE)
            self._writable.start(self._send_rest)

    def _send_rest(self) -> None:
        try:
            self._unsent = self._unsent[self._send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:  # the server reads no more: it may have answered already, and then the answer tells
            self._writable.stop()
            return
        if not self._unsent:
            self._writable.stop()
            self._writable.close()
            self._writable = None

    def _readable(self) -> None:
        response = self._response
        try:
            if response.head is None or not response.skimmable:
                data = self._recv(_READ_BYTES)
                now = clock()
                if not self.busy:  # closed while idle, or bytes that nobody asked for
                    self.close()
                    return
                closed = not data
                if not closed and not self._first_byte_s:
                    self._first_byte_s = now
                complete = response.end() if closed else response.feed(data)
            else:
                size = self._recv_into(_SCRATCH)
                now = clock()
                closed = size == 0
                complete = response.end() if closed else response.skim(size)
        except BlockingIOError:
            return
        except OSError:
            self._fail(Fault.RESET, clock())
            return
        except Malformed as error:
            self._tally.note(f"not HTTP/1: {error}")
            self._fail(Fault.PROTOCOL, clock())
            return
        if complete:
            self._finish(now)
        elif closed:
            self._fail(Fault.RESET if response.head is None else Fault.SHORT_BODY, now)

    def _finish(self, now_s: float) -> None:
        response = self._response
        head = response.head
        assert head is not None
        fault = head.fault or self._expect.judge_body(response)
        self._record(
            self.intended_s,
            self._start_s,
            self._first_byte_s,
            now_s,
            response.body_bytes,
            head.status,
            fault,
            self.step,
        )
        self.last_fault = fault
        self.busy = False
        if not head.keep_alive or self._writable is not None:
            self.close()
        self.driver.settled(self, now_s)

    def _fail(self, fault: Fault, now_s: float) -> None:
        if not self.busy:
            self.close()
            return
        self._record_failure(fault, now_s)
        self.driver.settled(self, now_s)

    def _record_failure(self, fault: Fault, now_s: float) -> None:
        response = self._response
        status = response.head.status if response.head else 0
        first_byte_s = self._first_byte_s or _NEVER
        self._record(self.intended_s, self._start_s, first_byte_s, now_s, response.body_bytes, status, fault, self.step)
        self.last_fault = fault
        self.close()
        # What answers after a fault may be another server. A close that belongs to an answer is none: servers that keep no connection
        # would have every body checked.
        self._until_check = 0

    def _settle_after(self, seconds: float) -> None:
        self._timer = self._loop.timer(seconds)
        self._timer.start(lambda: self.driver.settled(self, clock()))
