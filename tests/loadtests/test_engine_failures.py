"""What a server does wrong is counted, by kind and to the request."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_servers import BODY, CLOSE, GOOD, HANG, RESET, TEXT, ScriptedServer, Step, head

from loadtests.errors import Fault

ONE_IN = 7
BAD: dict[str, tuple[str, list[Step]]] = {
    "dropped": ("reset", [CLOSE]),
    "reset": ("reset", [RESET]),
    "head cut off": ("reset", [head()[:20], CLOSE]),
    "truncated": ("short-body", [head() + BODY[:5], CLOSE]),
    "truncated chunks": ("short-body", [head(None, extra=b"Transfer-Encoding: chunked\r\n") + b"d\r\nHello", CLOSE]),
    "status 500": ("status", [head(0, status=b"500 Oops")]),
    "redirect": ("status", [head(0, status=b"302 Found", extra=b"Location: /x\r\n")]),
    "other length": ("bad-content", [head(3) + b"abc"]),
    "same length, other bytes": ("bad-content", [head() + b"hello, world?"]),
    "other length, chunked": (
        "bad-content",
        [head(None, extra=b"Transfer-Encoding: chunked\r\n") + b"1\r\na\r\n0\r\n\r\n"],
    ),
    "other type": ("bad-content", [GOOD.replace(TEXT, b"text/html; charset=utf-8")]),
    "not HTTP": ("protocol", [b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE]),
    "too much": ("protocol", [GOOD + b"more"]),
    "bad chunk": ("protocol", [head(None, extra=b"Transfer-Encoding: chunked\r\n") + b"zz\r\nHello"]),
    "two lengths": ("protocol", [head(extra=b"Content-Length: 14\r\n") + BODY]),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("mode", ["closed", "open"])
def test_injected_failures_are_counted_exactly(name: str, mode: str, serve: Any, load: Any) -> None:
    kind, steps = BAD[name]
    injected = []

    def respond(number: int) -> list[Step]:
        if number % ONE_IN:
            return [GOOD]
        injected.append(number)
        return steps

    server: ScriptedServer = serve(respond)
    outcome = load(server.port, mode=mode, rate_rps=400.0, measure_s=0.15)
    assert len(injected) > 1
    assert outcome.first["errors"] == {kind: len(injected)}
    assert len(outcome.table.rows) == server.requests
    assert (outcome.table.rows["fault"] == Fault.OK).sum() == server.requests - len(injected)


def test_hanging_requests_time_out_and_are_counted(serve: Any, load: Any) -> None:
    hung = []

    def respond(number: int) -> list[Step]:
        if number % 20 != 5:
            return [GOOD]
        hung.append(number)
        return [HANG]

    server = serve(respond)
    outcome = load(server.port, mode="duet", slice_s=0.05, measure_s=0.1, timeout_s=0.2)
    assert hung
    assert outcome.first["errors"] == {"timeout": len(hung)}
    assert len(outcome.table.rows) == server.requests


@pytest.mark.parametrize("mode", ["closed", "open", "duet"])
def test_a_refusing_target_gives_connect_errors_and_no_figure_but_zero(mode: str, load: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = load(port, mode=mode, rate_rps=100.0, slice_s=0.05, measure_s=0.2)
    assert outcome.first["requests"] == 0
    assert set(outcome.first["errors"]) == {"connect"}
    assert outcome.first["errors"]["connect"] < 200, "a dead target must not become a busy loop"
    assert outcome.first["connects"] == 0


def test_a_missing_unix_socket_gives_connect_errors(tmp_path: Path, load: Any) -> None:
    outcome = load(tmp_path / "none.sock", measure_s=0.1)
    assert set(outcome.first["errors"]) == {"connect"}


def test_a_target_that_dies_under_load_keeps_what_was_answered(serve: Any, load: Any) -> None:
    servers: list[ScriptedServer] = []

    def respond(number: int) -> list[Step]:
        if number == 100:
            servers[0].close()
        return [GOOD]

    servers.append(serve(respond))
    outcome = load(servers[0].port, measure_s=0.3)
    assert 90 <= outcome.first["requests"] <= 110
    assert outcome.first["errors"]["connect"] >= 1
    assert set(outcome.first["errors"]) <= {"connect", "reset"}


def test_bodies_are_checked_on_a_sample_where_the_scenario_says_so(serve: Any, load: Any) -> None:
    """Rows of the right length but the wrong content: found at once in each tenth response, and in a connection's first."""
    right, wrong = b'{"id":1,"randomNumber":2}', b'{"id":1,"randomNumber":x}'
    good = head(len(right)).replace(TEXT, b"application/json") + right
    bad = head(len(wrong)).replace(TEXT, b"application/json") + wrong
    server = serve(lambda number: [good if number == 0 else bad])
    outcome = load(server.port, scenario="db", connections=1, measure_s=0.2)
    faults = outcome.table.rows["fault"]
    assert [number for number, fault in enumerate(faults) if fault] == list(range(10, len(faults), 10))
    assert outcome.first["problems"]
    every = load(server.port, scenario="db", connections=1, measure_s=0.1, check_every=1)
    assert every.first["requests"] == 0


def test_a_server_that_closes_each_time_has_no_more_bodies_checked_and_one_that_failed_has_its_next(
    serve: Any, load: Any
) -> None:
    right, wrong = b'{"id":1,"randomNumber":2}', b'{"id":1,"randomNumber":x}'
    top = head(len(right), extra=b"Connection: close\r\n").replace(TEXT, b"application/json")
    server = serve(lambda number: [top + (wrong if number else right), CLOSE])
    outcome = load(server.port, scenario="db", connections=1, measure_s=0.2)
    faults = outcome.table.rows["fault"]
    assert server.connections == len(faults) > 10
    assert [number for number, fault in enumerate(faults) if fault] == list(range(10, len(faults), 10))
    failing = serve(lambda number: [CLOSE] if number == 3 else [top + (wrong if number else right), CLOSE])
    outcome = load(failing.port, scenario="db", connections=1, measure_s=0.2)
    faults = outcome.table.rows["fault"]
    found = [number for number, fault in enumerate(faults) if fault == Fault.BAD_CONTENT]
    assert found == list(range(4, len(faults), 10))


def test_failures_of_one_target_do_not_touch_another(
    serve: Any, load: Any, respond: Callable[[int], list[Step]]
) -> None:
    good, bad = serve(respond), serve(lambda number: [head(0, status=b"500 Oops")])
    outcome = load(good.port, bad.port, mode="duet", slice_s=0.02, measure_s=0.1)
    assert outcome.targets[0]["errors"] == {}
    assert outcome.targets[1]["requests"] == 0


@pytest.fixture
def respond() -> Callable[[int], list[Step]]:
    return lambda number: [GOOD]
