"""The parser gives the same answer however the bytes are cut, and whether or not it has seen the head before."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_servers import BODY, GOOD, head

from loadtests.checks import HELD_BYTES
from loadtests.errors import Fault
from loadtests.parser import MAX_HEAD_BYTES, REMEMBERED_HEADS, Head, Heads, Malformed, Response

CHUNKED = b"Transfer-Encoding: chunked\r\n"
RESPONSES: dict[str, bytes] = {
    "length": GOOD,
    "empty": head(0),
    "no content": head(None, status=b"204 No Content"),
    "not modified": head(13, status=b"304 Not Modified"),
    "close": head(extra=b"Connection: close\r\n") + BODY,
    "http/1.0": head(version=b"1.0") + BODY,
    "http/1.0 kept": head(version=b"1.0", extra=b"Connection: keep-alive\r\n") + BODY,
    "chunked": head(None, extra=CHUNKED) + b"5\r\nHello\r\n8;x=y\r\n, World!\r\n0\r\n\r\n",
    "chunked, trailers": head(None, extra=CHUNKED) + b"d\r\nHello, World!\r\n0\r\nX-Sum: 1\r\n\r\n",
    "to the end": head(None) + BODY,
    "blank lines in the body": head(8) + b"\r\n\r\n\r\n\r\n",
    "interim first": b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + GOOD,
    "continue first": b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
    "one byte more": GOOD + b"x",
    "chunked, one byte more": head(None, extra=CHUNKED) + b"1\r\na\r\n0\r\n\r\nx",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi\r\n\r\n",
    "two lengths": head(extra=b"Content-Length: 14\r\n") + BODY,
    "length and chunks": head(extra=CHUNKED) + BODY,
    "negative length": head(None, extra=b"Content-Length: -1\r\n") + BODY,
    "gzip coding": head(None, extra=b"Transfer-Encoding: gzip\r\n") + BODY,
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "cut head": head()[:30],
    "cut body": head() + BODY[:4],
    "cut chunk": head(None, extra=CHUNKED) + b"5\r\nHel",
    "cut last chunk": head(None, extra=CHUNKED) + b"5\r\nHello\r\n0\r\n",
    "nothing": b"",
}

Result = tuple[Any, ...]


def read(pieces: list[bytes], heads: Heads | None = None) -> Result:
    """What becomes of a response that comes in these pieces, after which the connection ends."""
    response = Response(heads or Heads())
    response.begin(keep=True)
    complete = False
    try:
        for piece in pieces:
            if complete:
                raise Malformed("more after the end")
            complete = response.feed(piece)
        if not complete:
            complete = response.end()
    except Malformed:
        return ("malformed",)
    found = response.head
    meaning = found and (found.status, found.length, found.chunked, found.keep_alive, found.content_type)
    return (complete, meaning, response.body_bytes, response.kept)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@pytest.mark.parametrize("name", RESPONSES)
def test_every_single_cut_gives_the_same(name: str) -> None:
    data = RESPONSES[name]
    whole = read(cut(data, []))
    assert read([bytes([byte]) for byte in data]) == whole
    for place in range(len(data)):
        assert read(cut(data, [place])) == whole, place


@given(name=st.sampled_from(sorted(RESPONSES)), places=st.lists(st.integers(0, 10_000), max_size=8))
def test_any_cut_gives_the_same_with_and_without_a_remembered_head(name: str, places: list[int]) -> None:
    data = RESPONSES[name]
    fresh = read(cut(data, []))
    heads = Heads()
    assert read(cut(data, places), heads) == fresh
    assert read(cut(data, places[::-1]), heads) == fresh


@given(
    order=st.lists(st.tuples(st.sampled_from(sorted(RESPONSES)), st.integers(0, 400), st.integers(0, 400)), max_size=12)
)
def test_one_connection_reads_response_after_response_as_fresh_ones(order: list[tuple[str, int, int]]) -> None:
    heads = Heads()
    for name, first, second in order:
        pieces = cut(RESPONSES[name], [first, second])
        assert read(pieces, heads) == read(pieces)


@given(
    body=st.binary(max_size=300), sizes=st.lists(st.integers(1, 50), max_size=10), places=st.lists(st.integers(0, 900))
)
def test_chunked_bodies_come_out_whole(body: bytes, sizes: list[int], places: list[int]) -> None:
    chunks, rest = b"", body
    for size in sizes:
        if rest:
            chunks += b"%x\r\n%s\r\n" % (len(rest[:size]), rest[:size])
            rest = rest[size:]
    if rest:
        chunks += b"%x\r\n%s\r\n" % (len(rest), rest)
    data = head(None, extra=CHUNKED) + chunks + b"0\r\n\r\n"
    complete, meaning, size, kept = read(cut(data, places))
    assert (complete, size, kept) == (True, len(body), body)
    assert meaning[2]


@pytest.mark.parametrize(
    ("name", "complete", "status", "keep_alive", "body"),
    [
        ("length", True, 200, True, BODY),
        ("empty", True, 200, True, b""),
        ("no content", True, 204, True, b""),
        ("not modified", True, 304, True, b""),
        ("close", True, 200, False, BODY),
        ("http/1.0", True, 200, False, BODY),
        ("http/1.0 kept", True, 200, True, BODY),
        ("chunked", True, 200, True, BODY),
        ("chunked, trailers", True, 200, True, BODY),
        ("to the end", True, 200, False, BODY),
        ("blank lines in the body", True, 200, True, b"\r\n\r\n\r\n\r\n"),
        ("interim first", True, 200, True, BODY),
        ("continue first", True, 200, True, BODY),
        ("cut body", False, 200, True, BODY[:4]),
        ("cut chunk", False, 200, True, b"Hel"),
    ],
)
def test_meaning(name: str, complete: bool, status: int, keep_alive: bool, body: bytes) -> None:
    done, meaning, size, kept = read([RESPONSES[name]])
    assert (done, meaning[0], meaning[3], kept, size) == (complete, status, keep_alive, body, len(body))


@pytest.mark.parametrize(
    "name",
    [
        "one byte more",
        "chunked, one byte more",
        "not HTTP",
        "HTTP/2",
        "bare line feeds",
        "two lengths",
        "length and chunks",
        "negative length",
        "gzip coding",
        "upgrade",
    ],
)
def test_what_is_not_one_response_is_malformed(name: str) -> None:
    assert read([RESPONSES[name]]) == ("malformed",)


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 1, 10 * MAX_HEAD_BYTES])
def test_a_head_without_end_is_malformed(size: int) -> None:
    line = b"X: " + b"y" * 995 + b"\r\n"
    data = b"HTTP/1.1 200 OK\r\n" + line * (size // len(line) + 1)
    assert read([data]) == read(cut(data, list(range(0, len(data), 5000)))) == ("malformed",)


def test_a_head_is_judged_once_and_the_memory_is_bounded() -> None:
    judged: list[Head] = []

    def judge(found: Head) -> Fault:
        judged.append(found)
        return Fault.STATUS if found.status != 200 else Fault.OK

    heads = Heads(judge)
    for _ in range(5):
        read([GOOD], heads)
    assert len(judged) == 1
    for number in range(REMEMBERED_HEADS + 5):
        read([head(extra=b"X-Id: %d\r\n" % number) + BODY], heads)
    assert len(heads.known) <= REMEMBERED_HEADS
    response = Response(heads)
    for _ in range(2):
        response.begin(keep=False)
        assert response.feed(head(0, status=b"500 Oops"))
        assert response.head is not None
        assert response.head.fault is Fault.STATUS


@pytest.mark.parametrize(("name", "statuses"), [("interim first", [200]), ("continue first", [200]), ("upgrade", [])])
def test_what_comes_before_the_answer_is_not_judged(name: str, statuses: list[int]) -> None:
    judged: list[int] = []

    def judge(found: Head) -> Fault:
        judged.append(found.status)
        return Fault.OK

    read([RESPONSES[name]], Heads(judge))
    assert judged == statuses


def test_a_body_is_skimmed_once_enough_of_it_is_held() -> None:
    response = Response(Heads())
    response.begin(keep=True)
    assert not response.feed(head(HELD_BYTES + 5))
    assert not response.skimmable
    assert not response.feed(bytes(HELD_BYTES - 1))
    assert not response.skimmable
    assert not response.feed(b"ab")
    assert response.skimmable
    assert response.skim(4)
    assert response.body_bytes == HELD_BYTES + 5
    assert response.kept == bytes(HELD_BYTES - 1) + b"ab"


def test_skimmed_bodies_are_counted_but_not_held() -> None:
    response = Response(Heads())
    response.begin(keep=False)
    assert not response.feed(head(1000))
    assert response.skimmable
    assert not response.skim(999)
    assert response.skim(1)
    assert (response.body_bytes, response.kept) == (1000, b"")
    with pytest.raises(Malformed):
        response.skim(1)
