"""Views that call another service, and asynchronous ones beside the others: what Django's async is worth under either kind of server."""

import asyncio
import os
import ssl
from functools import cache

import httpx
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from endpoints import rows
from endpoints.models import World
from endpoints.parameters import strict
from endpoints.responses import TEXT, json_response

MOST_CALLS = 20
LONGEST_MS = 10_000
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60)


@cache
def client() -> httpx.Client:
    """One for the process, made after any fork: its connections are kept and shared by threads."""
    return httpx.Client(base_url=os.environ["UPSTREAM_URL"], limits=LIMITS, timeout=30, trust_env=False)


def new_async_client() -> httpx.AsyncClient:
    """One for a request. Under WSGI Django runs each in an event loop of its own, and no connection outlives its loop. Under ASGI
    httpx's pool looks through all its connections for every call: shared by hundreds of calls at once, it takes several times the
    CPU of new ones.
    """
    # Given a context of its own it does not read the system's certificates, which takes longer than the calls.
    return httpx.AsyncClient(
        base_url=os.environ["UPSTREAM_URL"], limits=LIMITS, timeout=30, trust_env=False, verify=tls()
    )


@cache
def tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def asked(request: HttpRequest) -> tuple[int, int]:
    return strict(request.GET, "n", 1, MOST_CALLS), strict(request.GET, "ms", 0, LONGEST_MS)


@require_GET
def fanout(request: HttpRequest) -> HttpResponse:
    """One call after the other, as a view that blocks does."""
    calls, ms = asked(request)
    for _ in range(calls):
        client().get("/wait", params={"ms": ms}).raise_for_status()
    return json_response({"calls": calls, "waited_ms": ms})


@require_GET
async def async_fanout(request: HttpRequest) -> HttpResponse:
    """All calls at once."""
    calls, ms = asked(request)
    async with new_async_client() as service:
        for answer in await asyncio.gather(*(service.get("/wait", params={"ms": ms}) for _ in range(calls))):
            answer.raise_for_status()
    return json_response({"calls": calls, "waited_ms": ms})


@require_GET
async def async_plaintext(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type=TEXT)


@require_GET
async def async_db(request: HttpRequest) -> HttpResponse:
    row = await World.objects.aget(pk=rows.random_id())
    return json_response(rows.WorldRow(row.id, row.random_number).as_json())
