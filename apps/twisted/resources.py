"""What the resources share: exact JSON, errors as JSON, answers that come later, parameters."""

import json
from http import HTTPStatus
from typing import Any

import parameters
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request


class Refusal(Exception):
    """An answer other than the one that was asked for, as JSON."""

    def __init__(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        super().__init__(status, value)
        self.status = status
        self.value = value


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(request: Request, value: Any, status: HTTPStatus = HTTPStatus.OK) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return json_bytes(value)


def refused(request: Request, refusal: Refusal) -> bytes:
    return json_answer(request, refusal.value, refusal.status)


class ContractResource(Resource):
    """Answers every error as JSON. Children that nobody put here are unknown paths."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        return NotFound()

    def render(self, request: Request) -> bytes | int:
        # Twisted itself leaves the body out of an answer to HEAD.
        name = "GET" if request.method == b"HEAD" else request.method.decode("latin-1")
        method = getattr(self, f"render_{name}", None)
        try:
            if method is None:  # By itself Twisted would answer 501 to PUT, DELETE and PATCH.
                request.setHeader(b"Allow", b", ".join(self.allowed()))
                raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "Method Not Allowed"})
            return method(request)
        except Refusal as refusal:
            return refused(request, refusal)

    def allowed(self) -> list[bytes]:
        names = [name.removeprefix("render_") for name in dir(self) if name.startswith("render_")]
        return [name.encode() for name in names if name != "HEAD"]


class NotFound(ContractResource):
    """Every path that leads nowhere, whatever the method."""

    def render(self, request: Request) -> bytes:
        return refused(request, Refusal(HTTPStatus.NOT_FOUND, {"error": "Not Found"}))


class Folder(NotFound):
    """A part of paths that is none by itself."""


def later(request: Request, coming: Deferred[bytes]) -> int:
    """What a resource returns whose body comes with a Deferred."""
    # Where the client goes away first, nobody is left to tell: the result is then dropped.
    request.notifyFinish().addErrback(lambda _: coming.cancel())
    coming.addErrback(_refused_later, request)
    coming.addCallback(_finished, request)
    coming.addErrback(_failed, request)
    return NOT_DONE_YET


def _refused_later(failure: Failure, request: Request) -> bytes:
    failure.trap(Refusal)
    return refused(request, failure.value)


def _finished(body: bytes, request: Request) -> None:
    if request.code != HTTPStatus.NO_CONTENT:
        request.setHeader(b"Content-Length", str(len(body)).encode())
    request.write(body)
    request.finish()


def _failed(failure: Failure, request: Request) -> None:
    if not failure.check(CancelledError):
        request.processingFailed(failure)


def raw_parameter(request: Request, name: str) -> bytes | None:
    values = request.args.get(name.encode())
    return values[0] if values else None


def lenient(request: Request, name: str) -> int:
    return parameters.lenient(raw_parameter(request, name))


def strict(request: Request, name: str, highest: int, *, lowest: int = 0) -> int:
    try:
        return parameters.strict(raw_parameter(request, name), highest, lowest=lowest)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, {"error": f"{name}: {error}"}) from None


def optional(request: Request, name: str, absent: int, highest: int, *, lowest: int = 0) -> int:
    """As `strict`, but `absent` where the parameter is missing."""
    return absent if raw_parameter(request, name) is None else strict(request, name, highest, lowest=lowest)
