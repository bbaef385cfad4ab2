"""Requests and responses as handlers see them, and what becomes of a request's body while it comes."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import parameters

if TYPE_CHECKING:
    from connection import Connection
    from database import Database


@dataclass(slots=True, kw_only=True)
class Response:
    """Headers that every response has, such as the length, are the connection's affair."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: "Callable[[Connection], Awaitable[None]] | None" = None
    """Sends the body in the place of `body`; `stream_bytes` says how long it is."""
    stream_bytes: int = 0


class Refusal(Exception):
    """An answer other than the one that was asked for, as JSON."""

    def __init__(self, status: int, value: dict[str, Any], **headers: str) -> None:
        super().__init__(status, value)
        self.response = Response(status=status, body=json_bytes(value), headers=headers)


class Body:
    """What comes is counted, and dropped."""

    def __init__(self) -> None:
        self.length_bytes = 0

    def feed(self, data: bytes) -> None:
        self.length_bytes += len(data)


class Digest(Body):
    """What comes is hashed."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self.sha256.update(data)


class Kept(Body):
    """What comes is kept, up to a little more than any endpoint takes."""

    LIMIT_BYTES = 4096

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if len(self.data) <= self.LIMIT_BYTES:
            self.data += data


@dataclass(kw_only=True)
class Request:
    method: str
    query_string: bytes
    headers: dict[bytes, bytes]
    """By names in lower case."""
    endpoint: "Endpoint"
    name: str
    """The last part of the path, where the route leaves it open."""
    body: Body
    version: str
    keep_alive: bool
    database: "Database | None"

    @cached_property
    def query(self) -> dict[str, str]:
        # Latin-1 takes any byte, and all that we look for is ASCII digits.
        text = self.query_string.decode("latin-1")
        return dict(parse_qsl(text, keep_blank_values=True, encoding="latin-1"))

    def lenient(self, name: str) -> int:
        return parameters.lenient(self.query.get(name))

    def strict(self, name: str, highest: int, *, lowest: int = 0) -> int:
        try:
            return parameters.strict(self.query.get(name), highest, lowest=lowest)
        except ValueError as error:
            raise Refusal(400, {"error": f"{name}: {error}"}) from None

    def optional(self, name: str, absent: int, highest: int, *, lowest: int = 0) -> int:
        """As `strict`, but `absent` where the parameter is missing."""
        return self.strict(name, highest, lowest=lowest) if name in self.query else absent


type Handler = Callable[[Request], Response | Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """Who answers, at once or as a coroutine, and what becomes of the body before that."""

    handler: Handler
    body: type[Body] = Body


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(value: Any) -> Response:
    return Response(body=json_bytes(value))


def text_response(text: str) -> Response:
    return Response(body=text.encode(), content_type="text/plain; charset=utf-8")
