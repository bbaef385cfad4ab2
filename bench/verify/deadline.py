"""An end to a whole exchange: the timeouts of sockets start anew with every byte that trickles in."""

import socket
import threading
from types import TracebackType
from typing import Any, Self


class Deadline:
    """While entered, cuts the watched connection once `timeout_s` is over; `passed` says that it did."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, connection: socket.socket) -> None:
        self._socket = connection

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """For httpcore's trace extension, the only way to its socket before there is a response."""
        if event in ("connection.connect_tcp.complete", "connection.connect_unix_socket.complete"):
            self.watch(info["return_value"].get_extra_info("socket"))

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # closed already
