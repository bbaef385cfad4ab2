"""The engine under ordinary Locust: every Locust user is one pooled connection, in a closed loop or for arrivals at a rate."""

import logging
from typing import Any

import gevent
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests import address, scenario
from loadtests.closed import ClosedLoop
from loadtests.connection import Connection
from loadtests.errors import LoadError
from loadtests.opened import EndlessLoop
from loadtests.pool import Pool
from loadtests.recorder import Recorder
from loadtests.stats_feed import StatsFeed

_FEED_S = 0.5
_DRAIN_S = 10.0
"""The longest that the end of a test at a rate waits for answers."""
_WORKER_DRAIN_S = 0.3
"""Of a worker: half a second after it has told its workers to quit, a master hears their last figures no more."""
_LOG = logging.getLogger(__name__)


class Load:
    """One test run: from Locust's `test_start` to its `test_stop`. Raises LoadError where the options are wrong."""

    def __init__(self, environment: Environment) -> None:
        options: Any = environment.parsed_options
        request = scenario.resolve(options.scenario, _parameters(options.parameter or []))
        if request.journey is not None:
            # Its path alone, sent again and again, would be another load, of which any answer is right.
            file = f"loadtests/journeys/{request.journey.replace('-', '_')}.py"
            raise LoadError(f"{request.name} is a journey: locust -f {file}")
        host = environment.host or options.host or ""
        if not host and not options.unix:
            raise LoadError("name a target: --host http://127.0.0.1:PORT, or --unix PATH")
        for name, value in (("--rate", options.rate), ("--request-timeout", options.request_timeout)):
            if value is not None and not 0 < value < float("inf"):
                raise LoadError(f"{name} must be above 0, got {value}")
        self.pool = Pool(
            address=address.from_url(host, options.unix or None),
            request=request,
            connections=0,
            recorder=Recorder(),
            timeout_s=options.request_timeout,
        )
        self.loop: ClosedLoop | EndlessLoop = (
            ClosedLoop(self.pool)
            if options.rate is None
            else EndlessLoop(
                self.pool, options.arrivals, options.rate / getattr(options, "load_workers", 1),
                seed=max(getattr(environment.runner, "worker_index", 0), 0),  # workers alike would send at the same moments
            )
        )  # fmt: skip
        self._may_wait = not isinstance(environment.runner, WorkerRunner)
        self._feed = StatsFeed(environment.stats, self.pool.recorder, name=request.path, method=request.method)
        self._timer: Any = gevent.get_hub().loop.timer(_FEED_S, _FEED_S)
        self._timer.start(self._tell)

    def drain(self) -> None:
        """At a rate: let what has arrived be answered, while the users are still there."""
        if isinstance(self.loop, EndlessLoop):
            self.loop.drain(_DRAIN_S if self._may_wait else _WORKER_DRAIN_S)

    def close(self) -> None:
        """Close all connections and hand the last rows to Locust."""
        self._timer.stop()
        self.loop.close()
        self.pool.close()
        self._tell()
        if isinstance(self.loop, EndlessLoop):
            if self.loop.queued:
                _LOG.info("%s arrivals found no user free and waited for one", f"{self.loop.queued:,}")
            if self.loop.unanswered:
                _LOG.warning(
                    "%s arrivals had no answer when they or the test were stopped: they are in no figure",
                    f"{self.loop.unanswered:,}",
                )

    def _tell(self) -> None:
        self._feed.flush()
        self.pool.tell()


class PooledUser(User):
    """One connection that sends the scenario's request again and again."""

    load: Load | None = None
    """The run under way; set for all users by the locustfile."""

    def on_start(self) -> None:
        self._connection: Connection | None = None
        if self.load is not None:
            self._connection = self.load.pool.add()
            self.load.loop.join(self._connection)

    @task
    def drive(self) -> None:
        """Nothing to do here: the event loop's callbacks drive the connection until Locust stops this user."""
        Event().wait()

    def on_stop(self) -> None:
        if self.load is not None and self._connection is not None:
            self.load.loop.leave(self._connection)
            self.load.pool.remove(self._connection)


def _parameters(pairs: list[str]) -> dict[str, int | str]:
    parameters: dict[str, int | str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise LoadError(f"--parameter {pair}: expected NAME=VALUE")
        parameters[key] = int(value) if value.lstrip("-").isdigit() else value
    return parameters
