"""The endpoints, in the order of the contract (apps/CONTRACT.md)."""

import asyncio
import os
import platform
import sys
import time
from importlib import import_module
from operator import attrgetter
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST
from django.views.static import serve

from endpoints import hosting, rows, work
from endpoints.cached import cached_worlds
from endpoints.parameters import lenient, strict
from endpoints.responses import TEXT, json_response

data: Any = import_module(settings.DATA_MODULE)

WAIT_MS_MAX = 10_000
UPLOAD_BYTES_MAX = 67_108_864
ROUNDS_MAX = 10_000_000
BLOB_BYTES_MAX = 268_435_456


@require_GET
async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type=TEXT)


@require_GET
async def plaintext(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type=TEXT)


@require_GET
async def json(request: HttpRequest) -> HttpResponse:
    return json_response({"message": "Hello, World!"})


@require_GET
async def db(request: HttpRequest) -> HttpResponse:
    row = await data.world(rows.random_id())
    return json_response(row.as_json())


@require_GET
async def queries(request: HttpRequest) -> HttpResponse:
    row_ids = rows.random_ids(lenient(request.GET, "queries"))
    return json_response([row.as_json() for row in await data.worlds(row_ids)])


@require_GET
async def fortunes(request: HttpRequest) -> HttpResponse:
    fortunes = sorted([*await data.fortunes(), rows.ADDITIONAL_FORTUNE], key=attrgetter("message"))
    return render(request, "endpoints/fortunes.html", {"fortunes": fortunes})


@require_GET
async def updates(request: HttpRequest) -> HttpResponse:
    row_ids = rows.distinct_ids(lenient(request.GET, "queries"))
    return json_response([row.as_json() for row in await data.renumber(row_ids)])


@require_GET
async def cached_queries(request: HttpRequest) -> HttpResponse:
    row_ids = rows.random_ids(lenient(request.GET, "count"))
    return json_response([row.as_json() for row in await cached_worlds(row_ids, data.all_worlds)])


@require_GET
async def io(request: HttpRequest) -> HttpResponse:
    wait_ms = strict(request.GET, "ms", 0, WAIT_MS_MAX)
    end_s = time.monotonic() + wait_ms / 1000
    # A loop's timer may fire up to its resolution early (1 ms in uvloop).
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(left_s)
    return json_response({"waited_ms": wait_ms})


@require_GET
async def io_db(request: HttpRequest) -> HttpResponse:
    wait_ms = strict(request.GET, "ms", 0, WAIT_MS_MAX)
    await data.sleep(wait_ms)
    return json_response({"waited_ms": wait_ms})


@require_GET
async def cpu(request: HttpRequest) -> HttpResponse:
    rounds = strict(request.GET, "n", 0, ROUNDS_MAX)
    return json_response({"n": rounds, "result": work.compute(rounds)})


@require_POST
async def upload(request: HttpRequest) -> HttpResponse:
    """Reads the request as a file, which Django has filled by now: `request.body` would hold it whole, and stops at
    DATA_UPLOAD_MAX_MEMORY_SIZE."""
    found = await work.digest(request, at_most_bytes=UPLOAD_BYTES_MAX)
    if found is None:
        return json_response({"error": f"request: a body may have {UPLOAD_BYTES_MAX} bytes"}, status=413)
    size_bytes, sha256 = found
    return json_response({"bytes": size_bytes, "sha256": sha256})


@require_GET
async def blob(request: HttpRequest) -> StreamingHttpResponse:
    size_bytes = strict(request.GET, "bytes", 0, BLOB_BYTES_MAX)
    # The middleware cannot measure a stream, but its length is known.
    headers = {"Content-Length": str(size_bytes)}
    return StreamingHttpResponse(work.blob_pieces(size_bytes), content_type="application/octet-stream", headers=headers)


@require_GET
async def static(request: HttpRequest, name: str) -> HttpResponseBase:
    """A file of STATIC_DIR, streamed.

    Django leaves static files in production to the web server in front, and has no other way to serve them than
    this function, meant for development. It lists no folders and refuses paths that lead out. What it returns
    streams from a file; under ASGI Django would read that to its end before it sent the first byte.
    """
    try:
        response = await sync_to_async(serve)(request, name, document_root=settings.STATIC_DIR)
    except (OSError, ValueError):
        raise Http404 from None  # a name that no file can have: too long, with a NUL, below a file
    if isinstance(response, FileResponse):
        response.streaming_content = work.file_pieces(response.file_to_stream)
    return response


@require_GET
async def whoami(request: HttpRequest) -> HttpResponse:
    return json_response(
        {
            "framework": "django",
            "framework_version": django.get_version(),
            "server": hosting.server(),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "loop": hosting.event_loop(),
            "pid": os.getpid(),
            "data": data.DESCRIPTION,
        }
    )
