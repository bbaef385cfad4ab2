"""Rules for the endpoints that move bytes: /upload and /blob."""

import gzip
import hashlib
import random
from collections.abc import Iterator
from functools import partial

from bench.verify.judge import as_json, expect_body, expect_status, parting
from bench.verify.parameters import strict_rules
from bench.verify.rule import BrokenError, Probe, Rule, require
from bench.verify.wire import TransportError

LONGEST_BLOB_BYTES = 268_435_456
FIRST_BYTES = 1_000_000
PATTERN = bytes(range(256)) * 256

UPLOADS: tuple[tuple[str, bytes, dict[str, str]], ...] = (
    ("nothing", b"", {}),
    ("one byte", b"\x00", {}),
    ("11 bytes", b"hello world", {}),
    ("a form", b"a=1&b=%FF&a=2", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("what only says that it is JSON", b"{not json", {"Content-Type": "application/json"}),
    ("gzip, to be taken as sent", gzip.compress(b"hello world", mtime=0), {"Content-Encoding": "gzip"}),
    ("3 MiB", random.Random(3).randbytes(3 * 1024 * 1024), {"Content-Type": "application/octet-stream"}),
)

LONGEST_UPLOAD_BYTES = 67_108_864

CHUNKED_REQUEST = "chunked-request"
"""In `omits`: the server cannot read a body without Content-Length."""


def blob(length: int) -> bytes:
    """The byte at offset i is i & 0xff."""
    whole, rest = divmod(length, len(PATTERN))
    return PATTERN * whole + PATTERN[:rest]


def _upload_answer(body: bytes) -> bytes:
    return as_json({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})


def _is_read(body: bytes, headers: dict[str, str], probe: Probe) -> None:
    expect_body(probe.wire.ask("POST", "/upload", body=body, headers=headers), _upload_answer(body))


def _chunked_is_read(probe: Probe) -> None:
    body = random.Random(5).randbytes(200_000)
    answer = probe.wire.ask("POST", "/upload", body=_pieces(body))
    if CHUNKED_REQUEST in probe.omits:
        expect_status(answer, 411, 502)
    else:
        expect_body(answer, _upload_answer(body))


def _pieces(body: bytes) -> Iterator[bytes]:
    at = 0
    for length in (1, 17, 65_536, 100_000, len(body)):
        yield body[at : at + length]
        at += length


def _longest_is_read(probe: Probe) -> None:
    length, digest = LONGEST_UPLOAD_BYTES, hashlib.sha256()
    for piece in _zeros(length):
        digest.update(piece)
    answer = probe.wire.ask("POST", "/upload", body=_zeros(length), headers={"Content-Length": str(length)})
    expect_body(answer, as_json({"bytes": length, "sha256": digest.hexdigest()}))


def _longer_is_refused(probe: Probe) -> None:
    length = LONGEST_UPLOAD_BYTES + 1
    try:
        answer = probe.wire.ask("POST", "/upload", body=_zeros(length), headers={"Content-Length": str(length)})
    except TransportError as fault:
        if not fault.closed:
            raise
        probe.wire.count(fault=False)
    else:
        expect_status(answer, 400, 413)


def _zeros(length: int) -> Iterator[bytes]:
    whole, rest = divmod(length, 2**20)
    for _ in range(whole):
        yield bytes(2**20)
    yield bytes(rest)


def _is_blob(length: int, probe: Probe) -> None:
    answer = probe.get(f"/blob?bytes={length}")
    expect_status(answer, 200)
    _expect_blob(answer.body, blob(length))


def _longest_blob_starts(probe: Probe) -> None:
    answer = probe.wire.ask("GET", f"/blob?bytes={LONGEST_BLOB_BYTES}", first_bytes=FIRST_BYTES)
    expect_status(answer, 200)
    lengths = answer.values("content-length")
    require(lengths in ([], [str(LONGEST_BLOB_BYTES)]), f"Content-Length: {', '.join(lengths)}")
    _expect_blob(answer.body, blob(FIRST_BYTES))


def _expect_blob(got: bytes, expected: bytes) -> None:
    if got == expected:
        return
    at = parting(got, expected)
    if at is None:
        raise BrokenError(f"{len(got)} bytes")
    raise BrokenError(f"{len(got)} bytes, the one at offset {at} is {got[at]:#04x}")


RULES: tuple[Rule, ...] = (
    *(
        Rule(
            endpoint="upload",
            name="body",
            expected=f"POST /upload with {what}: {_upload_answer(body).decode()}",
            check=partial(_is_read, body, headers),
        )
        for what, body, headers in UPLOADS
    ),
    Rule(
        endpoint="upload",
        name="chunked",
        expected="POST /upload, chunked: bytes and sha256 of the whole body (411, or a 502 of a front, where the server cannot)",
        check=_chunked_is_read,
    ),
    Rule(
        endpoint="upload",
        name="longest",
        expected=f"POST /upload with {LONGEST_UPLOAD_BYTES} bytes: their number and sha256",
        check=_longest_is_read,
    ),
    Rule(
        endpoint="upload",
        name="longest",
        expected=f"POST /upload with {LONGEST_UPLOAD_BYTES + 1} bytes: status 400 or 413, or a closed connection",
        check=_longer_is_refused,
    ),
    *(
        Rule(
            endpoint="blob",
            name="body",
            expected=f"GET /blob?bytes={length}: {length} bytes, the one at offset i is i & 0xff",
            check=partial(_is_blob, length),
        )
        for length in (0, 1, 65_537, 3 * 1024 * 1024)
    ),
    Rule(
        endpoint="blob",
        name="longest",
        expected=f"GET /blob?bytes={LONGEST_BLOB_BYTES}: 200, and the first {FIRST_BYTES} bytes as they should be",
        check=_longest_blob_starts,
    ),
    *strict_rules("blob", "bytes", LONGEST_BLOB_BYTES),
)
