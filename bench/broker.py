"""As much of the protocol of Valkey as reading a list takes: commands as arrays of words, answers as nested values.

https://valkey.io/topics/protocol/ (RESP2).
"""

import socket
from io import BufferedRWPair
from typing import Any

from bench.model import BenchError

type Value = bytes | int | list["Value"] | None
PATIENCE_S = 5.0


def ask(host: str, port: int, *words: str) -> Value:
    """The answer to one command on a connection of its own. Raises BenchError for an error, OSError where nobody answers."""
    with socket.create_connection((host, port), timeout=PATIENCE_S) as one, one.makefile("rwb") as stream:
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            encoded = word.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(encoded), encoded))
        stream.write(b"".join(parts))
        stream.flush()
        return _read(stream)


def answers(host: str, port: int) -> bool:
    """Whether a server is there and ready."""
    try:
        return ask(host, port, "PING") == b"PONG"
    except (OSError, BenchError):
        return False


def _read(stream: "BufferedRWPair[Any, Any]") -> Value:
    line = stream.readline()
    kind, rest = line[:1], line[1:].strip()
    match kind:
        case b"+":
            return rest
        case b":":
            return int(rest)
        case b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
        case b"*":
            return None if rest == b"-1" else [_read(stream) for _ in range(int(rest))]
        case b"-":
            raise BenchError(f"valkey: {rest.decode(errors='replace')}")
    raise OSError("the broker closed the connection")
