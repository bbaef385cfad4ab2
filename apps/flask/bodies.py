"""Endpoints that move bytes: bodies read and sent in pieces, and files."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory
from parameters import strict

blueprint = Blueprint("bodies", __name__)

PIECE_BYTES = 65_536
LONGEST_BYTES = 268_435_456
# The byte at offset i is i & 0xff; the piece's length is a multiple of 256, so every piece starts alike.
PIECE = bytes(range(256)) * (PIECE_BYTES // 256)

# Absolute: send_from_directory takes a relative folder from the application's own, not from the working directory.
STATIC_DIR = Path(os.environ.get("STATIC_DIR", "static")).absolute()


@blueprint.post("/upload")
def upload() -> dict[str, int | str]:
    digest = hashlib.sha256()
    length = 0
    while piece := request.stream.read(PIECE_BYTES):
        digest.update(piece)
        length += len(piece)
    return {"bytes": length, "sha256": digest.hexdigest()}


@blueprint.get("/blob")
def blob() -> Response:
    length = strict("bytes", LONGEST_BYTES)
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
