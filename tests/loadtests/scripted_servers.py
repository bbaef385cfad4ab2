"""Small servers that do exactly what a test says: each answer is a list of steps."""

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CLOSE, RESET, HANG = "close", "reset", "hang"
Step = bytes | str
Respond = Callable[[int], list[Step]]
"""From the request's number (from 0, over all connections) to what is done: bytes are one write each."""

BODY = b"Hello, World!"
TEXT = b"text/plain; charset=utf-8"


def head(
    length: int | None = len(BODY), *, status: bytes = b"200 OK", version: bytes = b"1.1", extra: bytes = b""
) -> bytes:
    """A response's head; without a length if that is None."""
    size = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"HTTP/%s %s\r\nServer: test\r\nContent-Type: %s\r\n%s%s\r\n" % (version, status, TEXT, size, extra)


GOOD = head() + BODY


class ScriptedServer:
    """Serves on a free port (or a unix socket) until closed; a thread for each connection."""

    def __init__(self, respond: Respond, *, unix: Path | None = None) -> None:
        self._respond = respond
        self.requests = 0
        self.connections = 0
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self._listener.bind(str(unix) if unix else ("127.0.0.1", 0))
        self._listener.listen(128)
        self.port: int = 0 if unix else self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if sock.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for body in requests_of(sock):
                with self._lock:
                    number = self.requests
                    self.requests += 1
                    if body:
                        self.bodies.append(body)
                if not self._act(sock, self._respond(number)):
                    break
        with self._lock:
            self._open.remove(sock)
        sock.close()

    def _act(self, sock: socket.socket, steps: list[Step]) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            elif step == HANG:
                self._closing.wait(30)
                return False
            else:
                if step == RESET:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        return True


def requests_of(sock: socket.socket) -> Iterator[bytes]:
    """The body of each request that comes, until the client closes."""
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            data = sock.recv(65536)
            if not data:
                return
            pending += data
        lines, pending = pending.split(b"\r\n\r\n", 1)
        length = 0
        for line in lines.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(pending) < length:
            data = sock.recv(65536)
            if not data:
                return
            pending += data
        yield pending[:length]
        pending = pending[length:]


class StallingServer:
    """One thread serves all connections, and stops for `stall_s` at the start of every `period_s`; answers in one write."""

    def __init__(self, *, period_s: float, stall_s: float) -> None:
        self._period_s, self._stall_s = period_s, stall_s
        self.stalls: list[tuple[float, float]] = []
        """When each stall began and ended, on time.perf_counter()."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._waker, b"x")
        self._thread.join(10)

    def _serve(self) -> None:
        poll, open_ = select.poll(), {}
        poll.register(self._wake, select.POLLIN)
        poll.register(self._listener, select.POLLIN)
        due = time.perf_counter() + self._period_s
        while True:
            now = time.perf_counter()
            if now >= due:
                time.sleep(self._stall_s)
                self.stalls.append((now, time.perf_counter()))
                due += self._period_s
            for fd, _ in poll.poll(max(due - time.perf_counter(), 0) * 1000):
                if fd == self._wake:
                    for sock in [*open_.values(), self._listener]:
                        sock.close()
                    os.close(self._wake)
                    os.close(self._waker)
                    return
                if fd == self._listener.fileno():
                    sock, _ = self._listener.accept()
                    open_[sock.fileno()] = sock
                    poll.register(sock, select.POLLIN)
                    continue
                try:
                    data = open_[fd].recv(65536)
                    if data:
                        open_[fd].sendall(GOOD)
                except OSError:
                    data = b""
                if not data:
                    poll.unregister(fd)
                    open_.pop(fd).close()
