"""Journeys: users in ordinary Locust style whose requests go over the engine's connections.

    class Visitor(EngineUser):
        wait_time = between(1, 3)

        @task(3)
        def look(self) -> None:
            self.client.get("/api/items", name="list")

Weights, sequences, `on_start`, state on `self` and think time are Locust's own. `self.client` is one connection: it keeps cookies, and each
request blocks the user's greenlet until it has ended, while the event loop's callbacks drive it.
"""

import json as jsons
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import quote

import gevent
from gevent.hub import Waiter
from locust import User
from locust.env import Environment

from loadtests import address, scenario
from loadtests.connection import Connection
from loadtests.errors import FAULT_NAMES, Fault
from loadtests.parser import Response
from loadtests.pool import Pool
from loadtests.recorder import Recorder, clock
from loadtests.stats_feed import StepFeed
from loadtests.steps import Steps

_MOST_PROBLEMS = 10
_FEED_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, in the names of `requests`. A request that failed has `error`, and the status 0 where none came."""

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
        self, method: str, path: str, *, name: str | None = None, json: object = None, data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None, expect: int | Collection[int] | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request and wait for its end. It is recorded as the step `name` (the path where that is left out).

        `json` is sent as JSON, `data` as it is. Right is a status of `expect`, without that any below 400. Nothing is ever sent twice.
        """
        body = data.encode() if isinstance(data, str) else data or b""
        fields = {"Host": self._host, **(headers or {})}
        if json is not None:
            body = jsons.dumps(json, separators=(",", ":")).encode()
            fields.setdefault("Content-Type", "application/json")
        if body or method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = str(len(body))
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        head = f"{method} {quote(path, safe='/?&=%+,:;@~!$*()[]')} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        self._expected = (expect,) if isinstance(expect, int) else tuple(expect or ())
        self._answer, self._fault = (0, b"", b""), Fault.RESET
        if self._gate is not None:
            self._gate.enter()
        began_s = clock()
        self._waiter = Waiter()
        self._connection.ask(head + body, self, self._steps.number(method, name or path), began_s)
        self._waiter.get()
        return self._read(clock() - began_s)

    def judge_body(self, response: Response) -> Fault:
        """As an `Expectation`: keeps what came, and says whether its status is right."""
        assert response.head is not None
        status = response.head.status
        self._answer = (status, response.raw_head, response.kept)
        right = status in self._expected if self._expected else status < 400
        self._fault = Fault.OK if right else Fault.STATUS
        if not right and len(self._problems) < _MOST_PROBLEMS:
            wanted = " or ".join(map(str, self._expected)) or "one below 400"
            self._problems.append(f"{self._steps.names[self._connection.step]}: status {status}, expected {wanted}")
        return self._fault

    def settled(self, connection: Connection, now_s: float) -> None:
        """As a `Driver`."""
        if self._gate is not None:
            self._gate.leave()
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

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


class Engine:
    """What the users of one run by hand share: recorder, connections, and the feed into Locust's statistics."""

    def __init__(self, environment: Environment, host: str) -> None:
        self.address = address.from_url(host)
        self.steps = Steps()
        request = replace(scenario.inline("GET", "/", {}), journey="by hand")
        self.pool = Pool(address=self.address, request=request, connections=0, recorder=Recorder(), timeout_s=30.0)
        self._feed = StepFeed(environment.stats, self.pool.recorder, self.steps)
        self._timer: Any = gevent.get_hub().loop.timer(_FEED_S, _FEED_S)
        self._timer.start(self._feed.flush)
        events: Any = environment.events
        events.test_stop.add_listener(lambda **_: self._feed.flush())
        events.quitting.add_listener(lambda **_: self._feed.flush())

    @classmethod
    def of(cls, environment: Environment, host: str) -> "Engine":
        """The one of this run. Raises LoadError where the host is none."""
        if environment not in _ENGINES:
            _ENGINES[environment] = cls(environment, host)
        return _ENGINES[environment]


_ENGINES: "weakref.WeakKeyDictionary[Environment, Engine]" = weakref.WeakKeyDictionary()


class EngineUser(User):
    """A user whose `client` is a connection of the engine. Subclass it as `HttpUser`."""

    abstract = True
    client: Client
    hired: "Client | None" = None
    """In a job: the client that the next user gets."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._engine: Engine | None = None
        given = type(self).hired
        if given is not None:
            self.client = given
            return
        self._engine = Engine.of(environment, self.host or environment.host or "")
        pool = self._engine.pool
        self._connection = pool.add()
        self.client = Client(self._connection, self._engine.address.host, self._engine.steps, pool.expect.problems)

    def on_stop(self) -> None:
        """Closes the connection. A subclass that has an `on_stop` of its own calls this one too."""
        if self._engine is not None and self._connection in self._engine.pool.connections:
            self._engine.pool.remove(self._connection)
