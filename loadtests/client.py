"""One user's client: requests as Locust writes them, sent over one connection of the engine.

Each request blocks the user's greenlet until it has ended, while the event loop's callbacks drive the connection. Cookies are kept.
"""

import json as jsons
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from gevent import GreenletExit
from gevent.hub import Waiter

from loadtests.connection import Connection
from loadtests.errors import FAULT_NAMES, Fault, LoadError
from loadtests.parser import Response
from loadtests.recorder import clock
from loadtests.steps import Steps

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Those whose answers say by themselves where they end."""
MOST_PROBLEMS = 10
"""So many different ones are kept in words."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, in the names of `requests`. A request that failed has `error`, and the status 0 where no whole answer came."""

    status_code: int
    headers: Mapping[str, str]
    """Names in lower case; of a repeated one the last."""
    content: bytes
    elapsed_s: float
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it was answered as expected."""
        return self.error is None

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return jsons.loads(self.content)


class Gate(Protocol):
    """When users may send: between slices they may not."""

    def enter(self) -> None:
        """Block until it is time, then count one request in flight."""

    def leave(self) -> None:
        """One request has ended."""


class Client:
    """One user's connection; see `request`."""

    every = 1
    """As an `Expectation`: every body is kept."""

    def __init__(
        self, connection: Connection, host: str, steps: Steps, problems: list[str], gate: Gate | None = None
    ) -> None:
        self._connection, self._host, self._steps, self._problems, self._gate = connection, host, steps, problems, gate
        self._waiter: Any = None
        self._expected: Collection[int] = ()
        self._check: Callable[[bytes], object] | None = None
        self._answer: tuple[int, bytes, bytes] = (0, b"", b"")
        self._fault = Fault.OK
        self.cookies: dict[str, str] = {}
        connection.driver = self

    def get(self, path: str, **how: Any) -> Answer:
        """See `request`."""
        return self.request("GET", path, **how)

    def post(self, path: str, **how: Any) -> Answer:
        """See `request`."""
        return self.request("POST", path, **how)

    def put(self, path: str, **how: Any) -> Answer:
        """See `request`."""
        return self.request("PUT", path, **how)

    def patch(self, path: str, **how: Any) -> Answer:
        """See `request`."""
        return self.request("PATCH", path, **how)

    def delete(self, path: str, **how: Any) -> Answer:
        """See `request`."""
        return self.request("DELETE", path, **how)

    def request(
        self, method: str, path: str, *, name: str | None = None, json: object = None, params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | bytes | str | None = None, headers: Mapping[str, str] | None = None,
        expect: int | Collection[int] | None = None, check: Callable[[bytes], object] | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request and wait for its end. It is recorded as the step `name` (the path where that is left out).

        `json` is sent as JSON, `data` as it is or, a table, as a form. Right is a status of `expect`, without that any below 400, with
        a body (its first `HELD_BYTES`) of which `check` is true; what it raises counts as no. It is called from the event loop, and so must
        not wait. Nothing is ever sent twice, and no redirect is followed. Raises LoadError for what cannot be sent.
        """
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params, doseq=True)
        # All that may raise comes before the gate, which counts what is in flight.
        request = self._encode(method, path, _body(json, data), dict(headers or {}))
        step = self._steps.number(method, str(name or path))
        if self._waiter is not None:
            raise LoadError("a client is one connection: one request at a time; several at once need several users")
        self._expected, self._check = (expect,) if isinstance(expect, int) else tuple(expect or ()), check
        self._answer, self._fault = (0, b"", b""), Fault.RESET
        waiter = self._waiter = Waiter()
        entered = False
        try:
            if self._gate is not None:
                self._gate.enter()
            entered, began_s = True, clock()
            self._connection.ask(request, self, step, began_s)
            waiter.get()
        except BaseException as error:  # stopped by Locust, or given up by the journey itself (gevent.Timeout)
            self._waiter = None
            if entered:
                self._give_up(forgotten=isinstance(error, GreenletExit))
            raise
        return self._read(clock() - began_s)

    def judge_body(self, response: Response) -> Fault:
        """As an `Expectation`: keeps what came, and says whether its status and its body are right."""
        assert response.head is not None
        status = response.head.status
        self._answer = (status, response.raw_head, response.kept)
        self._fault = Fault.OK
        if not (status in self._expected if self._expected else status < 400):
            self._fault = Fault.STATUS
            wanted = " or ".join(map(str, self._expected)) or "one below 400"
            self._note(f"status {status}, expected {wanted}")
        elif (problem := self._wrong(self._answer[2])) is not None:
            self._fault = Fault.BAD_CONTENT
            self._note(problem)
        return self._fault

    def _wrong(self, body: bytes) -> str | None:
        """What `check` has against a body."""
        try:
            if self._check is None or self._check(body):
                return None
        except Exception as error:
            return f"check: {type(error).__name__}: {error}: {body[:80]!r}"
        return f"check says no: {body[:80]!r}"

    def _note(self, problem: str) -> None:
        problem = f"{self._steps.names[self._connection.step]}: {problem}"
        if len(self._problems) < MOST_PROBLEMS and problem not in self._problems:
            self._problems.append(problem)

    def settled(self, connection: Connection, now_s: float) -> None:
        """As a `Driver`."""
        if self._gate is not None:
            self._gate.leave()
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

    def _encode(self, method: str, path: str, body: tuple[bytes, str], given: dict[str, str]) -> bytes:
        content, kind = body
        if method not in METHODS:
            raise LoadError(f"method {method!r}: one of {', '.join(METHODS)}")
        if not path.startswith("/"):
            raise LoadError(f"{path!r}: a path begins with /; the host is Locust's --host, or the job's target")
        # Names are the same in any case, and each goes out once: what is given counts, but for the length, which is the body's.
        fields = {"host": ("Host", self._host)}
        if kind:
            fields["content-type"] = ("Content-Type", kind)
        if self.cookies:
            fields["cookie"] = ("Cookie", "; ".join(f"{key}={value}" for key, value in self.cookies.items()))
        fields |= {key.lower(): (key, value) for key, value in given.items()}
        if content or method in ("POST", "PUT", "PATCH"):
            fields["content-length"] = ("Content-Length", str(len(content)))
        for key, value in fields.values():
            if re.search(r"[\r\n\0]|[^\0-\xff]", f"{key}{value}"):
                raise LoadError(f"header {key!r}: {value!r} has a line break or what is not Latin-1")
        lines = "".join(f"{key}: {value}\r\n" for key, value in fields.values())
        target = quote(path, safe="/?&=%+,:;@~!$*()[]'")
        return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content

    def _give_up(self, *, forgotten: bool) -> None:
        """What is in flight ends here: `forgotten` if the user was stopped, else recorded as timed out."""
        if self._connection.busy and not forgotten:
            self._connection.expire(clock())
            return
        self._connection.close()
        self.settled(self._connection, clock())

    def _read(self, elapsed_s: float) -> Answer:
        status, raw, content = self._answer
        headers: dict[str, str] = {}
        for line in raw.decode("latin-1").split("\r\n")[1:]:
            key, colon, value = line.partition(":")
            if colon:
                headers[key.lower()] = value.strip()
                if key.lower() == "set-cookie":
                    self._take_cookie(value)
        error = None if self._fault is Fault.OK else FAULT_NAMES[self._connection.last_fault - 1]
        return Answer(status_code=status, headers=headers, content=content, elapsed_s=elapsed_s, error=error)

    def _take_cookie(self, text: str) -> None:
        """Kept for all paths of the one host that a user has; dropped at once where its age is 0 or less. Source: RFC 6265, 5.3."""
        try:
            parsed = SimpleCookie(text.strip())
        except CookieError:
            return
        for key, morsel in parsed.items():
            if morsel["max-age"].lstrip("-").isdigit() and int(morsel["max-age"]) <= 0:
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = morsel.coded_value


def _body(json: object, data: Mapping[str, Any] | bytes | str | None) -> tuple[bytes, str]:
    """A body, and its type where that follows."""
    if json is not None:
        return jsons.dumps(json, separators=(",", ":")).encode(), "application/json"
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode(), _FORM
    if not isinstance(data, bytes | str | None):
        raise LoadError(f"data: expected bytes, a text or a table, got {type(data).__name__}")
    return data.encode() if isinstance(data, str) else data or b"", ""
