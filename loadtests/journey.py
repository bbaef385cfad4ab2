"""Journeys: users in ordinary Locust style whose requests go over the engine's connections.

    class Visitor(EngineUser):
        wait_time = between(1, 3)

        @task(3)
        def look(self) -> None:
            self.client.get("/api/items", name="list")

Weights, sequences, `on_start`, state on `self` and think time are Locust's own. `self.client` is one connection: see `client.py`.
"""

import logging
import sys
import weakref
from dataclasses import replace
from typing import Any

import gevent
from locust import User, events
from locust.env import Environment

from loadtests import address, scenario
from loadtests.client import Answer, Client, Gate
from loadtests.errors import LoadError
from loadtests.pool import Pool
from loadtests.recorder import Recorder
from loadtests.stats_feed import StepFeed, complete_files
from loadtests.steps import Steps

__all__ = ["Answer", "Client", "Engine", "EngineUser", "Gate"]

TIMEOUT_S = 30.0
"""By hand: when a request is given up. A job has its own."""
_FEED_S = 0.5
_MISUSED = 2
"""Exit code."""


class Engine:
    """What the users of one host share in a run by hand: recorder, connections, and the feed into Locust's statistics."""

    def __init__(self, environment: Environment, host: str) -> None:
        self.address = _address(host)
        self.steps = Steps()
        request = replace(scenario.inline("GET", "/", {}), journey="by hand")
        self.pool = Pool(address=self.address, request=request, connections=0, recorder=Recorder(), timeout_s=TIMEOUT_S)
        self._feed = StepFeed(environment.stats, self.pool.recorder, self.steps)
        self._timer: Any = gevent.get_hub().loop.timer(_FEED_S, _FEED_S)
        self._timer.start(self._tell)
        own: Any = environment.events
        own.test_stop.add_listener(lambda **_: self._tell())
        own.quitting.add_listener(lambda **_: self._tell())

    def _tell(self) -> None:
        self._feed.flush()
        self.pool.tell()

    @classmethod
    def of(cls, environment: Environment, host: str) -> "Engine":
        """The one of this run for `host`, since classes of users may have one each, and the web UI may change it.

        Raises LoadError where the host is none.
        """
        engines = _ENGINES.setdefault(environment, {})
        if host not in engines:
            engines[host] = cls(environment, host)
        return engines[host]


_ENGINES: "weakref.WeakKeyDictionary[Environment, dict[str, Engine]]" = weakref.WeakKeyDictionary()


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


def _address(host: str) -> address.Address:
    if not host:
        raise LoadError("name a target: --host http://127.0.0.1:PORT, or `host` in the user's class")
    return address.from_url(host)


def _check_hosts(environment: Environment, **_: Any) -> None:
    """A run without the web UI has its host from the start: if that is wrong, say so in one line rather than for each user."""
    options: Any = environment.parsed_options
    if not getattr(options, "headless", False) or getattr(options, "worker", False):
        return
    try:
        for one in environment.user_classes:
            if issubclass(one, EngineUser):
                _address(one.host or environment.host or "")
    except LoadError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(_MISUSED)


def _at_the_end(environment: Environment, **_: Any) -> None:
    own: Any = environment.events
    own.quitting.add_listener(lambda **_: complete_files(environment))


_hooks: Any = events
_hooks.init.add_listener(_check_hosts)
_hooks.init.add_listener(_at_the_end)
