"""/fanout calls another service, several times at once."""

import asyncio
import os
from functools import cache

import httpx
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from endpoints.parameters import strict
from endpoints.responses import json_response

MOST_CALLS = 20
LONGEST_MS = 10_000


@cache
def client() -> httpx.AsyncClient:
    """One for the process's event loop; its connections are kept."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60)
    return httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"], limits=limits, timeout=30, trust_env=False)


@require_GET
async def fanout(request: HttpRequest) -> HttpResponse:
    calls, ms = strict(request.GET, "n", 1, MOST_CALLS), strict(request.GET, "ms", 0, LONGEST_MS)
    for answer in await asyncio.gather(*(client().get("/wait", params={"ms": ms}) for _ in range(calls))):
        answer.raise_for_status()
    return json_response({"calls": calls, "waited_ms": ms})
