"""Locust's users as pooled connections: what is wrong with the options is one clear line, and users may come and go."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.env import Environment
from scripted_servers import GOOD

from loadtests.by_hand import Load, PooledUser
from loadtests.errors import LoadError


def environment(host: str | None, **options: Any) -> Environment:
    given = {"scenario": "plaintext", "parameter": None, "host": host, "unix": "", "request_timeout": 5.0, **options}
    return Environment(host=host, user_classes=[PooledUser], parsed_options=SimpleNamespace(**given))


@pytest.mark.parametrize(
    ("host", "options", "says"),
    [
        (None, {}, "name a target"),
        ("https://127.0.0.1:1", {}, "TLS is not supported"),
        ("http://127.0.0.1:1", {"scenario": "queries", "parameter": ["n=3"]}, "no parameter 'n'"),
        ("http://127.0.0.1:1", {"scenario": "queries", "parameter": ["queries"]}, "expected NAME=VALUE"),
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
    while server.requests < 20:
        gevent.sleep(0.005)
    load.loop.join(second)
    before = server.requests
    while server.requests < before + 20:
        gevent.sleep(0.005)
    load.pool.remove(first)
    assert server.connections == 2
    load.close()
    assert env.stats.num_failures == 0
    assert 0 <= server.requests - env.stats.num_requests <= 2
