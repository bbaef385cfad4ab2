"""The endpoints that need no database."""

import asyncio
import mimetypes
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

from connection import Connection
from messages import Refusal, Request, Response, json_response, text_response

WAIT_MAX_MS = 10_000
ROUNDS_MAX = 10_000_000
BLOB_MAX_BYTES = 256 * 1024 * 1024
PIECE = bytes(range(256)) * 256
STATIC_DIR = Path(os.environ.get("STATIC_DIR", "static"))


def healthz(request: Request) -> Response:
    return text_response("ok")


def plaintext(request: Request) -> Response:
    return text_response("Hello, World!")


def json_message(request: Request) -> Response:
    return json_response({"message": "Hello, World!"})


async def io(request: Request) -> Response:
    ms = request.strict("ms", WAIT_MAX_MS)
    end_s = time.monotonic() + ms / 1000
    # A loop's timer may fire up to its resolution early (1 ms in uvloop).
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(left_s)
    return json_response({"waited_ms": ms})


def cpu(request: Request) -> Response:
    rounds = request.strict("n", ROUNDS_MAX)
    x = 1
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return json_response({"n": rounds, "result": x})


def upload(request: Request) -> Response:
    return json_response({"bytes": request.body.length_bytes, "sha256": request.body.sha256.hexdigest()})


async def blob(request: Request) -> Response:
    length_bytes = request.strict("bytes", BLOB_MAX_BYTES)
    return Response(
        content_type="application/octet-stream", stream=partial(send_blob, length_bytes), stream_bytes=length_bytes
    )


async def send_blob(left_bytes: int, connection: Connection) -> None:
    while left_bytes > 0:
        # Waits while the connection is behind, so a slow reader holds back the next piece.
        await connection.write(PIECE[:left_bytes])
        left_bytes -= len(PIECE)


async def static(request: Request) -> Response:
    name = request.name
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise not_found()
    try:
        file = (STATIC_DIR / name).open("rb")
    except OSError:
        raise not_found() from None
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    length_bytes = os.fstat(file.fileno()).st_size
    return Response(content_type=content_type, stream=partial(send_file, file), stream_bytes=length_bytes)


async def send_file(file: BinaryIO, connection: Connection) -> None:
    with file:
        await connection.write_file(file)


def not_found() -> Refusal:
    return Refusal(404, {"error": "Not Found"})


def whoami(request: Request) -> Response:
    version = platform.python_version()
    return json_response(
        {
            "framework": "asyncio",
            "framework_version": version,
            "server": f"asyncio/{version}",
            "python": version,
            "implementation": sys.implementation.name,
            "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
            "pid": os.getpid(),
            "data": "psycopg 3",
        }
    )
