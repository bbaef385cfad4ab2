"""Endpoints that wait, and the one that computes."""

import time

from application import application
from database import database
from parameters import strict

LONGEST_MS = 10_000
MOST_ROUNDS = 10_000_000


@application.get("/io")
def io() -> dict[str, int]:
    ms = strict("ms", LONGEST_MS)
    time.sleep(ms / 1000)
    return {"waited_ms": ms}


@application.get("/io-db")
def io_db() -> dict[str, int]:
    ms = strict("ms", LONGEST_MS)
    database.sleep(ms)
    return {"waited_ms": ms}


@application.get("/cpu")
def cpu() -> dict[str, int]:
    n = strict("n", MOST_ROUNDS)
    x = 1
    for _ in range(n):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return {"n": n, "result": x}
