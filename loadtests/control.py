"""Talks with whoever started the job: events out on standard output, one JSON object a line; the words `go` and `end` in on standard input.

Standard output belongs to the events alone: `take_stdout` points what others print at standard error.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult, Event


class Stopped(Exception):
    """Raised where the job waits when it is to stop: its standard input was closed, or SIGTERM or SIGINT came."""


def take_stdout() -> int:
    """A descriptor of what standard output was; standard output itself becomes standard error."""
    events_fd = os.dup(1)
    os.set_inheritable(events_fd, False)
    os.dup2(2, 1)
    return events_fd


class Control:
    """Both directions; `stop` is called once, when standard input ends."""

    def __init__(self, *, out_fd: int, in_fd: int, stop: Callable[[], None]) -> None:
        self._out_fd, self._in_fd = out_fd, in_fd
        self._stop = stop
        self._pending = b""
        self._words: list[str] = []
        self._heard = Event()
        self._watcher: Any = gevent.get_hub().loop.io(in_fd, 1)
        self._watcher.start(self._readable)

    def emit(self, event: str, **fields: Any) -> None:
        """Say that something happened."""
        emit(self._out_fd, event, **fields)

    def wait(self, word: str) -> None:
        """Block the calling greenlet until the line `word` has come; other lines are skipped."""
        while word not in self._words:
            self._heard.clear()
            self._heard.wait()
        del self._words[: self._words.index(word) + 1]

    def close(self) -> None:
        """Hear nothing more."""
        self._watcher.stop()

    def _readable(self) -> None:
        try:
            data = os.read(self._in_fd, 4096)
        except OSError:
            data = b""
        if not data:
            self.close()
            self._stop()
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        self._words.extend(line.decode("utf-8", "replace").strip() for line in lines)
        self._heard.set()


def emit(out_fd: int, event: str, **fields: Any) -> None:
    """Write one event; a reader that has gone is no reason to lose what was measured."""
    try:
        os.write(out_fd, json.dumps({"event": event, **fields}).encode() + b"\n")
    except OSError:
        return


def shielded[T](call: Callable[[], T]) -> T:
    """What `call` returns or raises, run to its end though the calling greenlet be told to stop meanwhile: there is nothing left to cut
    short. Blocks that greenlet only.
    """
    done: Any = AsyncResult()

    def work() -> None:
        try:
            done.set(call())
        except BaseException as error:
            done.set_exception(error)

    gevent.spawn(work)
    while True:
        try:
            result: T = done.get()
        except Stopped:
            if isinstance(done.exception, Stopped):
                raise  # the call's own
        else:
            return result
