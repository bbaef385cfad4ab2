"""What a right body looks like: the named kinds of check that a scenario's `[check]` may use.

Add one by writing a dataclass whose fields are the keys of `[check]` that it takes, and naming it in `KINDS`. A check is a pure function
of the bytes. Bodies above `HELD_BYTES` are never held whole: a check then sees the first part, and the length is compared in any case.
"""

import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

HELD_BYTES = 1 << 20
"""The most of one body that is kept for a check (1 MiB)."""


class Check(Protocol):
    """One kind of check."""

    @property
    def length(self) -> int | None:
        """The body's length where it is known beforehand, in bytes; compared on every response."""

    def problem(self, body: bytes) -> str | None:
        """What is wrong with `body` (its first `HELD_BYTES`), or None."""


@dataclass(frozen=True, kw_only=True)
class Exact:
    """The body is `text`, in UTF-8."""

    text: str

    @cached_property
    def _expected(self) -> bytes:
        return self.text.encode()

    @property
    def length(self) -> int | None:
        return len(self._expected)

    def problem(self, body: bytes) -> str | None:
        return None if body == self._expected else f"expected {self.text!r}, got {body[:80]!r}"


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """Rows of the table `world`: a list of `count` objects, or one object without `count`; all of different ids if `distinct`."""

    count: int | None = None
    distinct: bool = False

    @property
    def length(self) -> int | None:
        return None

    def problem(self, body: bytes) -> str | None:
        try:
            answer = json.loads(body)
        except ValueError:
            return f"not JSON: {body[:80]!r}"
        rows = [answer] if self.count is None else answer
        if not isinstance(rows, list) or (self.count is not None and len(rows) != self.count):
            return f"expected a list of {self.count} rows, got {body[:80]!r}"
        for row in rows:
            if not isinstance(row, dict) or list(row) != ["id", "randomNumber"]:
                return f"not a row of world: {row!r}"
            if not all(isinstance(value, int) and 1 <= value <= 10000 for value in row.values()):
                return f"id or randomNumber is not a whole number from 1 to 10000: {row!r}"
        if self.distinct and len({row["id"] for row in rows}) != len(rows):
            return "an id occurs twice"
        return None


_ROW = re.compile(r"<tr>\s*<td>(\d+)</td>\s*<td>(.*?)</td>\s*</tr>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Fortunes:
    """The page of fortunes: 13 rows, escaped, sorted by message, the one added at request time among them."""

    @property
    def length(self) -> int | None:
        return None

    def problem(self, body: bytes) -> str | None:
        try:
            page = body.decode()
        except UnicodeDecodeError:
            return "not UTF-8"
        rows = _ROW.findall(page)
        messages = [html.unescape(message) for _, message in rows]
        if len(rows) != 13:
            return f"expected 13 rows, got {len(rows)}"
        if "0" not in {number for number, _ in rows} or "Additional fortune added at request time." not in messages:
            return "the fortune added at request time is missing"
        if messages != sorted(messages):
            return "not sorted by message"
        if "<script>" in page or "&lt;script&gt;" not in page:
            return "not escaped"
        return None


@dataclass(frozen=True, kw_only=True)
class Computed:
    """The answer of `/cpu`: the contract's computation for `n` rounds."""

    n: int

    @cached_property
    def _expected(self) -> bytes:
        x = 1
        for _ in range(self.n):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        return f'{{"n":{self.n},"result":{x}}}'.encode()

    @property
    def length(self) -> int | None:
        return len(self._expected)

    def problem(self, body: bytes) -> str | None:
        return None if body == self._expected else f"expected {self._expected!r}, got {body[:80]!r}"


def filler(size_bytes: int) -> bytes:
    """The request body that scenarios send: `size_bytes` that look random and are always the same."""
    block = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256))
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


@dataclass(frozen=True, kw_only=True)
class Digest:
    """The answer of `/upload`: length and SHA-256 of the `size_bytes` that were sent."""

    size_bytes: int

    @cached_property
    def _expected(self) -> str:
        return f'{{"bytes":{self.size_bytes},"sha256":"{hashlib.sha256(filler(self.size_bytes)).hexdigest()}"}}'

    @property
    def length(self) -> int | None:
        return len(self._expected)

    def problem(self, body: bytes) -> str | None:
        return None if body == self._expected.encode() else f"expected {self._expected}, got {body[:80]!r}"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The answer of `/blob`: `size_bytes` bytes, the one at offset i being `i & 0xff`."""

    size_bytes: int

    @property
    def length(self) -> int | None:
        return self.size_bytes

    def problem(self, body: bytes) -> str | None:
        return None if body == (_RAMP * (len(body) // 256 + 1))[: len(body)] else "a byte differs from its offset"


_RAMP = bytes(range(256))


@dataclass(frozen=True, kw_only=True)
class Length:
    """Any body of `size_bytes` bytes."""

    size_bytes: int

    @property
    def length(self) -> int | None:
        return self.size_bytes

    def problem(self, body: bytes) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Anything:
    """Any body, of any length: for servers that nothing is known of."""

    @property
    def length(self) -> int | None:
        return None

    def problem(self, body: bytes) -> str | None:
        return None


KINDS: Mapping[str, type[Check]] = {
    "exact": Exact,
    "worlds": Worlds,
    "fortunes": Fortunes,
    "computed": Computed,
    "digest": Digest,
    "pattern": Pattern,
    "length": Length,
    "any": Anything,
}
