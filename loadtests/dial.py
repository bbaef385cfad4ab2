"""Opens a connection without blocking, from callbacks of the event loop."""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original

from loadtests.address import Address

RealSocket: type[socket.socket] = get_original("socket", "socket")
"""The operating system's sockets, not gevent's, which Locust puts in their place."""

_WRITE = 2
_BACKLOG_PAUSE_S = 0.001
_WORDS = {
    errno.EADDRNOTAVAIL: "no local port is left (see net.ipv4.ip_local_port_range)",
    errno.EMFILE: "no file descriptor is left (see ulimit -n)",
    errno.ENFILE: "the machine has no file descriptor left (see fs.file-max)",
}


def reason(code: int) -> str:
    """What the error number `code` of an attempt means."""
    return _WORDS.get(code) or os.strerror(code)


class Dial:
    """One attempt: calls `connected` with the open socket, or `refused` with the error's number; perhaps at once, and never after `close`.

    `receive_buffer_bytes` is asked for before the connection is made, since the window follows from it.
    """

    __slots__ = ("_address", "_buffer_bytes", "_connected", "_loop", "_refused", "_sock", "_watcher")

    def __init__(
        self,
        address: Address,
        connected: Callable[[socket.socket], None],
        refused: Callable[[int], None],
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self._address, self._connected, self._refused = address, connected, refused
        self._buffer_bytes = receive_buffer_bytes
        self._loop: Any = gevent.get_hub().loop
        self._watcher: Any = None
        self._sock: socket.socket | None = None

    def start(self) -> None:
        """Begin."""
        try:
            self._sock = RealSocket(self._address.family, socket.SOCK_STREAM)
        except OSError as error:  # no descriptors left
            self._refused(error.errno or errno.EMFILE)
            return
        self._sock.setblocking(False)
        if self._address.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._buffer_bytes is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        self._attempt()

    def close(self) -> None:
        """Give up, if it is still under way."""
        self._stop_waiting()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _attempt(self) -> None:
        assert self._sock is not None
        self._stop_waiting()
        try:
            code = self._sock.connect_ex(self._address.sockaddr)
        except OSError as error:  # such as a path that is too long for a unix socket
            code = error.errno or errno.EINVAL
        if code == errno.EINPROGRESS:
            self._watcher = self._loop.io(self._sock.fileno(), _WRITE)
            self._watcher.start(self._ended)
        elif code == errno.EAGAIN:  # a unix socket's backlog is full, and there is nothing to wait on
            self._watcher = self._loop.timer(_BACKLOG_PAUSE_S)
            self._watcher.start(self._attempt)
        else:
            self._report(code)

    def _ended(self) -> None:
        assert self._sock is not None
        self._stop_waiting()
        self._report(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _report(self, code: int) -> None:
        if code:
            self.close()
            self._refused(code)
            return
        sock, self._sock = self._sock, None
        assert sock is not None
        self._connected(sock)

    def _stop_waiting(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
