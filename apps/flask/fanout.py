"""/fanout calls another service, several times one after the other, as a view that blocks does."""

import os
from functools import cache

import httpx
from flask import Blueprint
from parameters import strict

blueprint = Blueprint("fanout", __name__)

MOST_CALLS = 20
LONGEST_MS = 10_000


@cache
def client() -> httpx.Client:
    """One for the process, made after any fork: its connections are kept and shared by threads."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60)
    return httpx.Client(base_url=os.environ["UPSTREAM_URL"], limits=limits, timeout=30, trust_env=False)


@blueprint.get("/fanout")
def fanout() -> dict[str, int]:
    calls = strict("n", MOST_CALLS, lowest=1)
    ms = strict("ms", LONGEST_MS)
    for _ in range(calls):
        client().get("/wait", params={"ms": ms}).raise_for_status()
    return {"calls": calls, "waited_ms": ms}
