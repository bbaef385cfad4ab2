"""Endpoints that move bytes: bodies read and sent in pieces, and files."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_from_directory
from parameters import strict

blueprint = Blueprint("bodies", __name__)

PIECE_BYTES = 65_536
LONGEST_UPLOAD_BYTES = 67_108_864
LONGEST_BLOB_BYTES = 268_435_456
# The byte at offset i is i & 0xff; the piece's length is a multiple of 256, so every piece starts alike.
PIECE = bytes(range(256)) * (PIECE_BYTES // 256)

# Absolute: send_from_directory takes a relative folder from the application's own, not from the working directory.
STATIC_DIR = Path(os.environ.get("STATIC_DIR", "static")).absolute()


@blueprint.post("/upload")
def upload() -> dict[str, int | str]:
    if "Transfer-Encoding" in request.headers and not request.environ.get("wsgi.input_terminated"):
        abort(411)  # the server cannot read chunks: all we would get is an empty body
    # Not by MAX_CONTENT_LENGTH: where the server ends the body itself, Werkzeug refuses one of exactly that length too.
    if (request.content_length or 0) > LONGEST_UPLOAD_BYTES:
        abort(413)
    digest = hashlib.sha256()
    length = 0
    while piece := request.stream.read(PIECE_BYTES):
        digest.update(piece)
        length += len(piece)
        if length > LONGEST_UPLOAD_BYTES:
            abort(413)
    return {"bytes": length, "sha256": digest.hexdigest()}


@blueprint.get("/blob")
def blob() -> Response:
    length = strict("bytes", LONGEST_BLOB_BYTES)
    return Response(pieces(length), mimetype="application/octet-stream", headers={"Content-Length": str(length)})


def pieces(length: int) -> Iterator[bytes]:
    whole, rest = divmod(length, PIECE_BYTES)
    for _ in range(whole):
        yield PIECE
    if rest:
        yield PIECE[:rest]


@blueprint.get("/static/<path:name>")
def static(name: str) -> Response:
    # No ETag and no answers by condition or range: every request is to be served whole.
    return send_from_directory(STATIC_DIR, name, etag=False, conditional=False)
