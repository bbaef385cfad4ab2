"""/fanout calls another service, several times at once."""

import asyncio
import os
import ssl
from functools import cache

import httpx
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from endpoints.parameters import strict
from endpoints.responses import json_response

MOST_CALLS = 20
LONGEST_MS = 10_000


@cache
def tls() -> ssl.SSLContext:
    """Given a context of its own a client does not read the system's certificates, which takes longer than the calls."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def new_client() -> httpx.AsyncClient:
    """One for a request: httpx's pool looks through all its connections for every call, so that one which is shared by hundreds of calls at
    once takes several times the CPU of new ones.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60)
    url = os.environ["UPSTREAM_URL"]
    return httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False, verify=tls())


@require_GET
async def fanout(request: HttpRequest) -> HttpResponse:
    calls, ms = strict(request.GET, "n", 1, MOST_CALLS), strict(request.GET, "ms", 0, LONGEST_MS)
    async with new_client() as service:
        for answer in await asyncio.gather(*(service.get("/wait", params={"ms": ms}) for _ in range(calls))):
            answer.raise_for_status()
    return json_response({"calls": calls, "waited_ms": ms})
