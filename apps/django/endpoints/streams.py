"""Bodies in pieces under ASGI.

There Django takes an ordinary iterator to its end before it sends the first byte; an asynchronous one it sends as it goes.
"""

from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

FILE_PIECE_BYTES = 65_536


def is_asgi(request: HttpRequest) -> bool:
    return isinstance(request, ASGIRequest)


async def one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """`pieces` as they are, made on the event loop: for those that are made quickly and without waiting."""
    for piece in pieces:
        yield piece


async def file_pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """What is left of `file`, read in the request's thread."""
    read = sync_to_async(file.read)
    while piece := await read(FILE_PIECE_BYTES):
        yield piece
