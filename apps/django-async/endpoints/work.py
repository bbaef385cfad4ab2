"""What the endpoints without a database do: a computation, a body that can be told apart, a digest."""

import hashlib
from collections.abc import AsyncIterator
from typing import BinaryIO, Protocol

from asgiref.sync import sync_to_async

PIECE_BYTES = 65_536
_PIECE = bytes(range(256)) * (PIECE_BYTES // 256)  # every piece starts at a multiple of 256, so all are alike


class Readable(Protocol):
    """What hands out a request's body."""

    def read(self, size: int, /) -> bytes: ...


def compute(rounds: int) -> int:
    """The result of `rounds` rounds of a linear congruential generator that starts at 1."""
    x = 1
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x


async def blob_pieces(size_bytes: int) -> AsyncIterator[bytes]:
    """`size_bytes` bytes in pieces of PIECE_BYTES; the byte at offset i is `i & 0xff`."""
    whole, rest = divmod(size_bytes, PIECE_BYTES)
    for _ in range(whole):
        yield _PIECE
    if rest:
        yield _PIECE[:rest]


async def file_pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """What is left of `file`, read in the request's thread."""
    read = sync_to_async(file.read)
    while piece := await read(PIECE_BYTES):
        yield piece


@sync_to_async
def digest(body: Readable, *, at_most_bytes: int) -> tuple[int, str] | None:
    """The length in bytes and the SHA-256 in lower-case hex of all that `body` yields, never held whole; None where it is longer.

    In a thread: what is long lies in a file.
    """
    sha256 = hashlib.sha256()
    size_bytes = 0
    while piece := body.read(PIECE_BYTES):
        sha256.update(piece)
        size_bytes += len(piece)
        if size_bytes > at_most_bytes:
            return None
    return size_bytes, sha256.hexdigest()
