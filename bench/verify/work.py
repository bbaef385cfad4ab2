"""Rules for the endpoints that wait (/io, /io-db) and the one that computes (/cpu)."""

import threading
from functools import partial

from bench.verify.judge import as_json, expect_body
from bench.verify.parameters import strict_rules
from bench.verify.rule import Probe, Rule, require
from bench.verify.wire import GaveUpError, TransportError

LONGEST_MS = 10_000
MOST_ROUNDS = 10_000_000

WAITS_MS = (0, 1, 30, 150)
ROUNDS = (0, 1, 2, 1000, 100_003)

SLEEPS_MS = (100, 300, 1200)
"""Longer tries after the first: on a loaded machine we may come too late to see that."""


def cpu_result(rounds: int) -> int:
    x = 1
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x


def _waits(endpoint: str, ms: int, probe: Probe) -> None:
    answer = probe.get(f"/{endpoint}?ms={ms}")
    expect_body(answer, as_json({"waited_ms": ms}))
    require(answer.seconds * 1000 >= ms, f"an answer after {answer.seconds * 1000:.1f} ms")


def _computes(n: int, probe: Probe) -> None:
    expect_body(probe.get(f"/cpu?n={n}"), as_json({"n": n, "result": cpu_result(n)}))


def _sleeps_in_the_database(probe: Probe) -> None:
    tables = probe.database
    for ms in SLEEPS_MS:
        faults: list[Exception] = []
        request = threading.Thread(target=_ask_quietly, args=(probe, f"/io-db?ms={ms}", faults), daemon=True)
        request.start()
        seen = False
        try:
            while request.is_alive() and not seen:
                seen = tables.sleeping()
                request.join(0.01)
        finally:
            request.join()
        if faults:
            raise faults[0]
        if seen:
            return
    require(False, "no connection that runs it")


def _ask_quietly(probe: Probe, target: str, faults: list[Exception]) -> None:
    try:
        probe.get(target)
    except (TransportError, GaveUpError) as fault:
        faults.append(fault)


def _wait_rules(endpoint: str) -> tuple[Rule, ...]:
    return (
        *(
            Rule(
                endpoint=endpoint,
                name="wait",
                expected=f'GET /{endpoint}?ms={ms}: {{"waited_ms":{ms}}}, not before {ms} ms have passed',
                check=partial(_waits, endpoint, ms),
            )
            for ms in WAITS_MS
        ),
        *strict_rules(endpoint, "ms", LONGEST_MS),
    )


RULES: tuple[Rule, ...] = (
    *_wait_rules("io"),
    *_wait_rules("io-db"),
    Rule(
        endpoint="io-db",
        name="database",
        expected="GET /io-db: a connection of the database runs pg_sleep meanwhile",
        check=_sleeps_in_the_database,
    ),
    *(
        Rule(
            endpoint="cpu",
            name="result",
            expected=f"GET /cpu?n={n}: {as_json({'n': n, 'result': cpu_result(n)}).decode()}",
            check=partial(_computes, n),
        )
        for n in ROUNDS
    ),
    *strict_rules("cpu", "n", MOST_ROUNDS),
)
