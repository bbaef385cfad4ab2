"""Endpoints that wait, and the one that computes."""

import time

from database import database
from flask import Blueprint
from parameters import strict

blueprint = Blueprint("work", __name__)

LONGEST_MS = 10_000
MOST_ROUNDS = 10_000_000


@blueprint.get("/io")
def io() -> dict[str, int]:
    ms = strict("ms", LONGEST_MS)
    time.sleep(ms / 1000)
    return {"waited_ms": ms}


@blueprint.get("/io-db")
def io_db() -> dict[str, int]:
    ms = strict("ms", LONGEST_MS)
    database.sleep(ms)
    return {"waited_ms": ms}


@blueprint.get("/cpu")
def cpu() -> dict[str, int]:
    n = strict("n", MOST_ROUNDS)
    x = 1
    for _ in range(n):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return {"n": n, "result": x}
