"""The kinds of slow and idle clients: readers, those that drip a head or a body, and those that stay silent."""

from loadtests.beside import Beside
from loadtests.checks import filler
from loadtests.errors import LoadError
from loadtests.recorder import clock
from loadtests.slow import WHOLE_BYTES, Crowd, Slow

_FULL_PAUSE_S = 0.005
"""How long a sender waits whom the server lets send no more, once it is to hurry."""
_LINE_BYTES = 64
_LINES = 80
"""Servers take about 100 header lines; a longer head has longer ones."""


class Reader(Slow):
    """Takes the answer at its rate; in place with the first byte."""

    __slots__ = ()

    def _opened(self) -> None:
        self._send(len(self._crowd.message))

    def _hurry(self) -> None:
        self._watcher.start(self._readable)

    def _readable(self) -> None:
        if self.hurried:
            self._receive(WHOLE_BYTES)
            return
        count = self._receive(max(int(self._rate * self._crowd.period_s), 1))
        if count:
            self._settle()
        if count and self.outcome is None:
            self._watcher.stop()
            self._crowd.turns.at(clock() + count / self._rate, self._resume)

    def _resume(self) -> None:
        if self.outcome is None:
            self._watcher.start(self._readable)

    def _answered(self) -> None:
        if not self.hurried:
            self._settle()  # an answer that comes in one read: in place and at its end at once, and it arrives only once
        super()._answered()


class Dripper(Slow):
    """Sends its request at its rate; in place once it has sent what goes out at once."""

    __slots__ = ()

    def _opened(self) -> None:
        self._send(self._crowd.at_once)
        self._settle()
        self._crowd.turns.at(clock() + self._crowd.period_s, self._drip)

    def _hurry(self) -> None:
        self._drip()

    def _drip(self) -> None:
        left = len(self._crowd.message) - self._sent
        if self.outcome is not None or not left:
            return
        if self.hurried:
            self._send(WHOLE_BYTES)
            self._crowd.turns.at(clock() + _FULL_PAUSE_S, self._drip)
            return
        count = self._send(max(int(self._rate * self._crowd.period_s), 1))
        self._crowd.turns.at(clock() + (count / self._rate if count else self._crowd.period_s), self._drip)


class Idler(Slow):
    """Has one answer and stays, silent; at the end it asks again, which shows whether the connection still serves."""

    __slots__ = ("_silent",)

    def __init__(self, crowd: Crowd, terms: Beside) -> None:
        super().__init__(crowd, terms)
        self._silent = False

    def _opened(self) -> None:
        self._send(len(self._crowd.message))

    def _hurry(self) -> None:
        if self._silent:
            self._silent, self._partial, self._sent = False, False, 0
            self._response.begin(keep=False)
            self._send(len(self._crowd.message))

    def _readable(self) -> None:
        if self._silent:  # nothing was asked for: an end, or a farewell such as 408
            self._crowd.wakes += 1
            self._end("closed")
        else:
            super()._readable()

    def _answered(self) -> None:
        head = self._response.head
        assert head is not None
        if self.hurried or head.status >= 400:
            super()._answered()
            return
        self._settle()
        if head.keep_alive:
            self._silent = True
        else:
            self._end("closed")


KINDS: dict[str, type[Slow]] = {"readers": Reader, "slow-heads": Dripper, "slow-bodies": Dripper, "idle": Idler}


def message(terms: Beside, host: str) -> tuple[memoryview, int]:
    """The request of one client, and how much of it goes out at once. Raises LoadError for a slow head that is too short."""
    head = f"{terms.verb} {terms.path} HTTP/1.1\r\nHost: {host}\r\n".encode()
    if terms.kind == "slow-heads":
        return memoryview(_long(head, terms.size)), len(head)
    if terms.verb != "GET":
        head += b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n" % terms.size
    head += b"\r\n"
    return memoryview(head + filler(terms.size)), len(head)


def _long(head: bytes, size: int) -> bytes:
    """`head` with as many more header lines as make it `size` bytes long."""
    left = size - len(head) - 2
    width = max(_LINE_BYTES, left // _LINES)
    if left < _LINE_BYTES:
        raise LoadError(f"beside: bytes: a slow head takes {len(head) + 2 + _LINE_BYTES} or more here, got {size}")
    count, rest = divmod(left, width)
    lines = b"".join(b"X-Slow-%03d: %s\r\n" % (number, b"a" * (width - 14)) for number in range(count - 1))
    return head + lines + b"X-Slow-End: %s\r\n\r\n" % (b"a" * (width + rest - 14))
