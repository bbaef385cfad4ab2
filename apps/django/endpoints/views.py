"""The endpoints, in the order of the contract (apps/CONTRACT.md)."""

import os
import platform
import sys
import time
from importlib import import_module
from operator import attrgetter
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST
from django.views.static import serve

from endpoints import hosting, rows, streams, work
from endpoints.cached import cached_worlds
from endpoints.parameters import lenient, strict
from endpoints.responses import TEXT, json_response

data: Any = import_module(settings.DATA_MODULE)

WAIT_MS_MAX = 10_000
UPLOAD_BYTES_MAX = 67_108_864
ROUNDS_MAX = 10_000_000
BLOB_BYTES_MAX = 268_435_456


@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type=TEXT)


@require_GET
def plaintext(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type=TEXT)


@require_GET
def json(request: HttpRequest) -> HttpResponse:
    return json_response({"message": "Hello, World!"})


@require_GET
def db(request: HttpRequest) -> HttpResponse:
    return json_response(data.world(rows.random_id()).as_json())


@require_GET
def queries(request: HttpRequest) -> HttpResponse:
    row_ids = rows.random_ids(lenient(request.GET, "queries"))
    return json_response([row.as_json() for row in data.worlds(row_ids)])


@require_GET
def fortunes(request: HttpRequest) -> HttpResponse:
    fortunes = sorted([*data.fortunes(), rows.ADDITIONAL_FORTUNE], key=attrgetter("message"))
    return render(request, "endpoints/fortunes.html", {"fortunes": fortunes})


@require_GET
def updates(request: HttpRequest) -> HttpResponse:
    row_ids = rows.distinct_ids(lenient(request.GET, "queries"))
    return json_response([row.as_json() for row in data.renumber(row_ids)])


@require_GET
def cached_queries(request: HttpRequest) -> HttpResponse:
    row_ids = rows.random_ids(lenient(request.GET, "count"))
    return json_response([row.as_json() for row in cached_worlds(row_ids, data.all_worlds)])


@require_GET
def io(request: HttpRequest) -> HttpResponse:
    wait_ms = strict(request.GET, "ms", 0, WAIT_MS_MAX)
    time.sleep(wait_ms / 1000)
    return json_response({"waited_ms": wait_ms})


@require_GET
def io_db(request: HttpRequest) -> HttpResponse:
    wait_ms = strict(request.GET, "ms", 0, WAIT_MS_MAX)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s / 1000.0)", [wait_ms])
    return json_response({"waited_ms": wait_ms})


@require_GET
def cpu(request: HttpRequest) -> HttpResponse:
    rounds = strict(request.GET, "n", 0, ROUNDS_MAX)
    return json_response({"n": rounds, "result": work.compute(rounds)})


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Reads the request as a file: `request.body` would hold it whole, and stops at DATA_UPLOAD_MAX_MEMORY_SIZE."""
    body: work.Readable = request
    chunked = "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH")
    if chunked and not streams.is_asgi(request):
        # Under WSGI Django reads as far as Content-Length goes, and a chunked body has none. Some servers find the end of
        # the body themselves and say so; under any other, the digest would be that of nothing.
        if not request.META.get("wsgi.input_terminated"):
            return json_response({"error": "request: a body must have a Content-Length"}, status=411)
        body = request.META["wsgi.input"]
    found = work.digest(body, at_most_bytes=UPLOAD_BYTES_MAX)
    if found is None:
        return json_response({"error": f"request: a body may have {UPLOAD_BYTES_MAX} bytes"}, status=413)
    size_bytes, sha256 = found
    return json_response({"bytes": size_bytes, "sha256": sha256})


@require_GET
def blob(request: HttpRequest) -> StreamingHttpResponse:
    size_bytes = strict(request.GET, "bytes", 0, BLOB_BYTES_MAX)
    # CommonMiddleware cannot measure a stream, but its length is known.
    headers = {"Content-Length": str(size_bytes)}
    pieces = work.blob_pieces(size_bytes)
    content = streams.one_by_one(pieces) if streams.is_asgi(request) else pieces
    return StreamingHttpResponse(content, content_type="application/octet-stream", headers=headers)


@require_GET
def static(request: HttpRequest, name: str) -> HttpResponseBase:
    """A file of STATIC_DIR, streamed.

    Django leaves static files in production to the web server in front, and has no other way to serve them
    than this function, meant for development. It lists no folders and refuses paths that lead out.
    """
    try:
        response = serve(request, name, document_root=settings.STATIC_DIR)
    except (OSError, ValueError):
        raise Http404 from None  # a name that no file can have: too long, with a NUL, below a file
    if streams.is_asgi(request) and isinstance(response, FileResponse):
        response.streaming_content = streams.file_pieces(response.file_to_stream)
    return response


@require_GET
def whoami(request: HttpRequest) -> HttpResponse:
    return json_response(
        {
            "framework": "django",
            "framework_version": django.get_version(),
            "server": hosting.server(request),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "loop": hosting.event_loop(request),
            "pid": os.getpid(),
            "data": data.DESCRIPTION,
        }
    )
