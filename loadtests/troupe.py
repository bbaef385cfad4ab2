"""A journey's users in a job: they go on from slice to slice, held at a gate in between."""

import importlib
import inspect
import logging
from collections.abc import Sequence
from typing import Any

import gevent
from gevent.event import Event
from locust import constant
from locust.env import Environment

from loadtests.connection import Connection
from loadtests.errors import LoadError
from loadtests.journey import Client, EngineUser
from loadtests.pool import Pool
from loadtests.recorder import Window, clock
from loadtests.stages import Stage
from loadtests.steps import Steps


def user_class(name: str) -> type[EngineUser]:
    """The one user class in `loadtests/journeys/NAME.py`. Raises LoadError."""
    try:
        module = importlib.import_module(f"loadtests.journeys.{name.replace('-', '_')}")
    except ModuleNotFoundError:
        raise LoadError(f"journey {name!r}: there is no loadtests/journeys/{name.replace('-', '_')}.py") from None
    found = [
        one for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, EngineUser) and one is not EngineUser and one.__module__ == module.__name__
    ]  # fmt: skip
    if len(found) != 1:
        raise LoadError(f"journey {name!r}: expected one subclass of EngineUser in its file, found {len(found)}")
    return found[0]


class Troupe:
    """One user for each of a pool's connections. In a job users do not think: what is measured is what the stack can do."""

    def __init__(self, pool: Pool, kind: type[EngineUser], steps: Steps, host: str) -> None:
        self._pool, self._steps, self._host = pool, steps, host
        self._kind: Any = type(kind.__name__, (kind,), {"wait_time": constant(0)})
        self._environment = Environment(user_classes=[self._kind])
        events: Any = self._environment.events
        events.user_error.add_listener(self._note)
        self._users: list[gevent.Greenlet] = []
        self._open = Event()
        self._quiet = Event()
        self._in_flight = 0
        self._end_s = 0.0
        self.ended = 0
        """Requests that ended within their window, in sum: for progress, not for figures."""

    def run(self, window: Window, stages: Sequence[Stage] = ()) -> None:
        """Let the users go on until `window.end_s`, then wait until what is in flight has ended. Blocks the calling greenlet only."""
        self._end_s = window.end_s
        if not self._users:
            self._users = [gevent.spawn(self._user(connection).run) for connection in self._pool.connections]
        self._open.set()
        gevent.sleep(max(window.end_s - clock(), 0.0))
        self._open.clear()
        window.read_cpu(clock())
        self._quiet.clear()
        while self._in_flight:
            self._quiet.wait()

    def close(self) -> None:
        """The users go home."""
        gevent.killall(self._users, block=False)

    def enter(self) -> None:
        """See `Gate`."""
        while not self._open.is_set():
            self._open.wait()
        self._in_flight += 1

    def leave(self) -> None:
        """See `Gate`."""
        self._in_flight -= 1
        if clock() < self._end_s:
            self.ended += 1
        if not self._in_flight:
            self._quiet.set()

    def _user(self, connection: Connection) -> EngineUser:
        self._kind.hired = Client(connection, self._host, self._steps, self._pool.expect.problems, self)
        user: EngineUser = self._kind(self._environment)
        return user

    def _note(self, exception: BaseException, **_: Any) -> None:
        problem = f"the journey's own code: {type(exception).__name__}: {exception}"
        if len(self._pool.expect.problems) < 10 and problem not in self._pool.expect.problems:
            self._pool.expect.problems.append(problem)
            logging.getLogger(__name__).warning("%s", problem)
