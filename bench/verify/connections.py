"""Rules for what a connection is good for after an answer: the next request, or nothing because it was closed."""

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bench.verify import items
from bench.verify.deadline import Deadline
from bench.verify.endpoints import ENDPOINTS, Endpoint
from bench.verify.report import shown
from bench.verify.rule import EARLY_ANSWER, BrokenError, NotCheckedError, Probe, Rule
from bench.verify.wire import TransportError, Wire

BODY = b"x" * 70_000
"""Longer than the pieces in which servers read."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A request after which the connection is tried again. `needs`: the endpoint without which it makes no sense.

    `of_an_item`: the target is that of an item made for the purpose, and `target` only stands for it.
    """

    what: str
    method: str
    target: str
    body: bytes | None = None
    needs: str | None = None
    of_an_item: bool = False


EARLY_CLOSE = "kept-promise"
"""In `omits`: after an answer that came before the request's whole body, it may close a connection that it said it would keep."""

STEPS = (
    Step(what="an answer to", method="GET", target="/plaintext", needs="plaintext"),
    Step(what="404 to", method="GET", target="/nope"),
    Step(what="404 to a body at", method="POST", target="/nope", body=b"x=1"),
    Step(what="405 to a body at", method="POST", target="/plaintext", body=b"x=1", needs="plaintext"),
    Step(what="400 to", method="GET", target="/cpu?n=foo", needs="cpu"),
    Step(what="400 to", method="GET", target="/blob?bytes=-1", needs="blob"),
    Step(what="a streamed answer to", method="GET", target="/blob?bytes=65537", needs="blob"),
    Step(what="an empty answer to", method="GET", target="/blob?bytes=0", needs="blob"),
    Step(what="an answer to a body at", method="POST", target="/upload", body=BODY, needs="upload"),
    Step(what="an answer to an empty body at", method="POST", target="/upload", body=b"", needs="upload"),
    Step(what="415 to a body at", method="POST", target="/api/items", body=b"x=1", needs="api/items"),
    Step(what="204 to", method="DELETE", target="/api/items/ID", needs="api/items", of_an_item=True),
)


def rules(endpoints: frozenset[str]) -> tuple[Rule, ...]:
    """One for each step that the endpoints allow; the second request goes to the first of them that is read by GET."""
    second = next((endpoint for endpoint in ENDPOINTS if endpoint.name in endpoints and endpoint.method == "GET"), None)
    if second is None:
        return ()
    return tuple(
        Rule(
            endpoint="*",
            name="keep-alive",
            expected=f"after {step.what} {step.method} {step.target}: GET {second.target} is answered 200 on the same"
            " connection, or the server has closed it",
            check=partial(_of_an_item if step.of_an_item else _is_left_usable, step, second),
        )
        for step in STEPS
        if step.needs is None or step.needs in endpoints
    )


def _of_an_item(step: Step, second: Endpoint, probe: Probe) -> None:
    with probe.alone("item"):  # whoever verifies beside us must not meet an item that is ours
        _is_left_usable(replace(step, target=items.create(probe).target), second, probe)


def _is_left_usable(step: Step, second: Endpoint, probe: Probe) -> None:
    wire = probe.wire
    if wire.base.scheme != "http":
        raise NotCheckedError("is checked over http only")
    asked = f"{step.method} {step.target}"
    with _connected(wire, asked) as (connection, deadline):
        try:
            connection.request(step.method, wire.prefix + step.target, body=step.body)
            first = connection.getresponse()
            first.read()
        except (http.client.HTTPException, OSError) as error:
            ended = isinstance(error, ConnectionError) and not deadline.passed  # RemoteDisconnected is one, too
            if ended and step.body and EARLY_ANSWER in probe.omits:
                wire.count(fault=False)
                return
            wire.count(fault=True)
            raise TransportError(asked, _described(error, deadline)) from error
        wire.count(fault=False)
        if not first.will_close:
            promised = "keep-alive" in (first.getheader("Connection") or "").lower()
            promised = promised and not (step.body and EARLY_CLOSE in probe.omits)
            _expect_second(connection, wire.prefix + second.target, promised, deadline)


def _expect_second(connection: http.client.HTTPConnection, target: str, promised: bool, deadline: Deadline) -> None:
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.RemoteDisconnected, ConnectionError) as error:
        # RFC 9112, section 9.3: a server may close whenever it likes. Some, like uWSGI, do not announce it.
        if promised or deadline.passed:
            raise BrokenError(shown(f"with Connection: keep-alive, then {_described(error, deadline)}")) from error
        return
    except (http.client.HTTPException, OSError) as error:
        raise BrokenError(shown(_described(error, deadline))) from error
    if answer.status != 200:
        raise BrokenError(shown(f"status {answer.status}, body {shown(body, limit=100)}"))


@contextmanager
def _connected(wire: Wire, asked: str) -> Iterator[tuple[http.client.HTTPConnection, Deadline]]:
    timeout_s = min(wire.timeout_s, wire.left_s())
    deadline = Deadline(timeout_s)
    connection = http.client.HTTPConnection(wire.base.host, wire.base.port, timeout=timeout_s)
    with closing(connection), deadline:
        try:
            if wire.unix is not None:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(timeout_s)
                connection.sock.connect(str(wire.unix))
            else:
                connection.connect()
        except OSError as error:
            wire.count(fault=True)
            raise TransportError(asked, f"cannot connect: {error}") from error
        connection.auto_open = 0  # or http.client would quietly open another one
        deadline.watch(connection.sock)
        stream = _OneStream(connection.sock)
        connection.sock = stream
        try:
            yield connection, deadline
        finally:
            stream.end()


class _OneStream:
    """A socket whose answers are read through one buffer, so that what an answer leaves behind meets the next.

    http.client has one for each answer, and throws it away with what is in it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = _KeptReader(socket.SocketIO(connection, "r"))

    def makefile(self, mode: str) -> io.BufferedReader:
        return self._reader

    def sendall(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self) -> None:
        """http.client closes before it reads the last answer."""

    def end(self) -> None:
        self._reader.raw.close()
        self._connection.close()


class _KeptReader(io.BufferedReader):
    """Outlives the answers that http.client reads from it."""

    def close(self) -> None:
        """Not at the end of an answer."""

    def flush(self) -> None:
        """Nothing is written here, and after the connection's end it would be an error."""


def _described(error: Exception, deadline: Deadline) -> str:
    if deadline.passed or isinstance(error, TimeoutError):
        return f"no complete answer within {deadline.timeout_s:g} s"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without an answer"
    if isinstance(error, ConnectionError):
        return f"the connection failed: {error}"
    return f"not a well-formed answer: {type(error).__name__}: {error}"
