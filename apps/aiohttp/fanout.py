"""/fanout calls another service, several times at once."""

import asyncio
import os
from collections.abc import AsyncIterator

from aiohttp import ClientSession, TCPConnector, web
from answers import json_answer, strict

MOST_CALLS = 20
LONGEST_MS = 10_000
SERVICE = web.AppKey("service", ClientSession)

routes = web.RouteTableDef()


async def hold_session(app: web.Application) -> AsyncIterator[None]:
    """One session for the application's life, as aiohttp's documentation has it; without its bound of 100 connections."""
    async with ClientSession(os.environ["UPSTREAM_URL"], connector=TCPConnector(limit=0)) as session:
        app[SERVICE] = session
        yield


async def call(session: ClientSession, ms: int) -> None:
    async with session.get(f"/wait?ms={ms}", raise_for_status=True) as answer:
        await answer.read()


@routes.get("/fanout")
async def fanout(request: web.Request) -> web.Response:
    calls, ms = strict(request, "n", MOST_CALLS, lowest=1), strict(request, "ms", LONGEST_MS)
    await asyncio.gather(*(call(request.app[SERVICE], ms) for _ in range(calls)))
    return json_answer({"calls": calls, "waited_ms": ms})
