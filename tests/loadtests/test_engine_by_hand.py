"""Locust's users as pooled connections: what is wrong with the options is one clear line, and users may come and go."""

import threading
from types import SimpleNamespace
from typing import Any

import gevent
import numpy as np
import pytest
from locust.env import Environment
from scripted_servers import GOOD, HANG, head

from loadtests import by_hand, locustfile
from loadtests.by_hand import Load, PooledUser
from loadtests.errors import LoadError
from loadtests.opened import EndlessLoop
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
        ("http://127.0.0.1:1", {"request_timeout": 0.0}, "--request-timeout must be above 0, got 0"),
        ("http://127.0.0.1:1", {"request_timeout": -1.0}, "--request-timeout must be above 0"),
        ("http://127.0.0.1:1", {"request_timeout": float("nan")}, "--request-timeout must be above 0"),
        ("http://127.0.0.1:1", {"scenario": "items"}, "items is a journey: locust -f loadtests/journeys/items.py"),
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


def two_users(load: Load, server: Any) -> Any:
    """Join, and have a request in flight each; gives the first one's connection."""
    first, second = load.pool.add(), load.pool.add()
    load.loop.join(first)
    load.loop.join(second)
    until(lambda: server.requests == 2, nap=gevent.sleep)
    return first


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_at_a_rate_users_are_the_connections_and_arrivals_wait_for_one(serve: Any, arrivals: str) -> None:
    """The server answers nobody until it is let: arrivals queue up, and all are answered in the end, timed from when they were due."""
    let = threading.Event()
    server = serve(lambda number: [GOOD] if let.wait(20) else [])
    env = environment(f"http://127.0.0.1:{server.port}", rate=400.0, arrivals=arrivals)
    load = Load(env)
    first = two_users(load, server)
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


def test_what_has_arrived_is_answered_before_a_test_at_a_rate_ends(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    let = threading.Event()
    server = serve(lambda number: [GOOD] if let.wait(20) else [])
    env = environment(f"http://127.0.0.1:{server.port}", rate=400.0)
    load = Load(env)
    load.loop.join(load.pool.add())
    gevent.sleep(0.2)
    gevent.spawn_later(0.1, let.set)
    with caplog.at_level("INFO"):
        load.drain()
        came = server.requests
        gevent.sleep(0.1)
        load.close()
    assert server.requests == came, "no more arrive"
    assert env.stats.num_requests == came > 20
    assert env.stats.num_failures == 0
    assert f"{came - 1} arrivals found no user free and waited for one" in caplog.text
    assert "had no answer" not in caplog.text


def test_locust_waits_for_what_has_arrived_before_it_stops_its_users(serve: Any) -> None:
    let = threading.Event()
    server = serve(lambda number: [GOOD] if let.wait(20) else [])
    env = environment(f"http://127.0.0.1:{server.port}", rate=200.0, forkloop_job=None, headless=True)
    locustfile.on_init(env)
    runner = env.create_local_runner()
    runner.start(2, spawn_rate=100)
    until(lambda: server.requests == 2, nap=gevent.sleep)
    gevent.sleep(0.1)
    gevent.spawn_later(0.1, let.set)
    runner.stop()
    assert env.stats.num_requests == server.requests > 10
    assert env.stats.num_failures == 0


def test_what_cannot_be_answered_at_the_end_of_a_test_is_counted_in_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One user leaves with a request in flight, one stays with another, and the rest are queued."""
    monkeypatch.setattr(by_hand, "_DRAIN_S", 0.1)
    server = serve(lambda number: [HANG])
    env = environment(f"http://127.0.0.1:{server.port}", rate=400.0)
    load = Load(env)
    first = two_users(load, server)
    gevent.sleep(0.1)
    load.loop.leave(first)
    load.pool.remove(first)
    load.drain()
    load.close()
    assert env.stats.num_requests == 0
    assert load.loop.unanswered == load.loop.queued + 2 > 10
    assert f"{load.loop.unanswered} arrivals had no answer when they or the test were stopped" in caplog.text


def test_poisson_arrivals_by_hand_follow_the_seed(serve: Any) -> None:
    server = serve(lambda number: [GOOD])

    def arrivals(seed: int) -> Any:
        load = Load(environment(f"http://127.0.0.1:{server.port}"))
        loop = EndlessLoop(load.pool, "poisson", 1000.0, seed)
        loop.join(load.pool.add())
        until(lambda: load.pool.recorder.rows >= 20, nap=gevent.sleep)
        loop.drain(10)
        due_s = np.sort(load.pool.recorder.since(0)["intended_s"])[:20]
        load.close()
        return due_s - due_s[0]

    assert np.allclose(arrivals(1), arrivals(1))
    assert not np.allclose(arrivals(1), arrivals(2))


def test_what_is_wrong_is_told_once_in_locusts_log(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(lambda number: [head(0, status=b"500 Oops")] if number % 2 else [b"SSH-2.0\r\n", "close"])
    load = Load(environment(f"http://127.0.0.1:{server.port}"))
    load.loop.join(load.pool.add())
    until(lambda: server.requests >= 20, nap=gevent.sleep)
    load.close()
    said = [record.getMessage() for record in caplog.records]
    assert sorted(said) == ["not HTTP/1: the answer begins with b'SSH-2.0\\r\\n'", "status 500, expected 200"]


def test_arrivals_that_find_no_user_time_out_and_are_counted(serve: Any) -> None:
    server = serve(lambda number: [HANG])
    env = environment(f"http://127.0.0.1:{server.port}", rate=100.0, request_timeout=0.1)
    load = Load(env)
    load.loop.join(load.pool.add())
    until(lambda: load.pool.recorder.rows >= 10, nap=gevent.sleep)
    load.close()
    assert env.stats.num_failures == env.stats.num_requests >= 10
    assert server.requests < env.stats.num_requests
