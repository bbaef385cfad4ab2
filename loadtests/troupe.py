"""A journey's users in a job: they go on from slice to slice, held at a gate in between."""

import importlib
import inspect
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import gevent
from gevent import GreenletExit
from gevent.event import Event
from locust import TaskSet, constant
from locust.env import Environment

from loadtests.client import MOST_PROBLEMS, Client
from loadtests.connection import Connection
from loadtests.errors import LoadError
from loadtests.journey import EngineUser
from loadtests.pool import Pool
from loadtests.recorder import Window, clock
from loadtests.stages import Stage
from loadtests.steps import Steps

_STUMBLE_S = 0.05
"""How long a user stays down after an error in its own code: one that fails before it sends must not become a busy loop."""


def user_class(name: str) -> type[EngineUser]:
    """The one user class in `loadtests/journeys/NAME.py`. Raises LoadError."""
    file = f"loadtests/journeys/{name.replace('-', '_')}.py"
    module_name = file.removesuffix(".py").replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name == module_name:
            raise LoadError(f"journey {name!r}: there is no {file}") from None
        raise LoadError(f"journey {name!r}: {file}: {error}") from None
    except Exception as error:
        raise LoadError(f"journey {name!r}: {file}: {type(error).__name__}: {error}") from None
    found = [
        one for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, EngineUser) and one is not EngineUser and one.__module__ == module.__name__
    ]  # fmt: skip
    if len(found) != 1:
        raise LoadError(f"journey {name!r}: expected one subclass of EngineUser in {file}, found {len(found)}")
    return found[0]


class Troupe:
    """One user for each of a pool's connections. In a job users do not think: what is measured is what the stack can do."""

    def __init__(self, pool: Pool, kind: type[EngineUser], steps: Steps, host: str) -> None:
        self._pool, self._steps, self._host = pool, steps, host
        self._kind: Any = type(kind.__name__, (kind,), {"wait_time": constant(0)})
        _hurry(kind.tasks)
        self._environment = Environment(user_classes=[self._kind])
        events: Any = self._environment.events
        events.user_error.add_listener(self._stumble)
        self._users: list[gevent.Greenlet] = []
        self._open = Event()
        self._quiet = Event()
        self._in_flight = 0
        self._end_s = 0.0
        self._closed = False
        self.ended = 0
        """Requests that ended within their window, in sum: for progress, not for figures."""

    def run(self, window: Window, stages: Sequence[Stage] = ()) -> None:
        """Let the users go on until `window.end_s`, then wait until what is in flight has ended. Blocks the calling greenlet only."""
        self._end_s = window.end_s
        if not self._users:
            self._users = [gevent.spawn(self._play, connection) for connection in self._pool.connections]
        self._open.set()
        gevent.sleep(max(window.end_s - clock(), 0.0))
        self._open.clear()
        window.read_cpu(clock())
        self._quiet.clear()
        while self._in_flight:
            self._quiet.wait()

    def close(self) -> None:
        """The users go home."""
        self._closed = True
        gevent.killall(self._users, block=False)

    def enter(self) -> None:
        """See `Gate`."""
        while not self._open.is_set():
            if self._closed:
                raise GreenletExit  # a last request, from `on_stop`: nobody waits for it
            self._open.wait()
        self._in_flight += 1

    def leave(self) -> None:
        """See `Gate`."""
        self._in_flight -= 1
        if clock() < self._end_s:
            self.ended += 1
        if not self._in_flight:
            self._quiet.set()

    def _play(self, connection: Connection) -> None:
        """The users of one connection: whoever leaves (StopUser), or fails before the first task, is followed by a new one."""
        while not self._closed:
            self._kind.hired = Client(connection, self._host, self._steps, self._pool.expect.problems, self)
            try:
                self._kind(self._environment).run()
            except Exception as error:
                self._note(error)
            connection.close()
            gevent.sleep(_STUMBLE_S)

    def _stumble(self, exception: BaseException, **_: Any) -> None:
        """Locust has caught an error of a user's, in that user's greenlet."""
        self._note(exception)
        gevent.sleep(_STUMBLE_S)

    def _note(self, exception: BaseException) -> None:
        problem = f"the journey's own code: {type(exception).__name__}: {exception}"
        problems = self._pool.expect.problems
        if len(problems) < MOST_PROBLEMS and problem not in problems:
            problems.append(problem)
            logging.getLogger(__name__).warning("%s", problem, exc_info=exception)


def _hurry(tasks: Iterable[Any]) -> None:
    """No thinking in sets of tasks either, where they have a `wait_time` of their own. The process runs nothing but the job."""
    for one in tasks:
        if inspect.isclass(one) and issubclass(one, TaskSet):
            kind: Any = one
            kind.wait_time = constant(0)
            _hurry(kind.tasks)
