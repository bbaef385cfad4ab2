"""Slow and idle clients: each one connection, driven by callbacks of the event loop and, where it has a rate, by turns of a shared timer.

An idle one costs nothing while nothing comes; a slow one a few microseconds for each turn, and `Crowd` gives out few.
"""

import socket
from abc import ABC, abstractmethod
from typing import Any, Literal, Protocol

import gevent

from loadtests.address import Address
from loadtests.beside import Beside
from loadtests.dial import Dial, reason
from loadtests.parser import Heads, Malformed, Response
from loadtests.recorder import clock
from loadtests.turns import Turns

Outcome = Literal["completed", "rejected", "truncated", "broken", "closed", "refused", "unfinished"]
"""A whole answer below 400; one of 400 or above; cut off within it; not HTTP; ended by the server before an answer, or while idle; never
connected; still under way when its time was over."""

_READ = 1
WHOLE_BYTES = 65536
"""At a time, without a rate."""
_LARGE_BUFFER_BYTES = 1 << 20


class Crowd(Protocol):
    """Whom a client tells how it goes."""

    address: Address
    heads: Heads
    turns: Turns
    period_s: float
    """How long from one turn of a client to its next, about."""
    message: memoryview
    """What each one sends."""
    at_once: int
    """So many bytes of it go out at once, the rest at the rate."""
    wakes: int
    """How often a client was called back: the crowd's cost."""

    def settled(self, one: "Slow") -> None:
        """It is in place."""

    def ended(self, one: "Slow") -> None:
        """It has ended, one way or the other."""


class Slow(ABC):
    """A client from `begin` to its outcome; kinds of it say what they do once connected, at their turns, and when they are to finish."""

    __slots__ = (
        "_crowd", "_dial", "_loop", "_partial", "_rate", "_response", "_sent", "_sock", "_terms", "_watcher",
        "begun_s", "connected_s", "ended_s", "first_byte_s", "hurried", "outcome", "received_bytes", "sent_bytes", "settled_s", "why",
    )  # fmt: skip

    def __init__(self, crowd: Crowd, terms: Beside) -> None:
        self._crowd, self._terms, self._rate = crowd, terms, terms.rate
        self._loop: Any = gevent.get_hub().loop
        self._response = Response(crowd.heads)
        self._dial: Dial | None = None
        self._sock: socket.socket | None = None
        self._watcher: Any = None
        self._sent = 0
        self._partial = False
        """Whether some of an answer has come."""
        self.received_bytes = self.sent_bytes = 0
        self.begun_s = self.connected_s = self.first_byte_s = self.settled_s = self.ended_s = 0.0
        """On `clock()`; 0: not yet."""
        self.hurried = False
        self.outcome: Outcome | None = None
        self.why = ""
        """Of one that was refused."""

    @property
    def status(self) -> int:
        """Of the last answer; 0 without one."""
        return self._response.head.status if self._response.head else 0

    def begin(self) -> None:
        """Connect."""
        self.begun_s = clock()
        self._dial = Dial(self._crowd.address, self._connected, self._refused, self._terms.buffer)
        self._dial.start()

    def finish(self) -> None:
        """From now on as fast as it can."""
        if self.outcome is not None or self.hurried:
            return
        self.hurried = True
        if self._sock is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LARGE_BUFFER_BYTES)
            self._hurry()

    def give_up(self) -> None:
        """It has had its time."""
        if self.outcome is None:
            self.why = "no answer to the attempt to connect"
            self._end("refused" if self.begun_s and not self.connected_s else "unfinished")

    @abstractmethod
    def _opened(self) -> None:
        """It is connected."""

    @abstractmethod
    def _hurry(self) -> None:
        """From now on as fast as it can, while connected."""

    def _connected(self, sock: socket.socket) -> None:
        self._dial, self._sock = None, sock
        self.connected_s = clock()
        self._response.begin(keep=False)
        self._watcher = self._loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)
        self._opened()

    def _refused(self, code: int) -> None:
        self.why = reason(code)
        self._end("refused")

    def _settle(self) -> None:
        if not self.settled_s:
            self.settled_s = clock()
            self._crowd.settled(self)

    def _receive(self, most: int) -> int:
        """Take up to `most` bytes and say how many came; the client may have ended by that."""
        assert self._sock is not None
        self._crowd.wakes += 1
        try:
            data = self._sock.recv(most)
            if data:
                self.first_byte_s = self.first_byte_s or clock()
                self.received_bytes += len(data)
                self._partial = True
                complete = self._response.feed(data)
            else:
                complete = self._response.end()
        except BlockingIOError:
            return 0
        except OSError:
            self._lost()
            return 0
        except Malformed:
            self._end("broken")
            return 0
        if complete:
            self._answered()
        elif not data:
            self._lost()
        return len(data)

    def _readable(self) -> None:
        self._receive(WHOLE_BYTES)

    def _answered(self) -> None:
        """The answer is whole."""
        head = self._response.head
        assert head is not None
        self._end("completed" if head.status < 400 else "rejected")

    def _lost(self) -> None:
        self._end("truncated" if self._partial else "closed")

    def _end(self, outcome: Outcome) -> None:
        self.outcome, self.ended_s = outcome, clock()
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        if self._dial is not None:
            self._dial.close()
            self._dial = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._crowd.ended(self)

    def _send(self, most: int) -> int:
        """Send up to `most` bytes of what is left and say how many went. What the server no longer takes, its answer explains."""
        assert self._sock is not None
        self._crowd.wakes += 1
        try:
            sent = self._sock.send(self._crowd.message[self._sent : self._sent + most])
        except OSError:
            return 0
        self._sent += sent
        self.sent_bytes += sent
        return sent
