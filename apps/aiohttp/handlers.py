"""The endpoints that need no database."""

import asyncio
import hashlib
import os
import platform
import sys
import time
from contextlib import suppress

import aiohttp
from aiohttp import web
from answers import json_answer, json_error, strict

WAIT_MAX_MS = 10_000
ROUNDS_MAX = 10_000_000
UPLOAD_MAX_BYTES = 64 * 1024 * 1024
BLOB_MAX_BYTES = 256 * 1024 * 1024
PIECE = bytes(range(256)) * 256

routes = web.RouteTableDef()


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok")


@routes.get("/plaintext")
async def plaintext(request: web.Request) -> web.Response:
    return web.Response(text="Hello, World!")


@routes.get("/json")
async def json_message(request: web.Request) -> web.Response:
    return json_answer({"message": "Hello, World!"})


@routes.get("/io")
async def io(request: web.Request) -> web.Response:
    ms = strict(request, "ms", WAIT_MAX_MS)
    end_s = time.monotonic() + ms / 1000
    # A loop's timer may fire up to its resolution early (1 ms in uvloop).
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(left_s)
    return json_answer({"waited_ms": ms})


@routes.get("/cpu")
async def cpu(request: web.Request) -> web.Response:
    rounds = strict(request, "n", ROUNDS_MAX)
    x = 1
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return json_answer({"n": rounds, "result": x})


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    if (request.content_length or 0) > UPLOAD_MAX_BYTES:
        raise web.HTTPRequestEntityTooLarge(UPLOAD_MAX_BYTES, request.content_length)
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            size_bytes += len(chunk)
            if size_bytes > UPLOAD_MAX_BYTES:
                raise web.HTTPRequestEntityTooLarge(UPLOAD_MAX_BYTES, size_bytes)
    except (web.RequestPayloadError, ConnectionResetError):
        raise json_error(web.HTTPBadRequest, "body: broken off or malformed") from None
    return json_answer({"bytes": size_bytes, "sha256": digest.hexdigest()})


@routes.get("/blob")
async def blob(request: web.Request) -> web.StreamResponse:
    left_bytes = strict(request, "bytes", BLOB_MAX_BYTES)
    response = web.StreamResponse()
    response.content_type = "application/octet-stream"
    response.content_length = left_bytes
    await response.prepare(request)
    with suppress(ConnectionError):  # The client went away; nobody is left to tell.
        while left_bytes > 0:
            # Waits while the connection is behind, so a slow reader holds back the next piece.
            await response.write(PIECE[:left_bytes])
            left_bytes -= len(PIECE)
        await response.write_eof()
    return response


@routes.get("/whoami")
async def whoami(request: web.Request) -> web.Response:
    return json_answer(
        {
            "framework": "aiohttp",
            "framework_version": aiohttp.__version__,
            "server": server(),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
            "pid": os.getpid(),
            "data": "psycopg 3",
        }
    )


def server() -> str:
    gunicorn = sys.modules.get("gunicorn")
    return f"gunicorn/{gunicorn.__version__}" if gunicorn else f"aiohttp/{aiohttp.__version__}"
