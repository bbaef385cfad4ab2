"""A way to addresses that only a container reaches: each connection to a port of ours goes through `docker exec` to one of its own.

For what prepares and checks, on an engine whose network is not this machine's. Load never takes this way: its generator is a container
there.
"""

import contextlib
import socket
import subprocess
import threading
from types import TracebackType

from bench.render import Endpoint

_RELAY = """
import os, socket, sys, threading
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
sock.settimeout(None)
def outwards():
    while data := os.read(0, 65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=outwards, daemon=True).start()
while data := sock.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""


class Tunnels:
    """Ports on 127.0.0.1, each of which leads to one address that the container `through` reaches. A context manager."""

    def __init__(self, through: str) -> None:
        self._through = through
        self._doors: dict[tuple[str, int], socket.socket] = {}
        self._relays: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._open = True

    def to(self, host: str, port: int) -> Endpoint:
        """Our end of the way to `host`:`port`."""
        if (host, port) not in self._doors:
            door = socket.create_server(("127.0.0.1", 0), backlog=128)
            self._doors[host, port] = door
            self._threads.append(threading.Thread(target=self._serve, args=(door, host, port), daemon=True))
            self._threads[-1].start()
        return Endpoint(host="127.0.0.1", port=self._doors[host, port].getsockname()[1])

    def __enter__(self) -> "Tunnels":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        for door in self._doors.values():
            # Closing alone does not wake a thread that waits in accept.
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            door.close()
        for thread in self._threads:
            thread.join(5)  # it may be starting a relay right now
        for relay in self._relays:
            relay.kill()
            relay.wait()

    def _serve(self, door: socket.socket, host: str, port: int) -> None:
        while self._open:
            try:
                client, _ = door.accept()
            except OSError:
                return
            argv = ["docker", "exec", "-i", self._through, "python", "-I", "-S", "-c", _RELAY, host, str(port)]
            with client:
                relay = subprocess.Popen(
                    argv, stdin=client.fileno(), stdout=client.fileno(), stderr=subprocess.DEVNULL, start_new_session=True
                )  # fmt: skip
            self._relays = [one for one in self._relays if one.poll() is None] + [relay]
