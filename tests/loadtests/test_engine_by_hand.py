"""Locust's users as pooled connections: what is wrong with the options is one clear line, and users may come and go."""

import threading
from types import SimpleNamespace
from typing import Any

import gevent
import numpy as np
import pytest
from locust.env import Environment
from scripted_servers import GOOD, HANG

from loadtests.by_hand import Load, PooledUser
from loadtests.errors import LoadError
from tests.waiting import until


def environment(host: str | None, **options: Any) -> Environment:
    given = {"scenario": "plaintext", "parameter": None, "host": host, "unix": "", "request_timeout": 5.0}
    given |= {"rate": None, "arrivals": "constant", **options}
    return Environment(host=host, user_classes=[PooledUser], parsed_options=SimpleNamespace(**given))


@pytest.mark.parametrize(
    ("host", "options", "says"),
    [
        (None, {}, "name a target"),
        ("https://127.0.0.1:1", {}, "TLS is not supported"),
        ("http://127.0.0.1:1", {"scenario": "queries", "parameter": ["n=3"]}, "no parameter 'n'"),
        ("http://127.0.0.1:1", {"scenario": "queries", "parameter": ["queries"]}, "expected NAME=VALUE"),
        ("http://127.0.0.1:1", {"rate": 0.0}, "--rate must be above 0"),
    ],
)
def test_mistakes_are_one_clear_line(host: str | None, options: dict[str, Any], says: str) -> None:
    with pytest.raises(LoadError, match=says):
        Load(environment(host, **options))


def test_users_come_and_go_and_every_answered_request_reaches_locust(serve: Any) -> None:
    server = serve(lambda number: [GOOD])
    env = environment(f"http://127.0.0.1:{server.port}")
    load = Load(env)
    first, second = load.pool.add(), load.pool.add()
    load.loop.join(first)
    until(lambda: server.requests >= 20, nap=gevent.sleep)
    load.loop.join(second)
    before = server.requests
    until(lambda: server.requests >= before + 20, nap=gevent.sleep)
    load.pool.remove(first)
    assert server.connections == 2
    load.close()
    assert env.stats.num_failures == 0
    assert 0 <= server.requests - env.stats.num_requests <= 2


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_at_a_rate_users_are_the_connections_and_arrivals_wait_for_one(serve: Any, arrivals: str) -> None:
    """The server answers nobody until it is let: arrivals queue up, and all are answered in the end, timed from when they were due."""
    let = threading.Event()
    server = serve(lambda number: [GOOD] if let.wait(20) else [])
    env = environment(f"http://127.0.0.1:{server.port}", rate=400.0, arrivals=arrivals)
    load = Load(env)
    first, second = load.pool.add(), load.pool.add()
    load.loop.join(first)
    load.loop.join(second)
    until(lambda: server.requests == 2, nap=gevent.sleep)
    gevent.sleep(0.25)
    assert server.requests == 2
    let.set()
    until(lambda: server.requests >= 60, nap=gevent.sleep)
    load.loop.leave(first)
    load.pool.remove(first)
    rows = load.pool.recorder.since(0)
    rows = rows[np.argsort(rows["start_s"])]
    assert (np.diff(rows["intended_s"]) >= 0).all(), "those who waited are served first"
    latency_s = rows["end_s"] - rows["intended_s"]
    assert latency_s[0] > 0.15
    assert latency_s[0] > latency_s[-1]
    load.close()
    assert env.stats.num_failures == 0
    assert env.stats.num_requests >= 50


def test_arrivals_that_find_no_user_time_out_and_are_counted(serve: Any) -> None:
    server = serve(lambda number: [HANG])
    env = environment(f"http://127.0.0.1:{server.port}", rate=100.0, request_timeout=0.1)
    load = Load(env)
    load.loop.join(load.pool.add())
    until(lambda: load.pool.recorder.rows >= 10, nap=gevent.sleep)
    load.close()
    assert env.stats.num_failures == env.stats.num_requests >= 10
    assert server.requests < env.stats.num_requests
