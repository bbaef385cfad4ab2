"""Endpoints that move bytes: bodies read and sent in pieces, and files."""

import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from application import application
from bottle import HTTPResponse, abort, request, response, static_file
from parameters import strict

PIECE_BYTES = 65_536
LONGEST_UPLOAD_BYTES = 67_108_864
LONGEST_BLOB_BYTES = 268_435_456
# The byte at offset i is i & 0xff; the piece's length is a multiple of 256, so every piece starts alike.
PIECE = bytes(range(256)) * (PIECE_BYTES // 256)

STATIC_DIR = os.environ.get("STATIC_DIR", "static")


def declared_length() -> int:
    """What `Content-Length` says; -1 where there is none."""
    try:
        return request.content_length
    except ValueError:
        abort(400, "Content-Length is not a number")


@application.post("/upload")
def upload() -> dict[str, int | str]:
    if declared_length() > LONGEST_UPLOAD_BYTES:
        abort(413)
    digest = hashlib.sha256()
    length = 0
    body = body_of_request()
    while piece := body.read(PIECE_BYTES):
        digest.update(piece)
        length += len(piece)
        if length > LONGEST_UPLOAD_BYTES:
            abort(413)
    return {"bytes": length, "sha256": digest.hexdigest()}


def body_of_request() -> BinaryIO:
    if not request.chunked:
        return request.body  # Bottle keeps a short one in memory and writes a longer one to a file
    if not request.get("wsgi.input_terminated"):
        abort(411)  # the server cannot read chunks: all we would get is an empty body
    # The server has taken the chunks apart; `request.body` would look for them again.
    return request["wsgi.input"]


@application.get("/blob")
def blob() -> Iterator[bytes]:
    length = strict("bytes", LONGEST_BLOB_BYTES)
    response.content_type = "application/octet-stream"
    response.content_length = length
    return pieces(length)


def pieces(length: int) -> Iterator[bytes]:
    whole, rest = divmod(length, PIECE_BYTES)
    for _ in range(whole):
        yield PIECE
    if rest:
        yield PIECE[:rest]


@application.get("/static/<name:path>")
def static(name: str) -> HTTPResponse:
    found = static_file(name, root=STATIC_DIR)
    found.headers.pop("Date", None)  # servers write their own beside it
    return found
