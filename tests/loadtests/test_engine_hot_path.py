"""The profile of the hot path names parts that are there, and finds the costly ones."""

import inspect
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests import beyond, closed, connection, expect, parser, recorder
from loadtests.benchmarks import hot_path
from loadtests.job import Inline, Job, Target

MODULES = (beyond, closed, connection, expect, parser, recorder)


def lines() -> list[tuple[Any, int]]:
    """Every function of the engine's classes with each of its lines."""
    found = []
    for module in MODULES:
        for _, cls in inspect.getmembers(module, inspect.isclass):
            for _, function in inspect.getmembers(cls, inspect.isfunction):
                code = function.__code__
                found += [(code, line) for _, _, line in code.co_lines() if line is not None]
    return found


def test_every_part_is_some_line_of_the_engine() -> None:
    named = {hot_path.part_of(code, line) for code, line in lines()}
    assert {part for part, _, _ in hot_path.PARTS} <= named
    assert hot_path.LOOP in named
    assert hot_path.part_of(gevent.get_hub().run.__code__, 1) == hot_path.LOOP


@pytest.mark.parametrize(
    ("function", "line", "part"),
    [
        ("_send_request", "sent = self._send(self._request)", "send, a system call"),
        ("_readable", "data = self._recv(_READ_BYTES)", "receive, a system call"),
        ("submit", "self._start_s = clock()", "read the clock"),
        ("_finish", "self.busy = False", "the connection's own steps"),
    ],
)
def test_a_line_counts_for_its_part(function: str, line: str, part: str) -> None:
    code = getattr(connection.Connection, function).__code__
    source, first = inspect.getsourcelines(code)
    number = first + next(place for place, text in enumerate(source) if line in text)
    assert hot_path.part_of(code, number) == part
    assert hot_path.part_of(test_a_line_counts_for_its_part.__code__, 1) == hot_path.OTHER


def test_a_loaded_engine_is_seen_at_work(serve: Any, tmp_path: Path) -> None:
    from scripted_servers import GOOD

    server = serve(lambda number: [GOOD])
    job = Job(
        version=1, mode="closed", measure_s=0.4, request=Inline(path="/"), slices_path=None, requests_path=None,
        result_path=tmp_path / "result.json", targets=(Target(id="t", host="127.0.0.1", port=server.port, connections=4),),
    )  # fmt: skip
    parts, requests, spent = hot_path.look_while(job)
    assert requests == server.requests
    assert parts.total() > 0
    assert parts[hot_path.OTHER] <= parts.total() / 2
    assert sum(spent.values()) > 0
    text = hot_path.text(parts, requests, spent, 0.4)
    assert f"of {parts.total():,} samples" in text
    assert max(map(len, text.splitlines())) <= 80
